//! An engine in memory for tests and simulations, with a disk that outlives it and can lose its unsynced tail.
//!
//! Invariant: what the disk shows is its synced pairs with the buffered commits applied in order; a crash keeps the
//! former and a prefix of the latter, which is what a machine does to a journal.

use super::engine::{
    Durability, Engine, KeyVisitor, PairVisitor, Reader, Snapshot, Space, Visitor, Write, WriteBatch,
};
use super::error::Error;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Pairs = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    synced: Pairs,
    buffered: Vec<WriteBatch>,
    /// Engines of an earlier generation lost their disk in a crash.
    generation: u64,
    /// Commits that still succeed, if they are to fail some day.
    commits_left: Option<u64>,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Power fails: all synced commits stay, and the first `keep_buffered` of those after the last sync. Engines that
    /// are open fail from now on.
    pub fn crash(&self, keep_buffered: usize) {
        let mut state = self.state();
        state.generation += 1;
        state.commits_left = None;
        let kept = std::mem::take(&mut state.buffered);
        for batch in kept.into_iter().take(keep_buffered) {
            apply(&mut state.synced, batch);
        }
    }

    /// All that is on it goes. Engines that are open fail from now on.
    pub fn wipe(&self) {
        let mut state = self.state();
        *state = State { generation: state.generation + 1, ..State::default() };
    }

    /// Commits since the last sync: the most a crash can lose.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.state().buffered.len()
    }

    /// Lets `commits` more succeed; all later ones fail, as on a full disk, until a [`crash`](Self::crash).
    pub fn fail_after(&self, commits: u64) {
        self.state().commits_left = Some(commits);
    }

    /// Number of pairs stored.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.state().visible().len()
    }

    /// Bytes of all keys and values stored.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.state().visible().iter().map(|((_, key), value)| key.len() + value.len()).sum()
    }

    /// Loses a pair, as a defect would.
    #[cfg(test)]
    pub(super) fn lose(&self, space: Space, key: &[u8]) {
        let mut state = self.state();
        state.sync();
        assert!(state.synced.remove(&(space, key.to_vec())).is_some(), "there was no such pair");
    }

    /// Puts another value, as a defect would.
    #[cfg(test)]
    pub(super) fn overwrite(&self, space: Space, key: &[u8], value: Vec<u8>) {
        let mut state = self.state();
        state.sync();
        assert!(state.synced.insert((space, key.to_vec()), value).is_some(), "there was no such pair");
    }

    /// All pairs that are stored, by their keys.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<(Space, Vec<u8>), Vec<u8>> {
        self.state().visible()
    }

    /// An engine on this disk, until a [`crash`](Self::crash).
    #[must_use]
    pub fn engine(&self) -> MemoryEngine {
        MemoryEngine { generation: self.state().generation, disk: self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn sync(&mut self) {
        for batch in std::mem::take(&mut self.buffered) {
            apply(&mut self.synced, batch);
        }
    }

    fn visible(&self) -> Pairs {
        let mut pairs = self.synced.clone();
        for write in self.buffered.iter().flat_map(WriteBatch::writes) {
            apply_write(&mut pairs, write.clone());
        }
        pairs
    }

    /// The pairs with `from <= key < to`.
    fn range(&self, space: Space, from: &[u8], to: &[u8]) -> BTreeMap<&[u8], &[u8]> {
        let bounds =
            (Bound::Included((space, from.to_vec())), Bound::Excluded((space, to.max(from).to_vec())));
        let synced = self.synced.range(bounds);
        let mut pairs: BTreeMap<&[u8], &[u8]> =
            synced.map(|((_, key), value)| (key.as_slice(), value.as_slice())).collect();
        for write in self.buffered.iter().flat_map(WriteBatch::writes) {
            let (of, key, value) = match write {
                Write::Put { space, key, value } => (space, key, Some(value)),
                Write::Remove { space, key } | Write::RemoveWeak { space, key } => (space, key, None),
            };
            if *of != space || key.as_slice() < from || key.as_slice() >= to {
                continue;
            }
            match value {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(key.as_slice()),
            };
        }
        pairs
    }

    fn take_commit(&mut self) -> bool {
        match &mut self.commits_left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }
}

fn apply(pairs: &mut Pairs, batch: WriteBatch) {
    for write in batch.into_writes() {
        apply_write(pairs, write);
    }
}

fn apply_write(pairs: &mut Pairs, write: Write) {
    match write {
        Write::Put { space, key, value } => drop(pairs.insert((space, key), value)),
        Write::Remove { space, key } | Write::RemoveWeak { space, key } => drop(pairs.remove(&(space, key))),
    }
}

/// An [`Engine`] on a [`MemoryDisk`].
#[derive(Clone, Debug)]
pub struct MemoryEngine {
    disk: MemoryDisk,
    generation: u64,
}

impl Engine for MemoryEngine {
    fn commit(&mut self, batch: WriteBatch, durability: Durability) -> Result<(), Error> {
        let mut state = self.disk.state();
        if state.generation != self.generation || !state.take_commit() {
            return Err(Error::Stopped);
        }
        state.buffered.push(batch);
        if durability == Durability::Synced {
            state.sync();
        }
        Ok(())
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error> {
        let pairs = self.disk.state().visible();
        let range = (Bound::Included((space, from.to_vec())), Bound::Excluded((space, to.to_vec())));
        pairs.range(range).try_for_each(|((_, key), value)| visit(key, value))
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(self.clone())
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(MemorySnapshot(self.disk.contents()))
    }

    fn sync(&mut self) -> Result<(), Error> {
        let mut state = self.disk.state();
        if state.generation != self.generation {
            return Err(Error::Stopped);
        }
        state.sync();
        Ok(())
    }

    fn maintain(&mut self, _live_bytes: u64) -> Result<bool, Error> {
        Ok(false)
    }

    fn journal_gap(&mut self) -> Option<u64> {
        None
    }
}

struct MemorySnapshot(Pairs);

impl Snapshot for MemorySnapshot {
    fn scan(&self, space: Space, visit: &mut Visitor<'_>) -> Result<(), Error> {
        let pairs = self.0.range((space, Vec::new())..).take_while(|((of, _), _)| *of == space);
        pairs.into_iter().try_for_each(|((_, key), value)| visit(key, value))
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.get(&(space, key.to_vec())).cloned())
    }
}

impl Reader for MemoryEngine {
    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let state = self.disk.state();
        let key = (space, key.to_vec());
        let buffered = state.buffered.iter().flat_map(WriteBatch::writes).rev();
        let newest = buffered.into_iter().find_map(|write| match write {
            Write::Put { space, key: put, value } => {
                ((*space, put) == (key.0, &key.1)).then(|| Some(value.clone()))
            }
            Write::Remove { space, key: gone } | Write::RemoveWeak { space, key: gone } => {
                ((*space, gone) == (key.0, &key.1)).then_some(None)
            }
        });
        Ok(newest.unwrap_or_else(|| state.synced.get(&key).cloned()))
    }

    fn range(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
        wants: &dyn Fn(&[u8]) -> bool,
        visit: &mut PairVisitor<'_>,
    ) -> Result<(), Error> {
        let state = self.disk.state();
        let pairs = state.range(space, from, to);
        pairs.iter().take_while(|(key, _)| wants(key)).try_for_each(|(key, value)| visit(key, value.to_vec()))
    }

    fn keys(&self, space: Space, from: &[u8], to: &[u8], visit: &mut KeyVisitor<'_>) -> Result<(), Error> {
        let state = self.disk.state();
        for key in state.range(space, from, to).keys() {
            if visit(key)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last_key(&self, space: Space, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let state = self.disk.state();
        Ok(state.range(space, from, to).pop_last().map(|(key, _)| key.to_vec()))
    }
}
