//! What tests look at.

use super::queue::Queue;
use crate::message::Position;
use crate::time::Timestamp;

impl Queue {
    /// Those on their way back to memory included.
    pub(in crate::queue) fn ready_positions(&self) -> Vec<Position> {
        let mut all = self.ready.positions();
        all.extend(self.spilled.positions().0);
        all.sort_unstable();
        all.into_iter().map(|(_, position)| position).collect()
    }

    /// Dead ones whose messages are on their way back to memory.
    pub(in crate::queue) fn dead_positions(&self) -> Vec<Position> {
        self.spilled.positions().1
    }

    pub(in crate::queue) fn unacked_positions(&self) -> Vec<Position> {
        self.unacked.iter().map(|unacked| unacked.entry.position).collect()
    }

    pub(in crate::queue) fn check_window(&self) {
        self.ready.check();
    }

    pub(in crate::queue) fn bytes_in_memory(&self) -> usize {
        self.ready.in_memory() + self.unacked.in_memory() + self.waiting.in_memory()
    }

    pub(in crate::queue) fn within_prefetch(&self) -> bool {
        self.consumers.within_prefetch()
    }

    pub(in crate::queue) const fn set_epoch(&mut self, epoch: Timestamp) {
        self.epoch = epoch;
    }

    /// How many messages one of its windows knows.
    pub(in crate::queue) fn remembered(&self, scope: &str) -> usize {
        self.dedup.count(scope)
    }

    pub(in crate::queue) const fn delayed_bytes(&self) -> usize {
        self.schedule.cost()
    }
}
