//! What is declared: exchanges and bindings, as plain values that the store can keep.

use amq_protocol::types::{AMQPValue, FieldTable};
use serde::{Deserialize, Serialize};

use super::error::TopologyError;
use crate::dedup::{Deduplication, ExchangeDedup, SettingError};

/// The exchange argument that names where unroutable messages go.
pub const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

/// The argument that says how a delayed exchange routes.
pub const DELAYED_TYPE: &str = "x-delayed-type";

/// The argument that lets an exchange of any type delay messages.
pub const DELAYED_EXCHANGE: &str = "x-delayed-exchange";

/// How an exchange chooses among its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// The routing key equals the binding key.
    Direct,
    /// Every binding.
    Fanout,
    /// The routing key matches the binding key's pattern of words, `*` and `#`.
    Topic,
    /// The message's headers match the binding's arguments.
    Headers,
    /// One binding, by the place of the message's hash on a ring; binding keys are weights.
    #[serde(rename = "x-consistent-hash")]
    ConsistentHash,
    /// One binding, by the hash of the routing key modulo the number of bindings.
    #[serde(rename = "x-modulus-hash")]
    ModulusHash,
    /// One binding, by chance.
    #[serde(rename = "x-random")]
    Random,
    /// The same as `Random`, because on a single node every queue is local.
    #[serde(rename = "x-local-random")]
    LocalRandom,
    /// As fanout, without duplicates: the type of RabbitMQ's message deduplication plugin.
    #[serde(rename = "x-message-deduplication")]
    Deduplication,
    /// As the type that its argument names, when a message's delay is over.
    #[serde(rename = "x-delayed-message")]
    Delayed,
}

impl ExchangeKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Direct,
        Self::Fanout,
        Self::Topic,
        Self::Headers,
        Self::ConsistentHash,
        Self::ModulusHash,
        Self::Random,
        Self::LocalRandom,
        Self::Deduplication,
        Self::Delayed,
    ];

    /// The kind of that name on the wire; names are case-sensitive.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
            Self::ConsistentHash => "x-consistent-hash",
            Self::ModulusHash => "x-modulus-hash",
            Self::Random => "x-random",
            Self::LocalRandom => "x-local-random",
            Self::Deduplication => "x-message-deduplication",
            Self::Delayed => "x-delayed-message",
        }
    }

    /// The kind of that name, or the error a declare is answered with. A declare checks this before anything else.
    ///
    /// # Errors
    /// 406 if there is no such kind; the names of plugins' kinds begin with `x-` and are called unknown.
    pub fn parse(name: &str) -> Result<Self, TopologyError> {
        let word = if name.starts_with("x-") { "unknown" } else { "invalid" };
        Self::from_name(name)
            .ok_or_else(|| TopologyError::PreconditionFailed(format!("{word} exchange type '{name}'")))
    }
}

/// A declared exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExchangeSpec {
    /// Its name; the default exchange's is empty.
    pub name: String,
    /// How it routes.
    pub kind: ExchangeKind,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes when its last binding as a source goes.
    pub auto_delete: bool,
    /// Whether clients may not publish to it (other exchanges may route to it).
    pub internal: bool,
    /// The declare's arguments.
    pub arguments: FieldTable,
    /// The queue where messages wait for their time, of an exchange that delays them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_queue: Option<u64>,
}

impl ExchangeSpec {
    /// A durable exchange without arguments.
    #[must_use]
    pub fn new(name: &str, kind: ExchangeKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::default(),
            delay_queue: None,
        }
    }

    /// How it routes: a delayed exchange's argument says that. `None` if that names no type, or not one that routes.
    #[must_use]
    pub fn routes_as(&self) -> Option<ExchangeKind> {
        if self.kind != ExchangeKind::Delayed {
            return Some(self.kind);
        }
        match self.arguments.inner().get(DELAYED_TYPE)? {
            AMQPValue::LongString(name) => {
                ExchangeKind::from_name(std::str::from_utf8(name.as_bytes()).ok()?)
            }
            _ => None,
        }
        .filter(|kind| *kind != ExchangeKind::Delayed)
    }

    /// Whether messages may have to wait before it routes them: by its type, as in RabbitMQ's plugin, or by its
    /// argument, as in LavinMQ.
    #[must_use]
    pub fn delays(&self) -> bool {
        let by_argument = self.arguments.inner().get(DELAYED_EXCHANGE);
        self.kind == ExchangeKind::Delayed || by_argument == Some(&AMQPValue::Boolean(true))
    }

    /// How its duplicates are recognised, if it is to have deduplication.
    ///
    /// # Errors
    /// An argument for it that makes no sense.
    pub(super) fn dedup(&self) -> Result<Option<ExchangeDedup>, SettingError> {
        let settings = Deduplication::parse(&self.arguments, self.kind == ExchangeKind::Deduplication)?;
        Ok(settings.map(|settings| ExchangeDedup { exchange: self.name.as_str().into(), settings }))
    }

    /// The exchange that gets what this one cannot route, if its arguments name one.
    #[must_use]
    pub fn alternate(&self) -> Option<&[u8]> {
        match self.arguments.inner().get(ALTERNATE_EXCHANGE)? {
            AMQPValue::LongString(name) => Some(name.as_bytes()),
            _ => None,
        }
    }
}

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    /// The queue of that name.
    Queue(String),
    /// The exchange of that name.
    Exchange(String),
}

impl Destination {
    /// The name of the queue or exchange.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Queue(name) | Self::Exchange(name) => name,
        }
    }
}

/// A binding. Bindings are the same when all four parts are, the types of argument values included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The exchange it leads from.
    pub source: String,
    /// Where it leads.
    pub destination: Destination,
    /// The binding key.
    pub routing_key: String,
    /// What a headers exchange matches; others keep it as part of the binding's identity.
    pub arguments: FieldTable,
}

impl Binding {
    /// The default exchange's to a queue: it follows from the queue's name.
    pub(super) fn of_default(queue: &str) -> Self {
        Self {
            source: String::new(),
            destination: Destination::Queue(queue.to_owned()),
            routing_key: queue.to_owned(),
            arguments: FieldTable::default(),
        }
    }

    /// The queue that it leads to, if it is one.
    #[must_use]
    pub fn queue(&self) -> Option<&str> {
        match &self.destination {
            Destination::Queue(name) => Some(name),
            Destination::Exchange(_) => None,
        }
    }
}

/// What an operation took away, so that the definitions of what was durable can be deleted too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Removed {
    /// Exchanges: the deleted one, and auto-delete exchanges that lost their last binding.
    pub exchanges: Vec<ExchangeSpec>,
    /// Bindings: the removed one, and those from and to what was removed.
    pub bindings: Vec<Binding>,
}

impl Removed {
    /// Whether nothing was removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty() && self.bindings.is_empty()
    }
}
