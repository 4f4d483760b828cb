//! The node.

use std::collections::BTreeMap;

use serde::Serialize;

use super::overview::{Context, ExchangeType};
use super::rates::RatedMap;
use crate::auth::{EXTERNAL, MECHANISMS, MECHANISMS_WITH_EXTERNAL};
use crate::broker::plugins::plugins;

/// `/api/nodes/N`. What RabbitMQ says about Erlang is 0 here, but for what stands for threads.
#[derive(Debug, Serialize)]
pub(in crate::management) struct NodeView<'a> {
    pub name: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub running: bool,
    pub being_drained: bool,
    pub os_pid: String,
    /// Milliseconds since the start.
    pub uptime: u64,
    pub processors: usize,
    pub run_queue: u64,
    pub rates_mode: &'static str,
    pub mem_used: u64,
    pub mem_used_details: Rate,
    pub mem_limit: u64,
    pub mem_alarm: bool,
    pub mem_calculation_strategy: &'static str,
    pub disk_free: u64,
    pub disk_free_details: Rate,
    pub disk_free_limit: u64,
    pub disk_free_alarm: bool,
    pub fd_used: u64,
    pub fd_used_details: Rate,
    pub fd_total: u32,
    pub sockets_used: usize,
    pub sockets_used_details: Rate,
    pub sockets_total: u32,
    pub proc_used: usize,
    pub proc_used_details: Rate,
    pub proc_total: usize,
    #[serde(flatten)]
    pub churn: RatedMap,
    #[serde(flatten)]
    pub nothing: BTreeMap<String, Nothing>,
    pub exchange_types: Vec<ExchangeType>,
    pub auth_mechanisms: Vec<Mechanism>,
    pub applications: Vec<Application>,
    pub contexts: Vec<Context<'a>>,
    pub enabled_plugins: Vec<&'static str>,
    pub config_files: Vec<String>,
    pub log_files: [String; 1],
    pub db_dir: String,
    pub net_ticktime: u64,
    pub partitions: [String; 0],
    pub cluster_links: [String; 0],
    pub ra_open_file_metrics: BTreeMap<&'static str, u64>,
    pub metrics_gc_queue_length: BTreeMap<&'static str, u64>,
}

/// What holds at the moment, and how it changes: not watched.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(in crate::management) struct Rate {
    rate: f64,
}

/// A figure about something that there is not here.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(in crate::management) enum Nothing {
    /// 0 of it.
    None(u64),
    /// At no rate.
    Rate(Rate),
}

/// Figures that tools of RabbitMQ read, about what there is not here, or is not counted.
const NOT_COUNTED: [&str; 18] = [
    "gc_num",
    "gc_bytes_reclaimed",
    "context_switches",
    "io_read_count",
    "io_read_bytes",
    "io_read_avg_time",
    "io_write_count",
    "io_write_bytes",
    "io_write_avg_time",
    "io_sync_count",
    "io_sync_avg_time",
    "io_seek_count",
    "io_seek_avg_time",
    "io_reopen_count",
    "msg_store_read_count",
    "msg_store_write_count",
    "queue_index_read_count",
    "queue_index_write_count",
];
/// The same of RabbitMQ's former database.
const NO_MNESIA: [&str; 2] = ["mnesia_ram_tx_count", "mnesia_disk_tx_count"];
const NO_RA: [&str; 2] = ["ra_log_wal", "ra_log_segment_writer"];
const NO_METRICS_GC: [&str; 8] = [
    "connection_closed",
    "channel_closed",
    "consumer_deleted",
    "exchange_deleted",
    "queue_deleted",
    "vhost_deleted",
    "node_node_deleted",
    "channel_consumer_deleted",
];

/// 0 of each.
pub(in crate::management) fn nothing() -> BTreeMap<String, Nothing> {
    let names = NOT_COUNTED.iter().chain(&NO_MNESIA);
    let both = names.flat_map(|name| {
        [((*name).to_owned(), Nothing::None(0)), (format!("{name}_details"), Nothing::Rate(Rate::default()))]
    });
    both.collect()
}

/// 0 of each.
pub(in crate::management) fn no_files() -> BTreeMap<&'static str, u64> {
    NO_RA.into_iter().map(|name| (name, 0)).collect()
}

/// 0 of each.
pub(in crate::management) fn no_gc() -> BTreeMap<&'static str, u64> {
    NO_METRICS_GC.into_iter().map(|name| (name, 0)).collect()
}

/// How clients may log in.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::management) struct Mechanism {
    name: &'static str,
    description: &'static str,
    enabled: bool,
}

impl Mechanism {
    /// All of them; EXTERNAL is one if the settings say so.
    pub(in crate::management) fn all(has_external: bool) -> Vec<Self> {
        let all = if has_external { MECHANISMS_WITH_EXTERNAL } else { MECHANISMS };
        let description = |name| match name {
            EXTERNAL => "SASL, by the client's certificate",
            _ => "SASL, by name and password",
        };
        all.split(' ').map(|name| Self { name, description: description(name), enabled: true }).collect()
    }
}

/// What runs: tools look for `rabbit`.
#[derive(Clone, Debug, Serialize)]
pub(in crate::management) struct Application {
    name: &'static str,
    description: &'static str,
    version: String,
}

impl Application {
    /// The broker, under the names that tools know.
    pub(in crate::management) fn all(version: &str) -> Vec<Self> {
        let broker = [("rabbit", "Coney, an AMQP 0-9-1 broker")];
        let plugins = plugins().iter().map(|plugin| (plugin.name, plugin.description));
        let names = broker.into_iter().chain(plugins);
        names.map(|(name, description)| Self { name, description, version: version.to_owned() }).collect()
    }
}

/// What of RabbitMQ's plugins there is here, those left out that come with others, as in RabbitMQ.
pub(in crate::management) fn enabled_plugins() -> Vec<&'static str> {
    plugins().iter().filter(|plugin| plugin.is_explicit).map(|plugin| plugin.name).collect()
}
