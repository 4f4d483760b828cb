//! The queue's state machine.

use super::consumers::Consumers;
use super::dead_letter::Reason;
use super::ready::{Entry, Ready};
use super::unacked::{Unacked, UnackedSet};
use super::{
    Command, ConnectionId, Consume, ConsumerKey, Counts, DeadLetter, Deliveries, Delivery, Effects, Ended,
    Handle, Overflow, Publish, QueueOptions, Reply, StoreAppend, Verb,
};
use crate::message::{Message, Position};
use crate::time::Time;

/// One queue. See the [module](super) for its invariants.
#[derive(Debug)]
pub struct Queue {
    options: QueueOptions,
    ready: Ready,
    unacked: UnackedSet,
    consumers: Consumers,
    next_position: Position,
    /// An auto-delete queue goes when its last consumer goes, not before it had one.
    had_consumer: bool,
    /// When it was last used: for x-expires.
    last_used: Time,
    ended: bool,
}

/// A message that the store had from an earlier run.
#[derive(Debug)]
pub struct Restored {
    /// Its position.
    pub position: Position,
    /// The message.
    pub message: Message,
    /// When it expires, or [`Time::NEVER`].
    pub expires: Time,
    /// Its priority.
    pub priority: u8,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
}

impl Queue {
    /// An empty queue whose first message will have the position given.
    #[must_use]
    pub fn new(options: QueueOptions, first_position: Position, now: Time) -> Self {
        Self {
            ready: Ready::new(options.priority_max.unwrap_or(0)),
            unacked: UnackedSet::default(),
            consumers: Consumers::new(options.single_active_consumer),
            options,
            next_position: first_position,
            had_consumer: false,
            last_used: now,
            ended: false,
        }
    }

    /// Puts back a message from an earlier run; in order of position, before any command.
    pub fn restore(&mut self, restored: Restored) {
        self.ready.push_back(Entry {
            message: restored.message,
            position: restored.position,
            expires: restored.expires,
            priority: restored.priority,
            redelivered: restored.redelivered,
            stored: true,
        });
    }

    /// The queue's settings.
    #[must_use]
    pub const fn options(&self) -> &QueueOptions {
        &self.options
    }

    /// Numbers about the queue.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            ready: self.ready.len(),
            unacked: self.unacked.len(),
            consumers: self.consumers.len(),
            ready_bytes: self.ready.bytes(),
        }
    }

    /// Does what a command says. [`settle_batch`](Self::settle_batch) has to follow when the batch is in.
    pub fn apply(&mut self, now: Time, command: Command, effects: &mut Effects) -> Reply {
        match command {
            Command::Publish(connection, publishes) => self.publish(now, connection, publishes, effects),
            Command::Adopt(publishes) => self.adopt(now, publishes, effects),
            Command::Settle(verb, handles) => self.settle(verb, handles, effects),
            Command::Written(consumer, bytes) => self.consumers.written(consumer, bytes),
            Command::Consume(consume) => return self.consume(now, consume),
            Command::Cancel(consumer) => self.cancel(now, consumer, effects),
            Command::Limit(connection, channel, limit) => self.consumers.limit(connection, channel, &limit),
            Command::ChannelGone(connection, channel) => self.gone(now, connection, Some(channel), effects),
            Command::ConnectionGone(connection) => self.gone(now, connection, None, effects),
            Command::Get { connection, channel, no_ack } => {
                return self.get(now, connection, channel, no_ack, effects);
            }
            Command::Configure(options) => self.configure(now, *options, effects),
            Command::Purge => return self.purge(effects),
            Command::Delete { if_unused, if_empty } => return self.delete(if_unused, if_empty, effects),
            Command::Inspect => {
                self.last_used = now;
                return Reply::Counts(self.counts());
            }
        }
        Reply::Done
    }

    /// Ends a batch: expires what is due, delivers what can be delivered, and hands the deliveries over.
    pub fn settle_batch(&mut self, now: Time, effects: &mut Effects) {
        if self.ended {
            return;
        }
        self.expire_before(now, effects);
        self.dispatch(effects);
        // What is due now and found no consumer: a TTL of 0 means 'deliver now or die'.
        self.expire(|expires| expires <= now, effects);
        self.consumers.drain_pending(|consumer, deliveries| {
            effects.deliveries.push(Deliveries { consumer, deliveries })
        });
        self.expire_queue(now, effects);
    }

    /// When [`settle_batch`](Self::settle_batch) has to be called again if no command comes before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let message = self.ready.next_expiry();
        [message, self.queue_expiry()].into_iter().flatten().min()
    }

    fn publish(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publishes: Vec<Publish>,
        effects: &mut Effects,
    ) {
        for publish in publishes {
            if self.is_full() && self.options.overflow != Overflow::DropHead {
                self.dispatch(effects);
                if self.is_full() {
                    self.refuse(connection, publish, effects);
                    continue;
                }
            }
            self.enqueue(now, connection, publish, effects);
            self.drop_overflow(effects);
        }
    }

    fn adopt(&mut self, now: Time, publishes: Vec<Publish>, effects: &mut Effects) {
        for publish in publishes {
            self.enqueue(now, ConnectionId(0), publish, effects);
            self.drop_overflow(effects);
        }
    }

    fn enqueue(&mut self, now: Time, connection: ConnectionId, publish: Publish, effects: &mut Effects) {
        let position = self.next_position;
        self.next_position = position.next();
        let expires = self.expiry(now, publish.ttl_ms);
        let stored = self.options.durable && publish.message.is_persistent();
        if stored {
            effects.appended.push(StoreAppend { position, message: publish.message.clone(), expires });
        }
        if publish.sequence != 0 {
            let ranges = if stored { &mut effects.append_confirms } else { &mut effects.confirms };
            Effects::confirm(ranges, connection, publish.channel, publish.sequence);
        }
        let (message, priority) = (publish.message, publish.priority);
        self.ready.push_back(Entry { message, position, expires, priority, redelivered: false, stored });
    }

    fn expiry(&self, now: Time, ttl_ms: Option<u32>) -> Time {
        let ttl = [ttl_ms, self.options.message_ttl_ms].into_iter().flatten().min();
        ttl.map_or(Time::NEVER, |ms| now.plus_ms(u64::from(ms)))
    }

    fn is_full(&self) -> bool {
        let too_many = self.options.length_max.is_some_and(|max| self.ready.len() as u64 >= max);
        too_many || self.options.length_bytes_max.is_some_and(|max| self.ready.bytes() as u64 >= max)
    }

    fn is_over_full(&self) -> bool {
        let too_many = self.options.length_max.is_some_and(|max| self.ready.len() as u64 > max);
        too_many || self.options.length_bytes_max.is_some_and(|max| self.ready.bytes() as u64 > max)
    }

    fn refuse(&mut self, connection: ConnectionId, publish: Publish, effects: &mut Effects) {
        if publish.sequence != 0 {
            Effects::confirm(&mut effects.refusals, connection, publish.channel, publish.sequence);
        }
        if self.options.overflow == Overflow::RejectPublishDlx {
            self.bury(publish.message, None, Reason::Maxlen, effects);
        } else {
            effects.drop_message(Reason::Maxlen);
        }
    }

    /// The limit counts ready messages, so what a consumer can take goes to it first.
    fn drop_overflow(&mut self, effects: &mut Effects) {
        if self.options.overflow != Overflow::DropHead || !self.is_over_full() {
            return;
        }
        self.dispatch(effects);
        while self.is_over_full() {
            let Some(entry) = self.ready.pop_overflow() else { return };
            self.end_of_life(entry, Reason::Maxlen, effects);
        }
    }

    fn dispatch(&mut self, effects: &mut Effects) {
        while !self.ready.is_empty() {
            let Some((key, no_ack)) = self.consumers.next().map(|consumer| (consumer.key, consumer.no_ack))
            else {
                return;
            };
            let Some(entry) = self.ready.pop_front() else { return };
            let delivery =
                self.hand_out(entry, key.connection, key.channel, no_ack, Some(key.number), effects);
            self.consumers.give(delivery);
        }
    }

    /// Turns a message into a delivery: it is unacked from now on, or gone if it needs no ack.
    fn hand_out(
        &mut self,
        entry: Entry,
        connection: ConnectionId,
        channel: u16,
        no_ack: bool,
        consumer: Option<u32>,
        effects: &mut Effects,
    ) -> Delivery {
        let (message, redelivered) = (entry.message.clone(), entry.redelivered);
        if no_ack {
            if entry.stored {
                effects.removed.push(entry.position);
            }
            let handle = Handle { slot: u32::MAX, position: entry.position };
            return Delivery { handle, message, redelivered };
        }
        if entry.stored {
            effects.delivered_up_to = effects.delivered_up_to.max(Some(entry.position));
        }
        let handle = self.unacked.insert(Unacked { entry, connection, channel, consumer });
        Delivery { handle, message, redelivered }
    }

    fn settle(&mut self, verb: Verb, handles: Vec<Handle>, effects: &mut Effects) {
        let mut requeued = Vec::new();
        for handle in handles {
            let Some(unacked) = self.unacked.remove(handle) else { continue };
            self.give_credit_back(&unacked);
            match verb {
                Verb::Ack if unacked.entry.stored => effects.removed.push(unacked.entry.position),
                Verb::Ack => {}
                Verb::Requeue => requeued.push(unacked.entry),
                Verb::Reject => self.end_of_life(unacked.entry, Reason::Rejected, effects),
            }
        }
        self.requeue(requeued);
    }

    fn give_credit_back(&mut self, unacked: &Unacked) {
        if let Some(number) = unacked.consumer {
            let key = ConsumerKey { connection: unacked.connection, channel: unacked.channel, number };
            self.consumers.settled(key);
        }
    }

    /// Newest first, so that each goes to the front of those before it: constant time when all are older than what is
    /// ready, which is the usual case.
    fn requeue(&mut self, mut entries: Vec<Entry>) {
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.position));
        for mut entry in entries {
            entry.redelivered = true;
            entry.message = entry.message.detached();
            self.ready.put_back(entry);
        }
    }

    fn consume(&mut self, now: Time, consume: Consume) -> Reply {
        let taken = self.consumers.any_exclusive() || (consume.exclusive && !self.consumers.is_empty());
        if taken {
            return Reply::InExclusiveUse;
        }
        self.last_used = now;
        self.had_consumer = true;
        self.consumers.add(consume);
        Reply::Consuming
    }

    fn cancel(&mut self, now: Time, key: ConsumerKey, effects: &mut Effects) {
        let Some(mut consumer) = self.consumers.remove(key) else { return };
        let deliveries = std::mem::take(&mut consumer.pending);
        if !deliveries.is_empty() {
            effects.deliveries.push(Deliveries { consumer: key, deliveries });
        }
        self.last_used = now;
        self.end_if_auto_delete(effects);
    }

    fn gone(&mut self, now: Time, connection: ConnectionId, channel: Option<u16>, effects: &mut Effects) {
        let keys = self.consumers.keys_of(connection, channel);
        let had_consumers = !keys.is_empty();
        for key in keys {
            self.consumers.remove(key);
        }
        let unacked = self.unacked.remove_of(connection, channel);
        self.requeue(unacked.into_iter().map(|unacked| unacked.entry).collect());
        if had_consumers {
            self.last_used = now;
            self.end_if_auto_delete(effects);
        }
    }

    fn end_if_auto_delete(&mut self, effects: &mut Effects) {
        if self.options.auto_delete && self.had_consumer && self.consumers.is_empty() {
            self.end(Ended::AutoDeleted, effects);
        }
    }

    fn get(
        &mut self,
        now: Time,
        connection: ConnectionId,
        channel: u16,
        no_ack: bool,
        effects: &mut Effects,
    ) -> Reply {
        self.last_used = now;
        self.expire_before(now, effects);
        let Some(entry) = self.ready.pop_front() else { return Reply::Empty };
        let delivery = self.hand_out(entry, connection, channel, no_ack, None, effects);
        Reply::Got { delivery, remaining: self.ready.len() }
    }

    /// What is fixed at declare (priorities, single active consumer) is the same in both. A new expiry runs from now; a
    /// new TTL is for messages to come, as in RabbitMQ's classic queues.
    fn configure(&mut self, now: Time, options: QueueOptions, effects: &mut Effects) {
        if self.options.expires_ms != options.expires_ms {
            self.last_used = now;
        }
        self.options = options;
        self.drop_overflow(effects);
    }

    fn purge(&mut self, effects: &mut Effects) -> Reply {
        let purged = self.ready.take_all();
        if purged.iter().any(|entry| entry.stored) {
            let mut keep: Vec<Position> =
                self.unacked.iter().filter(|u| u.entry.stored).map(|u| u.entry.position).collect();
            keep.sort_unstable();
            effects.purged = Some((self.next_position, keep));
        }
        Reply::Purged(purged.len())
    }

    fn delete(&mut self, if_unused: bool, if_empty: bool, effects: &mut Effects) -> Reply {
        if if_unused && !self.consumers.is_empty() {
            return Reply::InUse;
        }
        if if_empty && !self.ready.is_empty() {
            return Reply::NotEmpty;
        }
        let ready = self.ready.len();
        self.end(Ended::Deleted, effects);
        Reply::Deleted(ready)
    }

    fn end(&mut self, ended: Ended, effects: &mut Effects) {
        self.ended = true;
        effects.ended = Some(ended);
        effects.cancelled.extend(self.consumers.keys());
        self.ready.take_all();
    }

    fn expire_before(&mut self, now: Time, effects: &mut Effects) {
        self.expire(|expires| expires < now, effects);
    }

    fn expire(&mut self, is_due: impl Fn(Time) -> bool, effects: &mut Effects) {
        while let Some(entry) = self.ready.pop_expired(&is_due) {
            self.end_of_life(entry, Reason::Expired, effects);
        }
    }

    fn queue_expiry(&self) -> Option<Time> {
        let unused = self.consumers.is_empty();
        self.options.expires_ms.filter(|_| unused).map(|ms| self.last_used.plus_ms(u64::from(ms)))
    }

    fn expire_queue(&mut self, now: Time, effects: &mut Effects) {
        if self.queue_expiry().is_some_and(|time| time <= now) {
            self.end(Ended::Expired, effects);
        }
    }

    fn end_of_life(&mut self, entry: Entry, reason: Reason, effects: &mut Effects) {
        let stored = entry.stored.then_some(entry.position);
        self.bury(entry.message, stored, reason, effects);
    }

    fn bury(&mut self, message: Message, stored: Option<Position>, reason: Reason, effects: &mut Effects) {
        if self.options.dead_letter_exchange.is_some() {
            effects.dead_letters.push(DeadLetter { message, reason, stored });
        } else {
            effects.removed.extend(stored);
            effects.drop_message(reason);
        }
    }
}

#[cfg(test)]
impl Queue {
    pub(super) fn ready_positions(&self) -> Vec<Position> {
        self.ready.iter().map(|entry| entry.position).collect()
    }

    pub(super) fn unacked_positions(&self) -> Vec<Position> {
        self.unacked.iter().map(|unacked| unacked.entry.position).collect()
    }

    pub(super) fn within_prefetch(&self) -> bool {
        self.consumers.within_prefetch()
    }
}
