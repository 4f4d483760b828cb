//! Carrying dead letters to their exchange.
//!
//! A batch of them is one unit in the store: their removal here and their records in the target queues are written
//! together, so that no crash loses or doubles one.

use std::collections::BTreeMap;

use super::mailbox::Mail;
use super::shared::{Shared, count_reason};
use super::vhost::{QueueRecord, Vhost};
use crate::message::{Message, Position, QueueId};
use crate::protocol::content::Properties;
use crate::queue::dead_letter::{self, Death};
use crate::queue::{Command, DeadLetter, Publish, QueueOptions};
use crate::session::{PropertySource, delay_ms};
use crate::store::{Join, Op, Submission};
use crate::topology::{HeaderSource, RouteScratch};

/// Dead letters of one queue.
pub(super) struct Burial<'a> {
    pub(super) shared: &'a Shared,
    pub(super) vhost: &'a Vhost,
    pub(super) record: &'a QueueRecord,
    pub(super) options: &'a QueueOptions,
}

impl Burial<'_> {
    /// Sends each to where its exchange routes it. One that has nowhere to go is dropped, as in RabbitMQ.
    pub(super) fn carry_out(&self, letters: Vec<DeadLetter>) {
        let mut per_queue: BTreeMap<QueueId, Vec<Publish>> = BTreeMap::new();
        let mut stored: Vec<Position> = Vec::new();
        for letter in letters {
            stored.extend(letter.stored);
            let buried = self.bury(&letter);
            count_reason(&self.shared.counters.dead_lettered, letter.reason, 1);
            let (targets, delay_ms) = match self.delay(&buried) {
                Some((queue, ms)) => (vec![queue], Some(ms)),
                None => (self.targets(&buried), None),
            };
            let buried = buried.for_queues(targets.len());
            for queue in targets {
                let publish = Publish { ttl_ms: delay_ms, ..publish(buried.clone()) };
                per_queue.entry(queue).or_default().push(publish);
            }
        }
        Move { shared: self.shared, vhost: self.vhost, from: self.record.id, as_new: false }
            .carry_out(per_queue, stored);
    }

    fn bury(&self, letter: &DeadLetter) -> Message {
        let death = Death {
            queue: &self.record.name,
            reason: letter.reason,
            at: self.shared.clock.timestamp(),
            exchange: self.options.dead_letter_exchange.as_deref().unwrap_or_default(),
            routing_key: self.options.dead_letter_routing_key.as_deref(),
            attempts: letter.attempts.as_deref(),
        };
        dead_letter::with_death(&letter.message, &death)
    }

    /// Where it has to wait, and how long, if its exchange delays it.
    fn delay(&self, buried: &Message) -> Option<(QueueId, u64)> {
        let queue = self.vhost.topology.read().delay_queue(buried.exchange())?;
        let headers = Properties::parse(buried.properties()).ok()?.headers()?;
        Some((queue, delay_ms(headers)?))
    }

    fn targets(&self, buried: &Message) -> Vec<QueueId> {
        let keys = dead_letter::routing_keys(buried);
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let properties = Properties::parse(buried.properties()).ok().map(PropertySource);
        let source = properties.as_ref().map(|properties| properties as &dyn HeaderSource);
        let mut queues = Vec::new();
        let routed = self.vhost.topology.route(
            buried.exchange(),
            &keys,
            source,
            &mut queues,
            &mut RouteScratch::default(),
        );
        if routed.is_err() {
            tracing::debug!(queue = self.record.name, "the dead-letter exchange does not exist");
        }
        queues.retain(|queue| {
            self.vhost.queue(*queue).is_some_and(|record| !dead_letter::is_cycle(buried, &record.name))
        });
        queues
    }
}

/// Messages that leave a queue for others, as the broker routes them.
pub(super) struct Move<'a> {
    pub(super) shared: &'a Shared,
    pub(super) vhost: &'a Vhost,
    pub(super) from: QueueId,
    /// They come to their first queue.
    pub(super) as_new: bool,
}

impl Move<'_> {
    /// Sends them, and removes those that the store had.
    pub(super) fn carry_out(&self, per_queue: BTreeMap<QueueId, Vec<Publish>>, stored: Vec<Position>) {
        if stored.is_empty() {
            self.send_unstored(per_queue);
        } else {
            self.send(per_queue, stored);
        }
    }

    const fn command(&self, publishes: Vec<Publish>) -> Command {
        if self.as_new { Command::PublishDue(publishes) } else { Command::PublishDeadLettered(publishes) }
    }

    /// What the store never had needs no unit there: only its targets' records, if they keep any.
    fn send_unstored(&self, per_queue: BTreeMap<QueueId, Vec<Publish>>) {
        for (queue, publishes) in per_queue {
            if let Some(record) = self.vhost.queue(queue) {
                // A target that went just now is as one that was never there.
                let _ = record.mailbox.send(Mail::Tell(self.command(publishes)));
            }
        }
    }

    fn send(&self, per_queue: BTreeMap<QueueId, Vec<Publish>>, stored: Vec<Position>) {
        let parts = u32::try_from(per_queue.len() + 1).unwrap_or(u32::MAX);
        let join = Join { id: self.shared.store.next_join_id(), parts };
        for (queue, publishes) in per_queue {
            let mail = Mail::Joined(join, vec![self.command(publishes)]);
            let taken = self.vhost.queue(queue).is_some_and(|record| record.mailbox.send(mail).is_ok());
            if !taken {
                self.shared.store.submit(Submission { join: Some(join), ..Submission::default() });
            }
        }
        let ops = vec![Op::Remove { queue: self.from, positions: stored }];
        self.shared.store.submit(Submission { ops, join: Some(join), ..Submission::default() });
    }
}

/// The original TTL is gone from a dead letter; its priority stays.
fn publish(message: Message) -> Publish {
    let priority = Properties::parse(message.properties()).ok().and_then(|properties| properties.priority());
    Publish { message, channel: 0, sequence: 0, ttl_ms: None, priority: priority.unwrap_or(0) }
}
