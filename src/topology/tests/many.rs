//! Many of everything, and everything at random.

use super::*;

/// Quadratic work would be some 10^9 steps here; the test would hang rather than fail by a clock it may not read.
#[test]
fn many_bindings_and_queues_come_and_go() {
    const MANY: u64 = 20_000;
    for source in ["amq.direct", "amq.fanout", "amq.topic", "amq.headers"] {
        let bindings: Vec<_> = (0..MANY)
            .map(|id| {
                // Half of them share their key and their arguments.
                let tail = if id % 2 == 0 { 0 } else { id };
                let arguments = [("a", AMQPValue::LongLongInt(tail as i64))];
                with_arguments(source, &format!("a.{tail}.#"), &format!("q{id}"), &arguments)
            })
            .collect();
        let mut topology = topology(&[], MANY, &bindings);
        for id in 0..MANY {
            assert_eq!(topology.remove_queue(&format!("q{id}")).bindings.len(), 1);
        }
        assert_eq!(topology.bindings().count(), 0);
    }
}

#[derive(Clone, Debug)]
enum Step {
    AddQueue(u64),
    RemoveQueue(u64),
    Declare(usize),
    Delete(usize),
    Bind(Binding),
    Unbind(Binding),
}

/// Those whose routes are a function of the definitions; chance is not.
const NAMES: [&str; 6] = ["d", "f", "t", "h", "c", "m"];
const KINDS: [ExchangeKind; 6] = [
    ExchangeKind::Direct,
    ExchangeKind::Fanout,
    ExchangeKind::Topic,
    ExchangeKind::Headers,
    ExchangeKind::ConsistentHash,
    ExchangeKind::ModulusHash,
];

fn any_binding() -> impl Strategy<Value = Binding> {
    let queue = (0..3_u64).prop_map(|id| Destination::Queue(format!("q{id}")));
    let onward = prop::sample::select(&NAMES[..]).prop_map(|name| Destination::Exchange(name.to_owned()));
    let key = prop::sample::select(&["", "a", "a.b", "#", "*.b", "1", "3"][..]);
    let argument = prop::option::of(0..2_i32);
    (prop::sample::select(&NAMES[..]), prop_oneof![queue, onward], key, argument).prop_map(
        |(source, destination, key, argument)| {
            let arguments: Vec<_> =
                argument.map(|value| ("a", AMQPValue::LongInt(value))).into_iter().collect();
            Binding { destination, ..with_arguments(source, key, "", &arguments) }
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3_u64).prop_map(Step::AddQueue),
        1 => (0..3_u64).prop_map(Step::RemoveQueue),
        2 => (0..6_usize).prop_map(Step::Declare),
        1 => (0..6_usize).prop_map(Step::Delete),
        8 => any_binding().prop_map(Step::Bind),
        3 => any_binding().prop_map(Step::Unbind),
    ]
}

fn spec(index: usize) -> ExchangeSpec {
    ExchangeSpec { auto_delete: index % 2 == 1, ..exchange(NAMES[index], KINDS[index]) }
}

/// Returns whether the step changed something.
fn take(topology: &mut Topology, step: Step) -> bool {
    let before = topology.generation();
    let changed = match step {
        Step::AddQueue(id) => topology.add_queue(&format!("q{id}"), QueueId(id)),
        Step::RemoveQueue(id) => !topology.remove_queue(&format!("q{id}")).is_empty(),
        Step::Declare(index) => {
            topology.declare_exchange(spec(index));
            false
        }
        Step::Delete(index) => !topology.delete_exchange(NAMES[index]).is_empty(),
        Step::Bind(binding) => topology.bind(binding),
        Step::Unbind(binding) => topology.unbind(&binding).is_some(),
    };
    assert!(!changed || topology.generation() > before);
    topology.generation() > before
}

fn rebuilt(topology: &Topology) -> Topology {
    let mut fresh = Topology::new();
    topology.exchanges().for_each(|spec| fresh.declare_exchange(spec.clone()));
    topology.queues().for_each(|(name, id)| assert!(fresh.add_queue(name, id)));
    topology.bindings().for_each(|binding| assert!(fresh.bind(binding.clone())));
    fresh
}

/// Every route there is, by exchange name and key.
fn all_routes(topology: &Topology) -> Vec<(String, &'static str, Vec<u64>)> {
    routes_by(topology, routed)
}

type RouteBy = fn(&Topology, &str, &str, Option<&dyn HeaderSource>) -> Vec<u64>;

fn routes_by(topology: &Topology, route: RouteBy) -> Vec<(String, &'static str, Vec<u64>)> {
    let headers = Headers(&[("a", HeaderValue::Int(1))]);
    let mut names: Vec<_> = topology.exchanges().map(|spec| spec.name.clone()).collect();
    names.sort_unstable();
    let keys = ["", "a", "a.b", "c.b", "q1"];
    let pairs = names.iter().flat_map(|name| keys.map(|key| (name.clone(), key)));
    pairs.map(|(name, key)| (name.clone(), key, route(topology, &name, key, Some(&headers)))).collect()
}

proptest! {
    /// Whatever happened before, a topology routes like a fresh one with the same definitions: nothing that was
    /// removed left a trace, and routes change only with the generation.
    #[test]
    fn history_does_not_show(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut topology = Topology::new();
        (0..NAMES.len()).for_each(|index| topology.declare_exchange(spec(index)));
        for step in steps {
            let before = all_routes(&topology);
            if !take(&mut topology, step) {
                prop_assert_eq!(before, all_routes(&topology));
            }
            prop_assert_eq!(all_routes(&topology), all_routes(&rebuilt(&topology)));
            for spec in topology.exchanges() {
                prop_assert_eq!(topology.is_used(&spec.name), topology.bindings().any(|b| b.source == spec.name));
            }
        }
        routes_by(&topology, route_with);
    }
}
