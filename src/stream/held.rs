//! Which messages readers of a cursor have and have not acked.

use std::collections::VecDeque;

/// Offsets, ascending, each with the turn of the reader that has it. Acks come in order most of the time: both ends cost nothing.
#[derive(Debug, Default)]
pub(super) struct Held(VecDeque<(u64, u32)>);

impl Held {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has(&self, offset: u64) -> bool {
        self.find(offset).is_ok()
    }

    pub(super) fn add(&mut self, offset: u64, turn: u32) {
        if self.0.back().is_none_or(|(last, _)| *last < offset) {
            self.0.push_back((offset, turn));
        } else if let Err(at) = self.find(offset) {
            self.0.insert(at, (offset, turn));
        }
    }

    /// `false` if that reader does not have it.
    pub(super) fn remove(&mut self, offset: u64, turn: u32) -> bool {
        if self.0.front() == Some(&(offset, turn)) {
            self.0.pop_front();
            return true;
        }
        match self.find(offset) {
            Ok(at) if self.0.get(at) == Some(&(offset, turn)) => self.0.remove(at).is_some(),
            _ => false,
        }
    }

    /// All that a reader has; the lowest of them.
    pub(super) fn remove_all(&mut self, turn: u32) -> Option<u64> {
        let lowest = self.0.iter().find(|(_, holder)| *holder == turn).map(|(offset, _)| *offset);
        self.0.retain(|(_, holder)| *holder != turn);
        lowest
    }

    fn find(&self, offset: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&offset, |(held, _)| *held)
    }
}
