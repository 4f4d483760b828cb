//! Messages that came back and wait: for their next attempt, or set aside. In order of when their wait is over.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::Position;
use crate::queue::attempts::WaitKind;
use crate::queue::entry::{Entry, cost};
use crate::queue::merge::merge_by_key;
use crate::queue::window::Window;
use crate::time::Time;

type Entries = BTreeMap<(Time, Position), (WaitKind, Entry)>;

/// Messages that are neither ready nor unacked.
#[derive(Debug, Default)]
pub(in crate::queue) struct WaitingSet {
    /// Those whose messages are in memory.
    here: Entries,
    /// The others: see [`spilled`](crate::queue::spilled).
    out: Entries,
    parked: usize,
    /// What those in memory cost there.
    cost: usize,
}

impl WaitingSet {
    pub(in crate::queue) fn insert(&mut self, due: Time, wait: WaitKind, entry: Entry) {
        self.parked += usize::from(wait == WaitKind::Parked);
        let entries = if entry.is_in_memory() {
            self.cost += cost(&entry);
            &mut self.here
        } else {
            &mut self.out
        };
        entries.insert((due, entry.position), (wait, entry));
    }

    /// Takes one whose wait is over.
    pub(in crate::queue) fn pop_due(&mut self, now: Time) -> Option<Entry> {
        let key = self.first().filter(|(due, _)| *due <= now)?;
        let (wait, entry) = self.here.remove(&key).or_else(|| self.out.remove(&key))?;
        self.parked -= usize::from(wait == WaitKind::Parked);
        if entry.is_in_memory() {
            self.cost -= cost(&entry);
        }
        Some(entry)
    }

    pub(in crate::queue) fn next_due(&self) -> Option<Time> {
        self.first().map(|(due, _)| due).filter(|due| *due != Time::NEVER)
    }

    fn first(&self) -> Option<(Time, Position)> {
        let first = |entries: &Entries| entries.first_key_value().map(|(key, _)| *key);
        first(&self.here).into_iter().chain(first(&self.out)).min()
    }

    /// Takes about a segment's worth of messages out of memory, with the bundle that they are in from now on, if there are
    /// too many: those that wait longest. Gives the entries with their messages.
    pub(in crate::queue) fn page_out(&mut self, window: &Window, bundle: u32) -> Option<Vec<Entry>> {
        if self.cost < window.start_bytes.saturating_add(window.segment_bytes) {
            return None;
        }
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while bytes < window.segment_bytes.max(1)
            && let Some((key, (wait, mut entry))) = self.here.pop_last()
        {
            bytes += cost(&entry);
            entries.push(entry.spill(bundle));
            self.out.insert(key, (wait, entry));
        }
        self.cost -= bytes;
        Some(entries).filter(|entries| !entries.is_empty())
    }

    #[cfg(test)]
    pub(in crate::queue) fn in_memory(&self) -> usize {
        let sum = self.here.values().map(|(_, entry)| cost(entry)).sum();
        assert_eq!(self.cost, sum);
        sum
    }

    /// Takes all that wait for this.
    pub(in crate::queue) fn take(&mut self, wanted: WaitKind) -> Vec<Entry> {
        self.take_if(|_, wait| wait == wanted)
    }

    /// Takes those at these positions.
    pub(in crate::queue) fn take_at(&mut self, positions: &[Position]) -> Vec<Entry> {
        let wanted: BTreeSet<Position> = positions.iter().copied().collect();
        self.take_if(|position, _| wanted.contains(&position))
    }

    fn take_if(&mut self, wanted: impl Fn(Position, WaitKind) -> bool) -> Vec<Entry> {
        let is_wanted = |key: &(Time, Position), value: &mut (WaitKind, Entry)| wanted(key.1, value.0);
        let here: Vec<(WaitKind, Entry)> =
            self.here.extract_if(.., is_wanted).map(|(_, value)| value).collect();
        self.cost -= here.iter().map(|(_, entry)| cost(entry)).sum::<usize>();
        let out = self.out.extract_if(.., is_wanted).map(|(_, value)| value);
        let taken: Vec<(WaitKind, Entry)> = here.into_iter().chain(out).collect();
        self.parked -= taken.iter().filter(|(wait, _)| *wait == WaitKind::Parked).count();
        taken.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Those that wait for this, with the time until when, in order of it.
    pub(in crate::queue) fn of(&self, wanted: WaitKind) -> impl Iterator<Item = (Time, &Entry)> {
        let all = merge_by_key(self.here.iter(), self.out.iter(), |(key, _)| **key);
        all.filter_map(move |((due, _), (wait, entry))| (*wait == wanted).then_some((*due, entry)))
    }

    pub(in crate::queue) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.of(WaitKind::Delayed).chain(self.of(WaitKind::Parked)).map(|(_, entry)| entry)
    }

    pub(in crate::queue) fn len(&self) -> usize {
        self.here.len() + self.out.len()
    }

    pub(in crate::queue) fn delayed(&self) -> usize {
        self.len() - self.parked
    }

    pub(in crate::queue) const fn parked(&self) -> usize {
        self.parked
    }
}
