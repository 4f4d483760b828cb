//! What clients know of streams, and what has to hold of it over all lives.

use std::collections::{BTreeMap, BTreeSet};

use super::cursor_book::CursorBook;
use super::fed_book::FedBook;
use super::topology::{CURSORS, FED, GRAVES, LOG, STREAMS};

/// All that clients saw and said of streams.
#[derive(Debug)]
pub struct Books {
    pub logs: [LogBook; STREAMS.len()],
    pub cursors: [CursorBook; CURSORS.len()],
    pub fed: [FedBook; FED.len()],
    /// Messages for the plain queue and for the log, each pair of one transaction.
    pub pairs: Vec<(u64, u64)>,
}

impl Default for Books {
    fn default() -> Self {
        Self {
            logs: STREAMS.map(|(_, _, keeps_all)| LogBook::new(keeps_all)),
            cursors: CURSORS.map(|cursor| CursorBook::new(&cursor)),
            fed: FED.map(|fed| FedBook::new(&fed)),
            pairs: Vec::new(),
        }
    }
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub confirmed: u64,
    /// By retention.
    pub trimmed: u64,
    /// With cursors.
    pub acked: u64,
    /// By cursors.
    pub redelivered: u64,
    /// By consumers of queues that are fed.
    pub settled: u64,
    pub dead: u64,
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.confirmed += other.confirmed;
        self.trimmed += other.trimmed;
        self.acked += other.acked;
        self.redelivered += other.redelivered;
        self.settled += other.settled;
        self.dead += other.dead;
    }
}

impl Books {
    /// How much happened.
    pub fn work(&self) -> Work {
        Work {
            confirmed: self.logs.iter().map(|log| log.confirmed.len() as u64).sum(),
            trimmed: self.logs.iter().map(|log| log.first).sum(),
            acked: self.cursors.iter().map(|cursor| cursor.acked.len() as u64).sum(),
            redelivered: self.cursors.iter().map(|cursor| cursor.redelivered).sum(),
            settled: self.fed.iter().map(|fed| fed.settled.len() as u64).sum(),
            dead: self.logs[GRAVES].offsets.len() as u64,
        }
    }

    /// Another run of the broker begins.
    pub fn begin_life(&mut self) {
        self.cursors.iter_mut().for_each(CursorBook::begin_life);
        self.fed.iter_mut().for_each(FedBook::begin_life);
    }

    /// A whole stream was read from its beginning while nobody published to it.
    pub fn audited(&mut self, stream: usize, found: &[(u64, u64)]) {
        self.logs[stream].audited(found);
        for (cursor, book) in CURSORS.iter().zip(&mut self.cursors) {
            if cursor.stream == stream {
                book.check_passed_over(&self.logs[stream]);
            }
        }
    }

    /// A reader without a cursor has a message, after the one with an offset.
    pub fn read(&mut self, stream: usize, before: Option<u64>, offset: u64, id: u64) {
        if let Some(before) = before {
            assert!(before < offset, "a reader of stream {stream} had {before}, then {offset}");
            let is_next = offset == before + 1 || !self.logs[stream].keeps_all;
            assert!(is_next, "a reader of stream {stream} missed what lies between {before} and {offset}");
        }
        self.logs[stream].saw(offset, id);
    }

    /// A queue that is fed delivers a message of the log: its offset, id, and whether it was delivered before.
    pub fn delivered_from(&mut self, fed: usize, consumer: usize, delivery: (Option<u64>, u64, bool)) {
        let (offset, id, redelivered) = delivery;
        self.logs[LOG].saw(offset.expect("what comes from a stream has an offset"), id);
        self.fed[fed].delivered(consumer, id, redelivered);
    }

    /// Whether a queue has had all that it is to be fed and nobody was done with.
    pub fn has_all(&self, fed: usize) -> bool {
        self.fed[fed].has_all(&self.logs[LOG], &self.logs[GRAVES])
    }

    /// At the end, when every stream was read and every queue that is fed is empty.
    pub fn check(&self) {
        for book in &self.cursors {
            book.check_end(&self.logs[book.stream]);
        }
        for book in &self.fed {
            book.check_end(&self.logs[LOG], &self.logs[GRAVES]);
        }
        let may_be_dead = |id| self.fed.iter().any(|book| book.may_be_dead(id));
        for id in self.logs[GRAVES].offsets.keys() {
            assert!(may_be_dead(*id), "message {id} is among the dead, and nobody gave it back");
        }
    }

    /// Each transaction is in the queue and in the log, or in neither; `found` is what the queue had at the end, `touched` what it
    /// delivered before that.
    pub fn check_pairs(&self, found: &BTreeSet<u64>, touched: &BTreeSet<u64>) {
        for (queued, logged) in &self.pairs {
            let is_logged = self.logs[LOG].offsets.contains_key(logged);
            let may_be_queued = found.contains(queued) || touched.contains(queued);
            assert!(
                !is_logged || may_be_queued,
                "of a transaction {logged} is in the log, {queued} is nowhere"
            );
            let is_cut = found.contains(queued) && !is_logged;
            assert!(!is_cut, "of a transaction {queued} is in the queue, {logged} is not in the log");
        }
    }
}

/// A stream.
#[derive(Debug)]
pub struct LogBook {
    /// No retention takes anything from it.
    pub keeps_all: bool,
    /// Ids by offset. Whoever saw one saw what is durable, so none ever changes.
    pub bodies: BTreeMap<u64, u64>,
    pub offsets: BTreeMap<u64, u64>,
    /// What each publisher of each life sent, in its order.
    sent: Vec<Vec<u64>>,
    confirmed: BTreeSet<u64>,
    /// The first offset when it was last read from its beginning.
    pub first: u64,
    /// And the one that came next then.
    next: u64,
}

impl LogBook {
    fn new(keeps_all: bool) -> Self {
        let (bodies, offsets, sent) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { keeps_all, bodies, offsets, sent, confirmed: BTreeSet::new(), first: 0, next: 0 }
    }

    /// A new publisher's number.
    pub fn new_publisher(&mut self) -> usize {
        self.sent.push(Vec::new());
        self.sent.len() - 1
    }

    /// A publisher sends a message.
    pub fn sent(&mut self, publisher: usize, id: u64) {
        self.sent[publisher].push(id);
    }

    /// A message was confirmed.
    pub fn confirmed(&mut self, id: u64) {
        self.confirmed.insert(id);
    }

    /// Somebody has the message with this offset.
    pub fn saw(&mut self, offset: u64, id: u64) {
        let known = *self.bodies.entry(offset).or_insert(id);
        assert_eq!(known, id, "offset {offset} was given to two messages");
        let known = *self.offsets.entry(id).or_insert(offset);
        assert_eq!(known, offset, "message {id} is at two offsets");
    }

    /// The offset that the next message has at least.
    pub fn known_next(&self) -> u64 {
        self.bodies.last_key_value().map_or(0, |(last, _)| last + 1).max(self.next)
    }

    /// What is there now, by offset.
    pub fn present(&self) -> impl Iterator<Item = (u64, u64)> {
        self.bodies.range(self.first..).map(|(offset, id)| (*offset, *id))
    }

    fn audited(&mut self, found: &[(u64, u64)]) {
        let known_next = self.known_next();
        self.first = found.first().map_or(known_next, |(first, _)| *first);
        for (at, (offset, id)) in (self.first..).zip(found) {
            assert_eq!(at, *offset, "offsets have no gaps");
            self.saw(*offset, *id);
        }
        self.next = self.first + found.len() as u64;
        assert!(
            self.next >= known_next,
            "what somebody saw below {known_next} is gone from {} on",
            self.next
        );
        assert!(!self.keeps_all || self.first == 0, "{} messages are gone from the beginning", self.first);
        assert!(self.next == 0 || !found.is_empty(), "the newest segment stays");
        let present: BTreeSet<u64> = found.iter().map(|(_, id)| *id).collect();
        self.sent.iter().for_each(|sent| self.check_publisher(sent, &present));
    }

    /// Of what a publisher has confirmed all is there that retention did not take, in its order.
    fn check_publisher(&self, sent: &[u64], present: &BTreeSet<u64>) {
        let mut last = None;
        for id in sent {
            if let Some(offset) = self.offsets.get(id).copied().filter(|_| present.contains(id)) {
                assert!(last < Some(offset), "message {id} is not in its publisher's order");
                last = Some(offset);
            } else if self.confirmed.contains(id) {
                assert!(!self.keeps_all, "message {id}, confirmed, is not in the log");
                assert!(last.is_none(), "message {id} is lost, and an earlier one is there");
            }
        }
    }
}
