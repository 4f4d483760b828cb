//! Many bindings of one exchange of each kind, in routing's own structure; and a chain of exchanges.

use std::time::Duration;

use amq_protocol::types::{AMQPValue, FieldTable};
use coney::message::QueueId;
use coney::topology::{
    Binding, Destination, ExchangeKind, ExchangeSpec, HeaderSource, HeaderValue, RouteScratch, Topology,
};

use crate::table::{Rows, SIZES, Table, cpu_of};

const KINDS: [ExchangeKind; 7] = [
    ExchangeKind::Direct,
    ExchangeKind::Fanout,
    ExchangeKind::Topic,
    ExchangeKind::Headers,
    ExchangeKind::ConsistentHash,
    ExchangeKind::ModulusHash,
    ExchangeKind::Random,
];
const OPS: u64 = 200;

/// A binding that its exchange can have, whatever its kind.
fn binding(kind: ExchangeKind, source: &str, destination: Destination, number: u64) -> Binding {
    let mut arguments = FieldTable::default();
    if kind == ExchangeKind::Headers {
        arguments.insert("shard".into(), AMQPValue::LongLongInt(number as i64));
    }
    let routing_key = match kind {
        ExchangeKind::ConsistentHash => "1".to_owned(),
        ExchangeKind::LocalRandom => String::new(),
        ExchangeKind::Topic => format!("#.a{}.*.b{}.#", number / 100, number % 100),
        _ => format!("key.{number}"),
    };
    Binding { source: source.to_owned(), destination, routing_key, arguments }
}

fn queue(number: u64) -> Destination {
    Destination::Queue(format!("q{number}"))
}

/// A topology with an exchange `x` of this kind and `n` queues that are bound to it.
fn bound(kind: ExchangeKind, n: u64) -> Topology {
    let mut topology = Topology::new();
    topology.declare_exchange(ExchangeSpec::new("x", kind));
    add(&mut topology, kind, 0..n);
    topology
}

fn add(topology: &mut Topology, kind: ExchangeKind, numbers: std::ops::Range<u64>) {
    for number in numbers {
        topology.add_queue(&format!("q{number}"), QueueId(number));
        topology.bind(binding(kind, "x", queue(number), number));
    }
}

struct Header(i64);

impl HeaderSource for Header {
    fn visit(&self, found: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool) {
        found(b"shard", HeaderValue::Int(self.0));
    }
}

/// Another key each time; for a fanout there is a queue for each binding.
fn routes(topology: &Topology, kind: ExchangeKind, n: u64, rows: &mut Rows) {
    let is_fanout = kind == ExchangeKind::Fanout;
    let (name, routes) = if is_fanout { ("route, for a binding", 1) } else { ("route", OPS) };
    let (mut out, mut scratch) = (Vec::new(), RouteScratch::new());
    let keys: Vec<(String, Header)> = (0..routes)
        .map(|route| {
            let number = route * 7919 % n;
            let key = match kind {
                ExchangeKind::Topic => format!("a{}.x.b{}", number / 100, number % 100),
                _ => format!("key.{number}"),
            };
            (key, Header(number as i64))
        })
        .collect();
    rows.row(name, if is_fanout { n + OPS } else { routes }, || {
        for (key, header) in &keys {
            topology.route(b"x", &[key.as_bytes()], Some(header), &mut out, &mut scratch).unwrap();
        }
    });
}

pub fn measure(table: &Table) {
    for kind in KINDS {
        let title: &'static str = Box::leak(format!("bindings, {}", kind.name()).into_boxed_str());
        table.group(title, &SIZES, |n, rows| {
            let topology = std::cell::RefCell::new(bound(kind, n));
            let new = n..n + OPS;
            rows.pair(
                ["declare queue, bind", "delete queue"],
                OPS,
                || add(&mut topology.borrow_mut(), kind, new.clone()),
                || {
                    new.clone()
                        .for_each(|number| drop(topology.borrow_mut().remove_queue(&format!("q{number}"))))
                },
            );
            add(&mut topology.borrow_mut(), kind, new.clone());
            rows.pair(
                ["unbind", "bind"],
                OPS,
                || {
                    new.clone().for_each(|number| {
                        drop(topology.borrow_mut().unbind(&binding(kind, "x", queue(number), number)))
                    })
                },
                || {
                    new.clone().for_each(|number| {
                        assert!(topology.borrow_mut().bind(binding(kind, "x", queue(number), number)))
                    })
                },
            );
            let mut topology = topology.into_inner();
            routes(&topology, kind, n, rows);
            rows.set(
                "delete exchange, for a binding",
                cpu_of(|| drop(topology.delete_exchange("x"))),
                n + OPS,
            );
        });
    }
    table.group("bindings of one queue", &SIZES, |n, rows| {
        let mut topology = Topology::new();
        topology.add_queue("q0", QueueId(0));
        for number in 0..n {
            topology.bind(binding(ExchangeKind::Direct, "amq.direct", queue(0), number));
        }
        rows.set("delete queue, for a binding", cpu_of(|| drop(topology.remove_queue("q0"))), n);
    });
    table.group("auto-delete exchanges in a chain", &SIZES, |n, rows| {
        rows.set("its end goes, for an exchange", chain(n), n)
    });
}

fn chain(n: u64) -> Duration {
    let mut topology = Topology::new();
    topology.add_queue("q0", QueueId(0));
    for number in 0..n {
        let spec = ExchangeSpec::new(&format!("x{number}"), ExchangeKind::Fanout);
        topology.declare_exchange(ExchangeSpec { auto_delete: true, ..spec });
        let to = number.checked_sub(1).map_or(queue(0), |to| Destination::Exchange(format!("x{to}")));
        topology.bind(binding(ExchangeKind::Fanout, &format!("x{number}"), to, number));
    }
    cpu_of(|| drop(topology.remove_queue("q0")))
}
