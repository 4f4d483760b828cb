//! What a queue remembers of its messages, to recognise duplicates: the newest fingerprints, and the last number of each
//! numbered publisher.
//!
//! A durable queue keeps this in records of its own, which are written in the same batch as the messages: after a crash either
//! both are there or neither is. Fingerprints of transient messages are in memory only, as their messages are.
//!
//! Invariants: a window never holds more than its size, and a queue never more than [`PUBLISHERS_MAX`] publishers; the oldest go
//! first. A message whose key was forgotten may come in twice; a new message is never refused as a duplicate.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::effects::DedupRecords;
use crate::dedup::{Deduplication, Fingerprint, PublisherSequence};
use crate::time::Timestamp;

/// Publishers that a queue remembers; beyond, the one that was silent longest is forgotten.
pub(super) const PUBLISHERS_MAX: usize = 10_000;

const WINDOW: u8 = b'd';
const PUBLISHER: u8 = b'p';

/// Whether a message may come in, judged by what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is new.
    New,
    /// A duplicate: a message with the same key came before.
    Duplicate,
    /// A gap: its publisher's message before it did not come.
    Gap,
    /// It has an epoch of its publisher that is over.
    OldEpoch,
}

/// All that a queue remembers.
#[derive(Debug, Default)]
pub struct DedupState {
    /// By exchange; the queue's own has no name, which no exchange with a window has.
    windows: HashMap<Box<str>, Window>,
    publishers: Publishers,
}

impl DedupState {
    /// What an earlier run wrote, by ascending keys; `None` if it cannot be read.
    #[must_use]
    pub fn restored(records: &[(Vec<u8>, Vec<u8>)]) -> Option<Self> {
        let mut seen = Self::default();
        records.iter().all(|(key, value)| seen.restore(key, value).is_some()).then_some(seen)
    }

    fn restore(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key.split_first()? {
            (&WINDOW, rest) => {
                let (scope, number) = rest.split_last_chunk::<8>()?;
                let scope = std::str::from_utf8(scope).ok()?;
                let window = self.windows.entry(scope.into()).or_default();
                window.restore(u64::from_be_bytes(*number), value)
            }
            (&PUBLISHER, id) => self.publishers.restore(id, value),
            _ => None,
        }
    }

    /// Whether a message with this fingerprint is in the window.
    pub(super) fn has(&mut self, scope: &str, arrival: &Arrival<'_>, records: &mut DedupRecords) -> bool {
        let Some(window) = self.windows.get_mut(scope) else { return false };
        window.forget_old(scope, arrival, records);
        window.known.contains(&arrival.fingerprint)
    }

    /// Remembers a message that came in.
    pub(super) fn remember(&mut self, scope: &str, arrival: &Arrival<'_>, records: &mut DedupRecords) {
        if !self.windows.contains_key(scope) {
            self.windows.insert(scope.into(), Window::default());
        }
        if let Some(window) = self.windows.get_mut(scope) {
            window.remember(scope, arrival, records);
        }
    }

    /// Forgets a whole window.
    pub(super) fn forget_window(&mut self, scope: &str, records: &mut DedupRecords) {
        let Some(window) = self.windows.remove(scope) else { return };
        for run in window.runs.into_iter().filter(|run| run.stored) {
            records.insert(run_key(scope, run.number), None);
        }
    }

    /// What a publisher's message is.
    pub(super) fn judge(&self, sequence: &PublisherSequence) -> Verdict {
        self.publishers.judge(sequence)
    }

    /// A publisher's message came in.
    pub(super) fn advance(
        &mut self,
        sequence: &PublisherSequence,
        durable: bool,
        records: &mut DedupRecords,
    ) {
        self.publishers.advance(sequence, durable, records);
    }

    /// Bytes of memory that it takes, about.
    pub(crate) fn footprint(&self) -> usize {
        let fingerprints: usize = self.windows.values().map(|window| window.known.capacity()).sum();
        // Each stands in the set, with a byte of its own there, and in a run.
        fingerprints * (2 * size_of::<Fingerprint>() + 1) + self.publishers.footprint()
    }

    #[cfg(test)]
    pub(super) fn count(&self, scope: &str) -> usize {
        self.windows.get(scope).map_or(0, |window| window.known.len())
    }
}

/// A message's fingerprint where and when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) fingerprint: Fingerprint,
    pub(super) settings: &'a Deduplication,
    pub(super) at: Timestamp,
    /// Whether the message is stored, and what is remembered of it is to be, too.
    pub(super) stored: bool,
}

/// The newest messages' fingerprints, in runs of those that came in one batch: a run is one record.
#[derive(Debug, Default)]
struct Window {
    known: HashSet<Fingerprint>,
    runs: VecDeque<Run>,
    next_number: u64,
}

#[derive(Debug)]
struct Run {
    number: u64,
    at: Timestamp,
    stored: bool,
    fingerprints: VecDeque<Fingerprint>,
}

impl Window {
    fn restore(&mut self, number: u64, value: &[u8]) -> Option<()> {
        let (at, rest) = value.split_first_chunk::<8>()?;
        let (fingerprints, []) = rest.as_chunks::<16>() else { return None };
        let fingerprints: VecDeque<_> = fingerprints.iter().copied().map(Fingerprint).collect();
        self.known.extend(&fingerprints);
        let at = Timestamp::from_millis(u64::from_be_bytes(*at));
        self.runs.push_back(Run { number, at, stored: true, fingerprints });
        self.next_number = number + 1;
        Some(())
    }

    fn forget_old(&mut self, scope: &str, arrival: &Arrival<'_>, records: &mut DedupRecords) {
        let Some(ttl_ms) = arrival.settings.ttl_ms else { return };
        while self.runs.front().is_some_and(|run| run.at.plus_ms(ttl_ms) <= arrival.at) {
            self.forget_first(scope, records);
        }
    }

    fn remember(&mut self, scope: &str, arrival: &Arrival<'_>, records: &mut DedupRecords) {
        self.known.insert(arrival.fingerprint);
        match self.open_run(scope, arrival, records) {
            Some(run) => run.fingerprints.push_back(arrival.fingerprint),
            None => self.begin_run(scope, arrival, records),
        }
        while self.known.len() > arrival.settings.size as usize {
            self.forget_first(scope, records);
        }
    }

    /// The last run, if this message belongs to it: its record is not on its way to the store yet.
    fn open_run(
        &mut self,
        scope: &str,
        arrival: &Arrival<'_>,
        records: &mut DedupRecords,
    ) -> Option<&mut Run> {
        let run = self.runs.back_mut().filter(|run| run.stored == arrival.stored && run.at == arrival.at)?;
        if run.stored {
            let record = records.get_mut(&run_key(scope, run.number))?.as_mut()?;
            record.extend_from_slice(&arrival.fingerprint.0);
        }
        Some(run)
    }

    fn begin_run(&mut self, scope: &str, arrival: &Arrival<'_>, records: &mut DedupRecords) {
        let (number, at, stored) = (self.next_number, arrival.at, arrival.stored);
        self.next_number += 1;
        if stored {
            let value = [&at.as_millis().to_be_bytes()[..], &arrival.fingerprint.0].concat();
            records.insert(run_key(scope, number), Some(value));
        }
        self.runs.push_back(Run { number, at, stored, fingerprints: [arrival.fingerprint].into() });
    }

    fn forget_first(&mut self, scope: &str, records: &mut DedupRecords) {
        let Some(run) = self.runs.front_mut() else { return };
        if let Some(first) = run.fingerprints.pop_front() {
            self.known.remove(&first);
        }
        if run.fingerprints.is_empty()
            && let Some(run) = self.runs.pop_front()
            && run.stored
        {
            records.insert(run_key(scope, run.number), None);
        }
    }
}

fn run_key(scope: &str, number: u64) -> Vec<u8> {
    [&[WINDOW], scope.as_bytes(), &number.to_be_bytes()].concat()
}

/// What a publisher takes, about: its state and its place in two maps.
const PUBLISHER_BYTES: usize = 256;

/// How far each publisher got.
#[derive(Debug, Default)]
struct Publishers {
    states: HashMap<Arc<[u8]>, State>,
    /// By the number of their last use.
    used: BTreeMap<u64, Arc<[u8]>>,
    uses: u64,
}

#[derive(Clone, Copy, Debug)]
struct State {
    epoch: u64,
    last: u64,
    used: u64,
}

impl Publishers {
    fn footprint(&self) -> usize {
        self.states.len() * PUBLISHER_BYTES
    }

    fn restore(&mut self, id: &[u8], value: &[u8]) -> Option<()> {
        let ([epoch, last, used], []) = value.as_chunks::<8>() else { return None };
        let [epoch, last, used] = [epoch, last, used].map(|number| u64::from_be_bytes(*number));
        let id = Arc::<[u8]>::from(id);
        self.states.insert(Arc::clone(&id), State { epoch, last, used });
        self.used.insert(used, id);
        self.uses = self.uses.max(used);
        Some(())
    }

    fn judge(&self, sequence: &PublisherSequence) -> Verdict {
        let Some(state) = self.states.get(&sequence.id) else { return Verdict::New };
        match (sequence.epoch.cmp(&state.epoch), sequence.number) {
            (std::cmp::Ordering::Less, _) => Verdict::OldEpoch,
            (std::cmp::Ordering::Greater, _) => Verdict::New,
            (_, number) if number <= state.last => Verdict::Duplicate,
            (_, number) if number == state.last + 1 => Verdict::New,
            _ => Verdict::Gap,
        }
    }

    fn advance(&mut self, sequence: &PublisherSequence, durable: bool, records: &mut DedupRecords) {
        self.uses += 1;
        let state = State { epoch: sequence.epoch, last: sequence.number, used: self.uses };
        let before = self.states.insert(Arc::clone(&sequence.id), state);
        let id = before.and_then(|before| self.used.remove(&before.used));
        self.used.insert(self.uses, id.unwrap_or_else(|| Arc::clone(&sequence.id)));
        if durable {
            let value = [state.epoch, state.last, state.used].map(u64::to_be_bytes).concat();
            records.insert(publisher_key(&sequence.id), Some(value));
        }
        while self.states.len() > PUBLISHERS_MAX
            && let Some((_, id)) = self.used.pop_first()
        {
            self.states.remove(&id);
            if durable {
                records.insert(publisher_key(&id), None);
            }
        }
    }
}

fn publisher_key(id: &[u8]) -> Vec<u8> {
    [&[PUBLISHER], id].concat()
}
