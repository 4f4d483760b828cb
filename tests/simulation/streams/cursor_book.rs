//! What clients know of a cursor.

use std::collections::{BTreeMap, BTreeSet};

use super::books::LogBook;
use super::topology::{NamedCursor, STREAMS, is_even};

/// What its readers saw and said in one run of the broker.
#[derive(Debug, Default)]
struct Now {
    given: BTreeSet<u64>,
    /// Acked by a reader that the broker heard, or will hear.
    acked: BTreeSet<u64>,
    /// Which reader has what.
    held: BTreeMap<u64, usize>,
    /// Given back, with how many first deliveries its reader has had since then.
    returned: BTreeMap<u64, u64>,
    /// The last first delivery of each reader.
    newest: BTreeMap<usize, u64>,
    /// The reader that is given messages.
    active: Option<usize>,
    left: BTreeSet<usize>,
    /// What a reader that left had on its way may lie below what others have had.
    may_have_holes: bool,
}

/// A cursor.
#[derive(Debug)]
pub struct CursorBook {
    pub stream: usize,
    name: &'static str,
    only_even: bool,
    /// Acked with it in any life, whether the broker heard it or not.
    pub acked: BTreeSet<u64>,
    /// Acked before something on the same channel was confirmed: no crash takes that back.
    sure: BTreeSet<u64>,
    readers: usize,
    now: Now,
    pub redelivered: u64,
}

impl CursorBook {
    pub fn new(cursor: &NamedCursor) -> Self {
        let NamedCursor { name, stream, only_even, .. } = *cursor;
        let (acked, sure, now) = (BTreeSet::new(), BTreeSet::new(), Now::default());
        Self { stream, name, only_even, acked, sure, readers: 0, now, redelivered: 0 }
    }

    pub fn begin_life(&mut self) {
        self.now = Now::default();
    }

    /// A new reader's number.
    pub const fn new_reader(&mut self) -> usize {
        self.readers += 1;
        self.readers
    }

    pub fn delivered(&mut self, reader: usize, prefetch: u64, delivery: (u64, u64, bool)) {
        let ((offset, id, redelivered), name) = (delivery, self.name);
        assert!(!self.only_even || is_even(id), "'{name}' does not want message {id}");
        assert!(!self.now.acked.contains(&offset), "'{name}' was given {offset} after its ack");
        assert!(!self.sure.contains(&offset), "'{name}' was given {offset}, whose ack is on the disk");
        let had_by = self.now.held.insert(offset, reader);
        assert_eq!(had_by, None, "'{name}' was given {offset} while a reader has it");
        if !self.now.left.contains(&reader) {
            let active = *self.now.active.get_or_insert(reader);
            assert_eq!(active, reader, "only one reader of '{name}' is given messages");
        }
        let is_new = self.now.given.insert(offset);
        if redelivered {
            self.redelivered += 1;
            self.now.returned.remove(&offset);
            return;
        }
        assert!(is_new, "'{name}' was given {offset} twice, as if for the first time");
        let before = self.now.newest.insert(reader, offset);
        assert!(before < Some(offset), "'{name}' was given {before:?}, then {offset}");
        for (returned, since) in &mut self.now.returned {
            *since += 1;
            assert!(*since <= prefetch, "'{name}' goes on and on before {returned}, which was given back");
        }
    }

    pub fn acked(&mut self, reader: usize, offset: u64) {
        self.release(reader, offset);
        self.now.acked.insert(offset);
        self.acked.insert(offset);
    }

    pub fn given_back(&mut self, reader: usize, offset: u64) {
        self.release(reader, offset);
        // Retention may take it before it comes again.
        if STREAMS[self.stream].2 {
            self.now.returned.insert(offset, 0);
        }
    }

    fn release(&mut self, reader: usize, offset: u64) {
        assert_eq!(self.now.held.remove(&offset), Some(reader), "a reader acks what it has");
    }

    /// These acks are on the disk.
    pub fn are_sure(&mut self, offsets: impl IntoIterator<Item = u64>) {
        self.sure.extend(offsets);
    }

    /// A reader cancels. It can still ack what it has.
    pub fn leaves(&mut self, reader: usize) {
        self.now.left.insert(reader);
        self.now.active = self.now.active.filter(|active| *active != reader);
        self.now.returned.clear();
        self.now.may_have_holes = true;
    }

    /// A reader closes its channel: others are given what it has.
    pub fn ends(&mut self, reader: usize) {
        let had_holes = self.now.may_have_holes;
        self.leaves(reader);
        self.now.may_have_holes = had_holes;
        self.now.held.retain(|_, holder| *holder != reader);
    }

    /// A reader's connection is lost. Of the acks that it sent the broker may not have heard these.
    pub fn is_lost(&mut self, reader: usize, unheard: &BTreeSet<u64>) {
        self.ends(reader);
        self.now.acked.retain(|offset| !unheard.contains(offset));
    }

    /// In the life that has ended nothing was passed over that was never acked.
    pub fn check_passed_over(&self, log: &LogBook) {
        let (Some(last), false) = (self.now.given.last(), self.now.may_have_holes) else { return };
        // What was gone when it was passed over may be back after a crash.
        if log.keeps_all {
            self.check_up_to(*last, log);
        }
    }

    /// Whoever reads with it was given all that was never acked.
    pub fn check_end(&self, log: &LogBook) {
        self.check_up_to(u64::MAX, log);
    }

    fn check_up_to(&self, last: u64, log: &LogBook) {
        for (offset, id) in log.present().take_while(|(offset, _)| *offset <= last) {
            let is_wanted = !self.only_even || is_even(id);
            let is_done = self.acked.contains(&offset) || self.now.given.contains(&offset);
            assert!(!is_wanted || is_done, "'{}' passed over {offset}, which was never acked", self.name);
        }
    }
}
