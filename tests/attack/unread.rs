//! A client with thousands of consumers that does not read: what is on its way to it is bounded, and when it reads after all,
//! each consumer gets what is its.

#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::MIB;
use super::memory::{attack, consume_from};
use crate::support::raw::{Publish, Raw};

const CONSUMERS: usize = 3000;
/// Of a stream, from which each is given the same.
const READERS: usize = 1000;
const BODY_BYTES: usize = 64 * 1024;
/// A queue with so much would take half as much again as the process may.
const MESSAGES: usize = 450 * MIB / BODY_BYTES;
/// A stream is read by each of its consumers.
const STREAM_MESSAGES: usize = 100 * MIB / BODY_BYTES;
/// How long nothing changes until nothing is under way any more.
const STILL: Duration = Duration::from_secs(1);

/// Declares a queue of a type with so many messages in it.
fn fill(address: SocketAddr, queue_type: &str, messages: usize) {
    let mut client = Raw::with_channel(address);
    client.declare("full", |declare| {
        declare.durable = true;
        let queue_type = AMQPValue::LongString(queue_type.into());
        declare.arguments.insert("x-queue-type".into(), queue_type);
    });
    let publish = Publish { key: "full", ..Publish::default() }.with_body(&[1; BODY_BYTES]);
    for _ in 0..messages {
        client.send(&publish);
    }
    while client.count("full") < messages as u32 {}
}

/// A client that consumes and does not read.
fn consume_and_do_not_read(
    address: SocketAddr,
    consumers: usize,
    prefetch: u16,
    change: impl Fn(&mut basic::Consume),
) -> Raw {
    let mut client = Raw::with_channel(address);
    let qos = basic::Qos { prefetch_count: prefetch, global: false };
    client.method(1, AMQPClass::Basic(basic::AMQPMethod::Qos(qos)));
    client.next().unwrap();
    for number in 0..consumers {
        let mut consume = basic::Consume { nowait: true, ..consume_from("full", &number.to_string()) };
        change(&mut consume);
        client.method(1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
    }
    client
}

/// Waits until the queue gives nothing more.
#[expect(clippy::disallowed_methods, reason = "that nothing comes for so long is for a clock to tell")]
fn until_still(address: SocketAddr) -> u32 {
    let mut client = Raw::with_channel(address);
    let (mut ready, mut since) = (client.count("full"), std::time::Instant::now());
    while since.elapsed() < STILL {
        let now = client.count("full");
        if now != ready {
            (ready, since) = (now, std::time::Instant::now());
        }
    }
    ready
}

/// Reads the next delivery; tells whose it is.
fn next_delivery(client: &mut Raw) -> String {
    loop {
        let frame = client.next().expect("a delivery");
        if let AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver))) = frame {
            return deliver.consumer_tag.to_string();
        }
    }
}

fn a_queue(no_ack: bool) {
    attack(1, |_, address| {
        fill(address, "classic", MESSAGES);
        let mut client = consume_and_do_not_read(address, CONSUMERS, 0, |consume| consume.no_ack = no_ack);
        let ready = until_still(address);
        assert!(ready > 0, "the client was given all, and read nothing");
        let mut served = HashSet::new();
        for _ in 0..MESSAGES {
            served.insert(next_delivery(&mut client));
        }
        assert_eq!(served.len(), CONSUMERS, "some were given nothing");
    });
}

#[test]
fn a_queue_without_acks() {
    a_queue(true);
}

#[test]
fn a_queue_with_acks() {
    a_queue(false);
}

fn from_the_first(consume: &mut basic::Consume) {
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), AMQPValue::LongString("first".into()));
    consume.arguments = arguments;
}

#[test]
fn a_stream_whose_consumers_have_windows_to_fill() {
    attack(1, |_, address| {
        fill(address, "stream", STREAM_MESSAGES);
        let mut client = consume_and_do_not_read(address, READERS, 100, from_the_first);
        next_delivery(&mut client);
        until_given(address);
    });
}

/// What is read ahead for consumers that may have no more is bounded as well.
#[test]
fn a_stream_whose_consumers_may_have_one_message_each() {
    attack(1, |_, address| {
        fill(address, "stream", STREAM_MESSAGES);
        let mut client = consume_and_do_not_read(address, READERS, 1, from_the_first);
        let mut served = HashSet::new();
        while served.len() < READERS {
            assert!(served.insert(next_delivery(&mut client)), "one has two");
        }
    });
}

/// Waits until the stream has done all that it does for its consumers: a consumer that comes after them is served.
fn until_given(address: SocketAddr) {
    let mut client = Raw::with_channel(address);
    for number in 0..20 {
        let qos = basic::Qos { prefetch_count: 1, global: false };
        client.method(1, AMQPClass::Basic(basic::AMQPMethod::Qos(qos)));
        client.next().unwrap();
        let mut consume = basic::Consume { nowait: true, ..consume_from("full", &number.to_string()) };
        from_the_first(&mut consume);
        client.method(1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
        assert_eq!(next_delivery(&mut client), number.to_string());
    }
}
