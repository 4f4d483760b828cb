//! What consumers say about messages that they have.

use super::queue::Queue;
use super::returning::{Back, in_memory};
use crate::queue::attempts::{Ending, WaitKind};
use crate::queue::command::{Disposition, MoveOut, Settlement};
use crate::queue::consumers::Consumers;
use crate::queue::dead_letter::Reason;
use crate::queue::effects::{Effects, Moved};
use crate::queue::failure_policy::Outcome;
use crate::queue::happening::{Cause, Happening, HappeningKind};
use crate::queue::ids::{ConsumerKey, Handle};
use crate::queue::unacked::Unacked;
use crate::time::Time;

impl Queue {
    pub(super) fn settle(
        &mut self,
        now: Time,
        settlement: Settlement,
        handles: Vec<Handle>,
        effects: &mut Effects,
    ) {
        if settlement != Settlement::Ack {
            // What came before this goes out before what comes back.
            self.dispatch(now, effects);
        }
        let mut back = Vec::new();
        let mut run = SettledRun::default();
        for handle in handles {
            let Some(unacked) = self.unacked.remove(handle) else { continue };
            run.add(unacked.key(), &mut self.consumers);
            match settlement {
                Settlement::Ack => {
                    effects.counted.acked += u64::from(!unacked.by_hand);
                    if effects.is_recording {
                        self.record_end(&unacked, HappeningKind::Acked, effects);
                    }
                    self.forget_attempts(unacked.entry.position);
                    self.forget_spilled(&unacked.entry, effects);
                    effects.removed.extend(unacked.entry.stored.then_some(unacked.entry.position));
                }
                Settlement::Requeue | Settlement::Fail => back.push(unacked),
                Settlement::Undo => {
                    effects.counted.returned += u64::from(!unacked.by_hand);
                    if effects.is_recording {
                        self.record_end(&unacked, HappeningKind::PutBack, effects);
                    }
                    self.undo(unacked);
                }
                Settlement::Reject => {
                    self.note_last_attempt(now, &unacked);
                    let held_by = self.holder_of(&unacked);
                    self.discard_of(unacked.entry, Reason::Rejected, Some(held_by), effects);
                }
            }
        }
        run.end(&mut self.consumers);
        let cause = if settlement == Settlement::Fail { Cause::Failed } else { Cause::Requeued };
        self.return_to_queue(now, back, cause, effects);
        self.drop_overflow(now, effects);
    }

    #[cold]
    fn record_end(&self, unacked: &Unacked, kind: HappeningKind, effects: &mut Effects) {
        let entry = &unacked.entry;
        effects.happened.push(Happening {
            position: Some(entry.position),
            message: in_memory(entry),
            held_by: Some(self.holder_of(unacked)),
            ..Happening::new(kind)
        });
    }

    /// Puts a message back as it was.
    fn undo(&mut self, unacked: Unacked) {
        let mut entry = unacked.entry;
        entry.message = entry.message.detached();
        self.put_back(entry);
    }

    /// Lets go of messages that go to other queues.
    pub(super) fn move_out(&mut self, moves: Vec<MoveOut>, effects: &mut Effects) {
        for MoveOut { handle, message, queues } in moves {
            let Some(unacked) = self.unacked.remove(handle) else { continue };
            self.give_credit_back(&unacked);
            effects.counted.acked += u64::from(!unacked.by_hand);
            let entry = unacked.entry;
            self.forget_attempts(entry.position);
            self.forget_spilled(&entry, effects);
            let (position, stored) = (entry.position, entry.stored.then_some(entry.position));
            effects.moved.push(Moved { message, queues, position, stored });
        }
    }

    /// Does what a consumer asks for a message it has, beyond ack and nack. One that is gone is left alone.
    pub(super) fn dispose(
        &mut self,
        now: Time,
        handle: Handle,
        disposition: Disposition,
        error: Option<std::sync::Arc<str>>,
        effects: &mut Effects,
    ) {
        if disposition == Disposition::Progress {
            self.unacked.renew(handle, now);
            return;
        }
        let Some(unacked) = self.unacked.remove(handle) else { return };
        self.give_credit_back(&unacked);
        let held_by = self.holder_of(&unacked);
        let mut attempts = self.note_ending(now, &unacked, Ending::Failed);
        attempts.error = error.or(attempts.error);
        let position = unacked.entry.position;
        let outcome = match disposition {
            Disposition::Terminate => {
                self.attempts.insert(position, attempts);
                self.discard_of(unacked.entry, Reason::Rejected, Some(held_by), effects);
                return;
            }
            Disposition::Retry(None) => self.options.failure.outcome(position, Ending::Failed, &mut attempts),
            Disposition::Retry(_) if self.options.failure.is_exhausted(&attempts) => Outcome::Dead,
            Disposition::Retry(Some(0)) => Outcome::Ready,
            Disposition::Retry(Some(ms)) => Outcome::Wait(WaitKind::Delayed, ms),
            Disposition::Park | Disposition::Progress => {
                Outcome::Wait(WaitKind::Parked, self.options.failure.parking_ms())
            }
        };
        let back = Back { entry: unacked.entry, held_by, cause: Cause::Failed, attempts };
        let again = self.carry_out(now, back, outcome, effects);
        self.requeue(again.into_iter().collect());
    }

    pub(super) fn give_credit_back(&mut self, unacked: &Unacked) {
        if let Some(key) = unacked.key() {
            self.consumers.settled(key, 1);
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

/// Messages in a row that were settled by one consumer, which gets its credit for all of them at once.
#[derive(Default)]
struct SettledRun {
    key: Option<ConsumerKey>,
    count: u32,
}

impl SettledRun {
    #[inline]
    fn add(&mut self, key: Option<ConsumerKey>, consumers: &mut Consumers) {
        if self.key != key {
            std::mem::take(self).end(consumers);
            self.key = key;
        }
        self.count += 1;
    }

    fn end(self, consumers: &mut Consumers) {
        if let Some(key) = self.key {
            consumers.settled(key, self.count);
        }
    }
}
