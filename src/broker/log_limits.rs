//! How many lines of a kind the log gets: a storm of failing connections must not fill the disk with what is said about it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::Time;

/// Lines of a kind within a window.
const LINES_MAX: u32 = 100;
/// As long as that.
const WINDOW: Duration = Duration::from_secs(10);

/// Limits of the kinds of lines that clients can cause.
#[derive(Debug, Default)]
pub struct LogLimits {
    /// Connections that come and go.
    pub connections: LogLimit,
    /// Connections that are refused: by login, vhost or protocol.
    pub refusals: LogLimit,
    /// Channel and connection exceptions.
    pub exceptions: LogLimit,
    /// Consumers of streams that missed messages.
    pub missed: LogLimit,
}

/// A limit of lines of one kind.
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<Window>);

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since: Time,
    said: u32,
    left_out: u64,
}

impl LogLimit {
    /// Has the line written, unless there were too many lately. The first after some were left out says how many those were.
    pub fn say(&self, now: Time, line: impl FnOnce()) {
        match self.admit(now) {
            Some(0) => line(),
            Some(left_out) => {
                tracing::warn!(left_out, "there were too many lines like the next one");
                line();
            }
            None => {}
        }
    }

    /// Whether a line may be written, and how many were left out before it.
    fn admit(&self, now: Time) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.since) >= WINDOW {
            (window.since, window.said) = (now, 0);
        }
        if window.said >= LINES_MAX {
            window.left_out += 1;
            return None;
        }
        window.said += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted_and_said_later() {
        let limit = LogLimit::default();
        let admitted = |ms: u64| limit.admit(Time::ZERO.plus_ms(ms));
        for _ in 0..LINES_MAX {
            assert_eq!(admitted(500), Some(0));
        }
        assert_eq!([admitted(600), admitted(9_999)], [None, None]);
        assert_eq!([admitted(10_500), admitted(10_501)], [Some(2), Some(0)]);
    }
}
