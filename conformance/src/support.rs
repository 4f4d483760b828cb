//! Waiting, where a broker announces nothing.

use std::time::{Duration, Instant};

/// How often a condition is looked at again that nothing announces.
const POLL: Duration = Duration::from_millis(10);

/// Lets the broker work before a condition is looked at again.
#[expect(clippy::disallowed_methods, reason = "for conditions that a broker never announces")]
pub async fn pause() {
    tokio::time::sleep(POLL).await;
}

/// Measures how long something took, for what must not happen too early.
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "the suite measures a broker by the real clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
