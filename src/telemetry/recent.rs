//! The last lines of the log, for those who cannot see where it goes.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{LazyLock, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;

/// Lines that are kept,
const LINES_MAX: usize = 1000;
/// and bytes of each.
const LINE_BYTES_MAX: usize = 2048;

static RECENT: LazyLock<Mutex<Recent>> = LazyLock::new(Mutex::default);

#[derive(Debug, Default)]
struct Recent {
    lines: VecDeque<LogLine>,
    last: u64,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// From 1 since the start of the process.
    pub number: u64,
    /// When, as RFC 3339 writes it.
    pub at: String,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: Level,
    /// The module that says it.
    pub target: String,
    /// The message with its fields; in one line, and cut where it is very long.
    pub text: String,
}

/// The last lines after the one of that number, the oldest first, and the number of the last one that there is.
#[must_use]
pub fn recent(after: u64, is_wanted: impl Fn(&LogLine) -> bool, limit: usize) -> (Vec<LogLine>, u64) {
    let recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = recent.lines.iter().rev().take_while(|line| line.number > after);
    let mut lines: Vec<LogLine> = newest.filter(|line| is_wanted(line)).take(limit).cloned().collect();
    lines.reverse();
    (lines, recent.last)
}

/// Keeps what is logged.
pub(super) struct Keeper;

impl<S: Subscriber> Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        keep(*metadata.level(), metadata.target(), &text.0);
    }
}

fn keep(level: Level, target: &str, text: &str) {
    let at = now();
    let text = one_line(text);
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    recent.last += 1;
    let number = recent.last;
    if recent.lines.len() == LINES_MAX {
        recent.lines.pop_front();
    }
    recent.lines.push_back(LogLine { number, at, level, target: target.to_owned(), text });
}

/// As the log's own lines are stamped.
fn now() -> String {
    let mut text = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// The message, and ` name=value` for each field.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.insert_str(0, value);
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LINE_BYTES_MAX));
    for letter in text.trim_start().chars() {
        if line.len() >= LINE_BYTES_MAX {
            line.push('\u{2026}');
            break;
        }
        match letter {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            letter if letter.is_control() => line.push('?'),
            letter => line.push(letter),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_each_as_one_line() {
        let subscriber = tracing_subscriber::registry().with(Keeper);
        let before = recent(0, |_| true, 0).1;
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "recent_test", user = "a\nb", count = 3, "two\nlines");
            tracing::info!(target: "recent_test", "{}", "x".repeat(5000));
        });
        let own = |line: &LogLine| line.target == "recent_test";
        let (lines, last) = recent(before, own, 10);
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (lines[0].text.as_str(), lines[0].level),
            (r#"two\nlines user="a\nb" count=3"#, Level::WARN)
        );
        assert!(lines[1].text.len() < 2100 && lines[1].number <= last);
        assert_eq!(recent(before, own, 1).0, lines[1..]);
        assert_eq!(recent(lines[0].number, own, 10).0, lines[1..]);
        for number in 0..LINES_MAX + 5 {
            keep(Level::INFO, "recent_test", &number.to_string());
        }
        assert_eq!(recent(0, |_| true, usize::MAX).0.len(), LINES_MAX);
    }
}
