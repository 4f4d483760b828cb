//! Messages that come in.

use super::queue::Queue;
use crate::message::Position;
use crate::queue::command::Publish;
use crate::queue::dead_letter::Reason;
use crate::queue::effects::{DeadLetter, Effects, StoreAppend};
use crate::queue::entrance::{not_taken, publisher};
use crate::queue::entry::Entry;
use crate::queue::happening::{Happening, HappeningKind, MessagePlace, Provenance};
use crate::queue::ids::ConnectionId;
use crate::queue::options::Overflow;
use crate::time::Time;

impl Queue {
    pub(super) fn publish(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publishes: Vec<Publish>,
        effects: &mut Effects,
    ) {
        if self.options.deduplication.is_some() {
            return self.publish_once(now, connection, publishes, effects);
        }
        if self.options.is_unlimited() {
            for publish in publishes {
                self.enqueue(now, connection, publish, effects);
            }
            return;
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
        let has_room = self.fits(now, publish, effects) || self.options.overflow == Overflow::DropHead;
        if !has_room {
            self.refuse(connection, publish, effects);
        }
        has_room
    }

    /// Whether the queue is within its limits with the message in it, if need be once what came before is gone.
    #[inline]
    fn fits(&mut self, now: Time, publish: &Publish, effects: &mut Effects) -> bool {
        self.options.is_unlimited()
            || self.has_room_for(publish)
            || self.fits_after_those_before(now, publish, effects)
    }

    /// What came before goes out or, if it is due, dies: as if each message had come in a batch of its own.
    #[inline(never)]
    fn fits_after_those_before(&mut self, now: Time, publish: &Publish, effects: &mut Effects) -> bool {
        self.dispatch(now, effects);
        self.expire(|expires| expires <= now, effects);
        self.has_room_for(publish)
    }

    pub(super) fn publish_dead_lettered(
        &mut self,
        now: Time,
        publishes: Vec<Publish>,
        from: Provenance,
        effects: &mut Effects,
    ) {
        for (publish, from) in publishes.into_iter().zip(each(from)) {
            // It comes in whether it fits or not.
            self.fits(now, &publish, effects);
            self.enqueue_from(now, ConnectionId(0), publish, from, effects);
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
        self.enqueue_from(now, connection, publish, None, effects);
    }

    #[inline]
    fn enqueue_from(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publish: Publish,
        from: Option<MessagePlace>,
        effects: &mut Effects,
    ) {
        effects.counted.published += 1;
        effects.counted.bytes_in += publish.message.body_len() as u64;
        let position = self.next_position;
        self.next_position = position.next();
        if effects.is_recording || from.is_some() {
            note_enqueued(position, connection, &publish, from, effects);
        }
        let expires = self.expiry(now, publish.ttl_ms);
        let stored = self.options.durable && publish.message.is_persistent();
        if stored {
            let level = self.ready.level_of(publish.priority);
            effects.appended.push(StoreAppend { position, message: publish.message.clone(), level, expires });
        }
        if publish.sequence != 0 {
            effects.counted.confirmed += 1;
            let ranges = if stored { &mut effects.append_confirms } else { &mut effects.confirms };
            Effects::confirm(ranges, connection, publish.channel, publish.sequence);
        }
        let (message, priority) = (publish.message, publish.priority);
        let entry = Entry { message, position, expires, priority, redelivered: false, stored, bundle: 0 };
        if self.options.delays {
            self.schedule.insert(entry);
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
        let bytes = (self.ready.bytes() + publish.message.body_len()) as u64;
        let len = (self.ready.len() + self.spilled.returning()) as u64;
        let number_fits = self.options.length_max.is_none_or(|max| len < max);
        number_fits && self.options.length_bytes_max.is_none_or(|max| bytes <= max)
    }

    fn refuse(&mut self, connection: ConnectionId, publish: &Publish, effects: &mut Effects) {
        if publish.sequence != 0 {
            Effects::confirm(&mut effects.refusals, connection, publish.channel, publish.sequence);
        }
        if self.options.overflow == Overflow::RejectPublishDlx {
            let letter = DeadLetter {
                message: publish.message.clone(),
                reason: Reason::Maxlen,
                position: None,
                stored: None,
                attempts: None,
                held_by: publisher(connection, publish),
            };
            self.dead_letter(letter, effects);
        } else {
            effects.drop_message(Reason::Maxlen);
            effects.happen(not_taken(HappeningKind::Refused, connection, publish));
        }
    }
}

/// One for each message, none where none is known.
pub(super) fn each(from: Provenance) -> impl Iterator<Item = Option<MessagePlace>> {
    from.into_iter().chain(std::iter::repeat(None))
}

#[cold]
fn note_enqueued(
    position: Position,
    connection: ConnectionId,
    publish: &Publish,
    from: Option<MessagePlace>,
    effects: &mut Effects,
) {
    effects.happened.push(Happening {
        position: Some(position),
        message: Some(publish.message.clone()),
        held_by: publisher(connection, publish),
        ..Happening::new(HappeningKind::Enqueued(from))
    });
}
