//! The broker as a whole.

use std::path::Path;

use serde::Serialize;

use super::rates::{RatedMap, Seen};
use crate::management::api::ListeningOn;
use crate::statistics::{BrokerCounters, ChannelCounters};
use crate::topology::ExchangeKind;

/// `/api/overview`. What is Erlang's is a constant that says so.
#[derive(Debug, Serialize)]
pub(in crate::management) struct Overview<'a> {
    pub management_version: &'a str,
    pub rates_mode: &'static str,
    pub sample_retention_policies: Retention,
    pub exchange_types: Vec<ExchangeType>,
    pub product_version: &'static str,
    pub product_name: &'static str,
    pub rabbitmq_version: &'a str,
    pub cluster_name: String,
    pub cluster_tags: Empty,
    pub node_tags: Empty,
    pub erlang_version: &'static str,
    pub erlang_full_version: &'static str,
    pub disable_stats: bool,
    pub default_queue_type: &'static str,
    pub is_op_policy_updating_enabled: bool,
    pub enable_queue_totals: bool,
    pub message_stats: RatedMap,
    pub churn_rates: RatedMap,
    pub queue_totals: RatedMap,
    pub object_totals: ObjectTotals,
    pub statistics_db_event_queue: u64,
    #[serde(flatten)]
    pub place: Option<Place<'a>>,
}

/// Where the broker is: for those who may watch it.
#[derive(Debug, Serialize)]
pub(in crate::management) struct Place<'a> {
    pub node: &'a str,
    pub listeners: Vec<Listener<'a>>,
    pub contexts: Vec<Context<'a>>,
}

/// What RabbitMQ says of Erlang's garbage collector when it knows nothing of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::management) struct NoGarbage {
    fullsweep_after: i8,
    max_heap_size: i8,
    min_bin_vheap_size: i8,
    min_heap_size: i8,
    minor_gcs: i8,
}

impl NoGarbage {
    /// Of all that has no such thing.
    pub(in crate::management) const UNKNOWN: Self = Self {
        fullsweep_after: -1,
        max_heap_size: -1,
        min_bin_vheap_size: -1,
        min_heap_size: -1,
        minor_gcs: -1,
    };
}

/// A map with nothing in it: `{}`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::management) struct Empty {}

/// How far back samples reach, in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::management) struct Retention {
    global: [u64; 1],
    basic: [u64; 1],
    detailed: [u64; 1],
}

impl Retention {
    /// Counters remember a minute.
    pub(in crate::management) const ALL: Self = Self { global: [60], basic: [60], detailed: [60] };
}

/// A type that exchanges can have.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::management) struct ExchangeType {
    name: &'static str,
    description: &'static str,
    enabled: bool,
}

impl ExchangeType {
    /// All of them.
    pub(in crate::management) fn all() -> Vec<Self> {
        let all = ExchangeKind::ALL.into_iter();
        all.map(|kind| Self { name: kind.name(), description: description(kind), enabled: true }).collect()
    }
}

const fn description(kind: ExchangeKind) -> &'static str {
    match kind {
        ExchangeKind::Direct => "AMQP direct exchange, as per the AMQP specification",
        ExchangeKind::Fanout => "AMQP fanout exchange, as per the AMQP specification",
        ExchangeKind::Topic => "AMQP topic exchange, as per the AMQP specification",
        ExchangeKind::Headers => "AMQP headers exchange, as per the AMQP specification",
        ExchangeKind::ConsistentHash => "Routes to one binding by the place of the message's hash on a ring",
        ExchangeKind::ModulusHash => "Routes to one binding by the routing key's hash modulo their number",
        ExchangeKind::Random => "Routes to one binding by chance",
        ExchangeKind::LocalRandom => "Routes to one binding of this node by chance",
        ExchangeKind::Deduplication => "Routes as fanout does, without duplicates",
        ExchangeKind::Delayed => "Routes a message when its delay is over",
    }
}

/// How many there are of what.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(in crate::management) struct ObjectTotals {
    pub channels: usize,
    pub consumers: usize,
    pub exchanges: usize,
    pub queues: usize,
    pub connections: usize,
}

/// An address that is listened on.
#[derive(Clone, Debug, Serialize)]
pub(in crate::management) struct Listener<'a> {
    node: &'a str,
    protocol: &'static str,
    ip_address: String,
    port: u16,
    socket_opts: SocketOptions,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct SocketOptions {
    nodelay: bool,
}

impl<'a> Listener<'a> {
    /// Of this node.
    pub(in crate::management) fn of(node: &'a str, on: &ListeningOn) -> Self {
        Self {
            node,
            protocol: on.protocol,
            ip_address: on.address.ip().to_string(),
            port: on.address.port(),
            socket_opts: SocketOptions { nodelay: true },
        }
    }
}

/// An address at which this API is.
#[derive(Clone, Debug, Serialize)]
pub(in crate::management) struct Context<'a> {
    ssl_opts: TlsOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssl: Option<&'static str>,
    node: &'a str,
    description: &'static str,
    path: &'static str,
    cowboy_opts: &'static str,
    ip: String,
    port: String,
}

/// What TLS there is made with.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum TlsOptions {
    /// There is none.
    None([u8; 0]),
    /// The files.
    Some {
        #[serde(skip_serializing_if = "Option::is_none")]
        certfile: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cacertfile: Option<String>,
    },
}

impl TlsOptions {
    fn of(on: &ListeningOn) -> Self {
        let Some(acceptor) = &on.acceptor else { return Self::None([]) };
        let name = |path: &Path| path.display().to_string();
        Self::Some { certfile: acceptor.cert_file().map(name), cacertfile: acceptor.ca_file().map(name) }
    }
}

impl<'a> Context<'a> {
    /// Of this node.
    pub(in crate::management) fn of(node: &'a str, on: &ListeningOn) -> Self {
        let (description, path) = match on.protocol {
            "http/prometheus" | "https/prometheus" => ("Prometheus", "/metrics"),
            _ => ("RabbitMQ Management", "/"),
        };
        Self {
            ssl_opts: TlsOptions::of(on),
            ssl: on.acceptor.as_ref().map(|_| "true"),
            node,
            description,
            path,
            cowboy_opts: "[]",
            ip: on.address.ip().to_string(),
            port: on.address.port().to_string(),
        }
    }
}

/// What became of messages on channels, by RabbitMQ's names. `deliver_get` is all that went to consumers, one way or another.
pub(in crate::management) fn message_stats(seen: &Seen<ChannelCounters>) -> RatedMap {
    RatedMap::default()
        .with("publish", seen.counter(|c| c.published))
        .with("confirm", seen.counter(|c| c.confirmed))
        .with("return_unroutable", seen.counter(|c| c.returned))
        .with("drop_unroutable", seen.counter(|c| c.dropped))
        .with("deliver", seen.counter(|c| c.delivered))
        .with("deliver_no_ack", seen.counter(|c| c.delivered_no_ack))
        .with("get", seen.counter(|c| c.got))
        .with("get_no_ack", seen.counter(|c| c.got_no_ack))
        .with("get_empty", seen.counter(|c| c.got_empty))
        .with("ack", seen.counter(|c| c.acked))
        .with("redeliver", seen.counter(|c| c.redelivered))
        .with("deliver_get", seen.counter(|c| c.delivered + c.delivered_no_ack + c.got + c.got_no_ack))
}

/// What came and went.
pub(in crate::management) fn churn(seen: &Seen<BrokerCounters>) -> RatedMap {
    RatedMap::default()
        .with("connection_created", seen.counter(|c| c.connections_opened))
        .with("connection_closed", seen.counter(|c| c.connections_closed))
        .with("channel_created", seen.counter(|c| c.channels_opened))
        .with("channel_closed", seen.counter(|c| c.channels_closed))
        .with("queue_declared", seen.counter(|c| c.queues_declared))
        .with("queue_created", seen.counter(|c| c.queues_created))
        .with("queue_deleted", seen.counter(|c| c.queues_deleted))
}
