//! Clients that make the broker keep as much as they can: the process stays within one and a half times its memory limit,
//! and another client goes on.
//!
//! Resident memory is what Linux says of the process, at its highest.

#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic, channel, queue, tx};
use coney::config::{Config, MemoryLimit};
use coney::{Broker, Readings};
use lapin::BasicProperties;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;

use super::{MIB, get};
use crate::support::client::{Bench, consume, next};
use crate::support::process::{Process, coney};
use crate::support::raw::{self, BODY_FRAME_BYTES, Publish, Raw, Written, raw_frame};

const LIMIT: usize = 200 * MIB;
/// What the process may take at most.
const PEAK_MAX: usize = LIMIT / 2 * 3;
/// It comes back.
const UNROUTABLE: Publish<'_> =
    Publish { channel: 1, exchange: "", key: "nowhere", mandatory: true, properties: &[0, 0] };

/// Runs the attackers at once, each with its number, until each has been stopped; another client works meanwhile.
pub(super) fn attack(attackers: usize, attacker: impl Fn(usize, SocketAddr) + Sync) {
    let dir = tempfile::tempdir().unwrap();
    let limit = format!("{LIMIT}");
    let arguments = ["--amqp", "127.0.0.1:0", "--log", "error", "--memory-limit", &limit, "--data-dir"];
    let process = Process::run(coney().args(arguments).arg(dir.path()));
    let address = process.address().parse().unwrap();
    let over = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        let bystander = scope.spawn(|| work(address, &over));
        let attackers: Vec<_> = (0..attackers)
            .map(|number| {
                let attacker = &attacker;
                scope.spawn(move || attacker(number, address))
            })
            .collect();
        let failed = attackers.into_iter().filter_map(|attacker| attacker.join().err()).count();
        over.store(true, Ordering::Relaxed);
        assert_eq!(failed, 0, "attackers failed");
        bystander.join().unwrap()
    });
    let peak = process.peak_memory();
    println!("peak {} MiB, {rounds} rounds of another client", peak / MIB);
    assert!(peak < PEAK_MAX, "{} MiB at the highest", peak / MIB);
}

/// Publishes and gets until it is over, and at least once; tells how often.
fn work(address: SocketAddr, over: &AtomicBool) -> usize {
    let mut client = Raw::with_channel(address);
    client.declare("bystander", |declare| declare.exclusive = true);
    let mut rounds = 0;
    while rounds == 0 || !over.load(Ordering::Relaxed) {
        client.send(&Publish { key: "bystander", ..Publish::default() }.with_body(b"work"));
        loop {
            client.method(1, AMQPClass::Basic(basic::AMQPMethod::Get(get("bystander"))));
            match client.next() {
                Some(AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::GetOk(_)))) => break,
                Some(AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::GetEmpty(_)))) => {}
                other => panic!("the other client got {other:?}"),
            }
        }
        for _ in ["header", "body"] {
            client.next().unwrap();
        }
        rounds += 1;
    }
    rounds
}

/// Sends the same again and again until the broker takes no more: it closed the connection, or does not read.
fn flood(client: &mut Raw, bytes: &[u8]) -> Written {
    loop {
        match client.write(bytes) {
            Written::All => {}
            end => return end,
        }
    }
}

/// The same for a client that sees whether it is told to go.
fn flood_until_closed(client: &mut Raw, bytes: &[u8]) {
    while client.write(bytes) != Written::Closed {
        if client.is_closed() {
            return;
        }
    }
}

#[test]
fn a_transaction_that_is_never_committed() {
    attack(4, |_, address| {
        let mut client = Raw::with_channel(address);
        client.method(1, AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {})));
        client.next().unwrap();
        client.declare("target", |_| {});
        flood_until_closed(
            &mut client,
            &Publish { key: "target", ..Publish::default() }.with_body(&vec![1; MIB]),
        );
    });
}

#[test]
fn many_small_messages_and_acks_in_transactions() {
    attack(2, |_, address| {
        let mut client = Raw::with_channel(address);
        client.method(1, AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {})));
        client.next().unwrap();
        flood_until_closed(
            &mut client,
            &Publish { exchange: "amq.fanout", ..Publish::default() }.with_body(b"small").repeat(1000),
        );
    });
}

#[test]
fn bodies_that_never_end() {
    attack(4, |_, address| {
        let mut client = Raw::open(address);
        for channel in 1..=200 {
            client.open_channel(channel);
            client.send(&Publish { channel, key: "nowhere", ..Publish::default() }.begin(128 * MIB));
        }
        let pieces: Vec<u8> =
            (1..=200).flat_map(|channel| raw_frame(3, channel, &vec![1; BODY_FRAME_BYTES])).collect();
        flood_until_closed(&mut client, &pieces);
    });
}

#[test]
fn bodies_that_are_announced_and_never_sent() {
    attack(2, |_, address| {
        let mut client = Raw::open(address);
        for channel in 1..=2000 {
            let open = AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}));
            client.method(channel, open);
            client.send(&Publish { channel, key: "nowhere", ..Publish::default() }.begin(128 * MIB));
            if client.write(&raw_frame(3, channel, b"1")) == Written::Closed || client.is_closed() {
                return;
            }
        }
        // It may not have read all of it yet, and does not wait for more.
        client.finish();
        let _ = client.rest();
        assert!(client.is_closed(), "2,000 times 1 MiB fit");
    });
}

#[test]
fn returns_that_nobody_reads() {
    attack(25, |_, address| {
        let mut client = Raw::with_channel(address);
        let end = flood(&mut client, &UNROUTABLE.with_body(&vec![1; 100_000]));
        assert_ne!(end, Written::All);
    });
}

#[test]
fn large_returns_that_nobody_reads() {
    attack(10, |_, address| {
        let mut client = Raw::with_channel(address);
        let end = flood(&mut client, &UNROUTABLE.with_body(&vec![1; 4 * MIB]));
        assert_ne!(end, Written::All);
    });
}

#[test]
fn gets_of_a_large_message_that_nobody_reads() {
    attack(25, |number, address| {
        let mut client = Raw::with_channel(address);
        let queue = format!("large-{number}");
        client.declare(&queue, |_| {});
        client.send(&Publish { key: &queue, ..Publish::default() }.with_body(&vec![1; MIB]));
        let get = basic::Get { queue: queue.as_str().into(), no_ack: false };
        let get = raw::encode(&AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Get(get))));
        // Each get returns it for the next one.
        let recover = basic::Recover { requeue: true };
        let recover =
            raw::encode(&AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Recover(recover))));
        let end = flood(&mut client, &[get, recover].concat().repeat(100));
        assert_ne!(end, Written::All);
    });
}

#[test]
fn direct_replies_that_nobody_reads() {
    attack(4, |_, address| {
        let mut requester = Raw::with_channel(address);
        let consume = basic::Consume { no_ack: true, ..consume_from("amq.rabbitmq.reply-to", "c") };
        requester.method(1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
        requester.next().unwrap();
        requester.declare("requests", |_| {});
        // Its own address, as a responder would see it.
        let properties = [&[2, 0, 21][..], b"amq.rabbitmq.reply-to"].concat();
        let request = Publish { key: "requests", properties: &properties, ..Publish::default() }.begin(0);
        requester.send(&request);
        requester.assert_alive();
        let mut responder = Raw::with_channel(address);
        let address = loop {
            responder.method(1, AMQPClass::Basic(basic::AMQPMethod::Get(get("requests"))));
            if let Some(AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::GetOk(_)))) =
                responder.next()
                && let Some(AMQPFrame::Header(1, header)) = responder.next()
            {
                break header.properties.reply_to().clone().unwrap();
            }
        };
        let reply = Publish { key: address.as_str(), ..Publish::default() }.with_body(&vec![1; MIB]);
        for _ in 0..300 {
            assert_eq!(responder.write(&reply), Written::All);
        }
        responder.assert_alive();
    });
}

/// Makes more and more of something until the broker refuses it, which it has to before there are so many.
fn make_until_refused(client: &mut Raw, many: usize, make: impl Fn(usize) -> AMQPClass) {
    for round in 0..many {
        let bytes = raw::encode(&AMQPFrame::Method(1, make(round)));
        if client.write(&bytes) == Written::Closed || round % 100 == 0 && client.is_closed() {
            return;
        }
    }
    panic!("{many} fit");
}

#[test]
fn queues_without_end() {
    attack(2, |number, address| {
        make_until_refused(&mut Raw::with_channel(address), 1_000_000, |round| {
            let declare = queue::Declare { nowait: true, ..raw::declare(&format!("queue-{number}-{round}")) };
            AMQPClass::Queue(queue::AMQPMethod::Declare(declare))
        });
    });
}

#[test]
fn bindings_without_end() {
    attack(2, |number, address| {
        let mut client = Raw::with_channel(address);
        let name = format!("bound-{number}");
        client.declare(&name, |_| {});
        make_until_refused(&mut client, 10_000_000, |round| {
            let bind = queue::Bind {
                queue: name.as_str().into(),
                exchange: "amq.topic".into(),
                routing_key: format!("{number}.{round}.#").as_str().into(),
                nowait: true,
                arguments: FieldTable::default(),
            };
            AMQPClass::Queue(queue::AMQPMethod::Bind(bind))
        });
    });
}

#[test]
fn consumers_without_end() {
    attack(2, |number, address| {
        let mut client = Raw::with_channel(address);
        let name = format!("consumed-{number}");
        client.declare(&name, |_| {});
        make_until_refused(&mut client, 10_000_000, |round| {
            let consume = basic::Consume { nowait: true, ..consume_from(&name, &format!("tag-{round}")) };
            AMQPClass::Basic(basic::AMQPMethod::Consume(consume))
        });
    });
}

pub(super) fn consume_from(queue: &str, tag: &str) -> basic::Consume {
    basic::Consume {
        queue: queue.into(),
        consumer_tag: tag.into(),
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    }
}

/// In this process, with a limit of its own: the alarm stays off, for it looks at the memory of the whole process.
#[tokio::test]
async fn deliveries_that_nobody_acks() {
    const MESSAGES: usize = 60_000;
    const LIMIT: u64 = 20 * MIB as u64;
    let config = Config { memory_limit: MemoryLimit::Bytes(LIMIT), ..Config::default() };
    let builder = Broker::builder()
        .config(config)
        .listen("127.0.0.1:0".parse().unwrap())
        .ephemeral()
        .meter(Readings::default);
    let bench = Bench::on(builder.start().await.unwrap()).await;
    bench.declare("q", FieldTable::default()).await;
    for _ in 0..MESSAGES {
        let publish = bench.channel.basic_publish(
            "".into(),
            "q".into(),
            BasicPublishOptions::default(),
            b"small",
            BasicProperties::default(),
        );
        publish.await.unwrap();
    }
    bench.until_ready("q", MESSAGES as u32).await;
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "", BasicConsumeOptions::default()).await;
    let (mut received, mut unacked, mut most) = (0, 0, 0);
    while received < MESSAGES {
        match tokio::time::timeout(Duration::from_secs(1), next(&mut consumer)).await {
            Ok(delivery) => {
                (received, unacked) = (received + 1, unacked + 1);
                most = most.max(unacked);
                if received == MESSAGES {
                    delivery.acker.ack(BasicAckOptions { multiple: true }).await.unwrap();
                }
            }
            // It gets no more until it has acked.
            Err(_) => {
                channel.basic_ack(0, BasicAckOptions { multiple: true }).await.unwrap();
                unacked = 0;
            }
        }
    }
    // A third of the limit, in notes of 200 bytes, and a window.
    assert!(most < 45_000, "{most} unacked at once");
    bench.until_ready("q", 0).await;
}
