//! Queues that a channel has to do with.

use std::collections::BTreeSet;

use crate::message::QueueId;

/// Below this many, nothing is gained by looking for those that have ended.
const SWEEP_MIN: usize = 64;

/// Queues that may hold something of a channel. Those that have ended are forgotten when there are many, for a channel may
/// live longer than most queues.
#[derive(Debug)]
pub(super) struct KnownQueues {
    ids: BTreeSet<QueueId>,
    /// With this many, those that have ended are looked for: twice what was left the last time.
    sweep_at: usize,
}

impl Default for KnownQueues {
    fn default() -> Self {
        Self { ids: BTreeSet::new(), sweep_at: SWEEP_MIN }
    }
}

impl KnownQueues {
    pub(super) fn insert(&mut self, queue: QueueId) {
        self.ids.insert(queue);
    }

    /// Forgets those that have ended, if there are many.
    pub(super) fn sweep(&mut self, has_ended: impl Fn(QueueId) -> bool) {
        if self.ids.len() >= self.sweep_at {
            self.ids.retain(|queue| !has_ended(*queue));
            self.sweep_at = (2 * self.ids.len()).max(SWEEP_MIN);
        }
    }

    /// All of them, by their ids.
    pub(super) fn into_ids(self) -> impl Iterator<Item = QueueId> {
        self.ids.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_have_ended_are_forgotten_and_others_are_not() {
        let mut known = KnownQueues::default();
        for id in 0..10_000 {
            known.insert(QueueId(id));
            known.sweep(|queue| queue.0 % 100 != 0);
        }
        assert!(known.ids.len() <= 300, "{} are known", known.ids.len());
        let stayed = known.into_ids().filter(|queue| queue.0 % 100 == 0);
        assert_eq!(stayed.count(), 100);
    }
}
