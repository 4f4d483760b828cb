//! The engine of this node, which outlives the roles that it plays. Clones are the same engine.
//!
//! What is applied is durable in the log already, so commits are buffered, and only now and then one is synced: after a power failure
//! the node goes on from a mark that is a little older. The heartbeats say so: the journal's check takes a commit that was synced and is
//! not whole for damage, and what the leader has synced this disk may not have.

use super::log::Sequence;
use super::mark::Mark;
use crate::store::{Durability, Engine, Error, Reader, Room, Space, Visitor, WriteBatch};
use crate::time::Time;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So often a commit is synced, if there is any.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// And after so many bytes.
const SYNC_BYTES: usize = 16 * 1024 * 1024;

/// The engine of a node.
#[derive(Clone)]
pub struct LocalEngine(Arc<Shared>);

struct Shared {
    local: Mutex<Local>,
    /// How far it is, for whoever must not wait for a commit.
    applied: AtomicU64,
    synced: AtomicU64,
}

struct Local {
    engine: Box<dyn Engine>,
    clock: Box<dyn Fn() -> Time + Send>,
    /// When and with what it was synced last.
    synced_at: Time,
    synced_commit: u64,
    unsynced_bytes: usize,
}

impl LocalEngine {
    /// An engine that is open; `clock` tells the time.
    pub fn new(engine: Box<dyn Engine>, clock: impl Fn() -> Time + Send + 'static) -> Self {
        let synced_at = clock();
        let local = Local { engine, clock: Box::new(clock), synced_at, synced_commit: 0, unsynced_bytes: 0 };
        Self(Arc::new(Shared {
            local: Mutex::new(local),
            applied: AtomicU64::default(),
            synced: AtomicU64::default(),
        }))
    }

    /// All frames up to this one are on this node's disk for sure: no power failure there needs them again.
    #[must_use]
    pub fn synced(&self) -> Sequence {
        Sequence(self.0.synced.load(Relaxed))
    }

    /// The last frame that was applied since it was opened.
    #[must_use]
    pub fn applied(&self) -> Sequence {
        Sequence(self.0.applied.load(Relaxed))
    }

    fn local(&self) -> MutexGuard<'_, Local> {
        self.0.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Local {
    fn commit(
        &mut self,
        mut batch: WriteBatch,
        durability: Durability,
        shared: &Shared,
    ) -> Result<(), Error> {
        let (now, number, mark) = ((self.clock)(), batch.commit_number(), Mark::of(&batch));
        batch.set_synced_commit(self.synced_commit);
        self.unsynced_bytes += batch.bytes();
        let is_due = now.since(self.synced_at) >= SYNC_EVERY || self.unsynced_bytes >= SYNC_BYTES;
        let durability = if is_due { Durability::Synced } else { durability };
        self.engine.commit(batch, durability)?;
        let store = |far: &AtomicU64| mark.iter().for_each(|mark| far.store(mark.sequence.0, Relaxed));
        store(&shared.applied);
        if durability == Durability::Synced {
            self.synced_at = now;
            self.unsynced_bytes = 0;
            self.synced_commit = number.unwrap_or(self.synced_commit);
            store(&shared.synced);
        }
        Ok(())
    }
}

impl Engine for LocalEngine {
    fn commit(&mut self, batch: WriteBatch, durability: Durability) -> Result<(), Error> {
        self.local().commit(batch, durability, &self.0)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error> {
        self.local().engine.scan(space, from, to, visit)
    }

    fn reader(&self) -> Box<dyn Reader> {
        self.local().engine.reader()
    }

    fn maintain(&mut self, live_bytes: u64) -> Result<bool, Error> {
        self.local().engine.maintain(live_bytes)
    }

    fn journal_gap(&mut self) -> Option<u64> {
        self.local().engine.journal_gap()
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.local().engine.flush()
    }

    fn disk_room(&self) -> Option<Room> {
        self.local().engine.disk_room()
    }

    fn file_bytes(&self) -> u64 {
        self.local().engine.file_bytes()
    }

    fn release_reserve(&self) -> bool {
        self.local().engine.release_reserve()
    }
}
