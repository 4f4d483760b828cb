//! The queue's state machine.

use std::collections::BTreeMap;

use super::absent::{self, Absent};
use super::attempts::{Attempts, Ending};
use super::consumers::{Consumer, Consumers};
use super::dead_letter::Reason;
use super::delayed::Delayed;
use super::paging::{Question, Waiting};
use super::paused::Paused;
use super::ready::{Entry, Ready};
use super::seen::Seen;
use super::segment::Stretch;
use super::unacked::{TimeoutId, Unacked, UnackedSet};
use super::{
    Command, ConnectionId, Consume, ConsumerKey, Counts, DeadLetter, Deliveries, Delivery, Effects, Ended,
    Flow, Handle, Overflow, Publish, QueueOptions, Reply, StoreAppend, Verb,
};
use crate::message::{Message, Position};
use crate::time::{Time, Timestamp};

/// One queue. See the [module](super) for its invariants.
#[derive(Debug)]
pub struct Queue {
    pub(super) options: QueueOptions,
    pub(super) ready: Ready,
    pub(super) unacked: UnackedSet,
    /// Messages of those that are not in memory.
    pub(super) absent: Absent,
    pub(super) consumers: Consumers,
    /// Messages that came back and wait.
    pub(super) paused: Paused,
    /// Of messages that came back: see [`failing`](super::failing).
    pub(super) attempts: BTreeMap<Position, Attempts>,
    pub(super) epoch: Timestamp,
    next_position: Position,
    /// An auto-delete queue goes when its last consumer goes, not before it had one.
    had_consumer: bool,
    /// When it was last used: for x-expires.
    pub(super) last_used: Time,
    ended: bool,
    /// Commands that wait for messages to come back.
    pub(super) waiting: Waiting,
    /// Messages that wait for their time.
    pub(super) delayed: Delayed,
    /// What it remembers of messages that came.
    pub(super) seen: Seen,
    /// There are too many messages, but the one to be dropped has to come back first.
    pub(super) overflow_waits: bool,
}

/// A message that comes back to memory.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Its position.
    pub position: Position,
    /// The message.
    pub message: Message,
    /// When it expires, or [`Time::NEVER`].
    pub expires: Time,
    /// Its level.
    pub level: u8,
}

impl Queue {
    /// An empty queue whose first message will have the position given.
    #[must_use]
    pub fn new(options: QueueOptions, first_position: Position, now: Time) -> Self {
        Self {
            ready: Ready::new(options.priority_max.unwrap_or(0), options.window),
            unacked: UnackedSet::new(options.ack_timeout),
            absent: Absent::default(),
            consumers: Consumers::new(options.single_active_consumer),
            delayed: Delayed::new(options.window),
            paused: Paused::default(),
            attempts: BTreeMap::new(),
            epoch: Timestamp::default(),
            options,
            next_position: first_position,
            had_consumer: false,
            last_used: now,
            ended: false,
            waiting: Waiting::default(),
            seen: Seen::default(),
            overflow_waits: false,
        }
    }

    /// Takes over what an earlier run left of a durable queue, by ascending first positions and before any command; what
    /// lies at or below `delivered` may have been delivered before.
    pub fn restore(&mut self, stretches: Vec<Stretch>, delivered: Position) {
        if self.options.delays {
            self.delayed.restore(stretches);
        } else {
            self.ready.restore(stretches, delivered);
        }
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
            ready: self.ready.len() + self.absent.returning() + self.delayed.len(),
            unacked: self.unacked.len(),
            consumers: self.consumers.len(),
            ready_bytes: self.ready.bytes(),
            delayed: self.paused.delayed(),
            parked: self.paused.parked(),
        }
    }

    /// What waits, and how fast it goes.
    #[must_use]
    pub fn flow(&self) -> Flow {
        Flow { backlog: self.ready.cost(), taken: self.ready.taken(), consumers: self.consumers.len() }
    }

    /// Does what a command says. [`settle_batch`](Self::settle_batch) has to follow when the batch is in.
    pub fn apply(&mut self, now: Time, command: Command, effects: &mut Effects) -> Reply {
        if command.has_reply() {
            self.catch_up(now, effects);
        }
        match command {
            Command::Publish(connection, publishes) => self.publish(now, connection, publishes, effects),
            Command::PublishMarked(connection, publishes) => {
                self.publish_marked(now, connection, publishes, effects);
            }
            Command::Adopt(publishes) => self.adopt(now, publishes, effects),
            Command::AdoptNew(publishes) => self.adopt_new(now, publishes, effects),
            Command::Settle(verb, handles) => self.settle(now, verb, handles, effects),
            Command::Grant(handle, wish, error) => self.grant(now, handle, wish, error, effects),
            Command::Written(consumer, bytes) => self.consumers.written(consumer, bytes),
            Command::Consume(consume) => return self.consume(now, consume),
            Command::Cancel(consumer) => self.cancel(now, consumer, effects),
            Command::Limit(connection, channel, limit) => self.consumers.limit(connection, channel, &limit),
            Command::ChannelGone(connection, channel, ending) => {
                self.gone(now, connection, Some(channel), ending, effects);
            }
            Command::ConnectionGone(connection) => {
                self.gone(now, connection, None, Ending::Failed, effects);
            }
            Command::Get { connection, channel, no_ack } => {
                return self.ask(now, Question::Get { connection, channel, no_ack }, effects);
            }
            Command::Configure(options) => self.configure(now, *options, effects),
            Command::ReleaseParked => return self.release_parked(),
            Command::DropParked => return self.drop_parked(effects),
            Command::Purge => return self.ask(now, Question::Purge, effects),
            Command::Delete { if_unused, if_empty } => {
                return self.ask(now, Question::Delete { if_unused, if_empty }, effects);
            }
            Command::Inspect => return self.ask(now, Question::Inspect, effects),
            Command::Loaded(id, messages) if absent::is_bundle(id) => {
                self.bundle_loaded(now, messages, effects)
            }
            Command::Loaded(id, messages) => self.loaded(id, messages, effects),
        }
        Reply::Done
    }

    /// Ends a batch: expires what is due, delivers what can be delivered, and hands the deliveries over.
    pub fn settle_batch(&mut self, now: Time, effects: &mut Effects) {
        if self.ended {
            return;
        }
        self.time_out(now, effects);
        if self.ended {
            return;
        }
        self.catch_up(now, effects);
        self.answer_waiting(now, effects);
        if self.ended {
            return;
        }
        // What stood behind a message that was just handed out.
        self.expire(|expires| expires <= now, effects);
        self.hand_over(effects);
        self.expire_queue(now, effects);
        if self.options.delays {
            self.release_due(now, effects);
        }
        self.keep_window(effects);
        self.keep_other_windows(now, effects);
    }

    /// Ends waits, expires what is due and delivers what consumers can take. Whoever asks finds what the commands before
    /// led to, whether they came in the same batch or not.
    fn catch_up(&mut self, now: Time, effects: &mut Effects) {
        self.resume(now);
        if self.overflow_waits {
            self.drop_overflow(now, effects);
        }
        self.expire(|expires| expires < now, effects);
        self.dispatch(now, effects);
        // What is due now and found no consumer: a TTL of 0 means 'deliver now or die'.
        self.expire(|expires| expires <= now, effects);
    }

    fn hand_over(&mut self, effects: &mut Effects) {
        self.consumers.drain_pending(|consumer, deliveries| {
            effects.deliveries.push(Deliveries { consumer, deliveries })
        });
    }

    /// When [`settle_batch`](Self::settle_batch) has to be called again if no command comes before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let next_expiry = self.ready.next_expiry().filter(|_| !self.is_expiry_held());
        let times = [
            next_expiry,
            self.unacked.next_page_out(&self.options.window),
            self.queue_expiry(),
            self.paused.next_due(),
            self.unacked.next_overdue(),
            self.delayed.next_due(),
        ];
        times.into_iter().flatten().min()
    }

    fn publish(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publishes: Vec<Publish>,
        effects: &mut Effects,
    ) {
        if self.options.deduplication.is_some() {
            return self.publish_once(now, connection, publishes, effects);
        }
        for publish in publishes {
            if self.makes_room(now, connection, &publish, effects) {
                self.enqueue(now, connection, publish, effects);
                self.drop_overflow(now, effects);
            }
        }
    }

    /// Whether the message may come in; its publisher is told if it may not.
    #[inline]
    pub(super) fn makes_room(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publish: &Publish,
        effects: &mut Effects,
    ) -> bool {
        if self.options.overflow == Overflow::DropHead || self.has_room_for(publish) {
            return true;
        }
        self.dispatch(now, effects);
        let has_room = self.has_room_for(publish);
        if !has_room {
            self.refuse(connection, publish, effects);
        }
        has_room
    }

    pub(super) fn adopt(&mut self, now: Time, publishes: Vec<Publish>, effects: &mut Effects) {
        for publish in publishes {
            self.enqueue(now, ConnectionId(0), publish, effects);
            self.drop_overflow(now, effects);
        }
    }

    pub(super) fn enqueue(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publish: Publish,
        effects: &mut Effects,
    ) {
        let position = self.next_position;
        self.next_position = position.next();
        let expires = self.expiry(now, publish.ttl_ms);
        let stored = self.options.durable && publish.message.is_persistent();
        if stored {
            let level = self.ready.level_of(publish.priority);
            effects.appended.push(StoreAppend { position, message: publish.message.clone(), level, expires });
        }
        if publish.sequence != 0 {
            let ranges = if stored { &mut effects.append_confirms } else { &mut effects.confirms };
            Effects::confirm(ranges, connection, publish.channel, publish.sequence);
        }
        let (message, priority) = (publish.message, publish.priority);
        let entry = Entry { message, position, expires, priority, redelivered: false, stored, bundle: 0 };
        if self.options.delays {
            self.delayed.insert(entry);
        } else {
            self.ready.push_back(entry);
        }
    }

    fn expiry(&self, now: Time, ttl_ms: Option<u64>) -> Time {
        let ttl = [ttl_ms, self.options.message_ttl_ms].into_iter().flatten().min();
        ttl.map_or(Time::NEVER, |ms| now.plus_ms(ms))
    }

    /// Whether the queue would be within its limits with the message in it.
    fn has_room_for(&self, publish: &Publish) -> bool {
        let bytes = (self.ready.bytes() + publish.message.body().len()) as u64;
        let len = (self.ready.len() + self.absent.returning()) as u64;
        let number_fits = self.options.length_max.is_none_or(|max| len < max);
        number_fits && self.options.length_bytes_max.is_none_or(|max| bytes <= max)
    }

    pub(super) fn is_over_full(&self) -> bool {
        let too_many = self.options.length_max.is_some_and(|max| self.ready.len() as u64 > max);
        too_many || self.options.length_bytes_max.is_some_and(|max| self.ready.bytes() as u64 > max)
    }

    fn refuse(&mut self, connection: ConnectionId, publish: &Publish, effects: &mut Effects) {
        if publish.sequence != 0 {
            Effects::confirm(&mut effects.refusals, connection, publish.channel, publish.sequence);
        }
        if self.options.overflow == Overflow::RejectPublishDlx {
            let message = publish.message.clone();
            self.bury(DeadLetter { message, reason: Reason::Maxlen, stored: None, attempts: None }, effects);
        } else {
            effects.drop_message(Reason::Maxlen);
        }
    }

    /// The limit counts ready messages, so what a consumer can take goes to it first.
    pub(super) fn drop_overflow(&mut self, now: Time, effects: &mut Effects) {
        self.overflow_waits = false;
        if self.options.overflow != Overflow::DropHead {
            return;
        }
        if self.absent.returning() > 0 {
            self.overflow_waits =
                self.options.length_max.is_some() || self.options.length_bytes_max.is_some();
            return;
        }
        if !self.is_over_full() {
            return;
        }
        self.dispatch(now, effects);
        while self.is_over_full() {
            if self.ready.may_expire_unseen() {
                // What has expired makes room first, as it does in memory.
                self.overflow_waits = true;
                return;
            }
            if let Some(entry) = self.ready.pop_overflow() {
                self.end_of_life(entry, Reason::Maxlen, effects);
            } else if !self.drop_overflow_segment(effects) {
                self.overflow_waits = true;
                return;
            }
        }
    }

    fn dispatch(&mut self, now: Time, effects: &mut Effects) {
        while self.is_head_next()
            && let Some(expires) = self.ready.next_expires()
        {
            if expires < now {
                // It was behind one that had not expired, and now it is the head.
                let Some(entry) = self.ready.pop_front() else { return };
                self.end_of_life(entry, Reason::Expired, effects);
                continue;
            }
            let Some(recipient) = self.consumers.next().map(|consumer| Recipient::of(consumer)) else {
                return;
            };
            let Some(entry) = self.next_ready(now, effects) else {
                self.consumers.not_needed();
                return;
            };
            let delivery = self.hand_out(now, entry, recipient, effects);
            self.consumers.give(delivery);
        }
    }

    /// Turns a message into a delivery: it is unacked from now on, or gone if it needs no ack.
    fn hand_out(&mut self, now: Time, entry: Entry, to: Recipient, effects: &mut Effects) -> Delivery {
        let (message, redelivered) = (self.as_delivered(&entry), entry.redelivered);
        if to.no_ack {
            self.forget_attempts(entry.position);
            if entry.stored {
                effects.removed.push(entry.position);
            }
            let handle = Handle { slot: u32::MAX, turn: 0, position: entry.position };
            return Delivery { handle, message, redelivered };
        }
        if entry.stored {
            effects.delivered_up_to = effects.delivered_up_to.max(Some(entry.position));
        }
        let Recipient { connection, channel, consumer, timeout, .. } = to;
        let handle = self.unacked.insert(Unacked { entry, connection, channel, consumer }, now, timeout);
        Delivery { handle, message, redelivered }
    }

    fn settle(&mut self, now: Time, verb: Verb, handles: Vec<Handle>, effects: &mut Effects) {
        let mut back = Vec::new();
        for handle in handles {
            let Some(unacked) = self.unacked.remove(handle) else { continue };
            self.give_credit_back(&unacked);
            match verb {
                Verb::Ack => {
                    self.forget_attempts(unacked.entry.position);
                    self.forget_absent(&unacked.entry, effects);
                    effects.removed.extend(unacked.entry.stored.then_some(unacked.entry.position));
                }
                Verb::Requeue | Verb::Fail => back.push(unacked),
                Verb::Reject => {
                    self.note_last_attempt(now, &unacked);
                    self.end_of_life(unacked.entry, Reason::Rejected, effects);
                }
            }
        }
        let ending = if verb == Verb::Fail { Ending::Failed } else { Ending::Returned };
        self.come_back(now, back, ending, effects);
        self.drop_overflow(now, effects);
    }

    pub(super) fn give_credit_back(&mut self, unacked: &Unacked) {
        if let Some(key) = unacked.key() {
            self.consumers.settled(key);
        }
    }

    /// Newest first, so that each goes to the front of those before it: constant time when all are older than what is
    /// ready, which is the usual case.
    pub(super) fn requeue(&mut self, mut entries: Vec<Entry>) {
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.position));
        for mut entry in entries {
            entry.redelivered = true;
            entry.message = entry.message.detached();
            self.put_back(entry);
        }
    }

    fn consume(&mut self, now: Time, consume: Consume) -> Reply {
        // A queue with a single active consumer has no exclusive ones, as in RabbitMQ.
        let shared = self.options.single_active_consumer || !self.consumers.is_empty();
        let taken = self.consumers.any_exclusive() || (consume.exclusive && shared);
        if taken {
            return Reply::InExclusiveUse;
        }
        self.last_used = now;
        self.had_consumer = true;
        let timeout = self.consumer_timeout(consume.ack_timeout);
        self.consumers.add(consume, timeout);
        Reply::Consuming
    }

    fn cancel(&mut self, now: Time, key: ConsumerKey, effects: &mut Effects) {
        let Some(mut consumer) = self.consumers.remove(key) else { return };
        let deliveries = std::mem::take(&mut consumer.pending);
        if !deliveries.is_empty() {
            effects.deliveries.push(Deliveries { consumer: key, deliveries });
        }
        self.consumer_left(now, effects);
    }

    fn gone(
        &mut self,
        now: Time,
        connection: ConnectionId,
        channel: Option<u16>,
        ending: Ending,
        effects: &mut Effects,
    ) {
        // Before the consumers go, so that the attempts can say whose they were.
        let unacked = self.unacked.remove_of(connection, channel);
        self.come_back(now, unacked, ending, effects);
        let keys = self.consumers.keys_of(connection, channel);
        let had_consumers = !keys.is_empty();
        for key in keys {
            let Some(consumer) = self.consumers.remove(key) else { continue };
            // The others' are unacked and come back.
            if consumer.no_ack && !consumer.pending.is_empty() {
                effects.deliveries.push(Deliveries { consumer: key, deliveries: consumer.pending });
            }
        }
        self.waiting.forget(connection, channel);
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

    pub(super) fn get(
        &mut self,
        now: Time,
        connection: ConnectionId,
        channel: u16,
        no_ack: bool,
        effects: &mut Effects,
    ) -> Reply {
        self.last_used = now;
        let Some(entry) = self.next_ready(now, effects) else { return Reply::Empty };
        let to = Recipient { connection, channel, consumer: None, no_ack, timeout: TimeoutId::default() };
        let delivery = self.hand_out(now, entry, to, effects);
        Reply::Got { delivery, remaining: self.ready.len() }
    }

    /// What is fixed at declare (priorities, single active consumer) is the same in both. A new expiry runs from now; a
    /// new TTL is for messages to come, as in RabbitMQ's classic queues.
    fn configure(&mut self, now: Time, options: QueueOptions, effects: &mut Effects) {
        if self.options.expires_ms != options.expires_ms {
            self.last_used = now;
        }
        if options.deduplication.is_none() {
            self.forget_own_window(effects);
        }
        self.unacked.set_own_timeout(options.ack_timeout);
        self.options = QueueOptions { window: self.options.window, ..options };
        self.drop_overflow(now, effects);
    }

    pub(super) fn purge(&mut self, effects: &mut Effects) -> Reply {
        let (paused, purged) = (self.purge_paused(effects), self.ready.len());
        if self.absent.has_pages() {
            effects.pages_forgotten.extend(self.ready.pages());
        } else {
            effects.all_pages_forgotten |= self.ready.has_segments();
        }
        let any_stored = self.ready.clear();
        if paused > 0 || any_stored {
            let mut keep: Vec<Position> =
                self.unacked.iter().filter(|u| u.entry.stored).map(|u| u.entry.position).collect();
            // Dead letters are removed in one store batch with the writing of their copies, not before.
            keep.extend(self.absent.stored());
            keep.extend(effects.dead_letters.iter().filter_map(|letter| letter.stored));
            keep.sort_unstable();
            effects.purged = Some((self.next_position, keep));
        }
        Reply::Purged(purged + paused)
    }

    pub(super) fn delete(&mut self, if_unused: bool, if_empty: bool, effects: &mut Effects) -> Reply {
        if if_unused && !self.consumers.is_empty() {
            return Reply::InUse;
        }
        let ready = self.ready.len() + self.absent.returning() + self.paused.len() + self.delayed.len();
        if if_empty && ready > 0 {
            return Reply::NotEmpty;
        }
        self.end(Ended::Deleted, effects);
        Reply::Deleted(ready)
    }

    fn end(&mut self, ended: Ended, effects: &mut Effects) {
        self.ended = true;
        effects.ended = Some(ended);
        self.hand_over(effects);
        effects.cancelled.extend(self.consumers.keys());
        effects.all_pages_forgotten |= self.ready.has_segments() || self.absent.has_pages();
        self.ready.clear();
        self.absent.clear();
        self.delayed.clear();
    }

    fn expire(&mut self, is_due: impl Fn(Time) -> bool, effects: &mut Effects) {
        while !self.is_expiry_held()
            && let Some(entry) = self.ready.pop_expired(&is_due)
        {
            self.end_of_life(entry, Reason::Expired, effects);
        }
    }

    /// Messages that return, and those that are too many, have to be here first: which of them dies of what must not depend
    /// on where they were.
    fn is_expiry_held(&self) -> bool {
        self.overflow_waits || self.absent.returning() > 0
    }

    fn queue_expiry(&self) -> Option<Time> {
        let unused = self.consumers.is_empty();
        self.options.expires_ms.filter(|_| unused).map(|ms| self.last_used.plus_ms(ms))
    }

    fn expire_queue(&mut self, now: Time, effects: &mut Effects) {
        if self.queue_expiry().is_some_and(|time| time <= now) {
            self.end(Ended::Expired, effects);
        }
    }

    pub(super) fn end_of_life(&mut self, entry: Entry, reason: Reason, effects: &mut Effects) {
        let attempts = self.forget_attempts(entry.position).map(Box::new);
        if !entry.is_here() && self.options.dead_letter_exchange.is_some() {
            return self.fetch_dead(entry, reason, attempts);
        }
        self.forget_absent(&entry, effects);
        let stored = entry.stored.then_some(entry.position);
        self.bury(DeadLetter { message: entry.message, reason, stored, attempts }, effects);
    }

    pub(super) fn bury(&mut self, letter: DeadLetter, effects: &mut Effects) {
        let DeadLetter { reason, stored, .. } = letter;
        if self.options.dead_letter_exchange.is_some() {
            effects.dead_letters.push(letter);
        } else {
            effects.removed.extend(stored);
            effects.drop_message(reason);
        }
    }
}

/// Who gets a message.
#[derive(Clone, Copy, Debug)]
struct Recipient {
    connection: ConnectionId,
    channel: u16,
    /// `None` for basic.get.
    consumer: Option<u32>,
    no_ack: bool,
    timeout: TimeoutId,
}

impl Recipient {
    const fn of(consumer: &Consumer) -> Self {
        let ConsumerKey { connection, channel, number } = consumer.key;
        let (no_ack, timeout) = (consumer.no_ack, consumer.timeout);
        Self { connection, channel, consumer: Some(number), no_ack, timeout }
    }
}

#[cfg(test)]
impl Queue {
    /// Those on their way back to memory included.
    pub(super) fn ready_positions(&self) -> Vec<Position> {
        let mut all = self.ready.positions();
        all.extend(self.absent.positions().0);
        all.sort_unstable();
        all.into_iter().map(|(_, position)| position).collect()
    }

    /// Dead ones whose messages are on their way back to memory.
    pub(super) fn dead_positions(&self) -> Vec<Position> {
        self.absent.positions().1
    }

    pub(super) fn unacked_positions(&self) -> Vec<Position> {
        self.unacked.iter().map(|unacked| unacked.entry.position).collect()
    }

    pub(super) fn check_window(&self) {
        self.ready.check();
    }

    pub(super) fn bytes_in_memory(&self) -> usize {
        self.ready.in_memory() + self.unacked.in_memory() + self.paused.in_memory()
    }

    pub(super) fn within_prefetch(&self) -> bool {
        self.consumers.within_prefetch()
    }
}
