//! Readers are given messages: from memory, or from what was read for them.

use std::sync::atomic::Ordering;

use super::stream::Stream;
use crate::message::{Message, Position};
use crate::queue::{Deliveries, Delivery, Effects, Handle, LogChunk, LogRead, delivery_cost};
use crate::stream::cursor::Cursor;
use crate::stream::reader::{Place, Reader};

/// What is read for a reader at a time, in bytes.
const READ_BYTES: usize = 256 * 1024;
/// What may be read ahead for all readers that cannot be given anything just now, in bytes. Others need it sooner.
const AHEAD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Requests to the store at a time: what it has read for them waits in memory.
const REQUESTS_MAX: usize = 32;
/// Messages that a filter looks at for a reader in one batch. Others have their turn then.
const LOOKED_AT_MAX: usize = 16_384;

impl Stream {
    /// Gives all readers what there is for them.
    pub(super) fn serve(&mut self, effects: &mut Effects) {
        let mut slots = std::mem::take(&mut self.restless);
        slots.sort_unstable();
        slots.dedup();
        for slot in slots {
            self.serve_one(slot, effects);
        }
        while self.requests.len() < REQUESTS_MAX
            && let Some(slot) = self.reads_to_come.pop_front()
        {
            if let Some(reader) = self.readers.get_mut(slot) {
                reader.waits_to_read = false;
                self.read_ahead(slot, effects);
            }
        }
    }

    fn serve_one(&mut self, slot: usize, effects: &mut Effects) {
        let Some(reader) = self.readers.get_mut(slot) else { return };
        let (first, next) = (self.log.first(), self.log.next());
        let mut cursor = reader.cursor.and_then(|index| self.cursors.get_mut(index));
        let mut turn = Turn { slot, next, deliveries: Vec::new(), looked_at: 0 };
        while let Place::At(at) = reader.place {
            if at < first {
                reader.miss(at, first, effects);
                continue;
            }
            let has_place = cursor.as_ref().is_none_or(|cursor| cursor.has_room());
            if at >= next || !reader.has_credit() || !has_place || !reader.has_room() {
                break;
            }
            if turn.looked_at >= LOOKED_AT_MAX {
                self.restless.push(slot);
                break;
            }
            if let Some(chunk) = self.tail.chunk(at) {
                reader.forget_chunks();
                turn.feed(reader, cursor.as_deref_mut(), chunk, at);
            } else if let Some(read) = reader.take_chunk(at) {
                turn.feed(reader, cursor.as_deref_mut(), &read.chunk, at);
                reader.put_back(read);
            } else {
                break;
            }
        }
        let Turn { deliveries, looked_at, .. } = turn;
        if reader.feeds.is_some() {
            self.feed_out(slot, deliveries, looked_at, effects);
            self.read_ahead(slot, effects);
            return;
        }
        if looked_at > 0 {
            self.moved_cursors.extend(reader.cursor);
        }
        if !deliveries.is_empty() {
            reader.end_batch();
            effects.counted.delivered += deliveries.len() as u64;
            let bytes = deliveries.iter().map(|delivery| delivery.message.body_len() as u64);
            effects.counted.bytes_out += bytes.sum::<u64>();
            let key = reader.key;
            self.note_delivered(slot, &deliveries, effects);
            effects.deliveries.push(Deliveries { consumer: key, deliveries });
        }
        self.read_ahead(slot, effects);
    }

    /// Asks for what a reader needs next, while it still has a chunk.
    fn read_ahead(&mut self, slot: usize, effects: &mut Effects) {
        let is_much = self.ahead_bytes.load(Ordering::Relaxed) > AHEAD_BYTES_MAX;
        let Some(reader) = self.readers.get_mut(slot) else { return };
        let Place::At(at) = reader.place else { return };
        if is_much && !(reader.has_credit() && reader.has_room()) {
            // It can wait: what it needs is read again when it can be given something.
            reader.forget_chunks();
            return;
        }
        let from = reader.read_up_to().unwrap_or(at).max(at);
        let in_memory = self.tail.first().is_some_and(|first| first <= from);
        if reader.read.is_some() || reader.chunks_ahead() > 1 || in_memory || from >= self.log.next() {
            return;
        }
        if self.requests.len() >= REQUESTS_MAX {
            if !std::mem::replace(&mut reader.waits_to_read, true) {
                self.reads_to_come.push_back(slot);
            }
            return;
        }
        let turn = reader.turn;
        let id = self.new_request();
        self.requests.insert(id, (slot, turn));
        if let Some(reader) = self.readers.get_mut(slot) {
            reader.read = Some(id);
        }
        effects.log.reads.push(LogRead { id, from, bytes_max: READ_BYTES });
    }

    /// Chunks came from the store.
    pub(super) fn read(&mut self, id: u64, chunks: Vec<LogChunk>, effects: &mut Effects) {
        let Some((slot, turn)) = self.requests.remove(&id) else { return };
        let Some(reader) = self.readers.get_mut(slot).filter(|reader| reader.turn == turn) else { return };
        // It may have gone elsewhere meanwhile, and have asked for what is there.
        if reader.read != Some(id) {
            return;
        }
        reader.read = None;
        let Place::At(at) = reader.place else { return };
        let wanted = reader.read_up_to().unwrap_or(at).max(at);
        match chunks.first() {
            // What it wanted may be gone meanwhile: it goes on where there is something, when it is served.
            Some(first) if first.first <= wanted.max(self.log.first()) => {
                reader.push(chunks);
                // It may have gone on in memory meanwhile.
                reader.go_to(at);
            }
            None if self.log.first() > wanted => {}
            _ => {
                let why = format!("offset {wanted} is missing in the store");
                self.become_unreadable(why.into(), effects);
                return;
            }
        }
        self.restless.push(slot);
    }
}

/// What a reader is given in one go.
struct Turn {
    slot: usize,
    next: u64,
    deliveries: Vec<Delivery>,
    looked_at: usize,
}

impl Turn {
    /// Gives it of a chunk what it wants and can take, from an offset on.
    fn feed(&mut self, reader: &mut Reader, mut cursor: Option<&mut Cursor>, chunk: &LogChunk, from: u64) {
        if !reader.may_want(chunk) {
            self.looked_at += 1;
            if let Some(cursor) = cursor {
                cursor.pass(from, chunk.next());
            }
            reader.go_to(chunk.next());
            return;
        }
        let skipped = usize::try_from(from - chunk.first).unwrap_or(usize::MAX);
        let mut at = from;
        for message in chunk.messages.iter().skip(skipped) {
            if !reader.has_credit() || at >= self.next || !reader.has_room() {
                break;
            }
            self.looked_at += 1;
            let known = cursor.as_ref().map_or(Some(false), |cursor| cursor.wants(at));
            match known {
                Some(redelivered) if reader.wants(message) => {
                    match &mut cursor {
                        // It is the queue's from now on.
                        Some(cursor) if reader.feeds.is_some() => cursor.pass(at, at + 1),
                        Some(cursor) => cursor.give(at, reader.turn),
                        None => {}
                    }
                    self.give(reader, message, at, redelivered);
                }
                Some(_) => {
                    if let Some(cursor) = &mut cursor {
                        cursor.pass(at, at + 1);
                    }
                }
                None => {}
            }
            at += 1;
        }
        reader.go_to(at);
    }

    fn give(&mut self, reader: &mut Reader, message: &Message, at: u64, redelivered: bool) {
        match &mut reader.feeds {
            Some(room) => {
                room.given.messages += 1;
                room.given.bytes += message.body_len() as u64;
            }
            None => reader.take(delivery_cost(message)),
        }
        let handle = Handle { slot: self.slot as u32, turn: reader.turn, position: Position(at) };
        self.deliveries.push(Delivery { handle, message: message.clone(), redelivered, counted_by: 0 });
    }
}
