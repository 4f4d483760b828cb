//! A queue that is longer than its limits allow.

use super::queue::Queue;
use crate::queue::dead_letter::Reason;
use crate::queue::effects::Effects;
use crate::queue::happening::{Happening, HappeningKind};
use crate::queue::options::Overflow;
use crate::time::Time;

impl Queue {
    pub(super) fn is_over_full(&self) -> bool {
        let too_many = self.options.length_max.is_some_and(|max| self.ready.len() as u64 > max);
        too_many || self.options.length_bytes_max.is_some_and(|max| self.ready.bytes() as u64 > max)
    }

    /// The limit counts ready messages, so what a consumer can take goes to it first.
    pub(super) fn drop_overflow(&mut self, now: Time, effects: &mut Effects) {
        self.overflow_waits = false;
        if self.options.overflow != Overflow::DropHead {
            return;
        }
        if self.spilled.returning() > 0 {
            self.overflow_waits = !self.options.is_unlimited();
            return;
        }
        if !self.is_over_full() {
            return;
        }
        self.dispatch(now, effects);
        while self.is_over_full() {
            if self.ready.may_expire_unseen() {
                // What has expired makes room first, as it does in memory.
                self.overflow_waits = true;
                return;
            }
            if let Some(entry) = self.ready.pop_overflow() {
                self.discard(entry, Reason::Maxlen, effects);
            } else if !self.drop_overflow_segment(effects) {
                self.overflow_waits = true;
                return;
            }
        }
    }

    /// A dead letter has to be read before it can go; what is dropped for good does not.
    pub(super) fn drop_overflow_segment(&mut self, effects: &mut Effects) -> bool {
        let Some(max) = self.options.length_max else { return false };
        if self.options.dead_letter_exchange.is_some() {
            return false;
        }
        let too_many = (self.ready.len() as u64).saturating_sub(max);
        let too_many = usize::try_from(too_many).unwrap_or(usize::MAX);
        let Some(segment) = self.ready.take_overflow_segment(too_many) else { return false };
        if segment.stored || !self.attempts.is_empty() {
            let positions = segment.positions();
            self.attempts.retain(|position, _| !positions.contains(*position));
            effects.removed.extend(positions.iter().filter(|_| segment.stored));
        }
        if segment.paged {
            effects.pages_forgotten.push(segment.id);
        }
        effects.drop_messages(Reason::Maxlen, segment.count);
        let ends = Some((segment.first, segment.last));
        let dropped = HappeningKind::Dropped(Reason::Maxlen);
        effects.happen(Happening::run(dropped, segment.count, ends));
        true
    }
}
