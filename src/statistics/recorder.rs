//! Counters that one task adds to and anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::counters::Counters;
use super::history::History;
use super::sum::Sum;
use crate::time::Time;

/// A set of counters with its history. Adding is a few atomic additions, for those counters that changed; four times a second
/// at most it takes an uncontended lock.
#[derive(Debug)]
pub struct Recorder<C, const N: usize> {
    sum: Sum<C, N>,
    history: Mutex<History<N>>,
    /// Microseconds on the broker's clock from which on a change is noted in the history.
    note_from: AtomicU64,
    /// The same for when they changed last.
    changed: AtomicU64,
}

/// Counters that have been 0 since the clock's origin.
impl<C: Counters<N>, const N: usize> Default for Recorder<C, N> {
    fn default() -> Self {
        Self::new(Time::ZERO)
    }
}

impl<C: Counters<N>, const N: usize> Recorder<C, N> {
    /// Counters that are all 0.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            sum: Sum::default(),
            history: Mutex::new(History::new(now)),
            note_from: AtomicU64::new(now.as_micros()),
            changed: AtomicU64::new(now.as_micros()),
        }
    }

    /// Adds what a batch counted.
    pub fn add(&self, now: Time, counted: &C) {
        if now.as_micros() >= self.note_from.load(Ordering::Relaxed) {
            self.note(now);
        }
        self.changed.store(now.as_micros(), Ordering::Relaxed);
        self.sum.add(counted);
    }

    /// What has been counted so far.
    #[must_use]
    pub fn read(&self) -> C {
        self.sum.read()
    }

    /// When something was counted last; when they were made, if nothing was.
    #[must_use]
    pub fn last_change(&self) -> Time {
        Time::from_micros(self.changed.load(Ordering::Relaxed))
    }

    /// What had been counted this long ago, for a rate: windows of 1 to 60 s.
    #[must_use]
    pub fn read_before(&self, now: Time, window: Duration) -> C {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.changed(Time::from_micros(self.changed.load(Ordering::Relaxed)));
        let then = now.as_micros().saturating_sub(u64::try_from(window.as_micros()).unwrap_or(u64::MAX));
        history.at(Time::from_micros(then), self.read())
    }

    #[cold]
    fn note(&self, now: Time) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.changed(Time::from_micros(self.changed.load(Ordering::Relaxed)));
        let next = history.note(now, self.read());
        self.note_from.store(next.as_micros(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ExchangeCounters, ExchangeStatistics};
    use super::*;

    #[test]
    fn counts_are_exact_and_rates_follow_the_window() {
        let recorder = ExchangeStatistics::default();
        let one = ExchangeCounters { published_in: 1, published_out: 2, unroutable: 0 };
        for ms in 0..10_000 {
            recorder.add(Time::ZERO.plus_ms(ms), &one);
        }
        let now = Time::ZERO.plus_ms(10_000);
        let sum = recorder.read();
        assert_eq!(sum, ExchangeCounters { published_in: 10_000, published_out: 20_000, unroutable: 0 });
        let before = recorder.read_before(now, Duration::from_secs(5));
        assert!((4900..=5100).contains(&(sum.published_in - before.published_in)), "{before:?}");
        let idle = recorder.read_before(now.plus_ms(70_000), Duration::from_secs(60));
        assert_eq!(idle, sum);
    }
}
