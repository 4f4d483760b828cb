//! Messages whose delivery ended without an ack: the queue's failure policy at work.
//!
//! Attempts are kept by position, beside the messages, and only for messages that came back: a queue without a failure
//! policy, and a message that is acked at once, pay nothing.

use std::sync::Arc;

use super::queue::Queue;
use crate::message::Position;
use crate::queue::attempts::{Attempts, Ending, WaitKind};
use crate::queue::dead_letter::Reason;
use crate::queue::effects::Effects;
use crate::queue::entry::Entry;
use crate::queue::failure_policy::Outcome;
use crate::queue::happening::HeldBy;
use crate::queue::spilled::Destination;
use crate::queue::unacked::Unacked;
use crate::time::Time;

impl Queue {
    /// Deliveries ended without an ack: each message comes back, waits, or is dead, as the queue says.
    pub(super) fn return_to_queue(
        &mut self,
        now: Time,
        unacked: Vec<Unacked>,
        ending: Ending,
        effects: &mut Effects,
    ) {
        if !self.options.failure.is_any() {
            effects.counted.returned += unacked.len() as u64;
            self.requeue(unacked.into_iter().map(|unacked| unacked.entry).collect());
            return;
        }
        let mut again = Vec::new();
        for unacked in unacked {
            let position = unacked.entry.position;
            let mut attempts = self.note_ending(now, &unacked, ending);
            let outcome = self.options.failure.outcome(position, ending, &mut attempts);
            let held_by = self.holder_of(&unacked);
            self.carry_out(now, unacked.entry, held_by, attempts, outcome, &mut again, effects);
        }
        self.requeue(again);
    }

    pub(super) fn note_ending(&mut self, now: Time, unacked: &Unacked, ending: Ending) -> Attempts {
        let mut attempts = self.attempts.remove(&unacked.entry.position).unwrap_or_default();
        attempts.ended(self.wall_clock(now), self.options.failure.counts(ending));
        attempts.wait = None;
        let name = unacked.key().and_then(|key| self.consumers.name(key));
        attempts.consumer = name.map(|name| name.tag.clone());
        attempts.peer = name.map(|name| name.peer.clone());
        attempts
    }

    /// Who has it.
    pub(super) fn holder_of(&self, unacked: &Unacked) -> HeldBy {
        let name = unacked.key().and_then(|key| self.consumers.name(key));
        let tag = name.map(|name| Arc::clone(&name.tag));
        HeldBy { connection: unacked.connection, channel: unacked.channel, tag }
    }

    pub(super) fn carry_out(
        &mut self,
        now: Time,
        mut entry: Entry,
        held_by: HeldBy,
        mut attempts: Attempts,
        outcome: Outcome,
        again: &mut Vec<Entry>,
        effects: &mut Effects,
    ) {
        let position = entry.position;
        if outcome == Outcome::Dead {
            self.attempts.insert(position, attempts);
            self.discard_of(entry, Reason::DeliveryLimit, Some(held_by), effects);
            return;
        }
        effects.counted.returned += 1;
        if let Outcome::Wait(wait, ms) = outcome {
            let sum = match wait {
                WaitKind::Delayed => &mut effects.counted.delayed,
                WaitKind::Parked => &mut effects.counted.parked,
            };
            *sum += 1;
            attempts.wait = Some((wait, self.wall_clock(now).plus_ms(u64::from(ms))));
        }
        if entry.stored {
            effects.attempts.push((position, attempts.clone()));
        }
        self.attempts.insert(position, attempts);
        match outcome {
            Outcome::Wait(wait, ms) => {
                entry.redelivered = true;
                entry.message = entry.message.detached();
                self.set_aside(now.plus_ms(u64::from(ms)), wait, entry);
            }
            Outcome::Ready | Outcome::Dead => again.push(entry),
        }
    }

    /// Newest first, so that each goes to the front of those before it: constant time when all are older than what is
    /// ready, which is the usual case.
    pub(super) fn requeue(&mut self, mut entries: Vec<Entry>) {
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.position));
        for mut entry in entries {
            entry.redelivered = true;
            entry.message = entry.message.detached();
            self.put_back(entry);
        }
    }

    /// Puts an entry among the ready ones, when its message is here.
    pub(super) fn put_back(&mut self, entry: Entry) {
        if entry.is_in_memory() {
            self.ready.put_back(entry);
        } else {
            let level = self.ready.level_of(entry.priority);
            self.spilled.want(level, entry, Destination::Ready);
        }
    }

    /// Forgets the attempts of a message that is done with.
    pub(super) fn forget_attempts(&mut self, position: Position) -> Option<Attempts> {
        if self.attempts.is_empty() { None } else { self.attempts.remove(&position) }
    }
}
