//! Queues that are fed: what they take is theirs, and the cursor goes on in the same store batch.

use std::sync::Arc;

use super::stream::Stream;
use crate::message::QueueId;
use crate::queue::{ConnectionId, ConsumerKey, ConsumerName, Delivery, Effects, Fed, FeedRequest};
use crate::stream::cursor::{Cursor, record_key};
use crate::stream::cursor_name::RESERVED_PREFIX;
use crate::stream::filter::Filter;
use crate::stream::reader::{NewReader, Reader, Room};
use crate::time::Time;

/// So many messages are passed over before a cursor is written for them alone. They would only be passed over again.
const PASSED_MAX: usize = 10_000;

/// No client has this key.
const NOBODY: ConsumerKey = ConsumerKey { connection: ConnectionId(0), channel: 0, number: 0 };

impl Stream {
    /// A queue says what it can take.
    pub(super) fn feed(&mut self, now: Time, request: FeedRequest, effects: &mut Effects) {
        if self.unreadable.is_some() {
            return;
        }
        let slot = match self.find_feed(request.queue) {
            Some(slot) => slot,
            None => self.begin_feed(now, &request, effects),
        };
        if let Some(room) = self.readers.get_mut(slot).and_then(|reader| reader.feeds.as_mut()) {
            // What it took of a stream that was here before this one, it was given.
            room.given = room.given.or_more(request.taken);
            room.until = request.until;
            self.restless.push(slot);
        }
    }

    fn find_feed(&self, queue: QueueId) -> Option<usize> {
        let is_it = |reader: &Reader| reader.feeds.is_some_and(|room| room.queue == queue);
        self.readers.iter().find(|(_, reader)| is_it(reader)).map(|(slot, _)| slot)
    }

    fn begin_feed(&mut self, now: Time, request: &FeedRequest, effects: &mut Effects) -> usize {
        let cursor_name: Arc<str> = format!("{RESERVED_PREFIX}queue.{}", request.name).into();
        if request.is_new {
            self.forget_feed(now, &cursor_name, effects);
        }
        let cursor = self.cursor(now, &cursor_name);
        let turn = self.next_turn;
        self.next_turn = self.next_turn.wrapping_add(1);
        let (spec, arguments) = (request.source.from, request.source.arguments.clone());
        let filter = Filter::parse(&arguments).unwrap_or_default();
        let name = ConsumerName { tag: request.name.clone(), peer: "".into() };
        let new = NewReader {
            key: NOBODY,
            turn,
            spec,
            cursor,
            filter,
            exclusive: false,
            prefetch: 0,
            inbox: None,
            name,
            arguments,
        };
        let mut reader = Reader::new(new, Arc::clone(&self.ahead_bytes));
        let (queue, given) = (request.queue, request.taken);
        reader.feeds = Some(Room { queue, given, until: request.until, passed: 0 });
        let slot = self.readers.insert(reader);
        if let Some(cursor) = cursor.and_then(|index| self.cursors.get_mut(index)) {
            cursor.add_reader(slot);
        }
        self.activate(now, slot, effects);
        slot
    }

    /// Hands over what a queue is given.
    pub(super) fn feed_out(
        &mut self,
        slot: usize,
        deliveries: Vec<Delivery>,
        looked_at: usize,
        effects: &mut Effects,
    ) {
        let Some(reader) = self.readers.get_mut(slot) else { return };
        let (Some(room), Some(index)) = (&mut reader.feeds, reader.cursor) else { return };
        room.passed += looked_at;
        if deliveries.is_empty() && room.passed < PASSED_MAX {
            return;
        }
        room.passed = 0;
        let queue = room.queue;
        let Some(cursor) = self.cursors.get(index) else { return };
        let Some(record) = cursor.encode() else { return };
        let messages =
            deliveries.into_iter().map(|Delivery { handle, message, .. }| (handle.position.0, message));
        let cursor = (record_key(&cursor.name), record);
        effects.fed.push(Fed { queue, messages: messages.collect(), cursor });
    }

    /// A queue that was fed is no more, and its cursor goes as well.
    pub(super) fn feed_gone(&mut self, now: Time, queue: QueueId, effects: &mut Effects) {
        let Some(slot) = self.find_feed(queue) else { return };
        let index = self.readers.get(slot).and_then(|reader| reader.cursor);
        let name = index.and_then(|index| self.cursors.get(index)).map(|cursor| cursor.name.clone());
        if let Some(name) = name {
            self.forget_feed(now, &name, effects);
        }
    }

    /// Nothing is left of the queue that was fed with the cursor of this name.
    fn forget_feed(&mut self, now: Time, name: &str, effects: &mut Effects) {
        let cursor = self.find_cursor(name).and_then(|index| self.cursors.get(index));
        if let Some(slot) = cursor.and_then(Cursor::active) {
            self.forget_reader(now, slot, effects);
        }
        self.delete_cursor(name, effects);
    }
}
