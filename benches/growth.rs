//! What an operation costs when there is much: each is measured with N things and with 8 N, and the ratio of the cost of one is
//! printed. Flat is 1; what grows with all that is there would be 8. Run with `cargo bench --bench growth [-- FILTER]`.
#![allow(missing_docs, clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used)]

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use amq_protocol::types::{AMQPValue, FieldTable};
use coney::auth::Permission;
use coney::message::QueueId;
use coney::policy::Policy;
use coney::topology::{Binding, Destination, ExchangeKind, ExchangeSpec, Topology};
use coney::{Broker, BrokerHandle, NewMessage};
use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::runtime::Runtime;

/// The larger measurement has so many times as much.
const FACTOR: u64 = 8;
/// Above this something grows that should not; below it is the noise of a machine, and of caches that are smaller than what is there.
const FLAT_MAX: f64 = 2.5;
/// Longer than this nobody should wait because of what somebody else does.
const STALL_MAX: Duration = Duration::from_millis(50);

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    println!("{:44} {:>8} {:>12} {:>12} {:>6}", "", "N", "each, N", "each, 8 N", "ratio");
    topologies(&filter);
    brokers(&filter);
}

/// Prints the row of an operation that is done `n` times, or once over `n` things.
fn row(filter: &str, name: &str, n: u64, mut measure: impl FnMut(u64) -> Duration) {
    if !name.contains(filter) {
        return;
    }
    // The least of three is what the machine's other work disturbed least.
    let mut each = |n: u64| {
        let least = (0..3).map(|_| measure(n)).min().unwrap_or_default();
        least.as_nanos() as f64 / n as f64
    };
    let (small, large) = (each(n), each(n * FACTOR));
    let ratio = large / small.max(1.0);
    let note = if ratio > FLAT_MAX { "  grows" } else { "" };
    println!("{name:44} {n:8} {small:9.0} ns {large:9.0} ns {ratio:6.2}{note}");
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn exchange(name: &str, kind: ExchangeKind) -> ExchangeSpec {
    ExchangeSpec::new(name, kind)
}

/// A binding that its exchange can have, whatever its kind.
fn binding(kind: ExchangeKind, source: &str, destination: Destination, number: u64) -> Binding {
    let mut arguments = FieldTable::default();
    if kind == ExchangeKind::Headers {
        arguments.insert("shard".into(), AMQPValue::LongLongInt(number as i64));
    }
    let routing_key = match kind {
        ExchangeKind::ConsistentHash => "16".to_owned(),
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
    topology.declare_exchange(exchange("x", kind));
    for number in 0..n {
        topology.add_queue(&format!("q{number}"), QueueId(number));
        topology.bind(binding(kind, "x", queue(number), number));
    }
    topology
}

fn topologies(filter: &str) {
    for kind in [
        ExchangeKind::Direct,
        ExchangeKind::Fanout,
        ExchangeKind::Topic,
        ExchangeKind::Headers,
        ExchangeKind::ConsistentHash,
        ExchangeKind::ModulusHash,
        ExchangeKind::Random,
    ] {
        let (name, n) = (kind.name(), 1000);
        row(filter, &format!("{name}: declare queue, bind"), n, |n| timed(|| drop(bound(kind, n))));
        row(filter, &format!("{name}: unbind"), n, |n| {
            let mut topology = bound(kind, n);
            timed(|| {
                for number in 0..n {
                    topology.unbind(&binding(kind, "x", queue(number), number));
                }
            })
        });
        row(filter, &format!("{name}: delete queue"), n, |n| {
            let mut topology = bound(kind, n);
            timed(|| (0..n).for_each(|number| drop(topology.remove_queue(&format!("q{number}")))))
        });
        row(filter, &format!("{name}: delete exchange, per binding"), n, |n| {
            let mut topology = bound(kind, n);
            timed(|| drop(topology.delete_exchange("x")))
        });
    }
    row(filter, "queue with N bindings: delete, per binding", 1000, |n| {
        let mut topology = Topology::new();
        topology.add_queue("q0", QueueId(0));
        for number in 0..n {
            topology.bind(binding(ExchangeKind::Direct, "amq.direct", queue(0), number));
        }
        timed(|| drop(topology.remove_queue("q0")))
    });
    row(filter, "chain of N auto-delete exchanges: its end goes", 1000, |n| {
        let mut topology = Topology::new();
        topology.add_queue("q0", QueueId(0));
        for number in 0..n {
            let spec = exchange(&format!("x{number}"), ExchangeKind::Fanout);
            topology.declare_exchange(ExchangeSpec { auto_delete: true, ..spec });
            let to = number.checked_sub(1).map_or(queue(0), |to| Destination::Exchange(format!("x{to}")));
            topology.bind(binding(ExchangeKind::Fanout, &format!("x{number}"), to, number));
        }
        timed(|| drop(topology.remove_queue("q0")))
    });
}

/// A broker in memory, and a client's channel.
struct World {
    runtime: Runtime,
    broker: BrokerHandle,
    connection: Connection,
    channel: Channel,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let (broker, connection, channel) = runtime.block_on(async {
            let builder = Broker::builder().ephemeral().listen("127.0.0.1:0".parse().unwrap());
            let broker = builder.start().await.unwrap();
            let connection = connect(&broker).await;
            let channel = connection.create_channel().await.unwrap();
            (broker, connection, channel)
        });
        Self { runtime, broker, connection, channel }
    }

    fn with_queues(n: u64, exclusive: bool) -> Self {
        let world = Self::new();
        world.runtime.block_on(declare(&world.channel, n, exclusive));
        world
    }

    fn timed(&self, work: impl Future<Output = ()>) -> Duration {
        timed(|| self.runtime.block_on(work))
    }
}

/// The longest that another connection waits for an answer while something is done, in a vhost of its own.
fn stall(filter: &str, name: &str, n: u64, mut prepare: impl FnMut(&World, u64), work: impl AsyncFn(&World)) {
    if !name.contains(filter) {
        return;
    }
    let mut longest = |n: u64| {
        let world = World::new();
        let probe = world.runtime.block_on(async {
            world.broker.put_vhost("other").await.unwrap();
            world.broker.put_permission("guest", "other", Permission::all()).await.unwrap();
            let uri = format!("amqp://guest:guest@{}/other", world.broker.address().unwrap());
            let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
            (connection.create_channel().await.unwrap(), connection)
        });
        prepare(&world, n);
        let ended = Arc::new(AtomicBool::new(false));
        let probe_ends = Arc::clone(&ended);
        let probing = world.runtime.spawn(async move {
            let mut longest = Duration::ZERO;
            while !probe_ends.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let options = QueueDeclareOptions { durable: true, ..Default::default() };
                probe.0.queue_declare("probe".into(), options, FieldTable::default()).await.unwrap();
                longest = longest.max(begun.elapsed());
            }
            longest
        });
        world.runtime.block_on(async {
            work(&world).await;
            ended.store(true, Ordering::Relaxed);
            probing.await.unwrap()
        })
    };
    let (small, large) = (longest(n), longest(n * FACTOR));
    let note = if large > STALL_MAX { "  stalls" } else { "" };
    println!("{name:44} {n:8} {:9.1} ms {:9.1} ms{note}", millis(small), millis(large));
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

async fn connect(broker: &BrokerHandle) -> Connection {
    let uri = format!("amqp://guest:guest@{}/%2f", broker.address().unwrap());
    Connection::connect(&uri, ConnectionProperties::default()).await.unwrap()
}

async fn declare(channel: &Channel, n: u64, exclusive: bool) {
    for number in 0..n {
        let options = QueueDeclareOptions { exclusive, ..Default::default() };
        let name = format!("q{number}");
        channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await.unwrap();
    }
}

async fn consume(channel: &Channel, queue: &str, tag: &str) {
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), tag.into(), options, FieldTable::default()).await;
    // Cancelled when it is told to be, not when this is dropped.
    std::mem::forget(consumer.unwrap());
}

fn brokers(filter: &str) {
    let n = 500;
    row(filter, "broker: declare", n, |n| {
        let world = World::new();
        world.timed(declare(&world.channel, n, false))
    });
    row(filter, "broker: declare again", n, |n| {
        let world = World::with_queues(n, false);
        world.timed(declare(&world.channel, n, false))
    });
    row(filter, "broker: bind", n, |n| {
        let world = World::with_queues(n, false);
        world.timed(async {
            for number in 0..n {
                let (queue, key) = (format!("q{number}"), format!("k{number}"));
                let (options, table) = (QueueBindOptions::default(), FieldTable::default());
                let (queue, key) = (queue.as_str().into(), key.as_str().into());
                world.channel.queue_bind(queue, "amq.topic".into(), key, options, table).await.unwrap();
            }
        })
    });
    row(filter, "broker: delete", n, |n| {
        let world = World::with_queues(n, false);
        world.timed(async {
            for number in 0..n {
                let name = format!("q{number}");
                world
                    .channel
                    .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
                    .await
                    .unwrap();
            }
        })
    });
    row(filter, "broker: publish to N queues, per queue", n, |n| {
        let world = World::with_queues(n, false);
        world.runtime.block_on(async {
            for number in 0..n {
                let (queue, exchange) = (format!("q{number}"), "amq.fanout".into());
                let (options, table) = (QueueBindOptions::default(), FieldTable::default());
                world
                    .channel
                    .queue_bind(queue.as_str().into(), exchange, "".into(), options, table)
                    .await
                    .unwrap();
            }
        });
        world.timed(async {
            let message = NewMessage { exchange: "amq.fanout", ..NewMessage::default() };
            let _ = world.broker.publish("/", message).await.unwrap();
        })
    });
    consumers(filter);
    ends(filter);
    operators(filter);
}

fn consumers(filter: &str) {
    let n = 500;
    row(filter, "broker: consume from one queue", n, |n| {
        let world = World::with_queues(1, false);
        world.timed(async {
            for number in 0..n {
                consume(&world.channel, "q0", &number.to_string()).await;
            }
        })
    });
    row(filter, "broker: cancel on one queue", n, |n| {
        let world = World::with_queues(1, false);
        world.runtime.block_on(async {
            for number in 0..n {
                consume(&world.channel, "q0", &number.to_string()).await;
            }
        });
        world.timed(async {
            for number in 0..n {
                let tag = number.to_string();
                world.channel.basic_cancel(tag.as_str().into(), BasicCancelOptions::default()).await.unwrap();
            }
        })
    });
    row(filter, "broker: close a channel with N consumers", n, |n| {
        let world = World::with_queues(n, false);
        world.runtime.block_on(async {
            for number in 0..n {
                consume(&world.channel, &format!("q{number}"), &number.to_string()).await;
            }
        });
        world.timed(async { world.channel.close(200, "".into()).await.unwrap() })
    });
}

fn ends(filter: &str) {
    row(filter, "broker: open a channel", 250, |n| {
        let world = World::new();
        world.timed(async {
            for _ in 0..n {
                std::mem::forget(world.connection.create_channel().await.unwrap());
            }
        })
    });
    row(filter, "broker: close with N exclusive queues", 500, |n| {
        let world = World::with_queues(n, true);
        world.timed(async { world.connection.close(200, "".into()).await.unwrap() })
    });
    row(filter, "broker: close with N channels", 250, |n| {
        let world = World::new();
        world.runtime.block_on(async {
            for _ in 0..n {
                std::mem::forget(world.connection.create_channel().await.unwrap());
            }
        });
        world.timed(async { world.connection.close(200, "".into()).await.unwrap() })
    });
}

/// Definitions of so many durable queues, each bound.
fn definitions(n: u64) -> String {
    let queues = (0..n).map(|number| {
        format!(r#"{{"name":"q{number}","vhost":"/","durable":true,"auto_delete":false,"arguments":{{}}}}"#)
    });
    let bindings = (0..n).map(|number| {
        format!(
            r#"{{"source":"amq.topic","vhost":"/","destination":"q{number}","destination_type":"queue","routing_key":"k{number}","arguments":{{}}}}"#
        )
    });
    let (queues, bindings): (Vec<_>, Vec<_>) = (queues.collect(), bindings.collect());
    format!(r#"{{"queues":[{}],"bindings":[{}]}}"#, queues.join(","), bindings.join(","))
}

fn operators(filter: &str) {
    let n = 1000;
    row(filter, "operator: a policy for N queues", n, |n| {
        let world = World::with_queues(n, false);
        let policy = Policy::new("bounded", ".*", "max-length", AMQPValue::LongLongInt(10));
        world.timed(async { world.broker.put_policy("/", policy).await.unwrap() })
    });
    row(filter, "operator: export N queues", n, |n| {
        let world = World::with_queues(n, false);
        world.timed(async { drop(world.broker.export_definitions().await.unwrap()) })
    });
    row(filter, "operator: import N queues and bindings", n, |n| {
        let (world, text) = (World::new(), definitions(n));
        world.timed(async { world.broker.import_definitions(&text).await.unwrap() })
    });
    let stalls = 5000;
    let made = |world: &World, n: u64| {
        world.runtime.block_on(async {
            world.broker.import_definitions(&definitions(n)).await.unwrap();
        })
    };
    stall(filter, "others wait: export of N queues", stalls, made, async |world: &World| {
        drop(world.broker.export_definitions().await.unwrap());
    });
    stall(filter, "others wait: a policy for N queues", stalls, made, async |world: &World| {
        let policy = Policy::new("bounded", ".*", "max-length", AMQPValue::LongLongInt(10));
        world.broker.put_policy("/", policy).await.unwrap();
    });
    stall(filter, "others wait: a vhost with N queues goes", stalls, made, async |world: &World| {
        world.broker.delete_vhost("/").await.unwrap();
    });
    let text = RefCell::new(String::new());
    let write = |_: &World, n: u64| drop(text.replace(definitions(n)));
    stall(filter, "others wait: import of N queues", stalls, write, async |world: &World| {
        let text = text.take();
        world.broker.import_definitions(&text).await.unwrap();
    });
    row(filter, "operator: delete a vhost with N queues", n, |n| {
        let world = World::with_queues(n, false);
        world.timed(async { world.broker.delete_vhost("/").await.unwrap() })
    });
}
