//! Messages come in: into chunks, and readable when those are durable.

use std::collections::btree_map::OccupiedEntry;

use super::stream::Stream;
use crate::dedup::DedupKeys;
use crate::message::Message;
use crate::queue::filter_set::FilterSet;
use crate::queue::{
    ConnectionId, DedupPublish, Effects, Entrance, LogAppend, LogChunk, NO_KEYS, Provenance, Publish,
};
use crate::stream::filter::filter_value;
use crate::stream::log::OpenSegment;
use crate::stream::pending::Pending;
use crate::time::{Time, Timestamp};

/// A chunk has no more bytes than this, or one message.
const CHUNK_BYTES_MAX: u64 = 256 * 1024;
/// A segment has no more chunks than this, as in RabbitMQ.
const SEGMENT_CHUNKS_MAX: u64 = 256_000;
/// With a greatest age, a segment ends after this part of it, so that what is too old goes soon after.
const AGE_PARTS: u64 = 32;
/// What an entry takes in a chunk beside its message, about.
const ENTRY_BYTES: u64 = 8;

impl Stream {
    pub(super) fn publish(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publishes: Vec<Publish>,
        effects: &mut Effects,
    ) {
        let deduplicates = self.options.deduplication.is_some();
        for publish in publishes {
            if deduplicates {
                self.take_unless_known(now, connection, publish, &NO_KEYS, effects);
            } else {
                self.take(now, connection, publish, effects);
            }
        }
    }

    pub(super) fn publish_dedup(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publishes: Vec<DedupPublish>,
        effects: &mut Effects,
    ) {
        for DedupPublish { publish, keys } in publishes {
            self.take_unless_known(now, connection, publish, &keys, effects);
        }
    }

    fn take_unless_known(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publish: Publish,
        keys: &DedupKeys,
        effects: &mut Effects,
    ) {
        let at = self.wall_clock(now);
        let settings = self.options.deduplication.as_ref();
        let mut entrance = Entrance { dedup: &mut self.dedup, settings, durable: true, at };
        if let Some(new) = entrance.check(connection, &publish, keys, effects) {
            // A stream stores all its messages.
            entrance.remember(keys, new, true, effects);
            self.take(now, connection, publish, effects);
        }
    }

    /// Messages that no publisher waits for, and where they were before.
    pub(super) fn take_in(
        &mut self,
        now: Time,
        publishes: Vec<Publish>,
        from: Provenance,
        effects: &mut Effects,
    ) {
        let mut from = from.into_iter();
        for publish in publishes {
            self.take(now, ConnectionId(0), publish, effects);
            let pending = self.pending.last_entry().map(OccupiedEntry::into_mut);
            if let (Some(from), Some(pending)) = (from.next().flatten(), pending) {
                pending.origins.push((pending.messages.len() - 1, from));
            }
        }
    }

    fn take(&mut self, now: Time, connection: ConnectionId, publish: Publish, effects: &mut Effects) {
        effects.counted.published += 1;
        effects.counted.bytes_in += publish.message.body_len() as u64;
        if publish.sequence != 0 {
            effects.counted.confirmed += 1;
            let (channel, sequence) = (publish.channel, publish.sequence);
            Effects::confirm(&mut effects.append_confirms, connection, channel, sequence);
        }
        self.append(now, publish.message, effects);
    }

    /// To the newest chunk, as long as that has not left.
    fn append(&mut self, now: Time, message: Message, effects: &mut Effects) {
        let bytes = ENTRY_BYTES + message.encoded_len() as u64;
        let is_here = effects.log.appends.last().is_some_and(|append| append.ticket + 1 == self.next_ticket);
        let has_room = |pending: &Pending| pending.bytes + bytes <= CHUNK_BYTES_MAX;
        let newest = self.pending.last_key_value();
        if !is_here || !newest.is_some_and(|(_, pending)| has_room(pending)) {
            self.begin_chunk(now, effects);
        }
        self.open.bytes += bytes;
        let bloom_bytes = self.settings().filter_bytes;
        if let (Some(mut newest), Some(append)) = (self.pending.last_entry(), effects.log.appends.last_mut())
        {
            let pending = newest.get_mut();
            pending.bytes += bytes;
            pending.messages.push(message.clone());
            append.filter.add(filter_value(&message), bloom_bytes);
            append.messages.push(message);
        }
    }

    fn begin_chunk(&mut self, now: Time, effects: &mut Effects) {
        let (ticket, at) = (self.next_ticket, self.wall_clock(now).max(self.open.last_at));
        self.next_ticket += 1;
        let begins_segment = self.begins_segment(at);
        self.open.add_chunk(at);
        self.pending.insert(ticket, Pending { at, begins_segment, ..Pending::default() });
        let (filter, messages) = (FilterSet::default(), Vec::new());
        effects.log.appends.push(LogAppend { ticket, at, filter, messages, begins_segment });
    }

    /// Whether a chunk of this time is the first of a new segment.
    fn begins_segment(&mut self, at: Timestamp) -> bool {
        let (open, settings) = (self.open, self.settings());
        let part_ms = settings.age_max_ms.map(|age| age / AGE_PARTS);
        let is_old = part_ms.is_some_and(|part| open.first_at.plus_ms(part) < at);
        let is_full = open.bytes >= settings.segment_bytes || open.chunks >= SEGMENT_CHUNKS_MAX;
        let begins = open.chunks > 0 && (is_full || is_old);
        if begins {
            self.open = OpenSegment { last_at: open.last_at, ..OpenSegment::default() };
        }
        begins
    }

    /// A chunk is durable: it can be read.
    pub(super) fn committed(&mut self, now: Time, ticket: u64, first: u64, effects: &mut Effects) {
        let Some(Pending { at, messages, origins, bytes, begins_segment }) = self.pending.remove(&ticket)
        else {
            return;
        };
        let chunk = LogChunk { first, at, filter: None, messages };
        Self::note_committed(&chunk, origins, effects);
        self.log.push(&chunk, bytes, begins_segment);
        self.tail.push(chunk);
        if begins_segment {
            self.retain(now, effects);
        }
        self.restless = self.readers.iter().map(|(slot, _)| slot).collect();
    }
}
