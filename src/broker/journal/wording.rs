//! Numbers, times, names and settings as sentences have them.

use amq_protocol::types::FieldTable;

use crate::broker::arguments_json::plain;
use crate::policy::{Origin, SettingInForce};
use crate::time::Timestamp;
use crate::topology::{Binding, Destination, Ways};

/// Queues that are named one by one; of more the number is said.
const NAMED_MAX: usize = 3;

/// Characters of a binding's arguments that are told.
const ARGUMENTS_CHARS_MAX: usize = 100;

const US_PER_MS: u64 = 1000;
const MS_PER_S: u64 = 1000;
const MS_PER_MIN: u64 = 60 * MS_PER_S;
const MS_PER_DAY: u64 = 24 * 60 * MS_PER_MIN;

/// Where the reader's clock stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Times are said in UTC, with these letters behind them.
    #[default]
    Utc,
    /// Times are this many minutes ahead of UTC: the reader's own.
    Reader(i32),
}

impl Zone {
    /// `10:02:05 UTC`, with the date if it is another day than `now`'s.
    #[must_use]
    pub fn clock(self, at: Timestamp, now: Timestamp) -> String {
        let (shift_ms, zone) = match self {
            Self::Utc => (0, " UTC"),
            Self::Reader(minutes) => (i64::from(minutes) * MS_PER_MIN as i64, ""),
        };
        let [at, now] = [at, now].map(|time| time.as_millis().saturating_add_signed(shift_ms));
        let (hours, minutes, seconds) = (at / MS_PER_MIN / 60 % 24, at / MS_PER_MIN % 60, at / MS_PER_S % 60);
        let clock = format!("{hours:02}:{minutes:02}:{seconds:02}{zone}");
        if at / MS_PER_DAY == now / MS_PER_DAY { clock } else { format!("{} {clock}", date(at / MS_PER_DAY)) }
    }
}

/// `2026-11-29` of days since 1970: Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The client's end of a connection's name, `peer -> local`.
pub(super) fn peer(connection: &str) -> &str {
    connection.split(" -> ").next().unwrap_or(connection)
}

/// `x-max-length = 5 of policy 'p'`.
pub(super) fn setting_value(setting: &SettingInForce) -> String {
    let SettingInForce { name, value, origin } = setting;
    if value.is_empty() {
        format!("{name}{}", whence(origin))
    } else {
        format!("{name} = {value}{}", whence(origin))
    }
}

/// `x-consumer-timeout of policy 'p'`, where the value is said in other words.
pub(super) fn setting_name(setting: &SettingInForce) -> String {
    format!("{}{}", setting.name, whence(&setting.origin))
}

fn whence(origin: &Origin) -> String {
    match origin {
        Origin::Argument => " of the queue's arguments".to_owned(),
        Origin::Policy(name) => format!(" of policy '{name}'"),
        Origin::OperatorPolicy(name) => format!(" of operator policy '{name}'"),
        Origin::Consumer => " of the consumer's arguments".to_owned(),
        Origin::Message => " of the message itself".to_owned(),
        Origin::Default => ", the broker's default".to_owned(),
    }
}

/// `'a', 'b'` or `4 queues`; `None` of none.
pub(super) fn named(queues: &[&str]) -> Option<String> {
    match queues.len() {
        0 => None,
        1..=NAMED_MAX => Some(queues.iter().map(|queue| format!("'{queue}'")).collect::<Vec<_>>().join(", ")),
        many => Some(counted(many as u64, "queue")),
    }
}

/// ` by binding 'eu.#'` of a message that was published to this exchange; ` by 5 bindings` where there are many.
pub(super) fn ways_told(ways: &Ways, exchange: &str) -> String {
    let Ways { bindings, alternates, left_out, .. } = ways;
    let count = bindings.len() + alternates.len() + left_out;
    let whence =
        |source: &str| if source == exchange { String::new() } else { format!(" of exchange '{source}'") };
    let binding = |binding: &Binding| {
        let (key, arguments) = (&binding.routing_key, with_arguments(&binding.arguments));
        format!("binding '{key}'{arguments}{}", whence(&binding.source))
    };
    match (&bindings[..], count) {
        (_, 0) => String::new(),
        ([only], 1) if only.queue().is_some() => format!(" by {}", binding(only)),
        (_, 1..=NAMED_MAX) => {
            let alternates =
                alternates.iter().map(|(from, to)| format!("alternate exchange '{to}'{}", whence(from)));
            let bindings =
                bindings.iter().map(|one| format!("{} to {}", binding(one), target(&one.destination)));
            format!(" by {}", alternates.chain(bindings).collect::<Vec<_>>().join(", "))
        }
        _ => format!(" by {}", counted(count as u64, "binding")),
    }
}

fn target(destination: &Destination) -> String {
    match destination {
        Destination::Queue(name) => format!("'{name}'"),
        Destination::Exchange(name) => format!("exchange '{name}'"),
    }
}

/// ` with {"tenant":"a"}`.
fn with_arguments(arguments: &FieldTable) -> String {
    if arguments.inner().is_empty() {
        return String::new();
    }
    let text = plain(arguments).to_string();
    match text.char_indices().nth(ARGUMENTS_CHARS_MAX) {
        Some((end, _)) => format!(" with {}..", text.get(..end).unwrap_or_default()),
        None => format!(" with {text}"),
    }
}

/// `40 µs`, `1.5 ms`, and from 10 ms on as [`duration`].
pub(super) fn short_duration(us: u64) -> String {
    match us {
        0..US_PER_MS => format!("{us} µs"),
        US_PER_MS..10_000 => format!("{}.{} ms", us / US_PER_MS, us / 100 % 10),
        _ => duration(us / US_PER_MS),
    }
}

/// `1st`, `2nd`, `3rd`, `4th`, `11th`.
pub(super) fn ordinal(number: u32) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// `1 message`, `10,000 messages`.
pub(super) fn counted(number: u64, what: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {what}{}", if number == 1 { "" } else { "s" })
}

/// `250 ms`, `30 s`, `1.5 s`, `5 min`, `1 h 30 min`, `2 days 3 h`: two units that count.
pub(super) fn duration(ms: u64) -> String {
    let (days, hours) = (ms / MS_PER_DAY, ms / MS_PER_MIN / 60 % 24);
    let (minutes, seconds) = (ms / MS_PER_MIN % 60, ms / MS_PER_S % 60);
    let two = |many: String, fewer: u64, unit: &str| match fewer {
        0 => many,
        _ => format!("{many} {fewer} {unit}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) if ms < MS_PER_S => format!("{ms} ms"),
        (0, 0, 0) => match ms / 100 % 10 {
            0 => format!("{seconds} s"),
            tenths => format!("{seconds}.{tenths} s"),
        },
        (0, 0, _) => two(format!("{minutes} min"), seconds, "s"),
        (0, ..) => two(format!("{hours} h"), minutes, "min"),
        _ => two(counted(days, "day"), hours, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_two_units_that_count() {
        let texts: Vec<String> =
            [0, 999, 1000, 1500, 59_999, 60_000, 61_000, 5_400_000, 86_400_000, 183_600_000]
                .map(duration)
                .into();
        let wanted = [
            "0 ms",
            "999 ms",
            "1 s",
            "1.5 s",
            "59.9 s",
            "1 min",
            "1 min 1 s",
            "1 h 30 min",
            "1 day",
            "2 days 3 h",
        ];
        assert_eq!(texts, wanted);
        let short: Vec<String> = [0, 40, 999, 1000, 1599, 9999, 10_000, 2_500_000].map(short_duration).into();
        assert_eq!(short, ["0 µs", "40 µs", "999 µs", "1.0 ms", "1.5 ms", "9.9 ms", "10 ms", "2.5 s"]);
    }

    #[test]
    fn numbers_are_read_easily() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 111, 122].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 111th 122nd"
        );
        assert_eq!(
            [0, 1, 999, 10_000].map(|n| counted(n, "message")).join(", "),
            "0 messages, 1 message, 999 messages, 10,000 messages"
        );
        assert_eq!(named(&[]), None);
        assert_eq!(named(&["a", "b"]).unwrap(), "'a', 'b'");
        assert_eq!(named(&["a"; 4]).unwrap(), "4 queues");
        assert_eq!([peer("1.2.3.4:5 -> 6.7.8.9:1"), peer("x")], ["1.2.3.4:5", "x"]);
    }

    #[test]
    fn clocks_are_the_readers() {
        let now = Timestamp::from_millis(1_795_923_416_027);
        assert_eq!(Zone::Utc.clock(now, now), "03:36:56 UTC");
        assert_eq!(Zone::Reader(90).clock(now, now), "05:06:56");
        let tomorrow = now.plus_ms(MS_PER_DAY);
        assert_eq!(Zone::Utc.clock(tomorrow, now), "2026-11-30 03:36:56 UTC");
        assert_eq!(Zone::Reader(-240).clock(now, tomorrow), "2026-11-28 23:36:56");
        assert_eq!(
            [0, 59, 11_016, 20_786].map(date),
            ["1970-01-01", "1970-03-01", "2000-02-29", "2026-11-29"]
        );
    }
}
