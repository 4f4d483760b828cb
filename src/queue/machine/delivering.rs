//! Messages that go out, to consumers and to basic.get.

use std::sync::Arc;

use super::queue::Queue;
use crate::message::Message;
use crate::queue::attempts::{as_delivered, first_delivery};
use crate::queue::consumers::Consumer;
use crate::queue::dead_letter::Reason;
use crate::queue::deferred::Getting;
use crate::queue::delivery::{Deliveries, Delivery};
use crate::queue::effects::Effects;
use crate::queue::entry::Entry;
use crate::queue::happening::{Happening, HappeningKind, HeldBy};
use crate::queue::ids::{ConnectionId, ConsumerKey, Handle};
use crate::queue::reply::Reply;
use crate::queue::unacked::{TimeoutId, Unacked, UnackedSet};
use crate::time::Time;

impl Queue {
    pub(super) fn dispatch(&mut self, now: Time, effects: &mut Effects) {
        if self.is_paused {
            return;
        }
        self.dispatch_to_one(now, effects);
        while self.is_head_next()
            && let Some(expires) = self.ready.next_expires()
        {
            if expires < now {
                // It was behind one that had not expired, and now it is the head.
                let Some(entry) = self.ready.pop_front() else { return };
                self.discard(entry, Reason::Expired, effects);
                continue;
            }
            let Some(recipient) = self.consumers.next().map(|consumer| Recipient::of(consumer)) else {
                return;
            };
            let Some(entry) = self.next_ready(now, effects) else {
                self.consumers.not_needed();
                return;
            };
            recipient.count(1, effects);
            let delivery = self.hand_out(now, entry, recipient, effects);
            self.consumers.give(delivery);
        }
    }

    /// To the only consumer whose turn it may be, as long as each message is in memory and comes for the first time: it takes one after the
    /// other without a look at whose turn is next.
    fn dispatch_to_one(&mut self, now: Time, effects: &mut Effects) {
        if !self.spilled.is_idle() || !self.attempts.is_empty() || effects.is_recording {
            return;
        }
        let Some(mut only) = self.consumers.only() else { return };
        let recipient = Recipient::of(only.consumer());
        only.expect(self.ready.len());
        let mut given = 0;
        while self.ready.next_expires().is_some_and(|expires| expires >= now)
            && only.has_credit()
            && let Some(entry) = self.ready.pop_front()
        {
            only.give(given_out(&mut self.unacked, now, entry, None, &recipient, effects));
            given += 1;
        }
        only.end();
        recipient.count(given, effects);
    }

    pub(super) fn get(
        &mut self,
        now: Time,
        connection: ConnectionId,
        channel: u16,
        how: Getting,
        effects: &mut Effects,
    ) -> Reply {
        self.last_used = now;
        let Some(entry) = self.next_ready(now, effects) else { return Reply::Empty };
        match how {
            Getting::WithAck => effects.counted.got += 1,
            Getting::NoAck => effects.counted.got_no_ack += 1,
            Getting::ByHand => {}
        }
        let to = Recipient {
            connection,
            channel,
            consumer: None,
            no_ack: how == Getting::NoAck,
            by_hand: how == Getting::ByHand,
            counted_by: 0,
            timeout: TimeoutId::default(),
        };
        let delivery = self.hand_out(now, entry, to, effects);
        // What stood behind it and has expired is not counted.
        self.expire(|expires| expires <= now, effects);
        Reply::Got { delivery, remaining: self.ready.len() + self.spilled.returning() }
    }

    /// The next message to deliver. After a restart those that were waiting stand among the ready ones, and wait on when
    /// their turn comes. A message that expired while it stood behind a live one dies when it comes to the head.
    pub(super) fn next_ready(&mut self, now: Time, effects: &mut Effects) -> Option<Entry> {
        while self.is_head_next()
            && let Some(entry) = self.ready.pop_front()
        {
            if entry.expires < now {
                self.discard(entry, Reason::Expired, effects);
                continue;
            }
            let wait = self.attempts.get(&entry.position).and_then(|attempts| attempts.wait);
            match wait.map(|(wait, until)| (wait, self.on_the_clock(until))) {
                Some((wait, until)) if until > now && entry.expires > now => {
                    self.set_aside(until, wait, entry);
                }
                _ => return Some(entry),
            }
        }
        None
    }

    /// Whether the message at the head of the ready ones is next: none that returns stands before it.
    #[inline]
    pub(super) fn is_head_next(&self) -> bool {
        self.spilled.is_idle()
            || self.ready.head().is_none_or(|(level, head)| !self.spilled.is_before(level, head))
    }

    /// Turns a message into a delivery: it is unacked from now on, or gone if it needs no ack.
    fn hand_out(&mut self, now: Time, entry: Entry, to: Recipient, effects: &mut Effects) -> Delivery {
        if effects.is_recording {
            self.record_delivery(&entry, &to, effects);
        }
        let message = (!self.attempts.is_empty()).then(|| self.as_delivered(&entry));
        if to.no_ack {
            self.forget_attempts(entry.position);
        }
        given_out(&mut self.unacked, now, entry, message, &to, effects)
    }

    #[cold]
    fn record_delivery(&self, entry: &Entry, to: &Recipient, effects: &mut Effects) {
        let name = to.key().and_then(|key| self.consumers.name(key));
        let tag = name.map(|name| Arc::clone(&name.tag));
        let attempts = self.attempts.get(&entry.position).map_or(0, |attempts| attempts.acquired);
        let delivered = Happening {
            position: Some(entry.position),
            message: Some(entry.message.clone()),
            held_by: Some(HeldBy { connection: to.connection, channel: to.channel, tag }),
            attempt: if self.options.failure.is_any() { attempts + 1 } else { 0 },
            ..Happening::new(HappeningKind::Delivered)
        };
        let acked = to.no_ack.then(|| Happening { kind: HappeningKind::Acked, ..delivered.clone() });
        effects.happened.push(delivered);
        effects.happened.extend(acked);
    }

    /// The message as its consumer gets it.
    pub(super) fn as_delivered(&self, entry: &Entry) -> Message {
        // Nearly always empty: looked at first.
        let attempts = if self.attempts.is_empty() { None } else { self.attempts.get(&entry.position) };
        as_delivered(&entry.message, attempts)
    }

    pub(super) fn hand_over(&mut self, effects: &mut Effects) {
        self.consumers.drain_pending(|consumer, deliveries| {
            effects.deliveries.push(Deliveries { consumer, deliveries })
        });
        effects.turns_passed_on.extend(self.consumers.end_turns());
    }
}

/// A message of which nothing but what the entry says is to be known, unless `marked` is the message as its consumer gets it.
#[inline]
fn given_out(
    unacked: &mut UnackedSet,
    now: Time,
    entry: Entry,
    marked: Option<Message>,
    to: &Recipient,
    effects: &mut Effects,
) -> Delivery {
    let (position, redelivered) = (entry.position, entry.redelivered);
    if !to.by_hand {
        effects.counted.redelivered += u64::from(redelivered);
        effects.counted.bytes_out += entry.message.body_len() as u64;
    }
    if to.no_ack {
        if entry.stored {
            effects.removed.push(position);
        }
        let handle = Handle { slot: u32::MAX, turn: 0, position };
        let message = marked.unwrap_or_else(|| first_delivery(entry.message));
        return Delivery { handle, message, redelivered, counted_by: 0 };
    }
    if entry.stored {
        effects.delivered_up_to = effects.delivered_up_to.max(Some(position));
    }
    let message = marked.unwrap_or_else(|| first_delivery(entry.message.clone()));
    let Recipient { connection, channel, consumer, timeout, counted_by, by_hand, .. } = *to;
    let handle = unacked.insert(Unacked { entry, connection, channel, consumer, by_hand }, now, timeout);
    Delivery { handle, message, redelivered, counted_by }
}

/// Who gets a message.
#[derive(Clone, Copy, Debug)]
struct Recipient {
    connection: ConnectionId,
    channel: u16,
    /// `None` for basic.get.
    consumer: Option<u32>,
    no_ack: bool,
    /// It is no delivery, and not counted.
    by_hand: bool,
    counted_by: u32,
    timeout: TimeoutId,
}

impl Recipient {
    const fn count(&self, messages: u64, effects: &mut Effects) {
        let counted = &mut effects.counted;
        *if self.no_ack { &mut counted.delivered_no_ack } else { &mut counted.delivered } += messages;
    }

    fn key(&self) -> Option<ConsumerKey> {
        let (connection, channel) = (self.connection, self.channel);
        self.consumer.map(|number| ConsumerKey { connection, channel, number })
    }

    fn of(consumer: &Consumer) -> Self {
        let ConsumerKey { connection, channel, number } = consumer.key;
        let (no_ack, timeout) = (consumer.no_ack, consumer.timeout);
        Self {
            connection,
            channel,
            consumer: Some(number),
            by_hand: false,
            no_ack,
            counted_by: consumer.counted_by(),
            timeout,
        }
    }
}
