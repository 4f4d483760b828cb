//! What goes with what. As RabbitMQ.

use super::*;

fn is_there(topology: &Topology, name: &str) -> bool {
    topology.exchange(name).is_some()
}

#[test]
fn auto_delete_exchanges_go_down_the_chain_with_their_last_binding() {
    let bindings = [to_exchange("a", "", "b"), to_exchange("b", "", "c"), to_queue("c", "", "q0")];
    let mut topology = topology(&[auto_delete("a"), auto_delete("b"), auto_delete("c")], 1, &bindings);
    let removed = topology.remove_queue("q0");
    assert_eq!(names(&removed), ["a", "b", "c"]);
    assert_eq!(removed.bindings.len(), 3);
    assert_eq!((topology.bindings().count(), topology.queues().count()), (0, 0));
}

#[test]
fn a_destination_does_not_go_with_its_source() {
    let mut topology = topology(&[auto_delete("a"), auto_delete("b")], 0, &[to_exchange("a", "", "b")]);
    let removed = topology.unbind(&to_exchange("a", "", "b")).expect("it was there");
    assert_eq!(names(&removed), ["a"]);
    assert!(is_there(&topology, "b"));
}

#[test]
fn deleting_a_destination_takes_deserted_sources_along() {
    let bindings = [to_exchange("a", "", "b"), to_queue("b", "", "q0"), to_exchange("c", "", "b")];
    let exchanges = [auto_delete("a"), auto_delete("b"), exchange("c", ExchangeKind::Fanout)];
    let mut topology = topology(&exchanges, 1, &bindings);
    let removed = topology.delete_exchange("b");
    assert_eq!(names(&removed), ["a", "b"]);
    assert_eq!(removed.bindings.len(), 3);
    assert!(is_there(&topology, "c") && !topology.is_used("c"));
    assert_eq!(topology.bindings_of_destination(&Destination::Queue("q0".to_owned())).count(), 0);
}

#[test]
fn auto_delete_cycles_go_when_they_break() {
    let bindings = [to_exchange("a", "", "b"), to_exchange("b", "", "a"), to_queue("b", "", "q0")];
    let mut topology = topology(&[auto_delete("a"), auto_delete("b")], 1, &bindings);
    let removed = topology.unbind(&bindings[2]).expect("it was there");
    assert!(removed.exchanges.is_empty());
    let removed = topology.unbind(&bindings[1]).expect("it was there");
    assert_eq!(names(&removed), ["a", "b"]);
    assert_eq!(removed.bindings.len(), 2);
}

#[test]
fn an_exchange_bound_to_itself_is_deleted_once() {
    let mut topology = topology(&[auto_delete("a")], 0, &[to_exchange("a", "", "a")]);
    let removed = topology.delete_exchange("a");
    assert_eq!((names(&removed), removed.bindings.len()), (vec!["a"], 1));
    topology.declare_exchange(auto_delete("a"));
    topology.bind(to_exchange("a", "", "a"));
    let removed = topology.unbind(&to_exchange("a", "", "a")).expect("it was there");
    assert_eq!(names(&removed), ["a"]);
}

#[test]
fn auto_delete_waits_for_a_first_binding() {
    let mut topology = topology(&[auto_delete("a")], 1, &[]);
    assert_eq!(topology.unbind(&to_queue("a", "", "q0")), None);
    topology.remove_queue("q0");
    assert!(is_there(&topology, "a"));
}

#[test]
fn definitions_survive_serialisation() {
    let spec = with_alternate("x", ExchangeKind::Topic, "y");
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<ExchangeSpec>(&json).unwrap(), spec);
    for kind in ExchangeKind::ALL {
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("\"{}\"", kind.name()), "the wire's names are the store's");
        assert_eq!(serde_json::from_str::<ExchangeKind>(&json).unwrap(), kind);
    }
    let binding = with_arguments("x", "k", "q", &[("a", AMQPValue::LongInt(1))]);
    let json = serde_json::to_string(&binding).unwrap();
    assert_eq!(serde_json::from_str::<Binding>(&json).unwrap(), binding);
}
