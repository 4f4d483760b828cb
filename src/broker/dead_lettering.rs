//! Carrying dead letters to their exchange.
//!
//! A batch of them is one unit in the store: their removal here and their records in the target queues are written
//! together, so that no crash loses or doubles one.

use super::journal::{Event, QueueEvents, Surroundings};
use super::shared::count_reason;
use super::transfer::{Load, Transfer};
use crate::message::{Message, Position, QueueId};
use crate::protocol::content::Properties;
use crate::queue::dead_letter::{self, Death};
use crate::queue::sender_selected::routing_keys;
use crate::queue::{DeadLetter, Publish, QueueOptions};
use crate::session::PropertySource;
use crate::statistics::ExchangeCounters;
use crate::topology::{HeaderSource, RouteError, RouteScratch, Undelayed};

/// Dead letters of one queue.
pub(super) struct DeadLettering<'a> {
    pub(super) at: Surroundings<'a>,
    pub(super) options: &'a QueueOptions,
    pub(super) events: &'a mut QueueEvents,
}

impl DeadLettering<'_> {
    /// Sends each to where its exchange routes it. One that has nowhere to go is dropped, as in RabbitMQ.
    pub(super) fn carry_out(mut self, letters: Vec<DeadLetter>) {
        let mut load = Load::default();
        let mut stored: Vec<Position> = Vec::new();
        let (mut scratch, mut noted) = (RouteScratch::default(), Vec::new());
        for letter in letters {
            stored.extend(letter.stored);
            let message = self.dead_letter(&letter);
            count_reason(&self.at.shared.counters.dead_lettered, letter.reason, 1);
            let targets = self.targets(&message, &mut scratch);
            let (delay_queues, delay_ms) = scratch.delayed().unzip();
            let delay_queues = delay_queues.unwrap_or_default();
            self.note(&mut noted, &letter, [&targets, delay_queues]);
            let message = message.for_queues(targets.len() + delay_queues.len());
            let from = letter.position.map(|position| self.at.place(position));
            if let Some(world) = &self.at.vhost.world {
                targets.iter().for_each(|queue| world.dead.note(*queue));
            }
            for queue in targets {
                load.add(queue, publish(message.clone()), from.clone());
            }
            for queue in delay_queues {
                let publish = Publish { ttl_ms: delay_ms, ..publish(message.clone()) };
                load.add(*queue, publish, from.clone());
            }
        }
        // Before its target can note anything of it.
        self.at.vhost.journal.note(noted);
        Transfer { shared: self.at.shared, vhost: self.at.vhost, from: self.at.record.id, as_new: false }
            .carry_out(load, stored);
    }

    fn note(&mut self, noted: &mut Vec<Event>, letter: &DeadLetter, to: [&[QueueId]; 2]) {
        if self.at.vhost.journal.is_on() {
            noted.push(self.events.dead_lettered(&self.at, letter, &to.concat()));
        }
    }

    fn dead_letter(&self, letter: &DeadLetter) -> Message {
        let death = Death {
            queue: &self.at.record.name,
            reason: letter.reason,
            at: self.at.vhost.clock.timestamp(),
            exchange: self.options.dead_letter_exchange.as_deref().unwrap_or_default(),
            routing_key: self.options.dead_letter_routing_key.as_deref(),
            attempts: letter.attempts.as_deref(),
        };
        dead_letter::with_death(&letter.message, &death)
    }

    /// Routes a dead letter. Delayed exchanges where it has to wait first are in `scratch` afterwards.
    fn targets(&self, message: &Message, scratch: &mut RouteScratch) -> Vec<QueueId> {
        let keys = routing_keys(message);
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let properties = Properties::parse(message.properties()).ok().map(PropertySource);
        let mut queues = Vec::new();
        let mut route = |source: Option<&dyn HeaderSource>| {
            self.at.vhost.topology.route(message.exchange(), &keys, source, &mut queues, scratch)
        };
        let routed = match route(properties.as_ref().map(|source| source as &dyn HeaderSource)) {
            Err(RouteError::InvalidDelay(error)) => {
                // Its publisher cannot be told any more.
                tracing::warn!(queue = self.at.record.name, %error, "a dead letter is routed without delay");
                route(properties.map(Undelayed).as_ref().map(|source| source as &dyn HeaderSource))
            }
            routed => routed,
        };
        if routed.is_err() {
            tracing::debug!(queue = self.at.record.name, "the dead-letter exchange does not exist");
        }
        queues.retain(|queue| {
            self.at.vhost.queue(*queue).is_some_and(|record| !dead_letter::is_cycle(message, &record.name))
        });
        if let Some(statistics) = self.at.vhost.topology.read().statistics(message.exchange()) {
            statistics.add(self.at.shared.clock.now(), &ExchangeCounters::routed(queues.len()));
        }
        queues
    }
}

/// The original TTL is gone from a message that the broker moves; its priority stays.
pub(super) fn publish(message: Message) -> Publish {
    let priority = Properties::parse(message.properties()).ok().and_then(|properties| properties.priority());
    Publish { message, channel: 0, sequence: 0, ttl_ms: None, priority: priority.unwrap_or(0) }
}
