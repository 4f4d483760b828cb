//! How much of a world's work is under way: mail that waits, batches that are being carried out, what queues have asked the store for,
//! alarms that have rung.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How much of a world's work is under way. It covers the broker: what clients have yet to read, or to do, is not in it.
#[derive(Debug, Default)]
pub struct Activity {
    under_way: AtomicUsize,
    begun: AtomicU64,
    /// Those who want to hear of each piece that is done, not of the last alone.
    waiters: AtomicUsize,
    changed: Notify,
}

impl Activity {
    /// So many pieces of work begin.
    pub fn add(&self, pieces: usize) {
        self.under_way.fetch_add(pieces, Ordering::AcqRel);
        self.begun.fetch_add(pieces as u64, Ordering::AcqRel);
    }

    /// So many are done, with all that follows from them begun.
    pub fn subtract(&self, pieces: usize) {
        if pieces == 0 {
            return;
        }
        let was_last = self.under_way.fetch_sub(pieces, Ordering::AcqRel) == pieces;
        if was_last || self.waiters.load(Ordering::Acquire) > 0 {
            self.changed.notify_waiters();
        }
    }

    /// One begins; it is done when what this gives is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.add(1);
        InFlight(Arc::clone(self))
    }

    /// Whether nothing is under way.
    pub fn is_quiet(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    /// How many pieces of work have begun so far: two looks with the same number had nothing between them.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// Whether anybody waits for something.
    pub fn is_waited_for(&self) -> bool {
        self.waiters.load(Ordering::Acquire) > 0
    }

    /// Somebody waits for something until what this gives is dropped.
    pub fn wait(&self) -> Waits<'_> {
        self.waiters.fetch_add(1, Ordering::AcqRel);
        Waits(self)
    }

    /// Something that is waited for may have come, although no work ended.
    pub fn ring(&self) {
        self.changed.notify_waiters();
    }

    /// Completes when work has ended, or it was [rung](Self::ring), after the future was enabled.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Waits until nothing is under way.
    pub async fn quiet(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed());
            changed.as_mut().enable();
            if self.is_quiet() {
                return;
            }
            changed.await;
        }
    }
}

/// Somebody waits.
#[derive(Debug)]
pub struct Waits<'a>(&'a Activity);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiters.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A piece of work that is under way.
#[derive(Debug)]
pub struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.subtract(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_quiet_when_the_last_piece_is_done() {
        let activity = Arc::new(Activity::default());
        activity.quiet().await;
        let (one, other) = (activity.begin(), activity.begin());
        drop(one);
        assert!(!activity.is_quiet());
        let waits = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.quiet().await }
        });
        drop(other);
        waits.await.unwrap();
        assert_eq!((activity.is_quiet(), activity.begun()), (true, 2));
    }
}
