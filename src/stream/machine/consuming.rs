//! Consumers come and go.

use super::stream::Stream;
use crate::message::Message;
use crate::queue::{Consume, ConsumerKey, Effects, Handle, LogSeek, MoveOut, Moved, Reply};
use crate::stream::filter::Filter;
use crate::stream::offset::OffsetSpec;
use crate::stream::reader::{NewReader, Place, Reader};
use crate::time::{Time, Timestamp};

impl Stream {
    pub(super) fn consume(&mut self, now: Time, consume: Consume, effects: &mut Effects) -> Reply {
        if let Some(why) = &self.unreadable {
            return Reply::Unreadable(std::sync::Arc::clone(why));
        }
        let spec = OffsetSpec::parse(&consume.arguments).unwrap_or(OffsetSpec::Next);
        let place = self.place(now, spec, effects);
        let turn = self.next_turn;
        self.next_turn = self.next_turn.wrapping_add(1);
        // One without a limit of its own is one of the broker's.
        let prefetch = if consume.prefetch == 0 { u16::MAX } else { consume.prefetch };
        let Consume { key, exclusive, name, arguments, .. } = consume;
        let filter = Filter::parse(&arguments);
        let new = NewReader { key, turn, place, filter, exclusive, prefetch, name, arguments };
        let slot = self.readers.insert(Reader::new(new));
        if let Place::Sought(id) = place {
            self.requests.insert(id, (slot, turn));
        }
        self.restless.push(slot);
        Reply::Consuming
    }

    /// Where a consumer begins that says this.
    fn place(&mut self, now: Time, spec: OffsetSpec, effects: &mut Effects) -> Place {
        let (first, next) = (self.log.first(), self.log.next());
        Place::At(match spec {
            OffsetSpec::First => first,
            OffsetSpec::Next => next,
            OffsetSpec::Last => self.log.last_chunk().clamp(first, next),
            // One that is to come is waited for.
            OffsetSpec::Number(number) => number.max(first),
            OffsetSpec::Newest(count) => next.saturating_sub(count).max(first),
            OffsetSpec::At(at) => return self.place_at(at, effects),
            OffsetSpec::Ago(ms) => {
                let ms = self.wall_clock(now).as_millis().saturating_sub(ms);
                return self.place_at(Timestamp::from_millis(ms), effects);
            }
        })
    }

    fn place_at(&mut self, at: Timestamp, effects: &mut Effects) -> Place {
        let Some(segment) = self.log.segment_at(at).copied() else { return Place::At(self.log.next()) };
        if at <= segment.first_at {
            return Place::At(segment.first);
        }
        if let Some(offset) = self.tail.first_at_or_after(at) {
            return Place::At(offset);
        }
        let id = self.new_request();
        effects.log.seeks.push(LogSeek { id, first: segment.first, next: segment.next, at });
        Place::Sought(id)
    }

    /// A place was found in the store.
    pub(super) fn found(&mut self, id: u64, offset: u64) {
        if let Some((slot, turn)) = self.requests.remove(&id)
            && let Some(reader) = self.readers.get_mut(slot).filter(|reader| reader.turn == turn)
        {
            reader.place = Place::At(offset);
            self.restless.push(slot);
        }
    }

    pub(super) fn remove_readers(&mut self, is_gone: impl Fn(&Reader) -> bool) {
        self.readers.retain(|_, reader| !is_gone(reader));
    }

    /// An ack, and any other answer: the reader may be given one more.
    pub(super) fn settle(&mut self, handle: Handle, effects: &mut Effects) {
        let slot = handle.slot as usize;
        if let Some(reader) = self.readers.get_mut(slot).filter(|reader| reader.turn == handle.turn) {
            reader.settle();
            effects.counted.acked += 1;
            self.restless.push(slot);
        }
    }

    pub(super) fn written(&mut self, key: ConsumerKey, bytes: usize) {
        if let Some((slot, reader)) = self.readers.iter_mut().find(|(_, reader)| reader.key == key) {
            reader.written(bytes);
            self.restless.push(slot);
        }
    }

    /// What goes to other queues stays here as well: a log gives nothing away.
    pub(super) fn copy_out(&mut self, moves: Vec<MoveOut>, effects: &mut Effects) {
        for MoveOut { handle, message, queues } in moves {
            self.settle(handle, effects);
            let position = handle.position;
            effects.moved.push(Moved { message, queues, position, stored: None });
        }
    }

    pub(super) const fn new_request(&mut self) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        id
    }

    /// The message with this offset, if it is in memory.
    pub(super) fn in_memory(&self, offset: u64) -> Option<&Message> {
        self.tail.message(offset)
    }
}
