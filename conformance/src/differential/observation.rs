//! What a client observed of one operation, as lines that are the same on every broker that does the same.
//!
//! An order is kept where the protocol promises one: the deliveries of one queue on one channel, a channel's returns.
//! What comes from different queues, or on different channels, stands apart, each under its own key.

use std::collections::BTreeMap;

use super::names::Names;
use super::program::Actor;
use super::values;
use crate::codec::{Props, Table, Value};
use crate::raw::Message;

/// The lines of one operation.
pub type Observation = Vec<String>;

/// Collects what comes in until it is taken as an observation.
#[derive(Debug, Default)]
pub struct Log {
    /// By channel and source: lines in the order in which they came.
    streams: BTreeMap<(String, String), Vec<String>>,
    count: usize,
}

impl Log {
    /// Something that came in on a channel, in the order of its source.
    pub fn add(&mut self, actor: Actor, source: &str, text: &str) {
        self.note(&actor.to_string(), source, text);
    }

    /// Something about no channel.
    pub fn note(&mut self, who: &str, source: &str, text: &str) {
        self.count += 1;
        let stream = self.streams.entry((who.to_owned(), source.to_owned())).or_default();
        stream.push(format!("{who} {text}"));
    }

    /// How much came in so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes everything, sorted by channel and source, with short names.
    pub fn take(&mut self, names: &Names) -> Observation {
        let streams = std::mem::take(&mut self.streams);
        streams.into_values().flatten().map(|line| names.shorten(&line)).collect()
    }
}

/// A message as a client sees it, without what differs from run to run.
pub fn message(message: &Message) -> String {
    let mut text = values::word(&message.text());
    if message.redelivered {
        text.push_str(" redelivered");
    }
    text.push_str(&format!(" from {} {}", values::word(&message.exchange), values::word(&message.key)));
    text + &props(&message.props)
}

fn props(props: &Props) -> String {
    let plain = values::properties(props).into_iter().map(|(key, value)| format!(" {key}={value}"));
    let headers =
        props.headers.iter().map(|headers| format!(" headers={}", values::write_table(&sorted(headers))));
    plain.chain(headers).collect()
}

/// A table has no order; and when a message died differs from run to run.
fn sorted(table: &Table) -> Table {
    let mut table: Table = table.iter().map(|(key, value)| (key.clone(), normal(key, value))).collect();
    table.sort_by(|(a, _), (b, _)| a.cmp(b));
    table
}

fn normal(key: &str, value: &Value) -> Value {
    match value {
        Value::Time(_) if key == "time" => Value::Time(0),
        Value::Table(table) => Value::Table(sorted(table)),
        Value::Array(values) => Value::Array(values.iter().map(|value| normal("", value)).collect()),
        other => other.clone(),
    }
}

/// The text of a close without Erlang terms and delivery tags: what comes before them is the promise.
pub fn close_text(text: &str) -> String {
    let end = ["<<", "{", "["].iter().filter_map(|term| text.find(term)).min().unwrap_or(text.len());
    let text = text.get(..end).unwrap_or(text).trim_end();
    match text.split_once("unknown delivery tag ") {
        Some((before, _)) => format!("{before}unknown delivery tag N"),
        None => text.to_owned(),
    }
}

/// Numbers as ranges: `1-3 7`.
pub fn ranges(numbers: impl IntoIterator<Item = u64>) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => ranges.push((number, number)),
        }
    }
    let text =
        |(start, end): &(u64, u64)| if start == end { start.to_string() } else { format!("{start}-{end}") };
    ranges.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::table;

    const A1: Actor = Actor { connection: 'A', channel: 1 };

    #[test]
    fn sources_stand_apart_and_each_keeps_its_order() {
        let lines = |order: [(&str, &str); 3]| {
            let mut log = Log::default();
            for (source, text) in order {
                log.add(A1, source, text);
            }
            log.take(&Names::new("p".into()))
        };
        let found = lines([("q2", "b"), ("q1", "a"), ("q2", "c")]);
        assert_eq!(found, ["A1 a", "A1 b", "A1 c"]);
        assert_eq!(found, lines([("q2", "b"), ("q2", "c"), ("q1", "a")]));
        assert_ne!(found, lines([("q2", "c"), ("q2", "b"), ("q1", "a")]));
    }

    #[test]
    fn tables_are_sorted_and_have_no_times_of_death() {
        let death = table([("time", Value::Time(99)), ("count", Value::I64(1))]);
        let headers = table([("z", Value::Time(5)), ("x-death", Value::Array(vec![Value::Table(death)]))]);
        let found = message(&Message {
            props: Props { headers: Some(headers), ..Props::default() },
            ..Message::default()
        });
        assert_eq!(found, r#""" from "" "" headers={x-death=A:[F:{count=l:1, time=T:0}], z=T:5}"#);
    }

    #[test]
    fn close_texts_lose_erlang_and_tags() {
        assert_eq!(
            close_text("PRECONDITION_FAILED - unknown delivery tag 7"),
            "PRECONDITION_FAILED - unknown delivery tag N"
        );
        assert_eq!(
            close_text("invalid arg 'x' for queue 'q': {value_negative,-1}"),
            "invalid arg 'x' for queue 'q':"
        );
    }

    #[test]
    fn numbers_become_ranges() {
        assert_eq!(ranges([1, 2, 3, 5, 7, 8]), "1-3 5 7-8");
        assert_eq!(ranges([]), "");
    }
}
