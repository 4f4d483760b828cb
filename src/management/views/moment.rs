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

/// Reads RFC 3339 in UTC, as `2030-01-01T00:00:00Z`, also in RabbitMQ's spelling.
pub(in crate::management) fn parse(text: &str) -> Option<Timestamp> {
    let at = humantime::parse_rfc3339(&text.replace("+00:00", "Z")).ok()?;
    let ms = at.duration_since(UNIX_EPOCH).ok()?.as_millis();
    u64::try_from(ms).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rabbitmq_writes_it() {
        assert_eq!(text(Timestamp::from_millis(1_795_923_416_027)), "2026-11-29T03:36:56.027+00:00");
        assert_eq!(parse("2026-11-29T03:36:56.027+00:00"), Some(Timestamp::from_millis(1_795_923_416_027)));
        assert_eq!(parse("2026-11-29T03:36:56.027Z"), Some(Timestamp::from_millis(1_795_923_416_027)));
        assert_eq!(parse("yesterday"), None);
    }
}
