//! Delayed exchanges: where a message has to wait, and what stops it.

use super::*;

fn delayed(name: &str, queue: u64) -> ExchangeSpec {
    let mut spec = ExchangeSpec::new(name, ExchangeKind::Delayed);
    spec.arguments.insert("x-delayed-type".into(), string("fanout"));
    spec.delay_queue = Some(queue);
    spec
}

/// The queues now, the queues to wait in with the delay, and whether the keys alone decided.
fn delayed_route(
    topology: &Topology,
    exchange: &str,
    delay: HeaderValue<'_>,
) -> (Vec<u64>, Vec<u64>, Option<u64>, bool) {
    let headers = [("x-delay", delay)];
    let (mut out, mut scratch) = (Vec::new(), RouteScratch::new());
    let source = Headers(&headers);
    let is_keyed =
        topology.route(exchange.as_bytes(), &[b"k"], Some(&source), &mut out, &mut scratch).unwrap();
    let (queues, ms) = scratch.delayed().unzip();
    let ids = |queues: &[QueueId]| queues.iter().map(|id| id.0).collect::<Vec<_>>();
    (ids(&out), ids(queues.unwrap_or_default()), ms, is_keyed)
}

#[test]
fn a_delayed_exchange_keeps_a_message_wherever_it_comes_from() {
    let exchanges = [ExchangeSpec::new("source", ExchangeKind::Fanout), delayed("later", 77)];
    let bindings =
        [to_queue("source", "", "q0"), to_exchange("source", "", "later"), to_queue("later", "", "q1")];
    let topology = topology(&exchanges, 2, &bindings);
    let ms = HeaderValue::Int(5);
    assert_eq!(delayed_route(&topology, "later", ms), (vec![], vec![77], Some(5), false));
    assert_eq!(delayed_route(&topology, "source", ms), (vec![0], vec![77], Some(5), false));
    assert_eq!(
        delayed_route(&topology, "source", HeaderValue::Bytes(b"5")),
        (vec![0], vec![77], Some(5), false)
    );
    let none = HeaderValue::Int(-5);
    assert_eq!(delayed_route(&topology, "source", none), (vec![0, 1], vec![], None, false));
    assert_eq!(route(&topology, "later", "k"), [1]);
}

#[test]
fn a_delay_that_is_no_number_is_an_error_of_delayed_exchanges_only() {
    let exchanges = [ExchangeSpec::new("source", ExchangeKind::Fanout), delayed("later", 77)];
    let topology = topology(&exchanges, 1, &[to_queue("source", "", "q0"), to_queue("later", "", "q0")]);
    let headers = [("x-delay", HeaderValue::Void)];
    let (mut out, mut scratch) = (Vec::new(), RouteScratch::new());
    let source = Headers(&headers);
    let refused = topology.route(b"later", &[b"k"], Some(&source), &mut out, &mut scratch);
    assert!(matches!(refused, Err(RouteError::InvalidDelay(_))), "{refused:?}");
    assert_eq!(topology.route(b"source", &[b"k"], Some(&source), &mut out, &mut scratch), Ok(true));
    assert_eq!(out, [QueueId(0)], "a walk that failed leaves nothing behind");
    assert_eq!(
        topology.route(b"later", &[b"k"], Some(&Undelayed(source)), &mut out, &mut scratch),
        Ok(false)
    );
    assert_eq!(out, [QueueId(0)]);
}

#[test]
fn a_deduplication_exchange_routes_to_every_binding() {
    let exchanges = [ExchangeSpec::new("once", ExchangeKind::Deduplication)];
    let topology = topology(&exchanges, 2, &[to_queue("once", "a", "q0"), to_queue("once", "b", "q1")]);
    assert_eq!(route(&topology, "once", "c"), [0, 1]);
}
