//! A queue as lists show it.

use clap::ValueEnum;
use serde_json::Value;

use crate::cli::client::path;
use crate::cli::table::at;

/// What lists need to know of a queue: little of what the API could tell.
const COLUMNS: &str = "name,vhost,type,messages_ready,messages_unacknowledged,messages_delayed,messages_parked,\
    consumers,memory,message_stats.publish_details.rate,message_stats.deliver_get_details.rate";

/// A queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueRow {
    /// Its name.
    pub name: String,
    /// Its vhost.
    pub vhost: String,
    /// `classic`, `quorum`.
    pub kind: String,
    /// Messages that consumers can have, or could have had they not to wait.
    pub ready: u64,
    /// Messages that consumers have.
    pub unacked: u64,
    /// Of the ready ones, those that wait for their next attempt.
    pub delayed: u64,
    /// Of the ready ones, those that are set aside.
    pub parked: u64,
    /// Consumers.
    pub consumers: u64,
    /// Bytes in memory.
    pub memory: u64,
    /// Messages that come in, a second.
    pub in_rate: f64,
    /// Messages that go out, a second.
    pub out_rate: f64,
}

/// What queues are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// By vhost and name.
    #[default]
    Name,
    /// Most ready messages first.
    Ready,
    /// Most unacked messages first.
    Unacked,
    /// Most consumers first.
    Consumers,
    /// Most messages in first.
    In,
    /// Most messages out first.
    Out,
    /// Most memory first.
    Memory,
}

/// The path of all queues, or those of a vhost.
pub fn list_path(vhost: Option<&str>) -> String {
    let path = vhost.map_or_else(|| path::api(&["queues"]), |vhost| path::api(&["queues", vhost]));
    path::with_query(&path, [("columns", COLUMNS)])
}

impl QueueRow {
    /// Of a list of the API.
    pub fn all_of(queues: &Value) -> Vec<Self> {
        queues.as_array().into_iter().flatten().map(Self::of).collect()
    }

    fn of(queue: &Value) -> Self {
        let text = |key: &str| at(queue, key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |key: &str| at(queue, key).and_then(Value::as_u64).unwrap_or_default();
        let rate = |key: &str| at(queue, key).and_then(Value::as_f64).unwrap_or_default();
        Self {
            name: text("name"),
            vhost: text("vhost"),
            kind: text("type"),
            ready: number("messages_ready"),
            unacked: number("messages_unacknowledged"),
            delayed: number("messages_delayed"),
            parked: number("messages_parked"),
            consumers: number("consumers"),
            memory: number("memory"),
            in_rate: rate("message_stats.publish_details.rate"),
            out_rate: rate("message_stats.deliver_get_details.rate"),
        }
    }

    /// What somebody should know of it.
    pub fn notes(&self) -> String {
        let mut notes = Vec::new();
        if self.delayed > 0 {
            notes.push(format!("{} delayed", self.delayed));
        }
        if self.parked > 0 {
            notes.push(format!("{} parked", self.parked));
        }
        // What is in a stream stays there, read or not.
        if self.ready > 0 && self.consumers == 0 && self.kind != "stream" {
            notes.push("no consumer".to_owned());
        }
        notes.join(", ")
    }

    /// Whether a pattern is part of its name; one with `*` or `?` has to cover all of it.
    pub fn matches(&self, pattern: &str) -> bool {
        if pattern.contains(['*', '?']) {
            let pattern: Vec<char> = pattern.chars().collect();
            covers(&pattern, &self.name.chars().collect::<Vec<_>>())
        } else {
            self.name.contains(pattern)
        }
    }
}

/// Whether a pattern with `*` for anything and `?` for a character covers a text. It goes back to the last `*` alone, so the time is bounded.
fn covers(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

/// Sorts rows; those that are alike by name.
pub fn sort(rows: &mut [QueueRow], by: Sort, reverse: bool) {
    rows.sort_by(|a, b| {
        let by_name = (&a.vhost, &a.name).cmp(&(&b.vhost, &b.name));
        let order = match by {
            Sort::Name => by_name,
            Sort::Ready => b.ready.cmp(&a.ready),
            Sort::Unacked => b.unacked.cmp(&a.unacked),
            Sort::Consumers => b.consumers.cmp(&a.consumers),
            Sort::In => b.in_rate.total_cmp(&a.in_rate),
            Sort::Out => b.out_rate.total_cmp(&a.out_rate),
            Sort::Memory => b.memory.cmp(&a.memory),
        };
        let order = if reverse { order.reverse() } else { order };
        order.then(by_name)
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(name: &str, ready: u64) -> QueueRow {
        QueueRow { name: name.to_owned(), ready, ..QueueRow::default() }
    }

    #[test]
    fn what_is_not_answered_is_nothing() {
        let queues = json!([
            { "name": "q", "vhost": "/", "messages_ready": 3, "messages_parked": 1, "consumers": 0,
              "message_stats": { "publish_details": { "rate": 1.5 } } },
            { "name": "new" },
        ]);
        let rows = QueueRow::all_of(&queues);
        assert_eq!((rows[0].ready, rows[0].in_rate, rows[0].out_rate), (3, 1.5, 0.0));
        assert_eq!([rows[0].notes(), rows[1].notes()], ["1 parked, no consumer", ""]);
    }

    #[test]
    fn a_pattern_is_a_part_or_a_glob() {
        for (pattern, expected) in [
            ("", true),
            ("ord", true),
            ("x", false),
            ("o*s", true),
            ("ord", true),
            ("*.dead", false),
            ("??????", true),
            ("?", false),
            ("*", true),
        ] {
            assert_eq!(named("orders", 0).matches(pattern), expected, "{pattern}");
        }
        assert!(named("a.b.dead", 0).matches("*.dead") && !named("a.dead.b", 0).matches("*.dead"));
        let long = named(&"a".repeat(5000), 0);
        assert!(!long.matches(&("a*".repeat(200) + "b")));
    }

    #[test]
    fn most_comes_first_and_names_decide() {
        let mut rows = vec![named("b", 1), named("a", 1), named("c", 5)];
        let names = |rows: &[QueueRow]| rows.iter().map(|row| row.name.clone()).collect::<String>();
        sort(&mut rows, Sort::Ready, false);
        assert_eq!(names(&rows), "cab");
        sort(&mut rows, Sort::Ready, true);
        assert_eq!(names(&rows), "abc");
        sort(&mut rows, Sort::Name, true);
        assert_eq!(names(&rows), "cba");
    }
}
