//! The one clock. Everything else is told the time.
//!
//! It runs on tokio's clock, so a test that pauses tokio's time, and moves it forward, moves every timer of the broker.
#![expect(clippy::disallowed_methods, reason = "this is the one place that reads a clock")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::time::{Time, Timestamp};

/// Where times are counted from, and what the wall clock said there.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// With a virtual clock wall time is this plus what has passed; with a real one the system is asked.
    virtual_origin: Option<Timestamp>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { origin: Instant::now(), virtual_origin: None }
    }

    /// A clock whose wall time begins at `origin` and follows tokio's (perhaps paused) time.
    #[must_use]
    pub fn starting_at(origin: Timestamp) -> Self {
        Self { origin: Instant::now(), virtual_origin: Some(origin) }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    /// The wall-clock time.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.wall_time(|passed| passed.as_millis())
    }

    /// The same rounded up: what is said to be due so long after it is never early.
    #[must_use]
    pub fn timestamp_rounded_up(&self) -> Timestamp {
        self.wall_time(|passed| passed.as_nanos().div_ceil(1_000_000))
    }

    fn wall_time(&self, millis: impl Fn(Duration) -> u128) -> Timestamp {
        let millis = |passed| u64::try_from(millis(passed)).unwrap_or(u64::MAX);
        match self.virtual_origin {
            Some(origin) => origin.plus_ms(millis(self.origin.elapsed())),
            None => Timestamp::from_millis(millis(
                SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            )),
        }
    }

    /// What the wall clock shows, or showed, at [`Time::ZERO`].
    #[must_use]
    pub fn epoch(&self) -> Timestamp {
        let passed_ms = self.now().as_micros() / 1000;
        Timestamp::from_millis(self.timestamp().as_millis().saturating_sub(passed_ms))
    }

    /// Waits for a time; for ever if there is none.
    pub async fn wait_for(&self, time: Option<Time>) {
        let Some(time) = time.filter(|time| *time != Time::NEVER) else {
            return std::future::pending().await;
        };
        match self.origin.checked_add(time.since(Time::ZERO)) {
            Some(instant) => tokio::time::sleep_until(instant).await,
            None => std::future::pending().await,
        }
    }

    /// A deadline for something that should be over by then.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(limit, work).await.ok()
    }
}
