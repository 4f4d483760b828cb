//! What there is to know about the queue. Nothing here changes it, and nothing is loaded.

use super::queue::Queue;
use crate::protocol::content::Properties;
use crate::queue::counts::Measures;
use crate::queue::details::{ConsumerDetails, Details, Tally};
use crate::queue::entry::Entry;

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

    pub(super) fn details(&self) -> Details {
        Details {
            measures: self.measures(),
            tally: self.tally(),
            head_timestamp_s: self.ready.first_entry().and_then(timestamp_s),
            consumers: self.consumer_details(),
            has_credit: self.consumers.any_in_rotation(),
            delivery_limit: self.options.failure.delivery_limit,
            unreadable: self.unreadable.clone(),
            log: None,
        }
    }

    /// It looks at each message that is in memory, and at each that is unacked.
    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.ready.tally(&mut tally);
        for unacked in self.unacked.iter() {
            let entry = &unacked.entry;
            tally.unacked_in_memory += usize::from(entry.is_in_memory());
            tally.unacked_bytes += entry.message.body_len();
            tally.count_persistent(entry);
        }
        for entry in self.waiting.entries() {
            tally.waiting_bytes += entry.message.body_len();
            tally.count_persistent(entry);
        }
        tally
    }

    fn consumer_details(&self) -> Vec<ConsumerDetails> {
        let mut all = self.consumers.details();
        for (consumer, timeout) in &mut all {
            consumer.ack_timeout_ms = self.unacked.timeout(*timeout).map(|timeout| u64::from(timeout.ms));
        }
        all.into_iter().map(|(consumer, _)| consumer).collect()
    }
}

impl Tally {
    pub(in crate::queue) fn count_persistent(&mut self, entry: &Entry) {
        if entry.stored {
            self.persistent += 1;
            self.persistent_bytes += entry.message.body_len();
        }
    }
}

fn timestamp_s(entry: &Entry) -> Option<u64> {
    Properties::parse(entry.message.properties()).ok()?.timestamp()
}
