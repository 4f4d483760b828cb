//! Consumers and deliveries to them: tags, and the credit that goes back when they are written.

use amq_protocol::protocol::{AMQPClass, basic};

use super::channel::{Channel, ChannelConsumer};
use super::session::Session;
use crate::message::{Message, QueueId};
use crate::protocol::encode::{self, Edited};
use crate::protocol::in_row::InRow;
use crate::queue::{Command, ConsumerKey, Delivery, WINDOW_BYTES, with_offset};
use crate::session::consumer::{AckPolicy, NewConsumer, SessionConsumer, Source};
use crate::session::report::ChannelChange;
use crate::session::tags::Tagged;

/// Credit goes back in pieces of this size: often enough that a reading consumer never runs dry, seldom enough that it costs
/// nothing per message.
const CREDIT_BYTES: usize = WINDOW_BYTES / 4;

impl Session {
    /// Names a consumer to be.
    pub fn new_consumer(&mut self, channel: u16) -> NewConsumer {
        self.consumer_numbers += 1;
        let key = ConsumerKey { connection: self.connection.id, channel, number: self.consumer_numbers };
        let channel = self.channel(channel);
        let (prefetch, channel_prefetch) =
            channel.map_or((0, None), |channel| (channel.prefetch, channel.channel_prefetch.clone()));
        NewConsumer { key, prefetch, channel_prefetch }
    }

    /// The queue took the consumer: deliveries for it may come.
    pub fn add_consumer(&mut self, key: ConsumerKey, tag: &str, source: Option<Source>, acks: AckPolicy) {
        let queue = source.map(|source| source.queue);
        self.note_channel(key.channel);
        let Some(channel) = self.channel(key.channel) else { return };
        channel.consumers.insert(tag.to_owned(), ChannelConsumer { number: key.number, queue });
        if let Some(queue) = queue {
            channel.note_queue(queue);
        } else {
            self.reply_consumers.add(key.number);
        }
        let consumer = SessionConsumer {
            channel: key.channel,
            tag: tag.to_owned(),
            no_ack: acks == AckPolicy::None,
            queue,
            is_stream: source.is_some_and(|source| source.is_stream),
            cumulative: if acks == AckPolicy::All { key.number } else { 0 },
            owed: 0,
        };
        self.consumers.insert(key.number, consumer);
    }

    /// The channel forgets queues that are no more, if it has come to know many since it last did. Nothing of it is with them.
    pub fn forget_ended_queues(&mut self, channel: u16, has_ended: impl Fn(QueueId) -> bool) {
        if let Some(channel) = self.channel(channel) {
            channel.queues.sweep(has_ended);
        }
    }

    /// The consumer with this tag, for its cancellation.
    #[must_use]
    pub fn consumer(&mut self, channel: u16, tag: &str) -> Option<(ConsumerKey, Option<QueueId>)> {
        let connection = self.connection.id;
        let consumer = self.channel(channel)?.consumers.get(tag)?;
        Some((ConsumerKey { connection, channel, number: consumer.number }, consumer.queue))
    }

    /// The consumer is no more.
    pub fn remove_consumer(&mut self, channel: u16, tag: &str) {
        self.note_channel(channel);
        if let Some((key, _)) = self.consumer(channel, tag) {
            self.release_held(key.number);
        }
        let removed = self.channel(channel).and_then(|channel| {
            let removed = channel.consumers.remove(tag)?;
            channel.tags.forget_consumer(removed.number);
            Some(removed)
        });
        if let Some(consumer) = removed {
            self.forget_consumer(&consumer);
        }
    }

    /// What is known of a consumer beside its channel's own note.
    pub(super) fn forget_consumer(&mut self, consumer: &ChannelConsumer) {
        let number = consumer.number;
        let known = self.consumers.remove(&number);
        if consumer.queue.is_none() {
            self.reply_consumers.remove(number);
        } else if let Some(SessionConsumer { channel, tag, .. }) = known {
            self.changes.push(ChannelChange::ConsumerGone { number, channel, tag });
        }
    }

    /// Whether the channel has a direct reply-to consumer.
    #[must_use]
    pub fn channel_has_reply_consumer(&mut self, channel: u16) -> bool {
        let has = |channel: &mut Channel| channel.consumers.values().any(|consumer| consumer.queue.is_none());
        self.channel(channel).is_some_and(has)
    }

    /// Whether a direct reply-to consumer with this number is there.
    #[must_use]
    pub fn has_reply_consumer(&self, number: u32) -> bool {
        self.consumers.get(&number).is_some_and(|consumer| consumer.queue.is_none())
    }

    /// The consumer lost its queue, or an operator cancelled it: the client is told if it can take it
    /// (<https://www.rabbitmq.com/docs/consumer-cancel>).
    pub fn consumer_cancelled(&mut self, number: u32) {
        let Some(consumer) = self.consumers.remove(&number) else { return };
        self.note_channel(consumer.channel);
        if let Some(channel) = self.channel(consumer.channel) {
            channel.consumers.remove(&consumer.tag);
            channel.tags.forget_consumer(number);
        }
        let (channel, tag) = (consumer.channel, consumer.tag.clone());
        self.changes.push(ChannelChange::ConsumerGone { number, channel, tag });
        if self.capabilities.consumer_cancel_notify {
            let cancel = basic::Cancel { consumer_tag: consumer.tag.into(), nowait: true };
            let method = AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel));
            encode::method(&mut self.connection.out, consumer.channel, method);
        }
    }

    /// Writes deliveries to a consumer. One that is gone had its messages requeued by its queue.
    pub fn deliver(&mut self, number: u32, deliveries: &[Delivery]) {
        if self.connection.watch.is_none() || !self.deliver_watched(number, deliveries) {
            self.write_deliveries(number, deliveries);
        }
    }

    #[inline]
    pub(super) fn write_deliveries(&mut self, number: u32, deliveries: &[Delivery]) {
        let Some(consumer) = self.consumers.get(&number) else { return };
        let Some(channel) = self.channels.get_mut(usize::from(consumer.channel)).and_then(Option::as_mut)
        else {
            return;
        };
        channel.note(&mut self.noted_channels);
        let tag_bytes = consumer.tag.as_bytes();
        let (mut bytes, mut properties) = (0, Vec::new());
        *if consumer.no_ack {
            &mut channel.counted.delivered_no_ack
        } else {
            &mut channel.counted.delivered
        } += deliveries.len() as u64;
        let frame_bytes = self.connection.limits.frame_bytes;
        let mut in_row = InRow::new(frame_bytes, channel.number, tag_bytes);
        for delivery in deliveries {
            let tag = match consumer.queue {
                Some(queue) if !consumer.no_ack => {
                    let (handle, cumulative) = (delivery.handle, consumer.cumulative);
                    channel.tags.next(Tagged { queue, handle, consumed: true, cumulative })
                }
                _ => channel.tags.next_without_ack(),
            };
            let out = &mut self.connection.out;
            let (redelivered, message) = (delivery.redelivered, &delivery.message);
            channel.counted.redelivered += u64::from(redelivered);
            if consumer.is_stream {
                let offset = delivery.handle.position.0;
                with_offset(message.properties(), offset, &mut properties);
                let edited = Edited { message, properties: &properties };
                encode::deliver_edited(out, frame_bytes, channel.number, tag_bytes, tag, redelivered, edited);
            } else {
                in_row.deliver(out, tag, redelivered, message);
            }
            bytes += delivery.cost();
        }
        if let (Some(prefetch), false) = (&channel.channel_prefetch, consumer.no_ack) {
            // Under way before the queue knew of this prefetch.
            let uncounted = deliveries.iter().filter(|delivery| delivery.counted_by != prefetch.id()).count();
            if uncounted > 0 {
                prefetch.count(uncounted);
            }
        }
        if consumer.queue.is_some() {
            self.unwritten.push((number, bytes));
        }
    }

    /// Writes a reply to a direct reply-to consumer.
    pub fn deliver_direct(&mut self, number: u32, message: Message) {
        if self.has_reply_consumer(number) {
            let handle = crate::queue::Handle { slot: 0, turn: 0, position: crate::message::Position(0) };
            self.deliver(number, &[Delivery { handle, message, redelivered: false, counted_by: 0 }]);
        }
    }

    /// Writes basic.get-ok.
    pub fn get_ok(
        &mut self,
        channel: u16,
        queue: QueueId,
        no_ack: bool,
        delivery: &Delivery,
        remaining: usize,
    ) {
        self.note_channel(channel);
        let frame_bytes = self.connection.limits.frame_bytes;
        let Some(channel) = self.channels.get_mut(usize::from(channel)).and_then(Option::as_mut) else {
            return;
        };
        let tag = if no_ack {
            channel.tags.next_without_ack()
        } else {
            channel.note_queue(queue);
            channel.tags.next(Tagged { queue, handle: delivery.handle, consumed: false, cumulative: 0 })
        };
        let count = u32::try_from(remaining).unwrap_or(u32::MAX);
        *if no_ack { &mut channel.counted.got_no_ack } else { &mut channel.counted.got } += 1;
        channel.counted.redelivered += u64::from(delivery.redelivered);
        let (out, message) = (&mut self.connection.out, &delivery.message);
        encode::get_ok(out, frame_bytes, channel.number, tag, delivery.redelivered, count, message);
    }

    /// basic.get found nothing.
    pub fn count_empty_get(&mut self, channel: u16) {
        self.note_channel(channel);
        if let Some(channel) = self.channel(channel) {
            channel.counted.got_empty += 1;
        }
    }

    /// All output was written: credit for the deliveries in it goes back to their queues; but with `withhold` not that of
    /// consumers that ack, whose client has more to ack than it may.
    pub fn drained(&mut self, withhold: bool) {
        if !self.is_running() {
            // The handshake took more than a connection that says little will.
            self.connection.out.give_back();
        }
        for (number, bytes) in std::mem::take(&mut self.unwritten) {
            let Some(consumer) = self.consumers.get_mut(&number) else { continue };
            consumer.owed += bytes;
            if withhold && !consumer.no_ack {
                self.without_credit.push(number);
            } else {
                self.give_window_back(number);
            }
        }
    }

    /// Whether consumers wait for credit because their client has too much to ack.
    #[must_use]
    pub const fn withholds_credit(&self) -> bool {
        !self.without_credit.is_empty()
    }

    /// The client has acked enough: consumers get what was withheld.
    pub fn resume(&mut self) {
        for number in std::mem::take(&mut self.without_credit) {
            self.give_window_back(number);
        }
    }

    fn give_window_back(&mut self, number: u32) {
        let Some(consumer) = self.consumers.get_mut(&number) else { return };
        let (Some(queue), true) = (consumer.queue, consumer.owed >= CREDIT_BYTES) else { return };
        let key = ConsumerKey { connection: self.connection.id, channel: consumer.channel, number };
        let command = Command::Written(key, std::mem::take(&mut consumer.owed));
        self.connection.outgoing.command(queue, command);
    }
}
