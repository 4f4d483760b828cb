//! Messages whose TTL runs out, and queues that nobody uses.

use super::queue::Queue;
use crate::queue::dead_letter::Reason;
use crate::queue::effects::Effects;
use crate::queue::happening::Ended;
use crate::time::Time;

impl Queue {
    pub(super) fn expire(&mut self, is_due: impl Fn(Time) -> bool, effects: &mut Effects) {
        while !self.is_expiry_held()
            && let Some(entry) = self.ready.pop_expired(&is_due)
        {
            self.discard(entry, Reason::Expired, effects);
        }
    }

    /// Nothing expires while messages that return, or that are above the length limit, are being read: whether a message dies
    /// of its TTL or of the limit must not depend on whether it was in memory.
    pub(super) fn is_expiry_held(&self) -> bool {
        self.overflow_waits || self.spilled.returning() > 0
    }

    pub(super) fn queue_expiry(&self) -> Option<Time> {
        let unused = self.consumers.is_empty();
        self.options.expires_ms.filter(|_| unused).map(|ms| self.last_used.plus_ms(ms))
    }

    pub(super) fn expire_queue(&mut self, now: Time, effects: &mut Effects) {
        if self.queue_expiry().is_some_and(|time| time <= now) {
            self.end(Ended::Expired, effects);
        }
    }
}
