//! Messages that came back and wait: for their next attempt, or set aside. In order of when their wait is over.

use std::collections::BTreeMap;

use super::attempts::Pause;
use super::ready::Entry;
use crate::message::Position;
use crate::time::Time;

/// Messages that are neither ready nor unacked.
#[derive(Debug, Default)]
pub(super) struct Paused {
    entries: BTreeMap<(Time, Position), (Pause, Entry)>,
    parked: usize,
}

impl Paused {
    pub(super) fn insert(&mut self, due: Time, pause: Pause, entry: Entry) {
        self.parked += usize::from(pause == Pause::Parked);
        self.entries.insert((due, entry.position), (pause, entry));
    }

    /// Takes one whose wait is over.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Entry> {
        let first = self.entries.first_entry().filter(|first| first.key().0 <= now)?;
        let (pause, entry) = first.remove();
        self.parked -= usize::from(pause == Pause::Parked);
        Some(entry)
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.entries.first_key_value().map(|((due, _), _)| *due).filter(|due| *due != Time::NEVER)
    }

    /// Takes all that wait for this.
    pub(super) fn take(&mut self, wanted: Pause) -> Vec<Entry> {
        let taken = self.entries.extract_if(.., |_, (pause, _)| *pause == wanted);
        let taken: Vec<Entry> = taken.map(|(_, (_, entry))| entry).collect();
        if wanted == Pause::Parked {
            self.parked = 0;
        }
        taken
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn delayed(&self) -> usize {
        self.entries.len() - self.parked
    }

    pub(super) const fn parked(&self) -> usize {
        self.parked
    }
}
