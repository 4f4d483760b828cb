//! What a connection keeps by queue.
//!
//! A connection may live long and have to do with many queues that do not, such as its clients' reply queues. What has ended
//! is forgotten in time, in whatever way it ended, so that this grows with the queues that are there and not with those that
//! ever were.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::broker::mailbox::Mailbox;
use crate::broker::vhost::QueueRecord;
use crate::message::QueueId;
use crate::session::Sweep;

/// What can tell whether its queue is no more.
pub(super) trait OfQueue {
    /// Whether the queue is no more.
    fn has_ended(&self) -> bool;
}

impl OfQueue for Mailbox {
    fn has_ended(&self) -> bool {
        self.is_closed()
    }
}

impl OfQueue for Arc<QueueRecord> {
    fn has_ended(&self) -> bool {
        self.mailbox.is_closed()
    }
}

/// Something of each queue, such as its mailbox.
#[derive(Debug)]
pub(super) struct QueueMap<T> {
    entries: BTreeMap<QueueId, T>,
    sweep: Sweep,
}

impl<T> Default for QueueMap<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), sweep: Sweep::default() }
    }
}

impl<T: OfQueue> QueueMap<T> {
    /// Keeps something of a queue.
    pub(super) fn insert(&mut self, queue: QueueId, entry: T) {
        if self.sweep.is_due(self.entries.len()) {
            self.entries.retain(|_, entry| !entry.has_ended());
            self.sweep.done(self.entries.len());
        }
        self.entries.insert(queue, entry);
    }

    /// What is kept of the queue; `find` looks it up if that is nothing yet.
    pub(super) fn get_or_find(&mut self, queue: QueueId, find: impl FnOnce() -> Option<T>) -> Option<T>
    where
        T: Clone,
    {
        if let Some(entry) = self.entries.get(&queue) {
            return Some(entry.clone());
        }
        let entry = find()?;
        self.insert(queue, entry.clone());
        Some(entry)
    }

    /// The queue has ended.
    pub(super) fn remove(&mut self, queue: QueueId) {
        self.entries.remove(&queue);
    }

    /// Takes all of them.
    pub(super) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.entries).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_have_ended_are_forgotten_and_others_are_not() {
        let mut kept = QueueMap::default();
        let mut alive = Vec::new();
        for id in 0..10_000 {
            let (mailbox, receiver) = Mailbox::new(None);
            assert!(kept.get_or_find(QueueId(id), || Some(mailbox)).is_some());
            if id % 100 == 0 {
                alive.push(receiver);
            }
        }
        assert!(kept.entries.len() <= 3 * alive.len(), "{} are kept", kept.entries.len());
        let open = kept.take().filter(|mailbox| !mailbox.is_closed()).count();
        assert_eq!(open, alive.len());
    }
}
