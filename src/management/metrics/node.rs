//! Metrics of the node: the process, what came and went, the disk, logins, alarms.

use super::table::{Owner, Page, columns};
use super::text::{Labels, Text, Type};
use crate::broker::alarms::Machine;
use crate::broker::operations;
use crate::broker::shared::Shared;
use crate::management::api::Api;
use crate::management::descriptors::Descriptors;
use crate::message;
use crate::statistics::BrokerCounters;
use crate::telemetry::Attempts;

/// Microseconds.
const PER_SECOND: u64 = 1_000_000;
/// What there is instead of versions of what is not there.
const NONE: &str = "none";

/// The numbers of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeNumbers {
    machine: Machine,
    descriptors: Descriptors,
    totals: BrokerCounters,
    uptime_s: f64,
    commits: u64,
    syncs: u64,
    commit_s: f64,
    bytes_written: u64,
    entries_written: u64,
    entries_elided: u64,
    pending_bytes: u64,
    known_bytes: u64,
    messages_bytes: u64,
    ack_timeouts: u64,
    duplicates: u64,
    out_of_turn: u64,
    cycles: u64,
}

impl NodeNumbers {
    /// As they are now.
    pub(super) fn of(shared: &Shared) -> Self {
        let stats = shared.store.stats();
        let dropped = &shared.counters.dropped;
        Self {
            machine: shared.machine(),
            descriptors: Descriptors::of_process(),
            totals: shared.totals.read(),
            uptime_s: shared.clock.now().as_micros() as f64 / PER_SECOND as f64,
            commits: stats.commits,
            syncs: stats.syncs,
            commit_s: shared.store.commit_us().sum as f64 / PER_SECOND as f64,
            bytes_written: stats.bytes_written,
            entries_written: stats.entries_written,
            entries_elided: stats.entries_elided,
            pending_bytes: shared.store.pending_bytes() as u64,
            known_bytes: (shared.ledger.total() + message::bytes_in_memory()) as u64,
            messages_bytes: message::bytes_in_memory() as u64,
            ack_timeouts: shared.counters.ack_timeouts.value(),
            duplicates: dropped.duplicate.value(),
            out_of_turn: dropped.out_of_turn.value(),
            cycles: dropped.cycle.value(),
        }
    }
}

columns! {
    /// What is counted of the node.
    COLUMNS: NodeNumbers {
        ["connection_churn_metrics"] Rabbit Counter "connections_opened_total"
            "Connections accepted" |n| n.totals.connections_opened;
        ["connection_churn_metrics"] Rabbit Counter "connections_closed_total"
            "Connections that ended" |n| n.totals.connections_closed;
        ["connection_churn_metrics"] Rabbit Counter "channels_opened_total"
            "Channels opened" |n| n.totals.channels_opened;
        ["connection_churn_metrics"] Rabbit Counter "channels_closed_total"
            "Channels that were closed or ended with their connection" |n| n.totals.channels_closed;
        ["connection_churn_metrics"] Rabbit Counter "queues_declared_total"
            "Queues declared, new or not" |n| n.totals.queues_declared;
        ["connection_churn_metrics"] Rabbit Counter "queues_created_total"
            "Queues created" |n| n.totals.queues_created;
        ["connection_churn_metrics"] Rabbit Counter "queues_deleted_total"
            "Queues that were deleted or came to their end" |n| n.totals.queues_deleted;
        ["node_coarse_metrics"] Rabbit Gauge "process_open_fds"
            "File descriptors that are open" |n| n.descriptors.used;
        ["node_metrics"] Rabbit Gauge "process_max_fds"
            "File descriptors that may be open" |n| u64::from(n.descriptors.total);
        ["node_coarse_metrics"] Rabbit Gauge "process_resident_memory_bytes"
            "Resident memory of the process" |n| n.machine.readings.memory_used.unwrap_or(0);
        ["node_metrics"] Rabbit Gauge "resident_memory_limit_bytes"
            "Resident memory above which publishers are blocked; 0: no limit" |n| n.machine.limits.memory.unwrap_or(0);
        ["node_coarse_metrics"] Rabbit Gauge "disk_space_available_bytes"
            "Free on the disk of the data directory" |n| n.machine.readings.disk_free.unwrap_or(0);
        ["node_metrics"] Rabbit Gauge "disk_space_available_limit_bytes"
            "Free on the disk, below which publishers are blocked; 0: no limit" |n| n.machine.limits.disk_free.unwrap_or(0);
        ["node_metrics"] Rabbit Gauge "erlang_uptime_seconds"
            "For how long the broker has been running; the name is RabbitMQ's" |n| n.uptime_s;
        ["node_persister_metrics"] Rabbit Counter "io_write_ops_total"
            "Batches that the store wrote" |n| n.commits;
        ["node_persister_metrics"] Rabbit Counter "io_write_bytes_total"
            "Bytes that the store wrote" |n| n.bytes_written;
        ["node_persister_metrics"] Rabbit Counter "io_write_time_seconds_total"
            "Time that the store's writes took, syncs included" |n| n.commit_s;
        ["node_persister_metrics"] Rabbit Counter "io_sync_ops_total"
            "Batches that the store synced to the disk" |n| n.syncs;
        ["node_persister_metrics"] Rabbit Counter "msg_store_write_total"
            "Messages that the store wrote" |n| n.entries_written;
        ["node_persister_metrics"] Coney Counter "store_messages_elided_total"
            "Messages that were gone again before they had to be written" |n| n.entries_elided;
        ["node_persister_metrics"] Coney Gauge "store_pending_bytes"
            "Bytes that the store has yet to write" |n| n.pending_bytes;
        ["node_metrics"] Coney Gauge "memory_known_bytes"
            "Memory that the broker knows what it is for; the rest of the resident memory is code, the allocator's, and the storage engine's" |n| n.known_bytes;
        ["node_metrics"] Coney Gauge "memory_messages_bytes"
            "Memory that messages take" |n| n.messages_bytes;
        ["node_metrics"] Coney Counter "ack_timeouts_total"
            "Deliveries that were not acked in time" |n| n.ack_timeouts;
        ["node_metrics"] Coney Counter "duplicates_dropped_total"
            "Messages that were dropped because they had come before" |n| n.duplicates;
        ["node_metrics"] Coney Counter "messages_out_of_turn_total"
            "Messages of numbered publishers that came out of turn, and were nacked" |n| n.out_of_turn;
        ["node_metrics"] Coney Counter "dead_letters_cycled_total"
            "Dead letters that were dropped because they would have gone round in a circle" |n| n.cycles;
    }
}

/// How long the store's commits took.
pub(super) fn commit_seconds(shared: &Shared, text: &mut Text) {
    let name = "coney_store_commit_seconds";
    text.family(name, Type::Histogram, "How long the store's writes took, syncs included");
    text.histogram(name, &[], &shared.store.commit_us(), PER_SECOND);
}

/// `auth_attempt_metrics`.
pub(super) fn logins(shared: &Shared, page: Page, text: &mut Text) {
    let logins = &shared.counters.logins;
    let protocols = [("amqp091", &logins.amqp), ("http", &logins.http)];
    type Count = fn(&Attempts) -> u64;
    let metrics: [(&str, &str, Count); 3] = [
        ("auth_attempts_total", "Attempts to log in", |attempts| {
            attempts.succeeded.value() + attempts.failed.value()
        }),
        ("auth_attempts_succeeded_total", "Attempts to log in that succeeded", |attempts| {
            attempts.succeeded.value()
        }),
        ("auth_attempts_failed_total", "Attempts to log in that were refused", |attempts| {
            attempts.failed.value()
        }),
    ];
    for (name, help, count) in metrics {
        let name = page.name(Owner::Rabbit, name);
        text.family(&name, Type::Counter, help);
        for (protocol, attempts) in protocols {
            text.sample(&name, &Labels::new(&[("protocol", protocol)]), count(attempts));
        }
    }
}

/// Alarms, and what there is of a cluster.
pub(super) fn alarms(shared: &Shared, text: &mut Text) {
    let (memory, disk) = {
        let alarms = shared.alarms.borrow();
        (alarms.memory, alarms.disk)
    };
    // No alarm is raised for descriptors: new connections wait.
    for (name, help, is_raised) in [
        ("rabbitmq_alarms_file_descriptor_limit", "is 1 while there are no file descriptors left", false),
        ("rabbitmq_alarms_free_disk_space_watermark", "is 1 while the disk has too little space free", disk),
        ("rabbitmq_alarms_memory_used_watermark", "is 1 while too much memory is used", memory),
    ] {
        text.single(name, Type::Untyped, help, u64::from(is_raised));
    }
    // A gauge in RabbitMQ. Nobody looks at the type, and of a gauge promtool does not like the name.
    text.single(
        "rabbitmq_unreachable_cluster_peers_count",
        Type::Untyped,
        "Peers that cannot be reached: there are none",
        0_u64,
    );
    let started = shared.clock.epoch().as_millis() as f64 / 1000.0;
    let help = "When the broker started, in seconds since the Unix epoch";
    text.single("process_start_time_seconds", Type::Gauge, help, started);
}

/// The cluster, if there is one.
pub(super) fn cluster(shared: &Shared, text: &mut Text) {
    let metrics = shared.cluster.as_ref().map(|cluster| cluster.status().metrics());
    for metric in metrics.into_iter().flatten() {
        text.single(metric.name, Type::Gauge, metric.help, metric.value);
    }
}

/// Who the broker is: on every page.
pub(super) fn identity(api: &Api, endpoint: &str, text: &mut Text) {
    let version = &api.shared().config.server_version;
    let build = Labels::new(&[
        ("rabbitmq_version", version),
        ("prometheus_plugin_version", version),
        ("prometheus_client_version", NONE),
        ("erlang_version", NONE),
        ("product_version", env!("CARGO_PKG_VERSION")),
        ("product_name", "Coney"),
    ]);
    let name = "rabbitmq_build_info";
    text.family(name, Type::Untyped, "The version that tools take the broker for, and the broker's own");
    text.sample(name, &build, 1_u64);
    let cluster = api.cluster_name();
    let id = operations::internal_cluster_id(api.shared()).unwrap_or_default();
    let identity = Labels::new(&[
        ("rabbitmq_node", api.node()),
        ("rabbitmq_cluster", &cluster),
        ("rabbitmq_cluster_permanent_id", &id),
        ("rabbitmq_endpoint", endpoint),
    ]);
    let name = "rabbitmq_identity_info";
    text.family(name, Type::Untyped, "The names of the node and of its cluster");
    text.sample(name, &identity, 1_u64);
}
