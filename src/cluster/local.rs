//! The engine of this node, which outlives the roles that it plays. Clones are the same engine.
//!
//! What is applied is durable in the log already, so commits are buffered, and only now and then one is synced: after a power failure
//! the node goes on from a mark that is a little older. The numbers of commits are this disk's own, so that the journal's check, which
//! takes a gap, or a commit that was synced and is not whole, for damage, goes by what happened here: what the leader has synced this
//! disk may not have, and what came by a snapshot was other commits there.

use super::damage::Damage;
use super::log::Sequence;
use super::mark::{Mark, is_partial_key};
use super::tidying::Tidying;
use super::unusable::Unusable;
use crate::broker::identities::Identities;
use crate::store::{
    Closing, CommitNumbers, Durability, Engine, Error, Reader, Room, Snapshot, Space, Visitor, Write,
    WriteBatch, definition_name, finish_setting_aside, finish_wiping, open_disk, wipe,
};
use crate::time::Time;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// So often a commit is synced, if there is any.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// And after so many bytes.
const SYNC_BYTES: usize = 16 * 1024 * 1024;

/// The engine of a node.
#[derive(Clone)]
pub struct LocalEngine(Arc<Shared>);

struct Shared {
    local: Mutex<Local>,
    far: Far,
    damage: Damage,
}

/// How far it is: who asks does not wait for the disk.
#[derive(Default)]
struct Far {
    applied: AtomicU64,
    synced: AtomicU64,
    /// Counts the commits that changed what other shards take from this one.
    identities: watch::Sender<u64>,
    /// Bytes left on its disk; as many as there can be where that is not known.
    left: AtomicU64,
}

/// An engine, and what is to be done when all of it is closed.
type Opened = (Box<dyn Engine>, Option<Closing>);

struct Local {
    engine: Box<dyn Engine>,
    closing: Option<Closing>,
    /// Removes all that is stored, and opens an empty engine; not called while one is open.
    renew: Box<dyn Fn() -> Result<Opened, Error> + Send>,
    clock: Box<dyn Fn() -> Time + Send>,
    /// Of the last commit; not known before the first look.
    numbers: Option<CommitNumbers>,
    /// When it was synced last.
    synced_at: Time,
    applied: Sequence,
    /// Whether anything was committed and not synced, and how much.
    is_unsynced: bool,
    unsynced_bytes: usize,
    tidying: Tidying,
}

impl LocalEngine {
    /// An engine that is open; `clock` tells the time. It cannot be [wiped](Self::wipe).
    pub fn new(engine: Box<dyn Engine>, clock: impl Fn() -> Time + Send + 'static) -> Self {
        Self::with_wipe(engine, clock, || Err(Error::Stopped))
    }

    /// The same; `renew` removes all that is stored, and opens an empty engine. It is not called while one is open.
    pub fn with_wipe(
        engine: Box<dyn Engine>,
        clock: impl Fn() -> Time + Send + 'static,
        renew: impl Fn() -> Result<Box<dyn Engine>, Error> + Send + 'static,
    ) -> Self {
        let clock = Box::new(clock);
        Self::of((engine, None), clock, Box::new(move || renew().map(|engine| (engine, None))))
    }

    /// Opens the engine in a data directory; also says what was healed. `open_files_max` as in
    /// [`OpenOptions`](crate::store::OpenOptions). A store that is damaged is no error here: whatever is asked of it fails with
    /// [`Error::Damaged`] until it is wiped, which the node does if others have what was in it.
    ///
    /// # Errors
    /// All of [`Error`] but [`Error::Damaged`], [`Error::Stopped`] and [`Error::Deposed`].
    pub fn open(
        dir: &Path,
        open_files_max: usize,
        clock: impl Fn() -> Time + Send + 'static,
    ) -> Result<(Self, Option<String>), Error> {
        finish_wiping(dir)?;
        finish_setting_aside(dir)?;
        let open = move |dir: &Path| {
            let (engine, healed, closing) = open_disk(dir, open_files_max)?.into_parts();
            let engine: Box<dyn Engine> = Box::new(engine);
            Ok(((engine, closing), healed))
        };
        let (opened, healed): (Opened, _) = match open(dir) {
            Err(Error::Damaged { detail }) => ((Box::new(Unusable::Damaged(detail)), None), None),
            opened => opened?,
        };
        let dir = dir.to_owned();
        let renew = move || {
            wipe(&dir)?;
            open(&dir).map(|(opened, _)| opened)
        };
        Ok((Self::of(opened, Box::new(clock), Box::new(renew)), healed))
    }

    fn of(
        (engine, closing): Opened,
        clock: Box<dyn Fn() -> Time + Send>,
        renew: Box<dyn Fn() -> Result<Opened, Error> + Send>,
    ) -> Self {
        let synced_at = clock();
        let local = Mutex::new(Local {
            engine,
            closing,
            renew,
            clock,
            numbers: None,
            synced_at,
            applied: Sequence::default(),
            is_unsynced: false,
            unsynced_bytes: 0,
            tidying: Tidying::default(),
        });
        let far = Far { left: AtomicU64::new(u64::MAX), ..Far::default() };
        Self(Arc::new(Shared { local, far, damage: Damage::default() }))
    }

    /// All frames up to this one are on this node's disk for sure: no power failure there needs them again. While a snapshot is being
    /// received, what that has.
    #[must_use]
    pub fn synced(&self) -> Sequence {
        Sequence(self.0.far.synced.load(Relaxed))
    }

    /// The last frame that was applied, as far as this was looked at.
    #[must_use]
    pub fn applied(&self) -> Sequence {
        Sequence(self.0.far.applied.load(Relaxed))
    }

    /// Counts the commits that changed users, permissions or vhosts, from now on.
    #[must_use]
    pub fn identities(&self) -> watch::Receiver<u64> {
        self.0.far.identities.subscribe()
    }

    /// Bytes left on its disk, as of the last second or so in which the node led or followed.
    #[must_use]
    pub(super) fn disk_left(&self) -> u64 {
        self.0.far.left.load(Relaxed)
    }

    /// What of it could not be read, if anything was damaged when it was read.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        self.0.damage.found()
    }

    /// Finds out how far it is.
    ///
    /// # Errors
    /// What the engine fails with.
    pub fn look(&self) -> Result<(), Error> {
        self.local().numbers(&self.0.far).map(drop)
    }

    /// What a follower does now and then, twice a second or so: what was committed is synced, at most a second after, and what was
    /// removed is given back to the disk.
    ///
    /// # Errors
    /// What the engine fails with.
    pub fn tend(&self) -> Result<(), Error> {
        let mut local = self.local();
        local.look_at_room(&self.0.far);
        local.sync_in_time(&self.0.far)?;
        local.tidy(&self.0.far)
    }

    /// Removes all that is stored: the engine is empty after. From now on it says that it has synced that much, so that the log is kept
    /// for when all of a snapshot is there. Nothing else may use what it had.
    pub(super) fn wipe(&self, receiving: Sequence) -> Result<(), Error> {
        let mut local = self.local();
        local.close();
        (local.engine, local.closing) = (local.renew)()?;
        local.numbers = None;
        local.applied = Sequence::default();
        (local.is_unsynced, local.unsynced_bytes) = (false, 0);
        self.0.damage.forget();
        self.0.far.applied.store(0, Relaxed);
        self.0.far.synced.store(receiving.0, Relaxed);
        Ok(())
    }

    /// Closes it; whoever uses it after that gets errors.
    pub fn close(&self) {
        let mut local = self.local();
        local.close();
        local.closing.take().into_iter().for_each(Closing::closed);
    }

    fn local(&self) -> MutexGuard<'_, Local> {
        self.0.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Local {
    /// Those of the last commit. At the first look what is there is synced: nobody knows whether it was.
    fn numbers(&mut self, far: &Far) -> Result<CommitNumbers, Error> {
        if let Some(numbers) = self.numbers {
            return Ok(numbers);
        }
        let mut numbers = CommitNumbers::read(&*self.engine)?;
        self.engine.sync()?;
        numbers.synced = numbers.number;
        let mark = Mark::read(&*self.engine)?.unwrap_or_default();
        self.applied = mark.sequence;
        // What is being received has no mark yet.
        if mark != Mark::default() {
            far.applied.store(mark.sequence.0, Relaxed);
            far.synced.store(mark.sequence.0, Relaxed);
        }
        self.numbers = Some(numbers);
        Ok(numbers)
    }

    fn commit(&mut self, mut batch: WriteBatch, durability: Durability, far: &Far) -> Result<(), Error> {
        let (now, mut numbers, mark) = ((self.clock)(), self.numbers(far)?, Mark::of(&batch));
        if batch.commit_number().is_some() {
            numbers.number += 1;
            batch.renumber(numbers);
        }
        if batch.has_streams() {
            numbers.streams = numbers.number;
        }
        self.tidying.committed(&batch);
        self.unsynced_bytes += batch.bytes();
        self.is_unsynced = true;
        let changes = far.identities.receiver_count() > 0 && changes_identities(&batch);
        let is_due = now.since(self.synced_at) >= SYNC_EVERY || self.unsynced_bytes >= SYNC_BYTES;
        let durability = if is_due { Durability::Synced } else { durability };
        if is_due {
            self.look_at_room(far);
        }
        self.engine.commit(batch, durability)?;
        self.numbers = Some(numbers);
        if let Some(mark) = mark {
            self.applied = mark.sequence;
            far.applied.store(mark.sequence.0, Relaxed);
        }
        if durability == Durability::Synced {
            self.has_synced(now, far);
        }
        if changes {
            far.identities.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    fn has_synced(&mut self, now: Time, far: &Far) {
        self.synced_at = now;
        // What is being received has no mark yet.
        far.synced.fetch_max(self.applied.0, Relaxed);
        (self.is_unsynced, self.unsynced_bytes) = (false, 0);
        if let Some(numbers) = &mut self.numbers {
            numbers.synced = numbers.number;
        }
    }

    fn look_at_room(&self, far: &Far) {
        far.left.store(self.engine.disk_room().map_or(u64::MAX, Room::left), Relaxed);
    }

    fn sync_in_time(&mut self, far: &Far) -> Result<(), Error> {
        let now = (self.clock)();
        if self.is_unsynced && now.since(self.synced_at) >= SYNC_EVERY {
            self.engine.sync()?;
            self.has_synced(now, far);
        }
        Ok(())
    }

    fn tidy(&mut self, far: &Far) -> Result<(), Error> {
        let now = (self.clock)();
        if !self.tidying.is_due(now, self.engine.disk_room()) {
            return Ok(());
        }
        let has_streams = self.numbers(far)?.streams > 0;
        self.commit(WriteBatch::beat(has_streams), Durability::Buffered, far)?;
        let goes_on = self.engine.maintain(0)?;
        self.tidying.did(now, goes_on);
        Ok(())
    }

    fn close(&mut self) {
        self.engine = Box::new(Unusable::Closed);
    }
}

/// Whether a batch changes what other shards take from the meta shard, or makes a snapshot whole.
fn changes_identities(batch: &WriteBatch) -> bool {
    batch.writes().iter().any(|write| {
        let (Write::Put { space, key, .. } | Write::Remove { space, key } | Write::RemoveWeak { space, key }) =
            write;
        match space {
            Space::Definitions => definition_name(key).is_some_and(Identities::is_made_of),
            Space::Messages => is_partial_key(key),
            Space::Streams => false,
        }
    })
}

impl Engine for LocalEngine {
    fn commit(&mut self, batch: WriteBatch, durability: Durability) -> Result<(), Error> {
        self.local().commit(batch, durability, &self.0.far)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error> {
        self.local().engine.scan(space, from, to, visit)
    }

    fn reader(&self) -> Box<dyn Reader> {
        self.0.damage.watch(self.local().engine.reader())
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.local().engine.snapshot()
    }

    fn sync(&mut self) -> Result<(), Error> {
        let mut local = self.local();
        local.engine.sync()?;
        let now = (local.clock)();
        local.has_synced(now, &self.0.far);
        Ok(())
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
