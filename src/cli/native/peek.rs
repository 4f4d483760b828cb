//! `coney peek`.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::broker::{Broker, Place, Vhost};
use super::error::NativeError;
use super::human;
use super::message::{Format, write};
use crate::cli::client::path;
use crate::cli::out::{say, say_bytes};

/// What the API shows at a time.
const PAGE: usize = 100;

/// The arguments of `coney peek`.
#[derive(Args)]
#[command(
    after_help = "Looking changes nothing: no order, no flag, no count.\n\nExamples:\n  coney peek orders\n  coney peek orders 42 --format raw | jq .\n  coney peek orders --state unacked --count 100"
)]
pub struct Peek {
    /// The queue
    queue: String,
    /// Only the message at this position, the number behind #, in whatever state it is
    position: Option<u64>,
    /// Those in this state
    #[arg(long, value_enum, default_value_t)]
    state: State,
    /// How many at most
    #[arg(short = 'n', long, default_value_t = 10)]
    count: usize,
    /// After so many
    #[arg(long, default_value_t = 0)]
    offset: usize,
    /// How they are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The same as --format json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum State {
    /// Waits for a consumer
    #[default]
    Ready,
    /// A consumer has it
    Unacked,
    /// Waits for its next attempt
    Delayed,
    /// Set aside after too many attempts
    Parked,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unacked => "unacked",
            Self::Delayed => "delayed",
            Self::Parked => "parked",
        }
    }
}

impl Peek {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let format = if self.json { Format::Json } else { self.format };
        let shown = match self.position {
            Some(position) => vec![self.at(&broker, position)?],
            None => self.some(&broker)?,
        };
        for message in &shown {
            let state = message.get("state").and_then(Value::as_str).unwrap_or(self.state.name());
            say_bytes(&write(message, format, Some(state)))?;
        }
        if shown.is_empty() && format == Format::Pretty {
            say(&format!("no {} messages in {}\n", self.state.name(), human::harmless(&self.queue)))?;
        }
        Ok(())
    }

    fn some(&self, broker: &Broker) -> Result<Vec<Value>, NativeError> {
        let mut shown = Vec::new();
        while shown.len() < self.count {
            let wanted = PAGE.min(self.count - shown.len());
            let page = self.page(broker, self.offset + shown.len(), wanted)?;
            let is_last = page.len() < wanted;
            shown.extend(page);
            if is_last {
                break;
            }
        }
        Ok(shown)
    }

    /// In whatever state it is.
    fn at(&self, broker: &Broker, position: u64) -> Result<Value, NativeError> {
        let found = self.ask(broker, &[("position", &position.to_string())])?;
        found.into_iter().next().ok_or_else(|| {
            let queue = &self.queue;
            NativeError::Failed(format!(
                "no message #{position} in {queue}; `coney why {queue} {position}` tells what became of it"
            ))
        })
    }

    fn page(&self, broker: &Broker, offset: usize, limit: usize) -> Result<Vec<Value>, NativeError> {
        let (offset, limit) = (offset.to_string(), limit.to_string());
        let place = [("offset", &*offset), ("limit", &*limit)];
        self.ask(broker, &[&[("state", self.state.name()), ("read", "true")], &place[..]].concat())
    }

    fn ask(&self, broker: &Broker, query: &[(&str, &str)]) -> Result<Vec<Value>, NativeError> {
        let messages = path::api(&["coney", "queues", &self.vhost.name, &self.queue, "messages"]);
        let what = format!("queue {}", self.queue);
        let path = path::with_query(&messages, query.iter().copied());
        let answer = broker.get(&path, &what, "`coney queues` lists queues")?;
        Ok(answer.as_array().cloned().unwrap_or_default())
    }
}
