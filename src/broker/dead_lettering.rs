//! Carrying dead letters to their exchange.
//!
//! A batch of them is one unit in the store: their removal here and their records in the target queues are written
//! together, so that no crash loses or doubles one.

use std::collections::BTreeMap;

use super::shared::{Shared, count_reason};
use super::transfer::Transfer;
use super::vhost::{QueueRecord, Vhost};
use crate::message::{Message, Position, QueueId};
use crate::protocol::content::Properties;
use crate::queue::dead_letter::{self, Death};
use crate::queue::{DeadLetter, Publish, QueueOptions};
use crate::session::{PropertySource, delay_ms};
use crate::statistics::ExchangeCounters;
use crate::topology::{HeaderSource, RouteScratch};

/// Dead letters of one queue.
pub(super) struct DeadLettering<'a> {
    pub(super) shared: &'a Shared,
    pub(super) vhost: &'a Vhost,
    pub(super) record: &'a QueueRecord,
    pub(super) options: &'a QueueOptions,
}

impl DeadLettering<'_> {
    /// Sends each to where its exchange routes it. One that has nowhere to go is dropped, as in RabbitMQ.
    pub(super) fn carry_out(&self, letters: Vec<DeadLetter>) {
        let mut per_queue: BTreeMap<QueueId, Vec<Publish>> = BTreeMap::new();
        let mut stored: Vec<Position> = Vec::new();
        for letter in letters {
            stored.extend(letter.stored);
            let message = self.dead_letter(&letter);
            count_reason(&self.shared.counters.dead_lettered, letter.reason, 1);
            let (targets, delay_ms) = match self.delay(&message) {
                Some((queue, ms)) => (vec![queue], Some(ms)),
                None => (self.targets(&message), None),
            };
            let message = message.for_queues(targets.len());
            for queue in targets {
                let publish = Publish { ttl_ms: delay_ms, ..publish(message.clone()) };
                per_queue.entry(queue).or_default().push(publish);
            }
        }
        Transfer { shared: self.shared, vhost: self.vhost, from: self.record.id, as_new: false }
            .carry_out(per_queue, stored);
    }

    fn dead_letter(&self, letter: &DeadLetter) -> Message {
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
    fn delay(&self, message: &Message) -> Option<(QueueId, u64)> {
        let queue = self.vhost.topology.read().delay_queue(message.exchange())?;
        let headers = Properties::parse(message.properties()).ok()?.headers()?;
        Some((queue, delay_ms(headers)?))
    }

    fn targets(&self, message: &Message) -> Vec<QueueId> {
        let keys = dead_letter::routing_keys(message);
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let properties = Properties::parse(message.properties()).ok().map(PropertySource);
        let source = properties.as_ref().map(|properties| properties as &dyn HeaderSource);
        let mut queues = Vec::new();
        let routed = self.vhost.topology.route(
            message.exchange(),
            &keys,
            source,
            &mut queues,
            &mut RouteScratch::default(),
        );
        if routed.is_err() {
            tracing::debug!(queue = self.record.name, "the dead-letter exchange does not exist");
        }
        queues.retain(|queue| {
            self.vhost.queue(*queue).is_some_and(|record| !dead_letter::is_cycle(message, &record.name))
        });
        if let Some(statistics) = self.vhost.topology.read().statistics(message.exchange()) {
            statistics.add(self.shared.clock.now(), &ExchangeCounters::routed(queues.len()));
        }
        queues
    }
}

/// The original TTL is gone from a dead letter; its priority stays.
fn publish(message: Message) -> Publish {
    let priority = Properties::parse(message.properties()).ok().and_then(|properties| properties.priority());
    Publish { message, channel: 0, sequence: 0, ttl_ms: None, priority: priority.unwrap_or(0) }
}
