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

/// With less than this without a known use the allocator is left alone.
const WORTH_BYTES: u64 = 16 * 1024 * 1024;
/// The least time between two times: while much is allocated and freed, what is given back would be wanted again.
const PAUSE: Duration = Duration::from_secs(5);
/// The pause doubles up to this while asking changes nothing: the rest is the storage engine's.
const PAUSE_MAX: Duration = Duration::from_secs(320);

/// When the allocator is asked.
pub(super) struct Trimmer {
    give_back: Option<GiveBack>,
    /// What the process had when it was asked last, and what of it had a use.
    used: u64,
    known: u64,
    asked: Time,
    pause: Duration,
}

impl Trimmer {
    /// Asks with this; nothing: never.
    pub(super) const fn new(give_back: Option<GiveBack>) -> Self {
        Self { give_back, used: 0, known: 0, asked: Time::ZERO, pause: PAUSE }
    }

    /// Looks whether it is time.
    pub(super) fn look(&mut self, now: Time, readings: Readings) {
        let (Some(give_back), Some(used)) = (&self.give_back, readings.memory_used) else { return };
        let known = readings.known_bytes;
        if used > self.used + WORTH_BYTES || known + WORTH_BYTES < self.known {
            // Much has come or gone since.
            self.pause = PAUSE;
        }
        // What is known to be used takes up to twice its size.
        if now < self.asked + self.pause || used < 2 * known + WORTH_BYTES {
            return;
        }
        (self.used, self.known) = (used, known);
        self.asked = now;
        self.pause = (2 * self.pause).min(PAUSE_MAX);
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
            (5, 10, 0, 0),
            (6, 200, 150, 0),
            (7, 200, 0, 1),
            (8, 90, 0, 1),
            (16, 90, 0, 1),
            (17, 90, 0, 2),
            (30, 90, 0, 2),
            // Much has come.
            (31, 200, 0, 3),
            // Much has come and gone.
            (41, 200, 100, 3),
            (42, 400, 100, 4),
            (43, 150, 0, 4),
            (47, 150, 0, 5),
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
