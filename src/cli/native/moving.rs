//! `coney replay`, `coney move`, `coney copy`.

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::broker::{Place, Vhost};
use super::error::NativeError;
use super::filter::Filter;
use super::human;
use crate::cli::client::path;
use crate::cli::out::say;

/// The arguments of `coney replay`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  coney replay dead-letters --dry-run\n  coney replay dead-letters --filter reason=rejected --filter older=1h\n  coney replay dead-letters --to orders.retry --limit 100"
)]
pub struct Replay {
    /// The queue with the dead letters
    queue: String,
    /// To this queue; if not given, to the exchange and with the key that each was first published with
    #[arg(long, value_name = "QUEUE")]
    to: Option<String>,
    #[command(flatten)]
    what: What,
}

/// The arguments of `coney move`.
#[derive(Args)]
#[command(group = ArgGroup::new("target").required(true).args(["to", "exchange"]))]
#[command(
    after_help = "A move is one record in the store: whenever the broker is killed, a message is in one place.\n\nExamples:\n  coney move orders orders.slow --filter json.customer.id=7\n  coney move orders --exchange events --routing-key order.created"
)]
pub struct Move {
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    what: What,
}

/// The arguments of `coney copy`.
#[derive(Args)]
#[command(group = ArgGroup::new("target").required(true).args(["to", "exchange"]))]
#[command(after_help = "Example:\n  coney copy orders orders.test --limit 100")]
pub struct Copy {
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    what: What,
}

/// From where to where.
#[derive(Args)]
#[group(skip)]
struct Way {
    /// The queue that the messages are in
    from: String,
    /// The queue that they go to
    to: Option<String>,
    /// To this exchange instead
    #[arg(short = 'x', long, value_name = "NAME")]
    exchange: Option<String>,
    /// With this key; if not given, their own
    #[arg(long, value_name = "KEY", requires = "exchange")]
    routing_key: Option<String>,
}

/// Which messages, of which broker.
#[derive(Args)]
struct What {
    #[command(flatten)]
    filter: Filter,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

impl Replay {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        match &self.to {
            None => self.what.act(&self.queue, "replay", None),
            Some(to) => self.what.act(&self.queue, "move", Some(json!({ "queue": to }))),
        }
    }
}

impl Move {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        self.what.act(&self.way.from, "move", Some(self.way.target()))
    }
}

impl Copy {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        self.what.act(&self.way.from, "copy", Some(self.way.target()))
    }
}

impl Way {
    fn target(&self) -> Value {
        match (&self.exchange, &self.routing_key) {
            (None, _) => json!({ "queue": self.to }),
            (Some(exchange), None) => json!({ "exchange": exchange }),
            (Some(exchange), Some(key)) => json!({ "exchange": exchange, "routing_key": key }),
        }
    }
}

impl What {
    fn act(&self, queue: &str, action: &str, to: Option<Value>) -> Result<(), NativeError> {
        let mut body = self.filter.body();
        if let Some(to) = to {
            body.insert("to".to_owned(), to);
        }
        let path = path::api(&["coney", "queues", &self.vhost.name, queue, "messages", action]);
        let hint = "`coney queues` lists queues, `coney ctl list_exchanges` exchanges";
        let broker = self.place.find()?;
        let acted =
            broker.post(&path, &Value::Object(body), &format!("{action} from queue {queue}"), hint)?;
        if self.json {
            return Ok(say(&format!("{acted}\n"))?);
        }
        Ok(say(&told(action, &acted))?)
    }
}

fn told(action: &str, acted: &Value) -> String {
    let number = |key: &str| acted.get(key).and_then(Value::as_u64).unwrap_or_default();
    let verb = match action {
        "copy" => "copied",
        "replay" => "replayed",
        _ => "moved",
    };
    let would = if acted.get("dry_run") == Some(&Value::Bool(true)) { "would be " } else { "" };
    let mut text = format!(
        "{} {would}{verb} ({} looked at)\n",
        human::counted(number("done"), "message"),
        human::count(number("looked_at"))
    );
    if number("without_target") > 0 {
        let why = if action == "replay" {
            "have not died, or no queue would get them"
        } else {
            "would reach no queue"
        };
        text += &format!("{} stayed: they {why}\n", human::counted(number("without_target"), "message"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told() {
        let acted = |dry_run: bool| json!({ "looked_at": 5, "matched": 3, "done": 1, "without_target": 2, "dry_run": dry_run });
        assert_eq!(
            told("replay", &acted(false)),
            "1 message replayed (5 looked at)\n2 messages stayed: they have not died, or no queue would get them\n"
        );
        assert!(told("move", &acted(true)).starts_with("1 message would be moved (5 looked at)\n"));
    }
}
