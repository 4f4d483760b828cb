//! Queues that a channel has to do with.

use std::collections::BTreeSet;

use super::sweep::Sweep;
use crate::message::QueueId;

/// Queues that may hold something of a channel. Those that have ended are forgotten when there are many, for a channel may
/// live longer than most queues.
#[derive(Debug, Default)]
pub(super) struct KnownQueues {
    ids: BTreeSet<QueueId>,
    sweep: Sweep,
}

impl KnownQueues {
    pub(super) fn insert(&mut self, queue: QueueId) {
        self.ids.insert(queue);
    }

    /// Forgets those that have ended, if there are many.
    pub(super) fn sweep(&mut self, has_ended: impl Fn(QueueId) -> bool) {
        if self.sweep.is_due(self.ids.len()) {
            self.ids.retain(|queue| !has_ended(*queue));
            self.sweep.done(self.ids.len());
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
