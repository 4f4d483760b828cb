//! The node, and what takes its memory.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::answer;
use super::api::Api;
use super::asker::Monitor;
use super::cluster;
use super::columns;
use super::descriptors::Descriptors;
use super::error::ApiError;
use super::params::{At, Params};
use super::route::Route;
use super::views::node::{self, Application, Mechanism, NodeView, Rate, enabled_plugins};
use super::views::overview::{Context, ExchangeType, churn};
use super::views::rates::Kind;
use crate::broker::alarms::Machine;
use crate::broker::operations;
use crate::config::Config;
use crate::ledger;
use crate::message;

/// `/api/nodes`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/nodes", get(list)),
        ("/api/nodes/{node}", get(show)),
        ("/api/nodes/{node}/memory", get(memory)),
        ("/api/nodes/{node}/memory/relative", get(relative_memory)),
    ]
}

async fn list(State(api): State<Api>, _: Monitor, params: Params) -> Result<Response, ApiError> {
    let mut all = vec![view(&api, &params)?];
    all.extend(cluster::others(&api));
    Ok(columns::answer(&params, &all))
}

async fn show(
    State(api): State<Api>,
    _: Monitor,
    At(node): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    if let Some(other) = cluster::others(&api).into_iter().find(|other| other["name"] == *node) {
        return Ok(columns::answer(&params, &other));
    }
    check(&api, &node)?;
    Ok(columns::answer(&params, &view(&api, &params)?))
}

/// As RabbitMQ names the streams of a process.
fn log_file(config: &Config) -> String {
    config.log_file.as_ref().map_or_else(|| "<stderr>".to_owned(), |path| path.display().to_string())
}

/// Of another node only the cluster is asked.
fn check(api: &Api, node: &str) -> Result<(), ApiError> {
    if node == api.node() { Ok(()) } else { Err(ApiError::not_found()) }
}

fn view(api: &Api, params: &Params) -> Result<Value, ApiError> {
    let shared = api.shared();
    let clocked = api.clocked(params)?;
    let Machine { readings, limits } = shared.machine();
    let alarms = shared.alarms.borrow().clone();
    let descriptors = Descriptors::of_process();
    let version = &shared.config.server_version;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let view = NodeView {
        name: api.node(),
        kind: "disc",
        running: true,
        being_drained: false,
        os_pid: std::process::id().to_string(),
        uptime: shared.clock.now().as_micros() / 1000,
        processors: threads,
        run_queue: 0,
        rates_mode: "basic",
        mem_used: readings.memory_used.unwrap_or(0),
        mem_used_details: Rate::default(),
        mem_limit: limits.memory.unwrap_or(0),
        mem_alarm: alarms.memory,
        mem_calculation_strategy: "rss",
        disk_free: readings.disk_free.unwrap_or(0),
        disk_free_details: Rate::default(),
        disk_free_limit: limits.disk_free.unwrap_or(0),
        disk_free_alarm: alarms.disk,
        fd_used: descriptors.used,
        fd_used_details: Rate::default(),
        fd_total: descriptors.total,
        sockets_used: operations::connections(shared).len(),
        sockets_used_details: Rate::default(),
        sockets_total: descriptors.total,
        proc_used: threads,
        proc_used_details: Rate::default(),
        proc_total: threads,
        churn: churn(&clocked.look(Kind::Node, &shared.totals)),
        nothing: node::nothing(),
        exchange_types: ExchangeType::all(),
        auth_mechanisms: Mechanism::all(api.shared().config.tls_login.is_some()),
        applications: Application::all(version),
        contexts: api.contexts().map(|on| Context::of(api.node(), on)).collect(),
        enabled_plugins: enabled_plugins(),
        config_files: shared.config.config_files.iter().map(|path| path.display().to_string()).collect(),
        log_files: [log_file(&shared.config)],
        db_dir: shared.config.data_dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default(),
        net_ticktime: 0,
        partitions: [],
        cluster_links: [],
        ra_open_file_metrics: node::no_files(),
        metrics_gc_queue_length: node::no_gc(),
    };
    serde_json::to_value(view).map_err(|error| ApiError::unavailable(error.to_string()))
}

/// Where RabbitMQ's client looks for what; kinds of ours stand under the name that is nearest, the rest under our own.
fn memory_by_name(api: &Api) -> BTreeMap<&'static str, u64> {
    let shared = api.shared();
    let bytes = |kind| shared.ledger.bytes(kind) as u64;
    let mut by_name: BTreeMap<&'static str, u64> = NAMES.into_iter().map(|name| (name, 0)).collect();
    by_name.insert("binary", message::bytes_in_memory() as u64);
    by_name.insert("metadata_store", bytes(ledger::Kind::Definitions));
    by_name.insert("queue_procs", bytes(ledger::Kind::Queues));
    let named = [ledger::Kind::Definitions, ledger::Kind::Queues];
    let rest = ledger::Kind::ALL.into_iter().filter(|kind| !named.contains(kind)).map(bytes);
    by_name.insert("connection_other", rest.sum());
    let known: u64 = by_name.values().sum();
    let rss = shared.machine().readings.memory_used.unwrap_or(0);
    by_name.insert("other_system", rss.saturating_sub(known));
    by_name
}

/// RabbitMQ's names. What is Erlang's stays 0.
const NAMES: [&str; 26] = [
    "connection_readers",
    "connection_writers",
    "connection_channels",
    "connection_other",
    "queue_procs",
    "quorum_queue_procs",
    "quorum_queue_dlx_procs",
    "stream_queue_procs",
    "stream_queue_replica_reader_procs",
    "stream_queue_coordinator_procs",
    "plugins",
    "metadata_store",
    "other_proc",
    "metrics",
    "mgmt_db",
    "mnesia",
    "quorum_ets",
    "metadata_store_ets",
    "other_ets",
    "binary",
    "msg_index",
    "code",
    "atom",
    "other_system",
    "allocated_unused",
    "reserved_unallocated",
];

async fn memory(State(api): State<Api>, _: Monitor, At(node): At<String>) -> Result<Response, ApiError> {
    check(&api, &node)?;
    let by_name = memory_by_name(&api);
    let rss: u64 = by_name.values().sum();
    let mut memory = json!(by_name);
    if let Some(fields) = memory.as_object_mut() {
        fields.insert("strategy".to_owned(), "rss".into());
        fields.insert("total".to_owned(), json!({ "erlang": 0, "rss": rss, "allocated": rss }));
    }
    Ok(answer::json(&json!({ "memory": memory })))
}

async fn relative_memory(
    State(api): State<Api>,
    _: Monitor,
    At(node): At<String>,
) -> Result<Response, ApiError> {
    check(&api, &node)?;
    let by_name = memory_by_name(&api);
    let total = by_name.values().sum::<u64>().max(1);
    let percent = |bytes: u64| (bytes * 100).div_ceil(total);
    let mut memory: BTreeMap<&str, u64> =
        by_name.into_iter().map(|(name, bytes)| (name, percent(bytes))).collect();
    memory.insert("total", 100);
    Ok(answer::json(&json!({ "memory": memory })))
}
