//! Clients that make things and take them away again, on one connection that stays: what is gone leaves nothing behind.
//!
//! Resident memory is what Linux says of the process.

#![cfg(target_os = "linux")]

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic, channel, exchange, queue};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::MIB;
use super::memory::consume_from;
use crate::support::process::{Process, coney};
use crate::support::raw::{self, Publish, Raw};

/// How many there are of each kind.
const ROUNDS: usize = 5_000;
/// Made and taken away in one write.
const AT_A_TIME: usize = 500;
/// What memory may grow by meanwhile: noise. A kilobyte kept of each would be more.
const GROWTH_MAX: usize = 4 * MIB;

/// One without a journal, which grows up to its limit by what happens to consumers.
fn broker() -> (tempfile::TempDir, Process) {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--amqp", "127.0.0.1:0", "--log", "error", "--journal-events", "0", "--data-dir"];
    let process = Process::run(coney().args(arguments).arg(dir.path()));
    (dir, process)
}

/// A thing with this number is made and taken away: the methods for it, and how many answers they have.
type Round = fn(usize, &mut Vec<u8>) -> usize;

/// Has things come and go, once so that the broker has all that it needs for it, and then for its memory to be compared.
fn churn(round: Round) {
    let (_dir, process) = broker();
    let mut client = Raw::with_channel(process.address().parse().unwrap());
    client.declare("stays", |_| {});
    come_and_go(&mut client, 0..ROUNDS, round);
    let before = process.resident_memory();
    come_and_go(&mut client, ROUNDS..2 * ROUNDS, round);
    let grown = process.resident_memory().saturating_sub(before);
    println!("{} KiB more than {} MiB", grown / 1024, before / MIB);
    assert!(grown < GROWTH_MAX, "{grown} bytes are left of {ROUNDS}");
}

fn come_and_go(client: &mut Raw, numbers: std::ops::Range<usize>, round: Round) {
    for first in numbers.step_by(AT_A_TIME) {
        let (mut bytes, mut answers) = (Vec::new(), 0);
        for number in first..first + AT_A_TIME {
            answers += round(number, &mut bytes);
        }
        client.send(&bytes);
        for _ in 0..answers {
            client.next().unwrap();
        }
        // All of it is done then.
        client.count("stays");
    }
}

fn say(bytes: &mut Vec<u8>, channel: u16, method: AMQPClass) {
    bytes.extend(raw::encode(&AMQPFrame::Method(channel, method)));
}

fn declare(bytes: &mut Vec<u8>, name: &str, change: impl FnOnce(&mut queue::Declare)) {
    let mut declare = queue::Declare { nowait: true, exclusive: true, ..raw::declare(name) };
    change(&mut declare);
    say(bytes, 1, AMQPClass::Queue(queue::AMQPMethod::Declare(declare)));
}

fn delete(bytes: &mut Vec<u8>, name: &str) {
    let delete = queue::Delete { queue: name.into(), if_unused: false, if_empty: false, nowait: true };
    say(bytes, 1, AMQPClass::Queue(queue::AMQPMethod::Delete(delete)));
}

fn consume(bytes: &mut Vec<u8>, queue: &str, tag: &str) {
    let consume = basic::Consume { nowait: true, ..consume_from(queue, tag) };
    say(bytes, 1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
}

fn cancel(bytes: &mut Vec<u8>, tag: &str) {
    let cancel = basic::Cancel { consumer_tag: tag.into(), nowait: true };
    say(bytes, 1, AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)));
}

#[test]
fn exclusive_queues_with_a_message() {
    churn(|number, bytes| {
        let name = format!("exclusive-{number}");
        declare(bytes, &name, |_| {});
        bytes.extend(Publish { key: &name, ..Publish::default() }.with_body(b"message"));
        delete(bytes, &name);
        0
    });
}

#[test]
fn exclusive_queues_with_a_consumer() {
    churn(|number, bytes| {
        let name = format!("consumed-{number}");
        declare(bytes, &name, |_| {});
        consume(bytes, &name, &name);
        delete(bytes, &name);
        // The client is told that the consumer is gone.
        1
    });
}

#[test]
fn auto_delete_queues() {
    churn(|number, bytes| {
        let name = format!("auto-delete-{number}");
        declare(bytes, &name, |declare| declare.auto_delete = true);
        consume(bytes, &name, &name);
        cancel(bytes, &name);
        0
    });
}

#[test]
fn queues_that_the_broker_names() {
    churn(|_, bytes| {
        declare(bytes, "", |_| {});
        delete(bytes, "");
        0
    });
}

#[test]
fn queues_that_expire() {
    let (_dir, process) = broker();
    let mut client = Raw::with_channel(process.address().parse().unwrap());
    client.declare("stays", |_| {});
    let expire = |client: &mut Raw, numbers: std::ops::Range<usize>| {
        let last = format!("expires-{}", numbers.end - 1);
        come_and_go(client, numbers, |number, bytes| {
            declare(bytes, &format!("expires-{number}"), |declare| {
                declare.arguments.insert("x-expires".into(), AMQPValue::LongInt(1));
            });
            0
        });
        while is_there(client, &last) {}
    };
    expire(&mut client, 0..ROUNDS);
    let before = process.resident_memory();
    expire(&mut client, ROUNDS..2 * ROUNDS);
    let grown = process.resident_memory().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes are left of {ROUNDS}");
}

/// Asks on a channel of its own.
fn is_there(client: &mut Raw, queue: &str) -> bool {
    client.open_channel(2);
    let declare = queue::Declare { passive: true, ..raw::declare(queue) };
    client.method(2, AMQPClass::Queue(queue::AMQPMethod::Declare(declare)));
    let answer = client.next();
    let is_there =
        matches!(answer, Some(AMQPFrame::Method(2, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(_)))));
    if is_there {
        client.method(2, close_channel());
        client.next().unwrap();
    } else {
        client.method(2, AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})));
    }
    is_there
}

fn close_channel() -> AMQPClass {
    let close = channel::Close { reply_code: 200, reply_text: "".into(), class_id: 0, method_id: 0 };
    AMQPClass::Channel(channel::AMQPMethod::Close(close))
}

#[test]
fn consumers_of_a_queue_that_stays() {
    churn(|number, bytes| {
        let tag = format!("tag-{number}");
        consume(bytes, "stays", &tag);
        cancel(bytes, &tag);
        0
    });
}

#[test]
fn bindings_to_a_queue_that_stays() {
    churn(|number, bytes| {
        let (exchange, routing_key) =
            (["amq.topic", "amq.direct"][number % 2].into(), format!("{number}.*.#"));
        let bind = queue::Bind {
            queue: "stays".into(),
            exchange,
            routing_key: routing_key.as_str().into(),
            nowait: true,
            arguments: FieldTable::default(),
        };
        let unbind = queue::Unbind {
            queue: "stays".into(),
            exchange: bind.exchange.clone(),
            routing_key: bind.routing_key.clone(),
            arguments: FieldTable::default(),
        };
        say(bytes, 1, AMQPClass::Queue(queue::AMQPMethod::Bind(bind)));
        say(bytes, 1, AMQPClass::Queue(queue::AMQPMethod::Unbind(unbind)));
        1
    });
}

#[test]
fn exchanges_that_are_published_to() {
    churn(|number, bytes| {
        let name = format!("exchange-{number}");
        let declare = exchange::Declare {
            exchange: name.as_str().into(),
            kind: ["fanout", "headers", "topic", "direct"][number % 4].into(),
            passive: false,
            durable: false,
            auto_delete: false,
            internal: false,
            nowait: true,
            arguments: FieldTable::default(),
        };
        say(bytes, 1, AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare)));
        bytes.extend(Publish { exchange: &name, key: "k", ..Publish::default() }.with_body(b"message"));
        let delete = exchange::Delete { exchange: name.as_str().into(), if_unused: false, nowait: true };
        say(bytes, 1, AMQPClass::Exchange(exchange::AMQPMethod::Delete(delete)));
        0
    });
}

#[test]
fn channels() {
    churn(|number, bytes| {
        let channel = 2 + (number % 100) as u16;
        say(bytes, channel, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
        say(bytes, channel, close_channel());
        2
    });
}
