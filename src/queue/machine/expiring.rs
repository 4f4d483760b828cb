//! Messages whose TTL runs out, and queues that nobody uses.

use super::queue::Queue;
use crate::queue::dead_letter::Reason;
use crate::queue::effects::{Effects, Ended};
use crate::time::Time;

impl Queue {
    pub(super) fn expire(&mut self, is_due: impl Fn(Time) -> bool, effects: &mut Effects) {
        while !self.is_expiry_held()
            && let Some(entry) = self.ready.pop_expired(&is_due)
        {
            self.discard(entry, Reason::Expired, effects);
        }
    }

    /// Messages that return, and those that are too many, have to be here first: which of them dies of what must not depend
    /// on where they were.
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
