//! Points in time as text.

use std::time::{Duration, UNIX_EPOCH};

use crate::time::Timestamp;

/// RFC 3339 with milliseconds, in RabbitMQ's spelling: `2026-11-29T03:36:56.027+00:00`.
pub(in crate::management) fn text(at: Timestamp) -> String {
    let Some(at) = UNIX_EPOCH.checked_add(Duration::from_millis(at.as_millis())) else {
        return String::new();
    };
    let text = humantime::format_rfc3339_millis(at).to_string();
    text.replace('Z', "+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rabbitmq_writes_it() {
        assert_eq!(text(Timestamp::from_millis(1_795_923_416_027)), "2026-11-29T03:36:56.027+00:00");
    }
}
