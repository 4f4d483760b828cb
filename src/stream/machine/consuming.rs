//! Consumers come and go.

use std::sync::Arc;

use super::cursors::CURSORS_MAX;
use super::stream::Stream;
use crate::message::Message;
use crate::queue::{
    ConnectionId, Consume, ConsumerKey, Effects, Handle, LogSeek, MoveOut, Moved, OffsetSpec, Reply,
    Settlement,
};
use crate::stream::cursor_name::cursor_name;
use crate::stream::filter::Filter;
use crate::stream::reader::{NewReader, Place, Reader};
use crate::time::{Time, Timestamp};

impl Stream {
    pub(super) fn consume(&mut self, now: Time, consume: Consume, effects: &mut Effects) -> Reply {
        if let Some(why) = &self.unreadable {
            return Reply::Unreadable(Arc::clone(why));
        }
        let spec = OffsetSpec::parse(&consume.arguments).unwrap_or(OffsetSpec::Next);
        let cursor = match cursor_name(&consume.arguments, &consume.name.tag) {
            Ok(Some(name)) => match self.cursor(now, &name) {
                None => return Reply::TooManyCursors(CURSORS_MAX),
                index => index,
            },
            Ok(None) | Err(_) => None,
        };
        let turn = self.next_turn;
        self.next_turn = self.next_turn.wrapping_add(1);
        // One without a limit of its own is one of the broker's.
        let prefetch = if consume.prefetch == 0 { u16::MAX } else { consume.prefetch };
        let Consume { key, exclusive, inbox, name, arguments, .. } = consume;
        let filter = Filter::parse(&arguments).unwrap_or_default();
        let new = NewReader { key, turn, spec, cursor, filter, exclusive, prefetch, inbox, name, arguments };
        let slot = self.readers.insert(Reader::new(new, Arc::clone(&self.ahead_bytes)));
        let cursor = cursor.and_then(|index| self.cursors.get_mut(index));
        if cursor.is_none_or(|cursor| cursor.add_reader(slot)) {
            self.activate(now, slot, effects);
        }
        Reply::Consuming
    }

    /// Where a consumer begins that says this.
    pub(super) fn place(&mut self, now: Time, spec: OffsetSpec, effects: &mut Effects) -> Place {
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
    pub(super) fn found(&mut self, now: Time, id: u64, offset: u64, effects: &mut Effects) {
        if let Some(cursor) = self.asked_seeks.remove(&id) {
            let reply = self.located(now, cursor, offset, effects);
            effects.deferred_replies.push((id, reply));
        } else if let Some((slot, turn)) = self.requests.remove(&id)
            && self
                .readers
                .get(slot)
                .is_some_and(|reader| reader.turn == turn && reader.place == Place::Sought(id))
        {
            self.put(slot, Place::At(offset), effects);
        }
    }

    /// Readers are gone, and can ack nothing more.
    pub(super) fn remove_readers(
        &mut self,
        now: Time,
        is_gone: impl Fn(&Reader) -> bool,
        effects: &mut Effects,
    ) {
        let gone: Vec<usize> =
            self.readers.iter().filter(|(_, reader)| is_gone(reader)).map(|(slot, _)| slot).collect();
        gone.into_iter().for_each(|slot| self.forget_reader(now, slot, effects));
    }

    /// A reader is given nothing more. What it has it may still ack, which counts for its cursor. `false` if there is none.
    pub(super) fn cancel(&mut self, now: Time, key: ConsumerKey, effects: &mut Effects) -> bool {
        let is_it = |reader: &Reader| reader.key == key && !reader.is_leaving;
        let Some(slot) = self.readers.iter().find(|(_, reader)| is_it(reader)).map(|(slot, _)| slot) else {
            return false;
        };
        match self.readers.get_mut(slot).filter(|reader| reader.cursor.is_some() && reader.unacked() > 0) {
            Some(reader) => {
                reader.leave();
                self.leave_cursor(now, slot, effects);
            }
            None => self.forget_reader(now, slot, effects),
        }
        true
    }

    /// A message is done with, or comes back to its cursor. In any case the reader may be given one more.
    pub(super) fn settle(
        &mut self,
        now: Time,
        handle: Handle,
        settlement: Settlement,
        effects: &mut Effects,
    ) {
        let slot = handle.slot as usize;
        let Some(reader) = self.readers.get_mut(slot).filter(|reader| reader.turn == handle.turn) else {
            return;
        };
        reader.settle();
        effects.counted.acked += 1;
        // Most acks of a batch are one reader's.
        if self.restless.last() != Some(&slot) {
            self.restless.push(slot);
        }
        let is_last = reader.is_leaving && reader.unacked() == 0;
        let cursor = reader.cursor;
        if effects.is_recording || settlement != Settlement::Ack {
            self.note_settled(handle, settlement, effects);
        }
        if let Some(index) = cursor {
            let is_done = matches!(settlement, Settlement::Ack | Settlement::Reject);
            self.settle_on_cursor(index, handle, is_done);
        }
        if is_last {
            self.forget_reader(now, slot, effects);
        }
    }

    fn settle_on_cursor(&mut self, index: usize, handle: Handle, is_done: bool) {
        let (offset, turn) = (handle.position.0, handle.turn);
        let Some(cursor) = self.cursors.get_mut(index) else { return };
        if is_done {
            if cursor.settle(offset, turn) && self.moved_cursors.last() != Some(&index) {
                self.moved_cursors.push(index);
            }
        } else if cursor.give_back(offset, turn) {
            self.go_back(index, offset);
        }
    }

    pub(super) fn written(&mut self, key: ConsumerKey, bytes: usize) {
        if let Some((slot, reader)) = self.readers.iter_mut().find(|(_, reader)| reader.key == key) {
            reader.written(bytes);
            self.restless.push(slot);
        }
    }

    /// What goes to other queues stays here as well: a log gives nothing away.
    pub(super) fn copy_out(&mut self, now: Time, moves: Vec<MoveOut>, effects: &mut Effects) {
        for MoveOut { handle, message, queues } in moves {
            self.settle(now, handle, Settlement::Ack, effects);
            let position = handle.position;
            effects.moved.push(Moved { message, queues, position, stored: None });
        }
    }

    pub(super) const fn new_request(&mut self) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        id
    }

    /// The connection's inbox has room again.
    pub(super) fn inbox_has_room(&mut self, connection: ConnectionId) {
        let of_it = self.readers.iter().filter(|(_, reader)| reader.key.connection == connection);
        self.restless.extend(of_it.map(|(slot, _)| slot));
    }

    /// The message with this offset, if it is in memory.
    pub(super) fn in_memory(&self, offset: u64) -> Option<&Message> {
        self.tail.message(offset)
    }
}
