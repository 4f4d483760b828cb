//! Changes of a vhost's definitions on their way to the disk.
//!
//! A change is submitted to the store and made in memory under the vhost's lock, so both have one order. Whoever asked for it
//! waits for the disk without the lock, and so do others who ask for something else meanwhile: one sync serves all of them.
//! Nothing is lost by others seeing a change before it is durable: what they store because of it comes after it in the
//! store's one order, and what they are told of definitions waits as well, for [`Mark`] stands for all that came before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::store::{Op, StoreHandle, Submission};

/// A point in the order of a vhost's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// What was submitted of a vhost's changes, and what is durable.
#[derive(Debug, Default)]
pub struct PendingDefinitions {
    /// Counts submissions. It changes under the vhost's lock only.
    submitted: AtomicU64,
    durable: Arc<Durable>,
}

#[derive(Debug, Default)]
struct Durable {
    /// The last of them that is durable, and with it all before.
    number: AtomicU64,
    /// Who waits for that, in the order in which they came.
    waiting: Notify,
}

impl PendingDefinitions {
    /// Submits a change. The caller holds the vhost's lock and makes the change in memory before it lets go of it.
    pub fn submit(&self, store: &StoreHandle, ops: Vec<Op>) {
        Self::submit_together([self], store, ops);
    }

    /// Submits a change of several vhosts, as one batch. The caller holds the locks of all.
    pub fn submit_together<'a>(all: impl IntoIterator<Item = &'a Self>, store: &StoreHandle, ops: Vec<Op>) {
        if ops.is_empty() {
            return;
        }
        let all: Vec<_> = all.into_iter().map(|one| (one.next_number(), Arc::clone(&one.durable))).collect();
        let done = move || {
            for (number, durable) in all {
                durable.number.fetch_max(number, Ordering::AcqRel);
                durable.waiting.notify_waiters();
            }
        };
        store.submit(Submission { ops, done: Some(Box::new(done)), ..Submission::default() });
    }

    fn next_number(&self) -> u64 {
        self.submitted.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// All that was submitted so far. Under the vhost's lock that is what an operation did and what it saw.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.submitted.load(Ordering::Acquire))
    }

    /// Waits until it is durable. If the store failed that never comes, and the process ends: nobody is told of a success
    /// that is none.
    pub async fn durable(&self, mark: Mark) {
        loop {
            // Whoever is told between the look and the wait is told.
            let told = self.durable.waiting.notified();
            if self.durable.number.load(Ordering::Acquire) >= mark.0 {
                return;
            }
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::store::{MemoryDisk, open_manual};

    fn put(key: &str) -> Vec<Op> {
        vec![Op::PutDefinition { key: key.to_owned(), value: Vec::new() }]
    }

    #[test]
    fn a_mark_is_durable_when_all_before_it_is_and_one_commit_does_for_many() {
        let (store, mut committer, _) = open_manual(MemoryDisk::default()).unwrap();
        let pending = PendingDefinitions::default();
        let nothing = pending.mark();
        pending.submit(&store, put("a"));
        let first = pending.mark();
        pending.submit(&store, put("b"));
        let (mut early, mut late) = (pin!(pending.durable(first)), pin!(pending.durable(pending.mark())));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(pin!(pending.durable(nothing)).poll(&mut cx), Poll::Ready(()));
        assert_eq!(
            (early.as_mut().poll(&mut cx), late.as_mut().poll(&mut cx)),
            (Poll::Pending, Poll::Pending)
        );
        committer.commit_pending();
        assert_eq!(
            (early.as_mut().poll(&mut cx), late.as_mut().poll(&mut cx)),
            (Poll::Ready(()), Poll::Ready(()))
        );
        assert_eq!(store.stats().syncs, 1);
    }
}
