//! Letting virtual time pass, in tests whose clock is paused.

use std::time::Duration;

/// Lets that many virtual milliseconds pass; with 0, everyone else has a turn.
#[expect(clippy::disallowed_methods, reason = "the clock is paused: this takes no real time")]
pub async fn pass(ms: u64) {
    if ms == 0 {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
