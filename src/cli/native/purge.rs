//! `coney purge` and `coney undo`.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::broker::{Place, Vhost};
use super::error::NativeError;
use super::human;
use super::values::duration;
use crate::cli::client::path;
use crate::cli::out::say;

/// The arguments of `coney purge`.
#[derive(Args)]
#[command(after_help = "Example:\n  coney purge orders --undo-for 10m")]
pub struct Purge {
    /// The queue
    queue: String,
    /// How long it can be undone: up to an hour, or 0
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    undo_for: Duration,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

/// The arguments of `coney undo`.
#[derive(Args)]
pub struct Undo {
    /// The number that the purge said
    id: u64,
    #[command(flatten)]
    place: Place,
}

impl Purge {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let path = path::api(&["coney", "queues", &self.vhost.name, &self.queue, "purge"]);
        let body = json!({ "undo_s": self.undo_for.as_secs() });
        let what = format!("purge of queue {}", self.queue);
        let purged = broker.post(&path, &body, &what, "`coney queues` lists queues")?;
        if self.json {
            return Ok(say(&format!("{purged}\n"))?);
        }
        let number = |key: &str| purged.get(key).and_then(Value::as_u64).unwrap_or_default();
        let count = human::counted(number("purged"), "message");
        let undo = match (number("purged"), number("undo_s")) {
            (0, _) | (_, 0) => String::new(),
            (_, seconds) => {
                let span = human::span(Duration::from_secs(seconds));
                format!("; within {span} `coney undo {}` puts them back", number("id"))
            }
        };
        Ok(say(&format!("{count} purged from {}{undo}\n", human::harmless(&self.queue)))?)
    }
}

impl Undo {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let path = path::api(&["coney", "purges", &self.id.to_string(), "undo"]);
        let hint = "it was undone already, or its time is over and the messages are gone";
        broker.post(&path, &json!({}), &format!("purge {}", self.id), hint)?;
        Ok(say("the messages are back\n")?)
    }
}
