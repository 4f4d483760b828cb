//! What is told of routes.

use super::*;

#[test]
fn a_way_is_told_over_exchanges_and_without_what_led_nowhere() {
    let exchanges = [
        exchange("shop", ExchangeKind::Topic),
        exchange("eu", ExchangeKind::Fanout),
        exchange("nowhere", ExchangeKind::Fanout),
        with_alternate("strict", ExchangeKind::Direct, "eu"),
    ];
    let bindings = [
        to_exchange("shop", "eu.#", "eu"),
        to_exchange("shop", "#", "nowhere"),
        to_exchange("eu", "", "shop"),
        to_queue("shop", "eu.new", "q0"),
        to_queue("shop", "us.#", "q0"),
        to_queue("eu", "", "q1"),
        to_queue("strict", "other", "q2"),
    ];
    let topology = topology(&exchanges, 3, &bindings);
    let ways = topology.ways(b"shop", &[b"eu.new"], None, &[QueueId(0), QueueId(1)]);
    let told: Vec<_> =
        ways.bindings.iter().map(|binding| (&*binding.source, binding.destination.name())).collect();
    assert_eq!(told, [("shop", "eu"), ("shop", "q0"), ("eu", "shop"), ("eu", "q1")]);
    assert!(ways.is_keyed && ways.alternates.is_empty() && ways.left_out == 0);
    let ways = topology.ways(b"strict", &[b"x"], None, &[QueueId(1)]);
    assert_eq!(ways.alternates, [("strict".to_owned(), "eu".to_owned())]);
    assert_eq!(ways.bindings, [to_queue("eu", "", "q1")]);
    assert_eq!(topology.ways(b"", &[b"q0"], None, &[QueueId(0)]).bindings, []);
    assert_eq!(topology.ways(b"gone", &[b"q0"], None, &[QueueId(0)]).bindings, []);
}

#[test]
fn of_many_bindings_some_are_told_and_the_others_counted() {
    let bindings: Vec<Binding> = (0..20).map(|id| to_queue("all", "", &format!("q{id}"))).collect();
    let topology = topology(&[exchange("all", ExchangeKind::Fanout)], 20, &bindings);
    let queues: Vec<QueueId> = (0..20).map(QueueId).collect();
    let ways = topology.ways(b"all", &[b""], None, &queues);
    assert_eq!((ways.bindings.len(), ways.left_out), (16, 4));
}
