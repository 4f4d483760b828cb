//! Metrics of queues.

use std::sync::Arc;

use futures_util::future::join_all;

use super::queue_contents::Contents;
use super::table::{Row, columns};
use super::text::Labels;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::management::views::queue_lengths::Lengths;
use crate::queue::options::{self, QueueType};
use crate::queue::{Details, Measures};
use crate::statistics::QueueCounters;
use crate::time::Time;

/// Queues that are asked at the same time.
const TOGETHER: usize = 512;

/// The numbers of a queue, or of all together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueueNumbers {
    pub queues: u64,
    pub messages: u64,
    pub ready: u64,
    pub ready_bytes: u64,
    pub unacked: u64,
    pub delayed: u64,
    pub parked: u64,
    pub consumers: u64,
    pub overhead_bytes: u64,
    pub oldest_ready_s: f64,
    pub oldest_unacked_s: f64,
    pub counters: QueueCounters,
}

impl QueueNumbers {
    /// Of one queue.
    fn of(measures: &Measures, counters: QueueCounters, is_stream: bool, now: Time) -> Self {
        let counts = measures.counts;
        let Lengths { all, ready, unacked } = Lengths::of(&counts, is_stream);
        let age_s = |since: Option<Time>| since.map_or(0.0, |since| now.since(since).as_secs_f64());
        Self {
            queues: 1,
            messages: all as u64,
            ready: ready as u64,
            ready_bytes: counts.ready_bytes as u64,
            unacked: unacked as u64,
            delayed: counts.delayed as u64,
            parked: counts.parked as u64,
            consumers: counts.consumers as u64,
            overhead_bytes: measures.overhead_bytes as u64,
            oldest_ready_s: age_s(measures.oldest_ready),
            oldest_unacked_s: age_s(measures.oldest_unacked),
            counters,
        }
    }

    /// All of them together; the oldest message is that of all. What was counted is not in it: queues that are gone counted, too.
    pub(super) fn together(rows: &[Row<Self>]) -> Self {
        let mut sum = Self::default();
        rows.iter().for_each(|row| sum.include(&row.numbers));
        sum
    }

    fn include(&mut self, numbers: &Self) {
        self.queues += numbers.queues;
        self.messages += numbers.messages;
        self.ready += numbers.ready;
        self.ready_bytes += numbers.ready_bytes;
        self.unacked += numbers.unacked;
        self.delayed += numbers.delayed;
        self.parked += numbers.parked;
        self.consumers += numbers.consumers;
        self.overhead_bytes += numbers.overhead_bytes;
        self.oldest_ready_s = self.oldest_ready_s.max(numbers.oldest_ready_s);
        self.oldest_unacked_s = self.oldest_unacked_s.max(numbers.oldest_unacked_s);
    }
}

/// The numbers of all queues in some vhosts whose name is wanted.
pub(super) async fn measure(
    vhosts: &[Arc<Vhost>],
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<Row<QueueNumbers>> {
    let mut rows = Vec::new();
    let add = |at: &At<'_>, measures: Measures| rows.push(at.row(at.numbers(&measures)));
    ask_each(vhosts, is_wanted, async |record: &QueueRecord| record.measure().await, add).await;
    rows
}

/// All queues in some vhosts together, as with [`together`](QueueNumbers::together): no row is made of each.
pub(super) async fn sum(vhosts: &[Arc<Vhost>]) -> QueueNumbers {
    let mut sum = QueueNumbers::default();
    let add = |at: &At<'_>, measures: Measures| sum.include(&at.numbers(&measures));
    ask_each(vhosts, |_| true, async |record: &QueueRecord| record.measure().await, add).await;
    sum
}

/// The numbers of all queues in some vhosts whose name is wanted, and what is in each and where.
pub(super) async fn look_into(
    vhosts: &[Arc<Vhost>],
    is_wanted: impl Fn(&str) -> bool,
) -> (Vec<Row<QueueNumbers>>, Vec<Row<Contents>>) {
    let (mut rows, mut contents) = (Vec::new(), Vec::new());
    let add = |at: &At<'_>, details: Box<Details>| {
        rows.push(at.row(at.numbers(&details.measures)));
        contents.push(at.row(Contents::of(&details, at.record.is_stream())));
    };
    ask_each(vhosts, is_wanted, async |record: &QueueRecord| record.details().await, add).await;
    (rows, contents)
}

/// A queue that has answered.
struct At<'a> {
    vhost: &'a Vhost,
    record: &'a QueueRecord,
    now: Time,
}

impl At<'_> {
    fn row<R>(&self, numbers: R) -> Row<R> {
        let labels = Labels::new(&[("vhost", &self.vhost.name), ("queue", &self.record.name)]);
        Row { labels, numbers }
    }

    fn numbers(&self, measures: &Measures) -> QueueNumbers {
        QueueNumbers::of(measures, self.record.statistics.read(), self.record.is_stream(), self.now)
    }
}

/// Asks all queues in some vhosts whose name is wanted, many at a time; no lock is held meanwhile.
async fn ask_each<A>(
    vhosts: &[Arc<Vhost>],
    is_wanted: impl Fn(&str) -> bool,
    ask: impl AsyncFn(&QueueRecord) -> Option<A>,
    mut add: impl FnMut(&At<'_>, A),
) {
    for vhost in vhosts {
        let mut queues = vhost.declared_queues();
        queues.retain(|record| is_wanted(&record.name));
        for some in queues.chunks(TOGETHER) {
            let answers = join_all(some.iter().map(|record| ask(record))).await;
            let now = vhost.clock.now();
            for (record, answer) in some.iter().zip(answers) {
                if let Some(answer) = answer {
                    add(&At { vhost, record, now }, answer);
                }
            }
        }
    }
}

/// Messages in delayed exchanges that wait for their time.
pub(super) async fn scheduled(vhosts: &[Arc<Vhost>]) -> u64 {
    let queues: Vec<Arc<QueueRecord>> =
        vhosts.iter().flat_map(|vhost| vhost.queues()).filter(|record| record.delays).collect();
    let counts = join_all(queues.iter().map(|record| record.look())).await;
    counts.into_iter().flatten().map(|counts| counts.ready as u64).sum()
}

/// A sample for each queue that says what it is.
pub(super) fn info(vhosts: &[Arc<Vhost>], is_wanted: impl Fn(&str) -> bool) -> Vec<Labels> {
    let mut all = Vec::new();
    for vhost in vhosts {
        for record in vhost.declared_queues().iter().filter(|record| is_wanted(&record.name)) {
            all.push(Labels::new(&[
                ("vhost", &vhost.name),
                ("queue", &record.name),
                ("queue_type", queue_type(options::queue_type(&record.arguments))),
                ("membership", "leader"),
            ]));
        }
    }
    all
}

/// RabbitMQ's names of the modules, by which its dashboards tell types.
pub(super) const fn queue_type(queue: QueueType) -> &'static str {
    match queue {
        QueueType::Classic => "rabbit_classic_queue",
        QueueType::Quorum => "rabbit_quorum_queue",
        QueueType::Stream => "rabbit_stream_queue",
    }
}

columns! {
    /// What is counted of queues.
    COLUMNS: QueueNumbers {
        ["queue_coarse_metrics"] Rabbit Gauge "queue_messages_ready"
            "Messages that a consumer could have now" |q| q.ready;
        ["queue_coarse_metrics"] Rabbit Gauge "queue_messages_unacked"
            "Messages that a consumer has and has not settled" |q| q.unacked;
        ["queue_coarse_metrics"] Rabbit Gauge "queue_messages"
            "Messages in queues: ready, unacked, delayed and parked" |q| q.messages;
        ["queue_consumer_count", "queue_metrics"] Rabbit Gauge "queue_consumers"
            "Consumers of queues" |q| q.consumers;
        ["queue_metrics"] Rabbit Gauge "queue_messages_ready_bytes"
            "Bytes of the bodies of ready messages" |q| q.ready_bytes;
        ["queue_metrics"] Rabbit Gauge "queue_process_memory_bytes"
            "Memory that queues take beside their messages" |q| q.overhead_bytes;
        ["queue_delivery_metrics"] Rabbit Counter "queue_get_ack_total"
            "Messages got by basic.get that are to be acked" |q| q.counters.got;
        ["queue_delivery_metrics"] Rabbit Counter "queue_get_total"
            "Messages got by basic.get without acks" |q| q.counters.got_no_ack;
        ["queue_delivery_metrics"] Rabbit Counter "queue_messages_delivered_ack_total"
            "Messages delivered to consumers that ack" |q| q.counters.delivered;
        ["queue_delivery_metrics"] Rabbit Counter "queue_messages_delivered_total"
            "Messages delivered to consumers that do not ack" |q| q.counters.delivered_no_ack;
        ["queue_delivery_metrics"] Rabbit Counter "queue_messages_redelivered_total"
            "Messages delivered again" |q| q.counters.redelivered;
        ["queue_delivery_metrics"] Rabbit Counter "queue_messages_acked_total"
            "Messages acked" |q| q.counters.acked;
        ["queue_delivery_metrics"] Rabbit Counter "queue_get_empty_total"
            "basic.get that found no message" |q| q.counters.got_empty;
        ["queue_metrics"] Rabbit Counter "queue_messages_published_total"
            "Messages that came into queues" |q| q.counters.published;
        ["queue_coarse_metrics"] Coney Gauge "queue_messages_delayed"
            "Messages that wait for their next attempt" |q| q.delayed;
        ["queue_coarse_metrics"] Coney Gauge "queue_messages_parked"
            "Messages that failed too often and are set aside" |q| q.parked;
        ["queue_metrics"] Coney Gauge "queue_oldest_ready_age_seconds"
            "For how long the oldest ready message has been in its queue" |q| q.oldest_ready_s;
        ["queue_metrics"] Coney Gauge "queue_oldest_unacked_age_seconds"
            "For how long the message that is unacked longest has been with its consumer" |q| q.oldest_unacked_s;
        ["queue_metrics"] Coney Counter "queue_messages_returned_total"
            "Messages that came back without an ack" |q| q.counters.returned;
        ["queue_metrics"] Coney Counter "queue_retries_total"
            "Messages that came back and waited for their next attempt" |q| q.counters.delayed;
        ["queue_metrics"] Coney Counter "queue_parked_total"
            "Messages that were parked" |q| q.counters.parked;
        ["queue_metrics"] Coney Counter "queue_messages_dead_lettered_total"
            "Messages sent on to a dead letter exchange" |q| q.counters.dead_lettered();
        ["queue_metrics"] Coney Counter "queue_messages_dropped_total"
            "Messages that were dead and had nowhere to go" |q| q.counters.dropped();
        ["queue_metrics"] Coney Counter "queue_messages_missed_total"
            "Messages of streams that were gone before a consumer came to them" |q| q.counters.missed;
    }
}
