//! Ready messages, in order of position within each priority.

use std::collections::VecDeque;

use crate::message::{Message, Position};
use crate::time::Time;

/// A message in a queue.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    pub(super) position: Position,
    /// When it expires; [`Time::NEVER`] if it doesn't.
    pub(super) expires: Time,
    pub(super) priority: u8,
    pub(super) redelivered: bool,
    /// Whether the store has it, so that its end has to be recorded.
    pub(super) stored: bool,
}

/// Ready messages: a level per priority, each sorted by position.
#[derive(Debug)]
pub(super) struct Ready {
    levels: Vec<VecDeque<Entry>>,
    len: usize,
    bytes: usize,
}

impl Ready {
    /// Levels 0 to `priority_max`.
    pub(super) fn new(priority_max: u8) -> Self {
        Self { levels: (0..=priority_max).map(|_| VecDeque::new()).collect(), len: 0, bytes: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of bodies: what x-max-length-bytes counts.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a message whose position is above all others.
    pub(super) fn push_back(&mut self, entry: Entry) {
        self.count_in(&entry);
        self.level(entry.priority).push_back(entry);
    }

    /// Puts a message back to its position.
    pub(super) fn put_back(&mut self, entry: Entry) {
        self.count_in(&entry);
        let level = self.level(entry.priority);
        let at = level.partition_point(|other| other.position < entry.position);
        level.insert(at, entry);
    }

    /// Takes the next message to deliver: the oldest of the highest priority.
    pub(super) fn pop_front(&mut self) -> Option<Entry> {
        let entry = self.levels.iter_mut().rev().find_map(VecDeque::pop_front)?;
        self.count_out(&entry);
        Some(entry)
    }

    /// Takes the message that gives way when the queue is too long: the oldest of the lowest priority.
    pub(super) fn pop_overflow(&mut self) -> Option<Entry> {
        let entry = self.levels.iter_mut().find_map(VecDeque::pop_front)?;
        self.count_out(&entry);
        Some(entry)
    }

    /// Takes a message at the head of a level that has expired. Messages expire at the head only, as RabbitMQ's do
    /// (its TTL guide, 'Caveats').
    pub(super) fn pop_expired(&mut self, is_due: impl Fn(Time) -> bool) -> Option<Entry> {
        let expired = |level: &&mut VecDeque<Entry>| level.front().is_some_and(|entry| is_due(entry.expires));
        let entry = self.levels.iter_mut().find(expired)?.pop_front()?;
        self.count_out(&entry);
        Some(entry)
    }

    /// When the first message at a head expires.
    pub(super) fn next_expiry(&self) -> Option<Time> {
        let heads = self.levels.iter().filter_map(VecDeque::front);
        heads.map(|entry| entry.expires).min().filter(|time| *time != Time::NEVER)
    }

    /// Takes everything.
    pub(super) fn take_all(&mut self) -> Vec<Entry> {
        self.len = 0;
        self.bytes = 0;
        self.levels.iter_mut().flat_map(std::mem::take).collect()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.levels.iter().flatten()
    }

    /// Priorities above the highest level count as the highest.
    fn level(&mut self, priority: u8) -> &mut VecDeque<Entry> {
        let highest = self.levels.len().saturating_sub(1);
        let index = usize::from(priority).min(highest);
        if self.levels.is_empty() {
            self.levels.push(VecDeque::new());
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "there is a level, and the index is capped to the highest"
        )]
        &mut self.levels[index]
    }

    fn count_in(&mut self, entry: &Entry) {
        self.len += 1;
        self.bytes += entry.message.body().len();
    }

    fn count_out(&mut self, entry: &Entry) {
        self.len -= 1;
        self.bytes -= entry.message.body().len();
    }
}
