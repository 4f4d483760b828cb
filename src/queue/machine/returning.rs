//! Messages whose delivery ended without an ack: the queue's failure policy at work.
//!
//! Attempts are kept by position, beside the messages, and only for messages that came back: a queue without a failure
//! policy, and a message that is acked at once, pay nothing.

use std::sync::Arc;

use super::queue::Queue;
use crate::message::{Message, Position};
use crate::queue::attempts::{Attempts, Ending, WaitKind};
use crate::queue::dead_letter::Reason;
use crate::queue::effects::Effects;
use crate::queue::entry::Entry;
use crate::queue::failure_policy::Outcome;
use crate::queue::happening::{Cause, Happening, HappeningKind, HeldBy};
use crate::queue::spilled::Destination;
use crate::queue::unacked::Unacked;
use crate::time::Time;

/// A message that came back.
pub(super) struct Back {
    pub(super) entry: Entry,
    pub(super) held_by: HeldBy,
    pub(super) cause: Cause,
    pub(super) attempts: Attempts,
}

impl Queue {
    /// Deliveries ended without an ack: each message comes back, waits, or is dead, as the queue says.
    pub(super) fn return_to_queue(
        &mut self,
        now: Time,
        unacked: Vec<Unacked>,
        cause: Cause,
        effects: &mut Effects,
    ) {
        if !self.options.failure.is_any() {
            effects.counted.returned += unacked.iter().filter(|unacked| !unacked.by_hand).count() as u64;
            for unacked in &unacked {
                let held_by = self.holder_of(unacked);
                effects.happen(came_back(&unacked.entry, held_by, cause, &Attempts::default()));
            }
            self.requeue(unacked.into_iter().map(|unacked| unacked.entry).collect());
            return;
        }
        let mut again = Vec::new();
        for unacked in unacked {
            let position = unacked.entry.position;
            let mut attempts = self.note_ending(now, &unacked, cause.ending());
            let outcome = self.options.failure.outcome(position, cause.ending(), &mut attempts);
            let held_by = self.holder_of(&unacked);
            let back = Back { entry: unacked.entry, held_by, cause, attempts };
            again.extend(self.carry_out(now, back, outcome, effects));
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

    /// Gives the entry if it is ready again.
    pub(super) fn carry_out(
        &mut self,
        now: Time,
        back: Back,
        outcome: Outcome,
        effects: &mut Effects,
    ) -> Option<Entry> {
        let Back { mut entry, held_by, cause, mut attempts } = back;
        let position = entry.position;
        effects.happen(came_back(&entry, held_by.clone(), cause, &attempts));
        if outcome == Outcome::Dead {
            self.attempts.insert(position, attempts);
            self.discard_of(entry, Reason::DeliveryLimit, Some(held_by), effects);
            return None;
        }
        effects.counted.returned += 1;
        if let Outcome::Wait(wait, ms) = outcome {
            let until = self.wall_clock(now).plus_ms(u64::from(ms));
            let (sum, kind) = match wait {
                WaitKind::Delayed => (&mut effects.counted.delayed, HappeningKind::Delayed(until)),
                WaitKind::Parked => (&mut effects.counted.parked, HappeningKind::Parked(until)),
            };
            *sum += 1;
            attempts.wait = Some((wait, until));
            let (position, message, attempt) = (Some(position), in_memory(&entry), attempts.acquired);
            effects.happen(Happening { position, message, attempt, ..Happening::new(kind) });
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
                None
            }
            Outcome::Ready | Outcome::Dead => Some(entry),
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

fn came_back(entry: &Entry, held_by: HeldBy, cause: Cause, attempts: &Attempts) -> Happening {
    Happening {
        position: Some(entry.position),
        message: in_memory(entry),
        held_by: Some(held_by),
        attempt: attempts.acquired,
        error: attempts.error.clone(),
        ..Happening::new(HappeningKind::CameBack(cause))
    }
}

/// The entry's message, if it is here.
pub(super) fn in_memory(entry: &Entry) -> Option<Message> {
    entry.is_in_memory().then(|| entry.message.clone())
}
