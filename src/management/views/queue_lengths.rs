//! How many messages are in queues, and how that changes.

use super::rates::{RatedMap, Seen};
use crate::queue::Counts;
use crate::statistics::QueueCounters;

/// How many messages there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::management) struct Lengths {
    /// All, with those that wait for their next attempt or are parked. RabbitMQ, too, has messages that are in this number alone: dead
    /// letters of a quorum queue that wait to be confirmed.
    pub all: usize,
    /// A consumer could have them now. It is what queue.declare-ok says, and what autoscalers start consumers for.
    pub ready: usize,
    /// Delivered and not settled. None of a stream, as in RabbitMQ: what is delivered there is still ready for others.
    pub unacked: usize,
}

impl Lengths {
    /// Of one queue.
    pub(in crate::management) const fn of(counts: &Counts, is_stream: bool) -> Self {
        let Counts { ready, delayed, parked, .. } = *counts;
        let unacked = if is_stream { 0 } else { counts.unacked };
        Self { all: ready + unacked + delayed + parked, ready, unacked }
    }

    /// Adds those of a queue.
    pub(in crate::management) const fn add(&mut self, other: Self) {
        self.all += other.all;
        self.ready += other.ready;
        self.unacked += other.unacked;
    }
}

/// What a stream's counters say of how many messages are in it: an ack takes nothing away.
pub(in crate::management) fn of_log(counters: QueueCounters) -> QueueCounters {
    QueueCounters { published: counters.published, ..QueueCounters::default() }
}

/// `messages`, `messages_ready` and `messages_unacknowledged`. How they change follows from what the counters say came and went: what a
/// purge or a stream's retention took is not in it, and a message that begins to wait, or ends it, does not change what is ready.
pub(in crate::management) fn rated(lengths: Lengths, seen: &Seen<QueueCounters>) -> RatedMap {
    let Lengths { all, ready, unacked } = lengths;
    let total = |c: &QueueCounters| signed(c.published) - signed(gone(c));
    let unacked_change = |c: &QueueCounters| {
        let rejected = c.dropped_rejected + c.dead_lettered_rejected;
        signed(c.delivered + c.got) - signed(c.acked + c.returned + rejected)
    };
    RatedMap::default()
        .with("messages", seen.gauge(all, total))
        .with("messages_ready", seen.gauge(ready, move |c| total(c) - unacked_change(c)))
        .with("messages_unacknowledged", seen.gauge(unacked, unacked_change))
}

/// Messages that are in the queue no more.
const fn gone(c: &QueueCounters) -> u64 {
    c.acked + c.delivered_no_ack + c.got_no_ack + c.dropped() + c.dead_lettered()
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
