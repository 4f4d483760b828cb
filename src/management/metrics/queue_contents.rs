//! Metrics of queues for which their messages are looked at, as for `/api/queues`: not on the page of sums, which is asked for often.

use super::table::columns;
use crate::management::views::queue_lengths::Lengths;
use crate::queue::{Details, Tally};

/// What is in a queue, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Contents {
    tally: Tally,
    messages: usize,
    ready_bytes: usize,
    /// Whether a consumer could take a message now.
    capacity: f64,
    head_timestamp_s: Option<u64>,
}

impl Contents {
    pub(super) fn of(details: &Details, is_stream: bool) -> Self {
        let counts = &details.measures.counts;
        let Lengths { ready, unacked, .. } = Lengths::of(counts, is_stream);
        Self {
            tally: details.tally,
            messages: ready + unacked,
            ready_bytes: counts.ready_bytes,
            capacity: f64::from(u8::from(details.has_credit && !details.consumers.is_empty())),
            head_timestamp_s: details.head_timestamp_s,
        }
    }

    const fn in_memory(&self) -> usize {
        self.tally.ready_in_memory + self.tally.unacked_in_memory
    }

    const fn bytes(&self) -> usize {
        self.ready_bytes + self.tally.unacked_bytes + self.tally.waiting_bytes
    }

    const fn bytes_in_memory(&self) -> usize {
        self.tally.ready_in_memory_bytes + self.tally.unacked_bytes + self.tally.waiting_bytes
    }
}

columns! {
    /// What is seen of queues.
    COLUMNS: Contents {
        ["queue_metrics"] Rabbit Gauge "queue_consumer_capacity"
            "Whether a consumer could take a message now: 1 or 0" |q| q.capacity;
        ["queue_metrics"] Rabbit Gauge "queue_consumer_utilisation"
            "The same as consumer capacity" |q| q.capacity;
        ["queue_metrics"] Rabbit Gauge "queue_messages_ram"
            "Messages in memory, ready and unacked" |q| q.in_memory();
        ["queue_metrics"] Rabbit Gauge "queue_messages_ram_bytes"
            "Bytes of the bodies of messages in memory" |q| q.bytes_in_memory();
        ["queue_metrics"] Rabbit Gauge "queue_messages_ready_ram"
            "Ready messages in memory" |q| q.tally.ready_in_memory;
        ["queue_metrics"] Rabbit Gauge "queue_messages_unacked_ram"
            "Unacked messages in memory" |q| q.tally.unacked_in_memory;
        ["queue_metrics"] Rabbit Gauge "queue_messages_persistent"
            "Messages that the store has, or will have when they are out of memory" |q| q.tally.persistent;
        ["queue_metrics"] Rabbit Gauge "queue_messages_persistent_bytes"
            "Bytes of the bodies of those" |q| q.tally.persistent_bytes;
        ["queue_metrics"] Rabbit Gauge "queue_messages_bytes"
            "Bytes of the bodies of messages" |q| q.bytes();
        ["queue_metrics"] Rabbit Gauge "queue_messages_unacked_bytes"
            "Bytes of the bodies of unacked messages that are in memory" |q| q.tally.unacked_bytes;
        ["queue_metrics"] Rabbit Gauge "queue_messages_paged_out"
            "Messages that are not in memory" |q| q.messages.saturating_sub(q.in_memory());
        ["queue_metrics"] Rabbit Gauge "queue_messages_paged_out_bytes"
            "Bytes of the bodies of ready messages that are not in memory"
            |q| q.ready_bytes.saturating_sub(q.tally.ready_in_memory_bytes);
        ["queue_metrics"] Rabbit Gauge "queue_head_message_timestamp"
            "The timestamp of the first message, in seconds since the Unix epoch, if it has one" |q| q.head_timestamp_s;
    }
}
