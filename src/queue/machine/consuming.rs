//! Consumers that come and go.

use std::sync::Arc;

use super::queue::Queue;
use crate::queue::command::Consume;
use crate::queue::delivery::Deliveries;
use crate::queue::effects::Effects;
use crate::queue::happening::{Cause, Ended};
use crate::queue::ids::{ConnectionId, ConsumerKey};
use crate::queue::reply::Reply;
use crate::time::Time;

impl Queue {
    pub(super) fn consume(&mut self, now: Time, consume: Consume) -> Reply {
        if let Some(why) = &self.unreadable {
            return Reply::Unreadable(Arc::clone(why));
        }
        // A queue with a single active consumer has no exclusive ones, as in RabbitMQ.
        let shared = self.options.single_active_consumer || !self.consumers.is_empty();
        let taken = self.consumers.any_exclusive() || (consume.exclusive && shared);
        if taken {
            return Reply::InExclusiveUse;
        }
        self.last_used = now;
        self.had_consumer |= !consume.is_passing;
        let timeout = self.consumer_timeout(consume.ack_timeout);
        self.consumers.add(consume, timeout);
        Reply::Consuming
    }

    pub(super) fn cancel(&mut self, now: Time, key: ConsumerKey, effects: &mut Effects) {
        if self.consumers.share_channels() {
            // What the others got before it comes before it.
            self.hand_over(effects);
        }
        let Some(mut consumer) = self.consumers.remove(key) else { return };
        let deliveries = consumer.take_pending();
        if !deliveries.is_empty() {
            effects.deliveries.push(Deliveries { consumer: key, deliveries });
        }
        self.consumer_left(now, effects);
    }

    /// Somebody else than its client cancels a consumer.
    pub(super) fn dismiss(&mut self, now: Time, key: ConsumerKey, effects: &mut Effects) -> Reply {
        if self.consumers.name(key).is_none() {
            return Reply::NoConsumer;
        }
        effects.dismissed.push(key);
        self.cancel(now, key, effects);
        Reply::Done
    }

    /// A channel of a connection was closed, or all of them: their consumers go, their unacked messages come back.
    pub(super) fn release_channels(
        &mut self,
        now: Time,
        connection: ConnectionId,
        channel: Option<u16>,
        cause: Cause,
        effects: &mut Effects,
    ) {
        // Before the consumers go, so that the attempts can say whose they were.
        let unacked = self.unacked.remove_of(connection, channel);
        self.return_to_queue(now, unacked, cause, effects);
        let removed = self.consumers.remove_of(connection, channel);
        let had_consumers = !removed.is_empty();
        for mut consumer in removed {
            if consumer.no_ack {
                let deliveries = consumer.take_pending();
                if !deliveries.is_empty() {
                    effects.deliveries.push(Deliveries { consumer: consumer.key, deliveries });
                }
            } else {
                // They are unacked and come back.
                consumer.take_pending_back();
            }
        }
        self.deferred.forget(connection, channel);
        if had_consumers {
            self.consumer_left(now, effects);
        }
        self.drop_overflow(now, effects);
    }

    pub(super) fn consumer_left(&mut self, now: Time, effects: &mut Effects) {
        self.last_used = now;
        self.end_if_auto_delete(effects);
    }

    fn end_if_auto_delete(&mut self, effects: &mut Effects) {
        if self.options.auto_delete && self.had_consumer && self.consumers.is_empty() {
            self.end(Ended::AutoDeleted, effects);
        }
    }
}
