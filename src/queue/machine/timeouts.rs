//! Messages that are not acked in time.

use super::queue::Queue;
use crate::queue::effects::{Effects, TimedOut};
use crate::queue::happening::Cause;
use crate::queue::options::{OwnTimeout, TimeoutAction};
use crate::queue::unacked::TimeoutId;
use crate::time::Time;

impl Queue {
    /// Ends the deliveries that were not acked in time.
    pub(super) fn time_out(&mut self, now: Time, effects: &mut Effects) {
        while let Some((handle, timeout)) = self.unacked.overdue(now) {
            let Some(unacked) = self.unacked.remove(handle) else { return };
            self.give_credit_back(&unacked);
            let (connection, channel, key) = (unacked.connection, unacked.channel, unacked.key());
            self.return_to_queue(now, vec![unacked], Cause::TimedOut(timeout.ms), effects);
            effects.timed_out_count += 1;
            match (timeout.action, key) {
                (TimeoutAction::Close, _) => {
                    let overdue = TimedOut { connection, channel, timeout_ms: timeout.ms };
                    if effects.timed_out.last() != Some(&overdue) {
                        effects.timed_out.push(overdue);
                    }
                }
                (TimeoutAction::Cancel, Some(key)) => {
                    let rest = self.unacked.remove_of_consumer(key);
                    self.return_to_queue(now, rest, Cause::ConsumerLost, effects);
                    if let Some(mut consumer) = self.consumers.remove(key) {
                        self.consumers.not_delivered(&mut consumer);
                        effects.cancelled.push(key);
                        self.consumer_left(now, effects);
                    }
                }
                (TimeoutAction::Requeue, _) | (TimeoutAction::Cancel, None) => {}
            }
        }
    }

    /// The timeout of a new consumer's messages.
    pub(super) fn consumer_timeout(&mut self, timeout: OwnTimeout) -> TimeoutId {
        match timeout {
            OwnTimeout::TheQueues => TimeoutId::default(),
            OwnTimeout::Own(own) => self.unacked.timeout_id(own),
        }
    }
}
