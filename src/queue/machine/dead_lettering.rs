//! Messages that leave the queue other than by an ack: for the dead-letter exchange, or for good.

use super::queue::Queue;
use crate::queue::dead_letter::Reason;
use crate::queue::effects::{DeadLetter, Effects};
use crate::queue::entry::{Entry, is_nothing};
use crate::queue::happening::{Happening, HappeningKind, HeldBy};
use crate::queue::spilled::{Dead, Destination};

impl Queue {
    pub(super) fn discard(&mut self, entry: Entry, reason: Reason, effects: &mut Effects) {
        self.discard_of(entry, reason, None, effects);
    }

    /// The same for one that somebody had.
    pub(super) fn discard_of(
        &mut self,
        entry: Entry,
        reason: Reason,
        held_by: Option<HeldBy>,
        effects: &mut Effects,
    ) {
        let attempts = self.forget_attempts(entry.position).map(Box::new);
        let dead = Dead { reason, attempts, held_by };
        if !entry.is_in_memory() && self.options.dead_letter_exchange.is_some() {
            return self.spilled.want(0, entry, Destination::Dead(Box::new(dead)));
        }
        self.forget_spilled(&entry, effects);
        self.bury(entry, dead, effects);
    }

    /// It is dead, and its message is here if that is needed.
    pub(super) fn bury(&mut self, entry: Entry, dead: Dead, effects: &mut Effects) {
        let Dead { reason, attempts, held_by } = dead;
        let (position, stored) = (Some(entry.position), entry.stored.then_some(entry.position));
        let letter = DeadLetter { message: entry.message, reason, position, stored, attempts, held_by };
        self.dead_letter(letter, effects);
    }

    pub(super) fn dead_letter(&mut self, letter: DeadLetter, effects: &mut Effects) {
        if self.options.dead_letter_exchange.is_some() {
            effects.dead_letter(letter);
            return;
        }
        let DeadLetter { message, reason, position, stored, attempts, held_by } = letter;
        effects.removed.extend(stored);
        effects.drop_message(reason);
        let (attempt, error) = attempts.map_or((0, None), |attempts| (attempts.acquired, attempts.error));
        let message = Some(message).filter(|message| !is_nothing(message));
        let kind = HappeningKind::Dropped(reason);
        effects.happen(Happening { position, message, held_by, attempt, error, ..Happening::new(kind) });
    }
}
