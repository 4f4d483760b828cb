//! `coney declare` and `coney delete`.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::broker::{Place, Vhost};
use super::error::NativeError;
use super::human;
use super::values::{object, pair};
use crate::cli::client::path;
use crate::cli::out::say;

/// The arguments of `coney declare`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  coney declare orders\n  coney declare orders --bind events:order.* --argument x-max-length:=1000\n  coney declare jobs --type quorum --argument x-delivery-limit:=5"
)]
pub struct Declare {
    /// The queue
    queue: String,
    /// Of this type
    #[arg(long = "type", value_enum, default_value_t)]
    kind: Kind,
    /// It need not outlive the broker
    #[arg(long)]
    transient: bool,
    /// It goes with its last consumer
    #[arg(long)]
    auto_delete: bool,
    /// An argument: KEY=TEXT, or KEY:=JSON for numbers and others
    #[arg(short, long = "argument", value_name = "KEY=VALUE", value_parser = pair)]
    arguments: Vec<(String, Value)>,
    /// Bind it to an exchange
    #[arg(short, long = "bind", value_name = "EXCHANGE[:KEY]")]
    bindings: Vec<String>,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

/// What kind of queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The usual one
    #[default]
    Classic,
    /// With a delivery limit and redelivery in RabbitMQ's quorum queues' way
    Quorum,
}

/// The arguments of `coney delete`.
#[derive(Args)]
#[command(after_help = "Example:\n  coney delete orders --if-empty")]
pub struct Delete {
    /// The queue
    queue: String,
    /// Only if it has no ready messages
    #[arg(long)]
    if_empty: bool,
    /// Only if it has no consumers
    #[arg(long)]
    if_unused: bool,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

impl Declare {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let mut arguments = object(&self.arguments);
        if self.kind == Kind::Quorum {
            arguments.insert("x-queue-type".to_owned(), json!("quorum"));
        }
        let body =
            json!({ "durable": !self.transient, "auto_delete": self.auto_delete, "arguments": arguments });
        let what = format!("queue {}", self.queue);
        let is_new = broker.put(&path::api(&["queues", &self.vhost.name, &self.queue]), &body, &what)?;
        for binding in &self.bindings {
            let (exchange, key) = binding.split_once(':').unwrap_or((binding, ""));
            let path = path::api(&["bindings", &self.vhost.name, "e", exchange, "q", &self.queue]);
            let hint = "`coney ctl list_exchanges` lists exchanges";
            broker.post(&path, &json!({ "routing_key": key }), &format!("binding to {exchange}"), hint)?;
        }
        let done = if is_new { "made" } else { "there already" };
        Ok(say(&format!("queue {} is {done}\n", human::harmless(&self.queue)))?)
    }
}

impl Delete {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let conditions = [("if-empty", self.if_empty), ("if-unused", self.if_unused)];
        let query = conditions.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name, "true"));
        let path = path::with_query(&path::api(&["queues", &self.vhost.name, &self.queue]), query);
        broker.delete(&path, &format!("queue {}", self.queue), "`coney queues` lists queues")?;
        Ok(say(&format!("queue {} is deleted\n", human::harmless(&self.queue)))?)
    }
}
