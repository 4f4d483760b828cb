//! `coney journal`.

use clap::Args;
use serde_json::Value;

use super::broker::{Broker, Place, Vhost, request};
use super::error::NativeError;
use super::human;
use crate::cli::client::path;
use crate::cli::out::say;

/// The arguments of `coney journal`.
#[derive(Args)]
#[command(
    after_help = "Failures are always in the journal; what goes well is while it is recorded.\n\nExamples:\n  coney journal orders\n  coney journal --what dead-lettered,dropped --follow\n  coney journal --contains 'no stock' --json | jq .sentence"
)]
pub struct Journal {
    /// Only of this queue
    queue: Option<String>,
    /// Go on as it happens
    #[arg(short, long)]
    follow: bool,
    /// So many of the newest
    #[arg(short = 'n', long, default_value_t = 20)]
    count: usize,
    /// Only of these kinds, with commas between: dead-lettered, dropped, timed-out, ..
    #[arg(long, value_name = "KINDS")]
    what: Option<String>,
    /// Only with this text
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// As JSON, an event a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

impl Journal {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let count = self.count.to_string();
        let newest = broker.get(&self.path([("newest", "true"), ("limit", &*count)]), "journal", HINT)?;
        if self.count > 0 {
            self.show(&newest)?;
            if events(&newest).next().is_none() {
                self.explain_nothing(&broker)?;
            }
        }
        if self.follow {
            let cursor = newest.get("cursor").and_then(Value::as_str).unwrap_or_default();
            self.go_on(&broker, cursor)?;
        }
        Ok(())
    }

    /// For people alone, so not on standard output.
    fn explain_nothing(&self, broker: &Broker) -> Result<(), NativeError> {
        let asks_for_more = self.what.is_some() || self.contains.is_some();
        let of_queue = self.queue.as_deref().map(|queue| self.vhost.queue(queue));
        if let (Some(queue), Some(what)) = (&self.queue, &of_queue) {
            let path = path::api(&["queues", &self.vhost.name, queue]);
            broker.get(&path, what, "`coney queues` lists queues")?;
        }
        let of = of_queue.map(|queue| format!(" of {}", human::harmless(&queue))).unwrap_or_default();
        let like = if asks_for_more { " like that" } else { "" };
        eprintln!(
            "coney: the journal has nothing{of}{like}: failures are always in it, what goes well is while it is recorded"
        );
        Ok(())
    }

    fn go_on(&self, broker: &Broker, cursor: &str) -> Result<(), NativeError> {
        let mut lines = broker.lines(&self.path([("follow", "sse"), ("after", cursor)]), "journal", HINT)?;
        while let Some(line) = lines.next_line().map_err(|source| request("journal", "", source))? {
            if let Some(data) = line.strip_prefix("data: ") {
                self.show(&serde_json::from_str(data).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn path(&self, more: [(&str, &str); 2]) -> String {
        let filters = [
            ("queue", self.queue.as_deref()),
            ("what", self.what.as_deref()),
            ("contains", self.contains.as_deref()),
        ];
        let filters = filters.into_iter().filter_map(|(key, value)| Some((key, value?)));
        path::with_query(&path::api(&["coney", "journal", &self.vhost.name]), filters.chain(more))
    }

    fn show(&self, page: &Value) -> Result<(), NativeError> {
        for event in events(page) {
            say(&if self.json { format!("{event}\n") } else { line(event) })?;
        }
        Ok(())
    }
}

const HINT: &str = "`coney ctl list_vhosts` lists vhosts";

fn events(page: &Value) -> impl Iterator<Item = &Value> {
    page.get("events").and_then(Value::as_array).into_iter().flatten()
}

/// When, where, and the sentence.
fn line(event: &Value) -> String {
    let text = |key: &str| event.get(key).and_then(Value::as_str).map(human::harmless);
    let at = event.get("at").and_then(Value::as_u64).unwrap_or_default();
    let place = match (text("queue"), event.get("position").and_then(Value::as_u64)) {
        (Some(queue), Some(position)) => format!("  {queue} #{position}"),
        (Some(queue), None) => format!("  {queue}"),
        (None, _) => String::new(),
    };
    format!("{}{place}  {}\n", human::moment(at), text("sentence").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let mut event = json!({ "at": 1_795_946_525_123_u64, "queue": "or\u{1b}ders", "position": 5, "sentence": "dropped: the queue was full" });
        assert_eq!(line(&event), "2026-11-29 10:02:05.123  or\\u{1b}ders #5  dropped: the queue was full\n");
        event["queue"] = Value::Null;
        assert_eq!(line(&event), "2026-11-29 10:02:05.123  dropped: the queue was full\n");
    }
}
