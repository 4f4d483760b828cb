//! What a crash of the broker leaves of a queue, for tests that want to see it without one.

use super::queue::Queue;
use crate::message::Position;

impl Queue {
    /// Messages that the store does not have go. All are in memory: with a store that writes, what is left is read from there instead.
    pub(super) fn forget_transient(&mut self) {
        let mut kept = Vec::new();
        while let Some(entry) = self.ready.pop_front() {
            if entry.stored {
                kept.push(entry);
            } else {
                self.forget_attempts(entry.position);
            }
        }
        kept.into_iter().for_each(|entry| self.ready.put_back(entry));
        let transient = self.waiting.entries().filter(|entry| !entry.stored);
        let transient: Vec<Position> = transient.map(|entry| entry.position).collect();
        for entry in self.waiting.take_at(&transient) {
            self.forget_attempts(entry.position);
        }
        self.schedule.forget_transient();
    }
}
