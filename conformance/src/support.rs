//! Waiting, where a broker announces nothing.

use std::time::Duration;

/// How often a condition is looked at again that nothing announces.
const POLL: Duration = Duration::from_millis(10);

/// Lets the broker work before a condition is looked at again.
#[expect(clippy::disallowed_methods, reason = "for conditions that a broker never announces")]
pub async fn pause() {
    tokio::time::sleep(POLL).await;
}
