//! Alternate exchanges.

use super::*;

#[test]
fn what_matches_nothing_goes_to_the_alternate_exchange() {
    let exchanges = [
        with_alternate("first", ExchangeKind::Direct, "second"),
        with_alternate("second", ExchangeKind::Direct, "third"),
        exchange("third", ExchangeKind::Fanout),
    ];
    let bindings = [
        to_queue("first", "1", "q0"),
        to_queue("second", "1", "q1"),
        to_queue("second", "2", "q1"),
        to_queue("third", "", "q2"),
    ];
    let topology = topology(&exchanges, 3, &bindings);
    assert_eq!(route(&topology, "first", "1"), [0]);
    assert_eq!(route(&topology, "first", "2"), [1]);
    assert_eq!(route(&topology, "first", "3"), [2]);
}

#[test]
fn a_policys_alternate_serves_until_it_goes_and_gives_way_to_the_argument() {
    let exchanges = [
        exchange("plain", ExchangeKind::Direct),
        with_alternate("own", ExchangeKind::Direct, "first"),
        exchange("first", ExchangeKind::Fanout),
        exchange("second", ExchangeKind::Fanout),
    ];
    let mut topology = topology(&exchanges, 2, &[to_queue("first", "", "q0"), to_queue("second", "", "q1")]);
    for name in ["plain", "own", "nope"] {
        topology.set_policy_alternate(name, Some("second".to_owned()));
    }
    assert_eq!((route(&topology, "plain", "k"), route(&topology, "own", "k")), (vec![1], vec![0]));
    let generation = topology.generation();
    topology.set_policy_alternate("plain", Some("second".to_owned()));
    assert_eq!(topology.generation(), generation, "no change makes no route stale");
    topology.set_policy_alternate("plain", None);
    assert!(route(&topology, "plain", "k").is_empty() && topology.generation() > generation);
}

/// As RabbitMQ.
#[test]
fn alternate_exchanges_may_be_missing_cyclic_or_the_default() {
    let exchanges = [
        with_alternate("missing", ExchangeKind::Direct, "nope"),
        with_alternate("self", ExchangeKind::Direct, "self"),
        with_alternate("one", ExchangeKind::Direct, "two"),
        with_alternate("two", ExchangeKind::Direct, "one"),
        with_alternate("default", ExchangeKind::Direct, ""),
    ];
    let topology = topology(&exchanges, 1, &[]);
    for name in ["missing", "self", "one", "default"] {
        assert!(route(&topology, name, "q0").is_empty(), "{name}");
    }
}

/// As RabbitMQ.
#[test]
fn alternates_serve_the_exchange_that_matched_nothing_and_no_other() {
    let exchanges = [
        exchange("start", ExchangeKind::Fanout),
        with_alternate("middle", ExchangeKind::Fanout, "end"),
        exchange("end", ExchangeKind::Fanout),
        exchange("dead", ExchangeKind::Direct),
    ];
    let bindings = [to_exchange("start", "", "middle"), to_queue("end", "", "q0")];
    let mut topology = topology(&exchanges, 1, &bindings);
    assert_eq!(route(&topology, "start", "k"), [0], "reached by a binding");
    assert!(topology.bind(to_exchange("middle", "", "dead")));
    assert!(route(&topology, "middle", "k").is_empty(), "a binding matched, though it leads nowhere");
}
