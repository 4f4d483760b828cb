//! Memory that was used once goes back to the system.
//!
//! An allocator keeps what is freed for the next one who asks, and what lies between things that stay is never at the end of its
//! heap, where it would go back by itself. So when the process has much more than the ledger knows a use for, the allocator is asked.

use std::sync::Arc;
use std::time::Duration;

use super::alarms::Readings;
use crate::time::Time;

/// Asks the allocator to give back what it can; may take some milliseconds.
pub type GiveBack = Arc<dyn Fn() + Send + Sync>;

/// More than this has to have come since the allocator was last asked, and to have no known use.
const WORTH_BYTES: u64 = 16 * 1024 * 1024;
/// The least time between two times: while much is allocated and freed, what is given back would be wanted again.
const PAUSE: Duration = Duration::from_secs(5);

/// When the allocator is asked.
pub(super) struct Trimmer {
    give_back: Option<GiveBack>,
    /// What the process had the last time, afterwards.
    left: Option<u64>,
    was_asked: bool,
    next: Time,
}

impl Trimmer {
    /// Asks with this; nothing: never.
    pub(super) const fn new(give_back: Option<GiveBack>) -> Self {
        Self { give_back, left: None, was_asked: false, next: Time::ZERO }
    }

    /// Looks whether it is time.
    pub(super) fn look(&mut self, now: Time, readings: Readings) {
        let (Some(give_back), Some(used)) = (&self.give_back, readings.memory_used) else { return };
        if std::mem::take(&mut self.was_asked) {
            self.left = Some(used);
        }
        let left = self.left.get_or_insert(used);
        *left = (*left).min(used);
        let without_use = used.saturating_sub(2 * readings.known_bytes);
        if now < self.next || used < *left + WORTH_BYTES || without_use < WORTH_BYTES {
            return;
        }
        self.next = now + PAUSE;
        self.was_asked = true;
        let give_back = Arc::clone(give_back);
        tokio::task::spawn_blocking(move || give_back());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[tokio::test]
    async fn the_allocator_is_asked_when_much_has_no_use_and_not_too_often() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let mut trimmer = Trimmer::new(Some(Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        })));
        // Seconds, MiB used, MiB with a known use, how often it was asked by then.
        let rows = [
            (0, 10, 0, 0),
            (1, 200, 150, 0),
            (2, 200, 0, 1),
            (3, 90, 0, 1),
            (4, 200, 0, 1),
            (7, 200, 0, 2),
            (8, 50, 0, 2),
            (20, 60, 0, 2),
            (30, 70, 0, 3),
        ];
        for (seconds, used, known, expected) in rows {
            let readings =
                Readings { memory_used: Some(used * MIB), known_bytes: known * MIB, disk_free: None };
            let before = asked.load(Ordering::Relaxed);
            trimmer.look(Time::ZERO + Duration::from_secs(seconds), readings);
            if expected > before {
                while asked.load(Ordering::Relaxed) == before {
                    tokio::task::yield_now().await;
                }
            }
            assert_eq!(asked.load(Ordering::Relaxed), expected, "at {seconds} s");
        }
    }
}
