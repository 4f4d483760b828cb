//! How many messages are in queues, and how that changes.

use super::rates::{RatedMap, Seen};
use crate::queue::Counts;
use crate::statistics::QueueCounters;

/// How many messages there are. Those that wait for their next attempt, or are parked, are among the ready ones: RabbitMQ knows no other
/// state that they could be in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::management) struct Lengths {
    /// Ready or waiting.
    pub ready: usize,
    /// Delivered and not settled.
    pub unacked: usize,
}

impl Lengths {
    /// Of one queue.
    pub(in crate::management) const fn of(counts: &Counts) -> Self {
        Self { ready: counts.ready + counts.delayed + counts.parked, unacked: counts.unacked }
    }

    /// Adds those of a queue.
    pub(in crate::management) const fn add(&mut self, counts: &Counts) {
        let Self { ready, unacked } = Self::of(counts);
        self.ready += ready;
        self.unacked += unacked;
    }
}

/// `messages`, `messages_ready` and `messages_unacknowledged`. How they change follows from what the counters say came and went; what a
/// purge took is not in it.
pub(in crate::management) fn rated(lengths: Lengths, seen: &Seen<QueueCounters>) -> RatedMap {
    let Lengths { ready, unacked } = lengths;
    let total = |c: &QueueCounters| signed(c.published) - signed(gone(c));
    let unacked_change = |c: &QueueCounters| {
        let rejected = c.dropped_rejected + c.dead_lettered_rejected;
        signed(c.delivered + c.got) - signed(c.acked + c.returned + rejected)
    };
    RatedMap::default()
        .with("messages", seen.gauge(ready + unacked, total))
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
