//! A queue.

use std::collections::BTreeMap;

use amq_protocol::types::FieldTable;
use serde::Serialize;

use super::arguments::{QueueArguments, Table};
use super::consumer::{ConsumerView, QueueName};
use super::overview::{Empty, NoGarbage};
use super::queue_lengths::{Lengths, of_log, rated};
use super::rates::{Clocked, Kind, RatedMap};
use crate::broker::overview::ConnectionOverview;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::management::views::moment;
use crate::policy::PolicyKind;
use crate::queue::options::{QueueType, queue_type};
use crate::queue::{ConsumerDetails, Counts, CursorDetails, Details, LogDetails, Tally};
use crate::statistics::QueueCounters;
use crate::time::Timestamp;

/// What holds as long as the queue is there: all of it with `disable_stats=true`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct QueueBasics<'a> {
    pub name: &'a str,
    pub vhost: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub durable: bool,
    pub auto_delete: bool,
    pub exclusive: bool,
    pub arguments: QueueArguments<'a>,
    pub node: &'a str,
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_policy: Option<String>,
    pub effective_policy_definition: Effective,
    #[serde(flatten)]
    pub members: Option<Members<'a>>,
}

/// What policies say together.
#[derive(Debug)]
pub(in crate::management) struct Effective(FieldTable);

impl Serialize for Effective {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Table(&self.0).serialize(serializer)
    }
}

/// Of a quorum queue: this node is the only one that it could have.
#[derive(Debug, Serialize)]
pub(in crate::management) struct Members<'a> {
    leader: &'a str,
    members: [&'a str; 1],
    online: [&'a str; 1],
}

/// The type's name.
fn kind_of(arguments: &FieldTable) -> &'static str {
    queue_type(arguments).name()
}

impl<'a> QueueBasics<'a> {
    /// Fields that tell all they ever do without asking the queue.
    pub(in crate::management) const FIELDS: [&'static str; 10] = [
        "name",
        "vhost",
        "type",
        "durable",
        "auto_delete",
        "exclusive",
        "arguments",
        "node",
        "policy",
        "operator_policy",
    ];

    /// Of a queue of this vhost.
    pub(in crate::management) fn of(vhost: &'a Vhost, record: &'a QueueRecord, node: &'a str) -> Self {
        let policies = vhost.policies();
        let policy = |kind| {
            policies.for_queue(kind, &record.name, &record.arguments).map(|policy| policy.name.clone())
        };
        let kind = kind_of(&record.arguments);
        Self {
            name: &record.name,
            vhost: &vhost.name,
            kind,
            durable: record.durable,
            auto_delete: record.auto_delete,
            exclusive: record.owner.is_some(),
            arguments: QueueArguments(&record.arguments),
            node,
            state: "running",
            policy: policy(PolicyKind::User),
            operator_policy: policy(PolicyKind::Operator),
            effective_policy_definition: Effective(
                policies.effective_definition(&record.name, &record.arguments),
            ),
            members: (kind != "classic").then_some(Members { leader: node, members: [node], online: [node] }),
        }
    }
}

/// `/api/queues`: an item of the list.
#[derive(Debug, Serialize)]
pub(in crate::management) struct QueueView<'a> {
    #[serde(flatten)]
    pub basics: QueueBasics<'a>,
    #[serde(flatten)]
    pub lengths: RatedMap,
    pub message_stats: RatedMap,
    pub consumers: usize,
    pub consumer_capacity: f64,
    pub consumer_utilisation: f64,
    pub exclusive_consumer_tag: Option<String>,
    pub single_active_consumer_tag: Option<String>,
    /// In seconds since the Unix epoch.
    pub head_message_timestamp: Option<u64>,
    pub idle_since: String,
    pub memory: usize,
    pub message_bytes: usize,
    pub message_bytes_ready: usize,
    pub message_bytes_unacknowledged: usize,
    pub message_bytes_persistent: usize,
    pub message_bytes_ram: usize,
    pub message_bytes_paged_out: usize,
    pub messages_persistent: usize,
    pub messages_ram: usize,
    pub messages_paged_out: usize,
    pub messages_ready_ram: usize,
    pub messages_unacknowledged_ram: usize,
    pub garbage_collection: NoGarbage,
    pub reductions: u64,
    pub reductions_details: NoRate,
    pub storage_version: u8,
    /// Messages that wait for their next attempt, and those that are set aside. Ours.
    pub messages_delayed: usize,
    pub messages_parked: usize,
    #[serde(flatten)]
    pub quorum: Option<OfQuorum<'a>>,
    #[serde(flatten)]
    pub stream: Option<OfStream<'a>>,
}

/// What a stream has beside.
#[derive(Debug, Serialize)]
pub(in crate::management) struct OfStream<'a> {
    /// The newest offset; -1 if there is none yet.
    committed_offset: i64,
    segments: usize,
    readers: BTreeMap<&'a str, usize>,
    /// The oldest offset that is there. This and what follows is ours.
    first_offset: u64,
    /// The offset that the next message gets.
    next_offset: u64,
    /// In milliseconds since the Unix epoch.
    first_timestamp: Option<u64>,
    last_timestamp: Option<u64>,
    cursors: Vec<CursorView>,
}

/// A cursor of a stream.
#[derive(Debug, Serialize)]
pub(in crate::management) struct CursorView {
    name: String,
    /// The lowest offset that is not done.
    offset: u64,
    /// How many messages lie between there and the end.
    lag: u64,
    unacked: usize,
    /// The tag of the consumer that is given messages.
    consumer_tag: Option<String>,
    waiting: usize,
    /// In milliseconds since the Unix epoch.
    used_at: u64,
}

impl CursorView {
    /// Of a cursor that one of these consumers reads with, or none.
    pub(in crate::management) fn of(cursor: &CursorDetails, consumers: &[ConsumerDetails]) -> Self {
        let reader = consumers.iter().find(|consumer| cursor.reader == Some(consumer.key));
        Self {
            name: cursor.name.to_string(),
            offset: cursor.offset,
            lag: cursor.lag,
            unacked: cursor.unacked,
            consumer_tag: reader.map(|consumer| consumer.name.tag.to_string()),
            waiting: cursor.waiting,
            used_at: cursor.used_at.as_millis(),
        }
    }
}

impl<'a> OfStream<'a> {
    fn of(log: &LogDetails, consumers: &[ConsumerDetails], node: &'a str) -> Self {
        Self {
            committed_offset: i64::try_from(log.next).unwrap_or(i64::MAX) - 1,
            segments: log.segments,
            readers: BTreeMap::from([(node, consumers.len())]),
            first_offset: log.first,
            next_offset: log.next,
            first_timestamp: log.first_at.map(Timestamp::as_millis),
            last_timestamp: log.last_at.map(Timestamp::as_millis),
            cursors: log.cursors.iter().map(|cursor| CursorView::of(cursor, consumers)).collect(),
        }
    }
}

/// What a quorum queue has beside.
#[derive(Debug, Serialize)]
pub(in crate::management) struct OfQuorum<'a> {
    delivery_limit: DeliveryLimit,
    /// There is no queue behind the queue in which dead letters wait.
    messages_dlx: usize,
    message_bytes_dlx: usize,
    messages_ready_high: usize,
    messages_ready_normal: usize,
    messages_ready_returned: usize,
    open_files: BTreeMap<&'a str, u64>,
    publishers: usize,
}

impl<'a> OfQuorum<'a> {
    fn of(details: &Details, node: &'a str) -> Self {
        let Counts { ready, .. } = details.measures.counts;
        Self {
            delivery_limit: details
                .delivery_limit
                .map_or(DeliveryLimit::Never("unlimited"), DeliveryLimit::Number),
            messages_dlx: 0,
            message_bytes_dlx: 0,
            messages_ready_high: 0,
            messages_ready_normal: ready,
            messages_ready_returned: 0,
            open_files: BTreeMap::from([(node, 0)]),
            publishers: 0,
        }
    }
}

/// After so many returns a message is dead.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(in crate::management) enum DeliveryLimit {
    /// After so many.
    Number(u32),
    /// Never: `unlimited`.
    Never(&'static str),
}

/// The rate of what does not happen here.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::management) struct NoRate {
    rate: f64,
}

impl NoRate {
    /// It does not happen.
    pub(in crate::management) const ZERO: Self = Self { rate: 0.0 };
}

impl<'a> QueueView<'a> {
    /// Of a queue, whose details are these.
    pub(in crate::management) fn of(
        basics: QueueBasics<'a>,
        record: &QueueRecord,
        details: &Details,
        clocked: &Clocked,
        epoch: Timestamp,
    ) -> Self {
        let counts = &details.measures.counts;
        let Tally { ready_in_memory_bytes, unacked_bytes, waiting_bytes, .. } = details.tally;
        let lengths = Lengths::of(counts, record.is_stream());
        let seen = clocked.look(Kind::Lengths, &record.statistics);
        let seen = if record.is_stream() { seen.map(of_log) } else { seen };
        let bytes_in_memory = ready_in_memory_bytes + unacked_bytes + waiting_bytes;
        let in_memory = details.tally.ready_in_memory + details.tally.unacked_in_memory;
        let tag = |wanted: fn(&crate::queue::ConsumerDetails) -> bool| {
            details
                .consumers
                .iter()
                .find(|consumer| wanted(consumer))
                .map(|consumer| consumer.name.tag.to_string())
        };
        let has_single_active = record.arguments.inner().contains_key("x-single-active-consumer");
        // The fraction of this moment, not of a time that was not watched.
        let capacity = f64::from(u8::from(details.has_credit && !details.consumers.is_empty()));
        let is_quorum = queue_type(&record.arguments) == QueueType::Quorum;
        Self {
            lengths: rated(lengths, &seen),
            message_stats: message_stats(record, clocked),
            consumers: counts.consumers,
            consumer_capacity: capacity,
            consumer_utilisation: capacity,
            exclusive_consumer_tag: tag(|consumer| consumer.exclusive),
            single_active_consumer_tag: has_single_active
                .then(|| tag(|consumer| consumer.is_active))
                .flatten(),
            head_message_timestamp: details.head_timestamp_s,
            idle_since: moment::text(epoch.at(record.statistics.last_change())),
            memory: details.measures.overhead_bytes + bytes_in_memory,
            message_bytes: counts.ready_bytes + unacked_bytes + waiting_bytes,
            message_bytes_ready: counts.ready_bytes,
            message_bytes_unacknowledged: unacked_bytes,
            message_bytes_persistent: details.tally.persistent_bytes,
            message_bytes_ram: bytes_in_memory,
            message_bytes_paged_out: counts.ready_bytes.saturating_sub(ready_in_memory_bytes),
            messages_persistent: details.tally.persistent,
            messages_ram: in_memory,
            messages_paged_out: (lengths.ready + lengths.unacked).saturating_sub(in_memory),
            messages_ready_ram: details.tally.ready_in_memory,
            messages_unacknowledged_ram: details.tally.unacked_in_memory,
            garbage_collection: NoGarbage::UNKNOWN,
            reductions: 0,
            reductions_details: NoRate::ZERO,
            storage_version: 2,
            messages_delayed: counts.delayed,
            messages_parked: counts.parked,
            stream: details.log.as_ref().map(|log| OfStream::of(log, &details.consumers, basics.node)),
            quorum: is_quorum.then(|| OfQuorum::of(details, basics.node)),
            basics,
        }
    }
}

/// `/api/queues/V/Q`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct QueueDetailView<'a> {
    #[serde(flatten)]
    pub queue: QueueView<'a>,
    pub consumer_details: Vec<ConsumerView<'a>>,
    pub deliveries: [Empty; 0],
    pub incoming: [Empty; 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_pid_details: Option<Owner>,
}

/// The connection that an exclusive queue belongs to.
#[derive(Debug, Serialize)]
pub(in crate::management) struct Owner {
    name: String,
    peer_host: String,
    peer_port: u16,
}

impl Owner {
    /// This connection.
    pub(in crate::management) fn of(connection: &ConnectionOverview) -> Self {
        let (peer_host, peer_port) = (connection.peer.ip().to_string(), connection.peer.port());
        Self { name: connection.name(), peer_host, peer_port }
    }
}

impl<'a> QueueName<'a> {
    /// Of a queue.
    pub(in crate::management) fn of(vhost: &'a Vhost, record: &'a QueueRecord) -> Self {
        Self { name: &record.name, vhost: &vhost.name }
    }
}

fn message_stats(record: &QueueRecord, clocked: &Clocked) -> RatedMap {
    let seen = clocked.look(Kind::Messages, &record.statistics);
    let all = |c: &QueueCounters| c.delivered + c.delivered_no_ack + c.got + c.got_no_ack;
    RatedMap::default()
        .with("publish", seen.counter(|c| c.published))
        .with("deliver", seen.counter(|c| c.delivered))
        .with("deliver_no_ack", seen.counter(|c| c.delivered_no_ack))
        .with("get", seen.counter(|c| c.got))
        .with("get_no_ack", seen.counter(|c| c.got_no_ack))
        .with("get_empty", seen.counter(|c| c.got_empty))
        .with("ack", seen.counter(|c| c.acked))
        .with("redeliver", seen.counter(|c| c.redelivered))
        .with("deliver_get", seen.counter(all))
}
