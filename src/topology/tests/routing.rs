//! Routing by exchange types, over exchanges and by several keys.

use super::*;

#[test]
fn the_default_exchange_routes_by_queue_name() {
    let mut topology = topology(&[], 2, &[]);
    assert_eq!(route(&topology, "", "q1"), [1]);
    assert!(route(&topology, "", "nope").is_empty());
    topology.remove_queue("q1");
    assert!(route(&topology, "", "q1").is_empty());
}

#[test]
fn an_unknown_exchange_is_an_error() {
    let mut out = Vec::new();
    let result = Topology::new().route(b"nope", &[b"k"], None, &mut out, &mut RouteScratch::new());
    assert_eq!(result, Err(RouteError::NoSuchExchange));
}

#[test]
fn direct_fanout_and_topic_route_by_their_rules() {
    let bindings = [
        to_queue("amq.direct", "k", "q0"),
        to_queue("amq.direct", "", "q1"),
        to_queue("amq.fanout", "k", "q0"),
        to_queue("amq.fanout", "l", "q1"),
        to_queue("amq.topic", "a.*", "q0"),
        to_queue("amq.topic", "#", "q1"),
    ];
    let topology = topology(&[], 3, &bindings);
    assert_eq!(route(&topology, "amq.direct", "k"), [0]);
    assert_eq!(route(&topology, "amq.direct", ""), [1]);
    assert!(route(&topology, "amq.direct", "K").is_empty());
    assert_eq!(route(&topology, "amq.fanout", "whatever"), [0, 1]);
    assert_eq!(route(&topology, "amq.topic", "a.b"), [0, 1]);
    assert_eq!(route(&topology, "amq.topic", "b"), [1]);
}

#[test]
fn a_queue_gets_a_message_once() {
    let bindings = [
        to_queue("amq.topic", "#", "q0"),
        to_queue("amq.topic", "a.#", "q0"),
        to_queue("amq.topic", "a", "q1"),
        to_exchange("amq.topic", "#", "amq.fanout"),
        to_queue("amq.fanout", "x", "q0"),
        to_queue("amq.fanout", "y", "q0"),
    ];
    let topology = topology(&[], 2, &bindings);
    assert_eq!(route(&topology, "amq.topic", "a"), [0, 1]);
}

#[test]
fn several_routing_keys_are_routed_together() {
    let bindings = [
        to_queue("amq.direct", "a", "q0"),
        to_queue("amq.direct", "b", "q1"),
        to_queue("amq.topic", "a", "q0"),
        to_queue("amq.topic", "*", "q1"),
    ];
    let topology = topology(&[], 3, &bindings);
    let keys: [&[u8]; 4] = [b"a", b"b", b"a", b"q2"];
    for (exchange, expected) in [("", vec![2]), ("amq.direct", vec![0, 1]), ("amq.topic", vec![0, 1])] {
        let mut out = Vec::new();
        topology.route(exchange.as_bytes(), &keys, None, &mut out, &mut RouteScratch::new()).unwrap();
        assert_eq!(out.iter().map(|id| id.0).collect::<Vec<_>>(), expected, "{exchange}");
    }
}

#[test]
fn routing_keys_need_not_be_utf8() {
    let topology = topology(&[], 1, &[to_queue("amq.topic", "*.b", "q0")]);
    let mut out = Vec::new();
    topology.route(b"amq.topic", &[b"\xff.b"], None, &mut out, &mut RouteScratch::new()).unwrap();
    assert_eq!(out, [QueueId(0)]);
}

#[test]
fn exchanges_bound_in_a_cycle_end() {
    let exchanges = [exchange("x", ExchangeKind::Fanout), exchange("y", ExchangeKind::Fanout)];
    let bindings = [
        to_exchange("x", "", "y"),
        to_exchange("y", "", "x"),
        to_exchange("x", "", "x"),
        to_queue("x", "", "q0"),
        to_queue("y", "", "q1"),
        to_queue("y", "z", "q0"),
    ];
    let topology = topology(&exchanges, 2, &bindings);
    assert_eq!(route(&topology, "x", ""), [0, 1]);
    assert_eq!(route(&topology, "y", ""), [0, 1]);
}
