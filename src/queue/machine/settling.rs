//! What consumers say about messages that they have.

use super::queue::Queue;
use crate::queue::attempts::{Ending, Pause};
use crate::queue::command::{Verb, Wish};
use crate::queue::dead_letter::Reason;
use crate::queue::effects::Effects;
use crate::queue::failure_policy::Fate;
use crate::queue::ids::Handle;
use crate::queue::unacked::Unacked;
use crate::time::Time;

impl Queue {
    pub(super) fn settle(&mut self, now: Time, verb: Verb, handles: Vec<Handle>, effects: &mut Effects) {
        let mut back = Vec::new();
        for handle in handles {
            let Some(unacked) = self.unacked.remove(handle) else { continue };
            self.give_credit_back(&unacked);
            match verb {
                Verb::Ack => {
                    effects.counted.acked += 1;
                    self.forget_attempts(unacked.entry.position);
                    self.forget_absent(&unacked.entry, effects);
                    effects.removed.extend(unacked.entry.stored.then_some(unacked.entry.position));
                }
                Verb::Requeue | Verb::Fail => back.push(unacked),
                Verb::Reject => {
                    self.note_last_attempt(now, &unacked);
                    self.end_of_life(unacked.entry, Reason::Rejected, effects);
                }
            }
        }
        let ending = if verb == Verb::Fail { Ending::Failed } else { Ending::Returned };
        self.come_back(now, back, ending, effects);
        self.drop_overflow(now, effects);
    }

    /// Does what a consumer wishes for a message it has. One that is gone is left alone.
    pub(super) fn grant(
        &mut self,
        now: Time,
        handle: Handle,
        wish: Wish,
        error: Option<std::sync::Arc<str>>,
        effects: &mut Effects,
    ) {
        if wish == Wish::Progress {
            self.unacked.renew(handle, now);
            return;
        }
        let Some(unacked) = self.unacked.remove(handle) else { return };
        self.give_credit_back(&unacked);
        let mut attempts = self.note_ending(now, &unacked, Ending::Failed);
        attempts.error = error.or(attempts.error);
        let position = unacked.entry.position;
        let fate = match wish {
            Wish::Terminate => {
                self.attempts.insert(position, attempts);
                self.end_of_life(unacked.entry, Reason::Rejected, effects);
                return;
            }
            Wish::Retry(None) => self.options.failure.fate(position, Ending::Failed, &mut attempts),
            Wish::Retry(_) if self.options.failure.is_exhausted(&attempts) => Fate::Dead,
            Wish::Retry(Some(0)) => Fate::Again,
            Wish::Retry(Some(ms)) => Fate::Wait(Pause::Delayed, ms),
            Wish::Park | Wish::Progress => Fate::Wait(Pause::Parked, self.options.failure.parking_ms()),
        };
        let mut again = Vec::new();
        self.carry_out_fate(now, unacked.entry, attempts, fate, &mut again, effects);
        self.requeue(again);
    }

    pub(super) fn give_credit_back(&mut self, unacked: &Unacked) {
        if let Some(key) = unacked.key() {
            self.consumers.settled(key);
        }
    }

    /// A rejected message's last delivery, for its dead letter.
    pub(super) fn note_last_attempt(&mut self, now: Time, unacked: &Unacked) {
        if self.options.failure.is_any() {
            let attempts = self.note_ending(now, unacked, Ending::Failed);
            self.attempts.insert(unacked.entry.position, attempts);
        }
    }
}
