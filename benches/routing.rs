//! What a route costs: prints nanoseconds per message for each kind of exchange, and the time of 10,000 binds and
//! removals. Run with `cargo bench --bench routing`.
#![allow(missing_docs, clippy::print_stdout, clippy::disallowed_methods, clippy::expect_used)]

use std::hint::black_box;
use std::time::Instant;

use amq_protocol::types::{AMQPValue, FieldTable};
use coney::message::QueueId;
use coney::topology::{
    Binding, Destination, ExchangeKind, ExchangeSpec, HeaderSource, HeaderValue, RouteScratch, Topology,
};

const BINDINGS: u64 = 10_000;
const ROUTES: u64 = 200_000;

struct Headers(Vec<(String, i64)>);

impl HeaderSource for Headers {
    fn visit(&self, f: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool) {
        for (key, value) in &self.0 {
            if !f(key.as_bytes(), HeaderValue::Int(*value)) {
                return;
            }
        }
    }
}

fn binding(source: &str, id: u64) -> Binding {
    let mut arguments = FieldTable::default();
    arguments.insert("shard".into(), AMQPValue::LongLongInt(id as i64));
    arguments.insert("kind".into(), AMQPValue::LongInt((id % 10) as i32));
    let routing_key = match (source, id % 10) {
        ("amq.topic", 0) => format!("order.*.{id}"),
        ("amq.topic", 1) => format!("#.{id}"),
        _ => format!("order.new.{id}"),
    };
    let destination = Destination::Queue(format!("queue{id}"));
    Binding { source: source.to_owned(), destination, routing_key, arguments }
}

fn measure(name: &str, topology: &Topology, exchange: &str, keys: &[String]) {
    let (mut out, mut scratch) = (Vec::new(), RouteScratch::new());
    let headers: Vec<_> = (0..keys.len() as i64)
        .map(|id| {
            Headers(vec![("kind".to_owned(), id % 10), ("other".to_owned(), 1), ("shard".to_owned(), id)])
        })
        .collect();
    let mut found = 0;
    let start = Instant::now();
    for (key, headers) in keys.iter().zip(&headers).cycle().take(ROUTES as usize) {
        let keys = [black_box(key.as_bytes())];
        let result = topology.route(exchange.as_bytes(), &keys, Some(headers), &mut out, &mut scratch);
        result.expect("the exchange exists");
        found += out.len();
    }
    let nanos = start.elapsed().as_nanos() / u128::from(ROUTES);
    println!("{name:28} {nanos:6} ns/route, {:.2} queues each", found as f64 / ROUTES as f64);
}

fn main() {
    let mut topology = Topology::new();
    for id in 0..BINDINGS {
        topology.add_queue(&format!("queue{id}"), QueueId(id));
    }
    for source in ["amq.direct", "amq.topic", "amq.headers"] {
        let bindings: Vec<_> = (0..BINDINGS).map(|id| binding(source, id)).collect();
        let start = Instant::now();
        bindings.into_iter().for_each(|binding| assert!(topology.bind(binding)));
        println!("{source:28} {BINDINGS} binds in {:.2?}", start.elapsed());
    }
    let keys: Vec<_> = (0..BINDINGS).map(|id| format!("order.new.{id}")).collect();
    let names: Vec<_> = (0..BINDINGS).map(|id| format!("queue{id}")).collect();
    measure("default", &topology, "", &names);
    measure("direct, 10,000 bindings", &topology, "amq.direct", &keys);
    measure("topic, 10,000 bindings", &topology, "amq.topic", &keys);
    measure("headers, 10,000 bindings", &topology, "amq.headers", &keys);
    topology.bind(Binding { routing_key: "#.a.".repeat(60) + "#", ..binding("amq.topic", 0) });
    measure("topic, 128 words and hashes", &topology, "amq.topic", &["a.".repeat(127) + "a"]);
    hashes();
    let start = Instant::now();
    names.iter().for_each(|name| drop(topology.remove_queue(name)));
    println!("{BINDINGS} queues with 3 bindings each removed in {:.2?}", start.elapsed());
    choosing(10);
    choosing(1000);
}

/// The pattern of a number.
type Pattern<'a> = &'a dyn Fn(u64) -> String;

/// Topic exchanges with patterns that may match in very many ways.
fn hashes() {
    let two_words = |id: u64| format!("#.a{}.#.b{}.#", id / 100, id % 100);
    let one_of_two = |id: u64, place: u64| if id >> place & 1 == 0 { "a" } else { "b" };
    let twelve =
        |id: u64| (0..12).map(|place| format!("#.{}.", one_of_two(id, place))).collect::<String>() + "#";
    let unseen = |id: u64| format!("#.a{}.#.b{}.#.never.#", id / 100, id % 100);
    let numbered = (0..50).map(|word| format!("a{word}.b{word}")).collect::<Vec<_>>().join(".");
    let patterns: [(&str, u64, Pattern<'_>, String); 3] = [
        ("topic, 10,000 of #.a.#.b.#", 10_000, &two_words, numbered.clone()),
        ("topic, 3,000 of 13 hashes", 3000, &twelve, "a.b.".repeat(50) + "a"),
        ("topic, 10,000 that stay open", 10_000, &unseen, numbered),
    ];
    for (name, count, pattern, key) in patterns {
        let mut topology = Topology::new();
        for id in 0..count {
            topology.add_queue(&format!("queue{id}"), QueueId(id));
            topology.bind(Binding { routing_key: pattern(id), ..binding("amq.topic", id) });
        }
        let (mut out, mut scratch) = (Vec::new(), RouteScratch::new());
        let start = Instant::now();
        for _ in 0..100 {
            let keys = [black_box(key.as_bytes())];
            topology.route(b"amq.topic", &keys, None, &mut out, &mut scratch).expect("the exchange exists");
        }
        println!("{name:28} {:6} us/route, {} queues", start.elapsed().as_micros() / 100, out.len());
    }
}

/// The exchanges that choose one of their bindings.
fn choosing(bindings: u64) {
    let kinds = [ExchangeKind::ConsistentHash, ExchangeKind::ModulusHash, ExchangeKind::Random];
    let mut topology = Topology::new();
    for id in 0..bindings {
        topology.add_queue(&format!("queue{id}"), QueueId(id));
    }
    for kind in kinds {
        let start = Instant::now();
        topology.declare_exchange(ExchangeSpec::new(kind.name(), kind));
        let all = (0..bindings).map(|id| Binding { routing_key: "1".to_owned(), ..binding(kind.name(), id) });
        all.for_each(|binding| assert!(topology.bind(binding)));
        println!("{:28} {bindings} binds in {:.2?}", kind.name(), start.elapsed());
    }
    let keys: Vec<_> = (0..BINDINGS).map(|id| format!("order.new.{id}")).collect();
    for kind in kinds {
        measure(&format!("{}, {bindings}", kind.name()), &topology, kind.name(), &keys);
    }
    let start = Instant::now();
    (0..bindings).for_each(|id| drop(topology.remove_queue(&format!("queue{id}"))));
    println!("{bindings} queues with 3 bindings each removed in {:.2?}", start.elapsed());
}
