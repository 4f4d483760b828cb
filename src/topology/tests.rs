//! The semantics of the whole topology. Where a test says "as RabbitMQ", the expectation was read off RabbitMQ 3.10.8.

mod alternates;
mod declaring;
mod delay;
mod going;
mod hash;
mod headers;
mod many;
mod routing;
mod told;

use amq_protocol::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, LongString};
use proptest::prelude::*;

use super::table::Table;
use super::*;
use crate::message::QueueId;

const VHOST: &str = "/";

fn string(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn table(fields: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in fields {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn exchange(name: &str, kind: ExchangeKind) -> ExchangeSpec {
    ExchangeSpec { durable: false, ..ExchangeSpec::new(name, kind) }
}

fn auto_delete(name: &str) -> ExchangeSpec {
    ExchangeSpec { auto_delete: true, ..exchange(name, ExchangeKind::Fanout) }
}

fn with_alternate(name: &str, kind: ExchangeKind, alternate: &str) -> ExchangeSpec {
    ExchangeSpec { arguments: table(&[(ALTERNATE_EXCHANGE, string(alternate))]), ..exchange(name, kind) }
}

fn to_queue(source: &str, key: &str, queue: &str) -> Binding {
    with_arguments(source, key, queue, &[])
}

fn with_arguments(source: &str, key: &str, queue: &str, arguments: &[(&str, AMQPValue)]) -> Binding {
    Binding {
        source: source.to_owned(),
        destination: Destination::Queue(queue.to_owned()),
        routing_key: key.to_owned(),
        arguments: table(arguments),
    }
}

fn to_exchange(source: &str, key: &str, destination: &str) -> Binding {
    Binding { destination: Destination::Exchange(destination.to_owned()), ..to_queue(source, key, "") }
}

fn topology(exchanges: &[ExchangeSpec], queues: u64, bindings: &[Binding]) -> Topology {
    let mut topology = Topology::new();
    for spec in exchanges {
        assert_eq!(topology.check_exchange_declare(spec, VHOST), Ok(true));
        topology.declare_exchange(spec.clone());
    }
    for id in 0..queues {
        assert!(topology.add_queue(&format!("q{id}"), QueueId(id)));
    }
    for binding in bindings {
        assert_eq!(topology.check_bind(binding, VHOST), Ok(true));
        assert!(topology.bind(binding.clone()));
    }
    topology
}

fn route(topology: &Topology, exchange: &str, key: &str) -> Vec<u64> {
    route_with(topology, exchange, key, None)
}

/// Bindings up to which a route is explained as well: each is looked at by itself.
const EXPLAINED_MAX: usize = 100;

fn route_with(
    topology: &Topology,
    exchange: &str,
    key: &str,
    headers: Option<&dyn HeaderSource>,
) -> Vec<u64> {
    let route = routed(topology, exchange, key, headers);
    if topology.bindings().count() <= EXPLAINED_MAX {
        assert_explained(topology, exchange, key, headers, &route);
        assert_way_told(topology, exchange, key, headers, &route);
    }
    route
}

fn routed(topology: &Topology, exchange: &str, key: &str, headers: Option<&dyn HeaderSource>) -> Vec<u64> {
    let mut out = vec![QueueId(99)];
    let mut scratch = RouteScratch::new();
    let keys = [key.as_bytes()];
    topology.route(exchange.as_bytes(), &keys, headers, &mut out, &mut scratch).expect("an exchange");
    let again = out.clone();
    topology.route(exchange.as_bytes(), &keys, headers, &mut out, &mut scratch).expect("an exchange");
    assert_eq!(out, again, "scratch must not leak from message to message");
    out.iter().map(|id| id.0).collect()
}

/// What is told of a route is the route, unless chance decides.
fn assert_explained(
    topology: &Topology,
    exchange: &str,
    key: &str,
    headers: Option<&dyn HeaderSource>,
    route: &[u64],
) {
    let explained = topology.explain(exchange.as_bytes(), &[key.as_bytes()], headers).expect("an exchange");
    if explained.steps.iter().any(|step| step.is_chance || step.waits_ms.is_some()) {
        return;
    }
    let mut queues: Vec<u64> =
        explained.queues.iter().map(|name| topology.queue(name).expect("a queue").0).collect();
    queues.sort_unstable();
    assert_eq!(queues, route, "{exchange:?} {key:?}: {explained:?}");
}

/// The bindings that are told lead to the queues of the route, and to no others.
fn assert_way_told(
    topology: &Topology,
    exchange: &str,
    key: &str,
    headers: Option<&dyn HeaderSource>,
    route: &[u64],
) {
    let queues: Vec<QueueId> = route.iter().map(|id| QueueId(*id)).collect();
    let ways = topology.ways(exchange.as_bytes(), &[key.as_bytes()], headers, &queues);
    if exchange.is_empty() || ways.left_out > 0 {
        return;
    }
    let led_to = ways.bindings.iter().filter_map(Binding::queue);
    let mut led_to: Vec<u64> = led_to.map(|name| topology.queue(name).expect("a queue").0).collect();
    led_to.sort_unstable();
    led_to.dedup();
    assert_eq!(led_to, route, "{exchange:?} {key:?}: {ways:?}");
}

fn names(removed: &Removed) -> Vec<&str> {
    let mut names: Vec<_> = removed.exchanges.iter().map(|spec| spec.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn refusal<T: std::fmt::Debug>(result: Result<T, TopologyError>) -> (u16, String) {
    let error = result.expect_err("a refusal");
    (error.code(), error.to_string())
}

/// What a message says of itself.
struct Headers<'a>(pub &'a [(&'a str, HeaderValue<'a>)]);

impl HeaderSource for Headers<'_> {
    fn visit(&self, f: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool) {
        for (key, value) in self.0 {
            if !f(key.as_bytes(), *value) {
                return;
            }
        }
    }
}
