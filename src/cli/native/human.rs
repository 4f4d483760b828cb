//! Numbers as people read them, and texts that do nothing to a terminal.

use std::time::{Duration, UNIX_EPOCH};

/// `1.5 GiB`: three digits that count.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    match unit {
        0 => format!("{bytes} B"),
        _ if value >= 100.0 => format!("{value:.0} {name}"),
        _ => format!("{value:.1} {name}"),
    }
}

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 queues`, `1 queue`.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// `2d 3h`, `5m 10s`, `45s`: two units that count.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// `2026-11-29 10:02:05.123`, in UTC, of ms since the Unix epoch.
pub fn moment(ms: u64) -> String {
    let Some(at) = UNIX_EPOCH.checked_add(Duration::from_millis(ms)) else { return String::new() };
    let text = humantime::format_rfc3339_millis(at).to_string();
    text.replace('T', " ").trim_end_matches('Z').to_owned()
}

/// `12.5`, `1,250`: a rate, whole where the fraction says nothing.
pub fn rate(per_s: f64) -> String {
    if per_s >= 100.0 || per_s.fract() == 0.0 { count(per_s.round() as u64) } else { format!("{per_s:.1}") }
}

/// A text on one line, whose control characters are seen and do nothing.
pub fn harmless(text: &str) -> String {
    escape(text, false)
}

/// The same with its line ends and tabs.
pub fn harmless_lines(text: &str) -> String {
    escape(text, true)
}

fn escape(text: &str, keeps_lines: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let is_kept = !c.is_control() || (keeps_lines && matches!(c, '\n' | '\t'));
        if is_kept && !is_direction(c) {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_unicode());
        }
    }
    escaped
}

/// Characters that reorder what stands around them.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        let sizes = [0, 1023, 1024, 1536, 150 * 1024 * 1024, u64::MAX].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "150 MiB", "16777216 TiB"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.2, 12.0, 99.94, 1234.5].map(rate), ["0", "0.2", "12", "99.9", "1,235"]);
        let spans = [0, 59, 61, 3600, 90_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["0s", "59s", "1m 1s", "1h 0m", "1d 1h"]);
        assert_eq!([counted(1, "queue"), counted(2, "queue")], ["1 queue", "2 queues"]);
    }

    #[test]
    fn what_would_move_the_cursor_is_shown() {
        assert_eq!(harmless("a\u{1b}[2J\nb\u{202e}c"), "a\\u{1b}[2J\\u{a}b\\u{202e}c");
        assert_eq!(harmless_lines("a\n\tb\r\u{9b}"), "a\n\tb\\u{d}\\u{9b}");
        assert_eq!(harmless("häß 漢"), "häß 漢");
    }
}
