//! What the queue machine costs: prints nanoseconds per message for publish, delivery and ack together, by kind of queue
//! and number of consumers. Run with `cargo bench --bench queue`.
#![allow(missing_docs, clippy::print_stdout, clippy::disallowed_methods)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use coney::dedup::{DedupKeys, Deduplication, PublisherSequence};
use coney::message::{Message, MessageBlock, Parts, Position};
use coney::queue::failure_policy::FailurePolicy;
use coney::queue::{
    Command, ConnectionId, Consume, ConsumerKey, ConsumerName, DedupPublish, Effects, Handle, OwnTimeout,
    Publish, Queue, QueueOptions, Settlement,
};
use coney::time::Time;

/// Messages that wait in a mailbox at a time: what one socket read of small messages brings.
const BATCH: usize = 256;
const ROUNDS: usize = 2_000;
const PUBLISHER: ConnectionId = ConnectionId(1);
const CONSUMER: ConnectionId = ConnectionId(2);

/// A queue that is driven batch by batch, with its outside.
struct Driven {
    queue: Queue,
    effects: Effects,
    messages: Vec<Message>,
    sequence: u64,
    handles: Vec<Handle>,
}

impl Driven {
    fn new(options: QueueOptions, persistent: bool) -> Self {
        let mut block = MessageBlock::default();
        let (body, properties) = ([7; 16], [0x10, 0, if persistent { 2 } else { 1 }]);
        let parts =
            Parts { exchange: b"", routing_key: b"queue", properties: &properties, body: &body, persistent };
        let slots: Vec<_> = (0..BATCH).map(|_| block.push(parts)).collect();
        let block = block.finish();
        Self {
            queue: Queue::new(options, Position(1), Time::ZERO),
            effects: Effects::default(),
            messages: slots.into_iter().map(|slot| block.message(slot)).collect(),
            sequence: 0,
            handles: Vec::with_capacity(BATCH),
        }
    }

    fn consumers(mut self, count: u32, no_ack: bool) -> Self {
        for number in 0..count {
            let key = ConsumerKey { connection: CONSUMER, channel: 1, number };
            let consume = Consume {
                key,
                no_ack,
                exclusive: false,
                prefetch: BATCH as u16,
                priority: 0,
                channel_prefetch: None,
                inbox: None,
                ack_timeout: OwnTimeout::TheQueues,
                name: ConsumerName::default(),
                arguments: std::sync::Arc::default(),
                is_passing: false,
            };
            self.queue.apply(Time::ZERO, Command::Consume(consume.into()), &mut self.effects);
        }
        self
    }

    fn publish(&mut self, priorities: u8) {
        let first = self.sequence;
        self.sequence += BATCH as u64;
        let publishes = self.messages.iter().zip(1..).map(|(message, index)| Publish {
            message: message.clone(),
            channel: 1,
            sequence: first + index,
            ttl_ms: None,
            priority: (index % u64::from(priorities)) as u8,
        });
        let command = Command::Publish(PUBLISHER, publishes.collect());
        self.queue.apply(Time::ZERO, command, &mut self.effects);
        self.carry_out();
    }

    /// Messages that were never here before, each with an id of its own, marked by a numbered publisher or not.
    fn publish_fresh(&mut self, publisher: Option<&Arc<[u8]>>) {
        let first = self.sequence;
        self.sequence += BATCH as u64;
        let mut block = MessageBlock::default();
        let slots: Vec<_> = (first..self.sequence)
            .map(|number| {
                let mut properties = [0x10, 0x80, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0];
                properties[4..].copy_from_slice(&number.to_be_bytes());
                block.push(Parts {
                    exchange: b"",
                    routing_key: b"queue",
                    properties: &properties,
                    body: &[7; 16],
                    persistent: true,
                })
            })
            .collect();
        let block = block.finish();
        let publish = |(slot, sequence)| Publish {
            message: block.message(slot),
            channel: 1,
            sequence,
            ttl_ms: None,
            priority: 0,
        };
        let publishes = slots.into_iter().zip(first + 1..).map(publish);
        let command = match publisher {
            None => Command::Publish(PUBLISHER, publishes.collect()),
            Some(id) => {
                let marked = publishes.map(|publish| {
                    let mark = PublisherSequence { id: Arc::clone(id), epoch: 0, number: publish.sequence };
                    let mark = Arc::new(DedupKeys { publisher: Some(mark), exchange: None });
                    DedupPublish { publish, keys: mark }
                });
                Command::PublishDedup(PUBLISHER, marked.collect())
            }
        };
        self.queue.apply(Time::ZERO, command, &mut self.effects);
        self.carry_out();
    }

    /// Takes what the batch asks the outside to do, and gives the window back.
    fn carry_out(&mut self) {
        self.queue.settle_batch(Time::ZERO, &mut self.effects);
        let mut written = Vec::new();
        for batch in self.effects.deliveries.drain(..) {
            written.push((batch.consumer, batch.deliveries.iter().map(|delivery| delivery.cost()).sum()));
            self.handles.extend(batch.deliveries.iter().map(|delivery| delivery.handle));
        }
        self.effects.confirms.clear();
        self.effects.append_confirms.clear();
        self.effects.appended.clear();
        self.effects.removed.clear();
        self.effects.records.clear();
        self.effects.duplicate_confirms.clear();
        for (key, bytes) in written {
            self.queue.apply(Time::ZERO, Command::Written(key, bytes), &mut self.effects);
        }
    }

    fn settle(&mut self, settlement: Settlement) {
        let handles = std::mem::replace(&mut self.handles, Vec::with_capacity(BATCH));
        self.queue.apply(Time::ZERO, Command::Settle(settlement, handles), &mut self.effects);
        self.carry_out();
    }
}

/// Prints the best of five, as the machine is shared.
fn measure(name: &str, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..ROUNDS / 5 {
            work();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (ROUNDS / 5 * BATCH) as f64);
    }
    println!("{name:<48} {best:>8.1} ns");
}

/// A message in, out and acked, in a queue that is always empty in between.
fn through(name: &str, options: QueueOptions, consumers: u32, no_ack: bool) {
    let priorities = options.priority_max.map_or(1, |max| max + 1);
    let persistent = options.durable;
    let mut driven = Driven::new(options, persistent).consumers(consumers, no_ack);
    measure(name, || {
        driven.publish(priorities);
        if !no_ack {
            driven.settle(Settlement::Ack);
        }
        black_box(driven.queue.counts());
    });
    assert_eq!((driven.queue.counts().ready, driven.queue.counts().unacked), (0, 0), "{name}");
}

/// The same behind a backlog, which the consumer works through.
fn with_backlog(backlog: usize) {
    let mut driven = Driven::new(QueueOptions::default(), false);
    (0..backlog / BATCH).for_each(|_| driven.publish(1));
    let mut driven = driven.consumers(1, false);
    driven.carry_out();
    measure(&format!("publish, deliver, ack behind {backlog} messages"), || {
        driven.publish(1);
        driven.settle(Settlement::Ack);
    });
}

/// What it costs to know messages again. The last row is of messages that all are duplicates.
fn once() {
    let durable = || QueueOptions { durable: true, ..QueueOptions::default() };
    let window = Deduplication { size: 100_000, ttl_ms: None, header: "none".into() };
    let windowed = || QueueOptions { deduplication: Some(window.clone()), ..durable() };
    let id: Arc<[u8]> = b"publisher"[..].into();
    for (name, options, publisher) in [
        ("fresh messages, durable", durable(), None),
        ("the same, deduplicated, window of 100,000", windowed(), None),
        ("the same, of a numbered publisher", durable(), Some(&id)),
    ] {
        let mut driven = Driven::new(options, true).consumers(1, false);
        measure(name, || {
            driven.publish_fresh(publisher);
            driven.settle(Settlement::Ack);
        });
    }
    let mut driven = Driven::new(windowed(), true).consumers(1, false);
    driven.publish_fresh(None);
    driven.settle(Settlement::Ack);
    measure("duplicates", || {
        driven.sequence = 0;
        driven.publish_fresh(None);
    });
    assert_eq!(driven.queue.counts().ready, 0);
}

fn requeues() {
    let mut driven = Driven::new(QueueOptions::default(), false).consumers(1, false);
    driven.publish(1);
    measure("requeue, deliver", || driven.settle(Settlement::Requeue));
}

fn main() {
    let plain = QueueOptions::default;
    through("publish, deliver without ack", plain(), 1, true);
    for consumers in [1, 2, 10] {
        through(&format!("publish, deliver, ack, {consumers} consumers"), plain(), consumers, false);
    }
    through("the same, durable", QueueOptions { durable: true, ..plain() }, 1, false);
    through("the same, TTL", QueueOptions { message_ttl_ms: Some(60_000), ..plain() }, 1, false);
    through("the same, 10 priorities", QueueOptions { priority_max: Some(9), ..plain() }, 1, false);
    through("the same, max-length", QueueOptions { length_max: Some(10_000), ..plain() }, 1, false);
    let failure = FailurePolicy { delivery_limit: Some(3), ..FailurePolicy::default() };
    through("the same, delivery limit", QueueOptions { failure, ..plain() }, 1, false);
    with_backlog(1_000_000);
    requeues();
    once();
}
