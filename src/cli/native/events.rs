//! `coney events`.

use clap::Args;
use serde_json::Value;

use super::broker::{Place, request};
use super::error::NativeError;
use super::human;
use crate::cli::out::say;
use crate::cli::table::at;

/// The arguments of `coney events`.
#[derive(Args)]
#[command(after_help = "Example:\n  coney events --follow --json | jq .queue_totals.messages_ready")]
pub struct Events {
    /// Go on whenever something changes, four times a second at most
    #[arg(short, long)]
    follow: bool,
    /// As JSON, an object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Events {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let mut lines = broker.lines("/api/coney/events", "events", "")?;
        while let Some(line) = lines.next_line().map_err(|source| request("events", "", source))? {
            let Some(data) = line.strip_prefix("data: ") else { continue };
            if self.json {
                say(&format!("{data}\n"))?;
            } else {
                say(&text(&serde_json::from_str(data).unwrap_or_default()))?;
            }
            if !self.follow {
                break;
            }
        }
        Ok(())
    }
}

fn text(event: &Value) -> String {
    let number = |key: &str| at(event, key).and_then(Value::as_u64).unwrap_or_default();
    let objects = ["queue", "connection", "channel", "consumer"];
    let objects = objects.map(|what| human::counted(number(&format!("object_totals.{what}s")), what));
    format!(
        "{} ready, {} unacked in {}\n",
        human::count(number("queue_totals.messages_ready")),
        human::count(number("queue_totals.messages_unacknowledged")),
        objects.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn totals_are_a_line() {
        let event = json!({
            "object_totals": { "queues": 1, "connections": 2, "channels": 3, "consumers": 0 },
            "queue_totals": { "messages_ready": 1000, "messages_unacknowledged": 5 },
        });
        assert_eq!(
            text(&event),
            "1,000 ready, 5 unacked in 1 queue, 2 connections, 3 channels, 0 consumers\n"
        );
    }
}
