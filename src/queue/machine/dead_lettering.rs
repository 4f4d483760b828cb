//! Messages that leave the queue other than by an ack: for the dead-letter exchange, or for good.

use super::queue::Queue;
use crate::queue::attempts::Attempts;
use crate::queue::dead_letter::Reason;
use crate::queue::effects::{DeadLetter, Effects};
use crate::queue::entry::Entry;
use crate::queue::spilled::Destination;

impl Queue {
    pub(super) fn discard(&mut self, entry: Entry, reason: Reason, effects: &mut Effects) {
        let attempts = self.forget_attempts(entry.position).map(Box::new);
        if !entry.is_in_memory() && self.options.dead_letter_exchange.is_some() {
            return self.fetch_dead(entry, reason, attempts);
        }
        self.forget_spilled(&entry, effects);
        let stored = entry.stored.then_some(entry.position);
        self.dead_letter(DeadLetter { message: entry.message, reason, stored, attempts }, effects);
    }

    pub(super) fn dead_letter(&mut self, letter: DeadLetter, effects: &mut Effects) {
        let DeadLetter { reason, stored, .. } = letter;
        if self.options.dead_letter_exchange.is_some() {
            effects.dead_letter(letter);
        } else {
            effects.removed.extend(stored);
            effects.drop_message(reason);
        }
    }

    /// Keeps a dead entry until its message is here.
    pub(super) fn fetch_dead(&mut self, entry: Entry, reason: Reason, attempts: Option<Box<Attempts>>) {
        self.spilled.want(0, entry, Destination::Dead(reason, attempts));
    }
}
