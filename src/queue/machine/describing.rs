//! What there is to know about the queue. Nothing here changes it, and nothing is loaded.

use super::queue::Queue;
use crate::protocol::content::Properties;
use crate::queue::counts::Measures;
use crate::queue::details::{ConsumerDetails, Details, Listed, Tally};
use crate::queue::entry::{Entry, Stored};

impl Queue {
    pub(super) fn measures(&self) -> Measures {
        Measures {
            counts: self.counts(),
            oldest_ready: self.ready.oldest().map(|position| self.arrivals.time(position)),
            oldest_unacked: self.unacked.by_age().next().map(|(since, _)| since),
            overhead_bytes: self.footprint(),
            is_unreadable: self.unreadable.is_some(),
        }
    }

    pub(super) fn details(&self, listed: Listed) -> Details {
        Details {
            measures: self.measures(),
            tally: self.tally(),
            head_timestamp_s: self.ready.first_entry().and_then(timestamp_s),
            consumers: self.consumer_details(listed),
            has_credit: self.consumers.any_in_rotation(),
            delivery_limit: self.options.failure.delivery_limit,
            unreadable: self.unreadable.clone(),
            log: None,
        }
    }

    /// No message is looked at: there may be many, and people and tools ask often.
    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.ready.tally(&mut tally);
        let (unacked, waiting) = (self.unacked.sums(), self.waiting.sums());
        (tally.unacked_in_memory, tally.unacked_bytes) = (unacked.in_memory, unacked.bytes);
        tally.waiting_bytes = waiting.bytes;
        tally.count_stored(unacked.stored);
        tally.count_stored(waiting.stored);
        tally
    }

    fn consumer_details(&self, listed: Listed) -> Vec<ConsumerDetails> {
        let mut all = self.consumers.details(listed);
        for (consumer, timeout) in &mut all {
            consumer.ack_timeout_ms = self.unacked.timeout(*timeout).map(|timeout| u64::from(timeout.ms));
        }
        all.into_iter().map(|(consumer, _)| consumer).collect()
    }
}

impl Tally {
    pub(in crate::queue) const fn count_stored(&mut self, stored: Stored) {
        self.persistent += stored.count;
        self.persistent_bytes += stored.bytes;
    }
}

fn timestamp_s(entry: &Entry) -> Option<u64> {
    Properties::parse(entry.message.properties()).ok()?.timestamp()
}
