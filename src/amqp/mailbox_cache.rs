//! The queues that a connection has to do with, looked up once each.
//!
//! A connection may live long and send to many queues that do not, such as its clients' reply queues. What has ended is
//! forgotten in time, so that this grows with the queues that are there and not with those that ever were.

use std::collections::BTreeMap;

use crate::broker::mailbox::Mailbox;
use crate::message::QueueId;

/// Below this many, nothing is gained by looking for those that have ended.
const SWEEP_MIN: usize = 64;

/// Mailboxes by queue.
#[derive(Debug)]
pub(super) struct MailboxCache {
    mailboxes: BTreeMap<QueueId, Mailbox>,
    /// With this many, those that have ended are looked for: twice what was left the last time, so that a look costs little
    /// per queue.
    sweep_at: usize,
}

impl Default for MailboxCache {
    fn default() -> Self {
        Self { mailboxes: BTreeMap::new(), sweep_at: SWEEP_MIN }
    }
}

impl MailboxCache {
    /// The queue's mailbox; `find` looks it up if it is not cached yet.
    pub(super) fn mailbox(
        &mut self,
        queue: QueueId,
        find: impl FnOnce() -> Option<Mailbox>,
    ) -> Option<Mailbox> {
        if let Some(mailbox) = self.mailboxes.get(&queue) {
            return Some(mailbox.clone());
        }
        let mailbox = find()?;
        if self.mailboxes.len() >= self.sweep_at {
            self.mailboxes.retain(|_, mailbox| !mailbox.is_closed());
            self.sweep_at = (2 * self.mailboxes.len()).max(SWEEP_MIN);
        }
        self.mailboxes.insert(queue, mailbox.clone());
        Some(mailbox)
    }

    /// The queue has ended.
    pub(super) fn remove(&mut self, queue: QueueId) {
        self.mailboxes.remove(&queue);
    }

    /// Takes all of them.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Mailbox> + use<> {
        std::mem::take(&mut self.mailboxes).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_have_ended_are_forgotten_and_others_are_not() {
        let mut cached = MailboxCache::default();
        let mut alive = Vec::new();
        for id in 0..10_000 {
            let (mailbox, receiver) = Mailbox::new();
            assert!(cached.mailbox(QueueId(id), || Some(mailbox)).is_some());
            if id % 100 == 0 {
                alive.push(receiver);
            }
        }
        assert!(cached.mailboxes.len() <= 3 * alive.len(), "{} are cached", cached.mailboxes.len());
        let open = cached.take().filter(|mailbox| !mailbox.is_closed()).count();
        assert_eq!(open, alive.len());
    }
}
