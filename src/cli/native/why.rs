//! `coney why`.

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use super::broker::{Broker, Place, Vhost};
use super::error::NativeError;
use super::human;
use crate::cli::client::path;
use crate::cli::out::say;

/// Failures of a queue that are told.
const GROUPS_MAX: usize = 20;
/// Positions of each that are named.
const POSITIONS_MAX: usize = 3;

/// The arguments of `coney why`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  coney why orders\n  coney why orders 42\n  coney why --message-id 4711\n  coney why --contains 'customer 7'"
)]
pub struct Why {
    /// The queue
    #[arg(required_unless_present_any = ["message_id", "contains"])]
    queue: Option<String>,
    /// The message at this position, the number behind #
    #[arg(requires = "queue")]
    position: Option<u64>,
    /// Messages with this id
    #[arg(long, value_name = "ID", conflicts_with = "queue")]
    message_id: Option<String>,
    /// Messages with this text in their bodies, or in what happened to them
    #[arg(long, value_name = "TEXT", conflicts_with = "queue")]
    contains: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

impl Why {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        match (&self.queue, self.position) {
            (Some(queue), None) => self.of_queue(&broker, queue),
            _ => self.of_messages(&broker),
        }
    }

    fn of_queue(&self, broker: &Broker, queue: &str) -> Result<(), NativeError> {
        let hint = "`coney queues` lists queues";
        // There may be no failures of a queue that is not there, too.
        let what = self.vhost.queue(queue);
        let about = broker.get(&path::api(&["queues", &self.vhost.name, queue]), &what, hint)?;
        let failures =
            path::with_query(&path::api(&["coney", "failures", &self.vhost.name]), [("queue", queue)]);
        let groups = broker.get(&failures, "failures", hint)?;
        Ok(say(&if self.json {
            format!("{groups}\n")
        } else {
            failing(queue, number(&about, "messages"), &groups)
        })?)
    }

    fn of_messages(&self, broker: &Broker) -> Result<(), NativeError> {
        let position = self.position.map(|position| position.to_string());
        let query = [
            ("queue", self.queue.as_deref()),
            ("position", position.as_deref()),
            ("message_id", self.message_id.as_deref()),
            ("contains", self.contains.as_deref()),
        ];
        let query = query.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let path = path::with_query(&path::api(&["coney", "history", &self.vhost.name]), query);
        let history = broker.get(&path, "history", "`coney queues` lists queues")?;
        Ok(say(&if self.json { format!("{history}\n") } else { ways(&history) })?)
    }
}

/// What fails in a queue with so many messages, newest first.
fn failing(queue: &str, messages: u64, groups: &Value) -> String {
    // Those of other queues name it as their target.
    let mine = groups.as_array().into_iter().flatten();
    let mine: Vec<&Value> = mine.filter(|group| text(group, "queue") == queue).collect();
    if mine.is_empty() {
        let queue = human::harmless(queue);
        let mut told = format!("nothing has failed in {queue}, as far back as the journal goes\n");
        if messages > 0 {
            let _ = writeln!(
                told,
                "`coney peek {queue}` shows what is in it; `coney why {queue} POSITION` tells how a message came there"
            );
        }
        return told;
    }
    let mut told = String::new();
    for group in mine.into_iter().take(GROUPS_MAX) {
        let last = human::moment(number(group, "last"));
        let what = text(group, "what").replace('-', " ");
        let _ = writeln!(told, "{}x {what}, last {last}", human::count(number(group, "count")));
        let _ = writeln!(told, "    {}", human::harmless(text(group, "sentence")));
        let positions = group.get("positions").and_then(Value::as_array).into_iter().flatten();
        let positions: Vec<String> =
            positions.take(POSITIONS_MAX).map(|position| format!("#{position}")).collect();
        if !positions.is_empty() {
            let _ = writeln!(told, "    newest: {}", positions.join(" "));
        }
    }
    told
}

/// The ways of messages, a step a line.
fn ways(history: &Value) -> String {
    let messages: Vec<&Value> =
        history.get("messages").and_then(Value::as_array).into_iter().flatten().collect();
    if messages.is_empty() {
        return "no such message, in no queue and not in the journal\n".to_owned();
    }
    let mut told = String::new();
    for message in messages {
        let _ = match message.get("queue").and_then(Value::as_str) {
            Some(queue) => writeln!(told, "{} #{}", human::harmless(queue), number(message, "position")),
            None => writeln!(told, "in no queue"),
        };
        for step in message.get("steps").and_then(Value::as_array).into_iter().flatten() {
            let at = human::moment(number(step, "at"));
            let _ = writeln!(told, "  {at}  {}", human::harmless(text(step, "sentence")));
        }
        let _ = writeln!(told, "  now: {}", human::harmless(text(message, "now")));
    }
    let lost = number(history, "lost");
    if lost > 0 {
        let since = human::moment(number(history, "since"));
        let _ = writeln!(
            told,
            "the journal goes back to {since}; {} before that made room",
            human::counted(lost, "event")
        );
    }
    if history.get("is_cut") == Some(&Value::Bool(true)) {
        told.push_str("there are more messages than these\n");
    }
    told
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: u64 = 1_795_946_525_123;

    #[test]
    fn a_way_is_told_a_step_a_line() {
        let history = json!({ "lost": 2, "since": AT, "is_cut": true, "messages": [
            { "queue": "orders", "position": 5, "now": "not in this queue any more", "steps": [{ "at": AT, "sentence": "dead-lettered to 'dead': it was bad" }] },
            { "queue": null, "position": null, "now": "in no queue", "steps": [] },
        ] });
        assert_eq!(
            ways(&history),
            "orders #5\n  2026-11-29 10:02:05.123  dead-lettered to 'dead': it was bad\n  now: not in this queue any more\nin no queue\n  now: in no queue\n\
             the journal goes back to 2026-11-29 10:02:05.123; 2 events before that made room\nthere are more messages than these\n"
        );
        assert!(ways(&json!({ "messages": [] })).starts_with("no such message"));
    }

    #[test]
    fn what_fails_in_a_queue_is_told_in_groups() {
        let group = |queue: &str| json!({ "queue": queue, "what": "timed-out", "count": 1200, "last": AT, "positions": [9, 8, 7, 6], "sentence": "it did not\u{1b} ack" });
        assert_eq!(
            failing("orders", 1, &json!([group("orders"), group("other")])),
            "1,200x timed out, last 2026-11-29 10:02:05.123\n    it did not\\u{1b} ack\n    newest: #9 #8 #7\n"
        );
        let nothing = |messages| failing("orders", messages, &json!([group("other")]));
        assert_eq!(nothing(0), "nothing has failed in orders, as far back as the journal goes\n");
        assert!(nothing(1).contains("`coney why orders POSITION`"));
    }
}
