//! Cursors: readers that go on where others stopped.

use std::sync::Arc;

use super::stream::Stream;
use crate::queue::{CursorChange, CursorDetails, Effects, OffsetSpec, Reply};
use crate::stream::cursor::{Cursor, RecoveredCursors, record_key};
use crate::stream::cursor_name::{RESERVED_PREFIX, is_name};
use crate::stream::reader::{Place, Reader};
use crate::time::Time;

/// A stream has no more cursors than this.
pub(super) const CURSORS_MAX: usize = 1000;

impl Stream {
    /// Takes back the cursors that an earlier run left.
    pub fn restore_cursors(&mut self, recovered: RecoveredCursors) {
        let first = self.log.first();
        for mut cursor in recovered.0 {
            cursor.trim(first);
            self.cursors.insert(cursor);
        }
    }

    pub(super) fn find_cursor(&self, name: &str) -> Option<usize> {
        self.cursors.iter().find(|(_, cursor)| *cursor.name == *name).map(|(index, _)| index)
    }

    /// The cursor of this name, made if need be; `None` if there are too many.
    pub(super) fn cursor(&mut self, now: Time, name: &Arc<str>) -> Option<usize> {
        let found = self.find_cursor(name);
        // One of a queue that is fed counts, and is never one too many.
        let is_full = self.cursors.len() >= CURSORS_MAX && !name.starts_with(RESERVED_PREFIX);
        if found.is_none() && is_full {
            return None;
        }
        let at = self.wall_clock(now);
        Some(found.unwrap_or_else(|| self.cursors.insert(Cursor::new(Arc::clone(name), at))))
    }

    /// The reader is given messages from now on: from where its cursor stands, or from where it says itself if that stands nowhere yet.
    pub(super) fn activate(&mut self, now: Time, slot: usize, effects: &mut Effects) {
        let Some(reader) = self.readers.get(slot) else { return };
        let (turn, spec, cursor) = (reader.turn, reader.spec, reader.cursor);
        let floor = cursor.and_then(|index| self.cursors.get(index)?.floor());
        let place = match floor {
            Some(floor) => Place::At(floor),
            None => self.place(now, spec, effects),
        };
        if let Place::Sought(id) = place {
            self.requests.insert(id, (slot, turn));
        }
        self.put(slot, place, effects);
    }

    /// A reader is at a place; its cursor as well, if that was nowhere.
    pub(super) fn put(&mut self, slot: usize, place: Place, effects: &mut Effects) {
        let Some(reader) = self.readers.get_mut(slot) else { return };
        reader.place = place;
        self.restless.push(slot);
        let unplaced = reader.cursor.and_then(|index| Some((index, self.cursors.get_mut(index)?)));
        if let (Some((index, cursor)), Place::At(offset)) = (unplaced, place)
            && cursor.floor().is_none()
        {
            cursor.place(offset);
            self.write(index, effects);
        }
    }

    /// A cursor was put somewhere, not by what its reader was given. It is written at once: what a queue is given in the same batch is
    /// written after it.
    fn write(&self, index: usize, effects: &mut Effects) {
        if let Some(cursor) = self.cursors.get(index)
            && let Some(record) = cursor.encode()
        {
            effects.records.insert(record_key(&cursor.name), Some(record));
        }
    }

    /// A message comes back to a reader's cursor: whoever is given messages with it gets it next.
    pub(super) fn go_back(&mut self, cursor: usize, offset: u64) {
        let active = self.cursors.get(cursor).and_then(Cursor::active);
        if let Some(slot) = active
            && let Some(reader) = self.readers.get_mut(slot)
        {
            reader.go_back(offset);
            self.restless.push(slot);
        }
    }

    /// A reader is given nothing any more; the next one that waits is. Messages that it has it can still ack.
    pub(super) fn leave_cursor(&mut self, now: Time, slot: usize, effects: &mut Effects) {
        let Some(index) = self.readers.get(slot).and_then(|reader| reader.cursor) else { return };
        let at = self.wall_clock(now);
        let Some(cursor) = self.cursors.get_mut(index) else { return };
        let has_next = cursor.remove_reader(slot);
        cursor.used_at = at;
        let next = cursor.active().filter(|_| has_next);
        self.moved_cursors.push(index);
        if let Some(next) = next {
            self.activate(now, next, effects);
        }
    }

    /// A reader is gone: what it had and did not ack comes again.
    pub(super) fn forget_reader(&mut self, now: Time, slot: usize, effects: &mut Effects) {
        let Some(reader) = self.readers.get(slot) else { return };
        let (cursor, turn) = (reader.cursor, reader.turn);
        if let Some(index) = cursor {
            let lowest = self.cursors.get_mut(index).and_then(|cursor| cursor.give_all_back(turn));
            self.leave_cursor(now, slot, effects);
            if let Some(lowest) = lowest {
                self.go_back(index, lowest);
            }
            self.forget_if_nowhere(index);
        }
        self.readers.try_remove(slot);
    }

    /// A cursor whose only reader went before it knew where to begin is none.
    fn forget_if_nowhere(&mut self, index: usize) {
        if self.cursors.get(index).is_some_and(|cursor| cursor.floor().is_none() && cursor.is_unused()) {
            self.cursors.remove(index);
        }
    }

    /// What cursors moved goes to the disk with the batch: a record for each, whatever it was given and acked. That of a queue goes with what
    /// the queue is given.
    pub(super) fn write_cursors(&mut self, now: Time, effects: &mut Effects) {
        let at = self.wall_clock(now);
        let mut moved = std::mem::take(&mut self.moved_cursors);
        moved.sort_unstable();
        moved.dedup();
        for index in moved.drain(..) {
            let Some(cursor) = self.cursors.get_mut(index).filter(|cursor| !cursor.is_of_queue()) else {
                continue;
            };
            if cursor.active().is_some() {
                cursor.used_at = at;
            }
            self.write(index, effects);
        }
        self.moved_cursors = moved;
    }

    /// Retention took all below an offset. Cursors that nobody has used for as long as a message may live go as well.
    pub(super) fn trim_cursors(&mut self, now: Time, first: u64, effects: &mut Effects) {
        let at = self.wall_clock(now);
        let life_ms = self.settings().age_max_ms;
        self.cursors.retain(|_, cursor| {
            cursor.trim(first);
            let is_old = life_ms.is_some_and(|ms| cursor.used_at.plus_ms(ms) < at);
            let goes = is_old && cursor.is_unused();
            if goes {
                effects.records.insert(record_key(&cursor.name), None);
            }
            !goes
        });
    }

    /// Somebody moves or deletes a cursor by hand.
    pub(super) fn change_cursor(&mut self, now: Time, change: CursorChange, effects: &mut Effects) -> Reply {
        match change {
            CursorChange::Move { name, to } => self.move_cursor(now, &name, to, effects),
            CursorChange::Delete { name } => self.delete_cursor(&name, effects),
        }
    }

    fn move_cursor(&mut self, now: Time, name: &Arc<str>, to: OffsetSpec, effects: &mut Effects) -> Reply {
        // Those of queues are moved by hand, and made by their queues only.
        if !is_name(name) && self.find_cursor(name).is_none() {
            return Reply::NoCursor;
        }
        match self.cursor(now, name) {
            None => Reply::TooManyCursors(CURSORS_MAX),
            index => self.locate(now, index, to, effects),
        }
    }

    /// Finds a place, and puts a cursor there if one is given.
    pub(super) fn locate(
        &mut self,
        now: Time,
        cursor: Option<usize>,
        to: OffsetSpec,
        effects: &mut Effects,
    ) -> Reply {
        match self.place(now, to, effects) {
            Place::At(offset) => self.located(now, cursor, offset, effects),
            Place::Sought(id) => {
                self.asked_seeks.insert(id, cursor);
                Reply::Deferred(id)
            }
            Place::Nowhere => Reply::Done,
        }
    }

    pub(super) fn located(
        &mut self,
        now: Time,
        cursor: Option<usize>,
        offset: u64,
        effects: &mut Effects,
    ) -> Reply {
        if let Some(index) = cursor {
            self.set_cursor(now, index, offset, effects);
        }
        Reply::Located(offset)
    }

    /// Its reader goes there, too. What that has and acks from now on counts for nothing but its credit.
    fn set_cursor(&mut self, now: Time, index: usize, offset: u64, effects: &mut Effects) {
        let at = self.wall_clock(now);
        let Some(cursor) = self.cursors.get_mut(index) else { return };
        cursor.place(offset);
        cursor.used_at = at;
        let reader = cursor.active();
        self.write(index, effects);
        if let Some(slot) = reader
            && let Some(reader) = self.readers.get_mut(slot)
        {
            reader.jump(offset);
            self.restless.push(slot);
        }
    }

    pub(super) fn delete_cursor(&mut self, name: &str, effects: &mut Effects) -> Reply {
        let Some(index) = self.find_cursor(name) else { return Reply::NoCursor };
        if self.cursors.get(index).is_some_and(|cursor| cursor.active().is_some()) {
            return Reply::InUse;
        }
        self.cursors.remove(index);
        self.readers.iter_mut().filter(|(_, reader)| reader.cursor == Some(index)).for_each(|(_, reader)| {
            // It only has messages to ack.
            reader.cursor = None;
        });
        // Whoever asked hears of the place all the same.
        self.asked_seeks
            .values_mut()
            .filter(|sought| **sought == Some(index))
            .for_each(|sought| *sought = None);
        effects.records.insert(record_key(name), None);
        Reply::Done
    }

    pub(super) fn cursor_details(&self) -> Vec<CursorDetails> {
        let mut details: Vec<_> =
            self.cursors.iter().filter_map(|(_, cursor)| self.details_of(cursor)).collect();
        details.sort_by(|a, b| a.name.cmp(&b.name));
        details
    }

    fn details_of(&self, cursor: &Cursor) -> Option<CursorDetails> {
        let floor = cursor.floor()?;
        Some(CursorDetails {
            name: Arc::clone(&cursor.name),
            offset: floor,
            lag: self.log.next().saturating_sub(floor),
            unacked: cursor.unacked(),
            reader: cursor.active().and_then(|slot| self.readers.get(slot)).map(Reader::key),
            waiting: cursor.waiting(),
            used_at: cursor.used_at,
        })
    }
}
