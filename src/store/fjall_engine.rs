//! The engine on disk: fjall, and nothing else names it.
//!
//! Invariants: every batch that touches a keyspace puts a heartbeat there (the committer sees to it), because a
//! keyspace whose flush cancels out to nothing never frees its journals. The directory is inspected before fjall
//! opens it, under fjall's own lock, because fjall believes what it finds, and deletes what it does not know.

use super::engine::{
    Durability, Engine, KeyVisitor, PairVisitor, Reader, Snapshot, Space, Visitor, Write, WriteBatch,
};
use super::error::Error;
use super::fjall_keyspaces::FjallKeyspaces;
use super::inspection::{self, Inspection};
use super::journal_check::Torn;
use super::marker::MarkerKeeper;
use super::pages::Pages;
use super::reserve::{RESERVE_BYTES, Reserve};
use super::room::{self, Room};
use super::{chunk, directory, engine_log, quiet, rescue};
use fjall::{
    AbstractTree as _, CompressionType, Database, Guard, Iter, OwnedWriteBatch, PersistMode, Readable as _,
};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Flushing and compaction; one of them always stays free to flush.
const WORKER_THREADS: usize = 2;
/// Journals beyond this make fjall flush the keyspaces that hold them up: those to which little is written, definitions, queues beside
/// busy streams, or streams beside busy queues. Two full journals: what is busy is flushed more often anyway.
const JOURNAL_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Chunks are read once, and what is read at a start is small: there is nothing to keep but the tables' own indexes.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// A compaction of the keyspace, with what is left in files that are mostly stale, is cheap up to this much live data;
/// beyond, fjall's own has to do.
const COMPACT_LIVE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// fjall begins another journal when it flushes a memtable and this one is longer.
const JOURNAL_BYTES: u64 = 64_000_000;
/// A journal of less is not worth being filled up to be let go.
const JOURNAL_WORTH_BYTES: u64 = 8 * 1024 * 1024;
/// So much is to stay free on the disk while a journal is filled up, for acks and small flushes meanwhile.
const FREE_BYTES_MIN: u64 = 8 * 1024 * 1024;
/// A memtable that waits to be flushed has at most so much: after a start, all of a journal.
const SEALED_BYTES_MAX: u64 = 128 * 1024 * 1024;

const READING: &str = "reading stored messages";

/// Steps of maintenance: what is in memory is flushed, everything is compacted, which finds files without live chunks, and once
/// more, which drops them; two more flushes make fjall let go of the versions of the tables before, and with them of
/// their files.
const STEPS: u8 = 6;
const COMPACTION_STEPS: [u8; 2] = [2, 4];

/// [`Engine`] on a directory.
pub(super) struct FjallEngine {
    database: Database,
    keyspaces: FjallKeyspaces,
    marker: Arc<MarkerKeeper>,
    compaction: Option<JoinHandle<()>>,
    /// The step of maintenance that was done last; 0: there is none to do.
    step: u8,
    journal: Journal,
    /// The number of the last commit since it was opened.
    last_commit: u64,
}

/// What is known of the newest journal.
#[derive(Debug, Default)]
struct Journal {
    number: u64,
    /// At least so many bytes are in it.
    bytes: u64,
    /// Whether the engine was told that it has none to fill up, as it is full.
    is_full: bool,
}

impl FjallEngine {
    /// Opens or creates the database, which keeps so many files open for the next read; also says what was healed.
    ///
    /// # Errors
    /// All of [`Error`]. Nothing is changed on disk when it is locked, not writable or damaged.
    pub(super) fn open(dir: &Path, open_files_max: usize) -> Result<(Self, Option<String>), Error> {
        let lock = directory::lock(dir)?;
        let mut found = inspection::inspect(dir)?;
        let healed = found.healed();
        // They may be what fills the disk. If they cannot be deleted, whoever makes new ones says so.
        drop(Pages::forget_earlier(dir));
        let free = room::check_start(dir, room::free(dir), 0)?;
        directory::prepare(dir)?;
        found.marker.as_mut().map_or(Ok(()), |marker| marker.reopen(dir))?;
        found.torn.as_ref().map_or(Ok(()), Torn::cut)?;
        found.half_made.as_deref().map_or(Ok(()), directory::remove_half_made)?;
        // fjall takes the lock itself. A process that slips in between inspects as we did. It is let go in so many words: a child that is
        // being started may have the file as well.
        lock.unlock().map_err(Error::io(format!("unlocking {}", dir.display())))?;
        drop(lock);
        // What can make fjall panic was looked for; what was not thought of should not look like a fault of the broker.
        let opened = quiet::catch(|| Self::open_inspected(dir, found, open_files_max));
        let engine = opened.unwrap_or_else(|panic| {
            Err(Error::damaged(format!("{}: fjall cannot open it: {panic}", dir.display())))
        })?;
        // It is flushing already. If that cannot end well, it is better said now, with what to do.
        room::check_start(dir, free, engine.owed())?;
        Ok((engine, healed))
    }

    fn open_inspected(dir: &Path, found: Inspection, open_files_max: usize) -> Result<Self, Error> {
        engine_log::listen();
        let database = open_database(dir, open_files_max)?;
        let keyspaces = FjallKeyspaces::open(&database).map_err(|error| open_error(dir, error))?;
        let last_of_streams = found.last_of_streams;
        let expected = [(Space::Messages, found.last_commit), (Space::Streams, last_of_streams)];
        let number = found.journals.as_ref().map_or(0, |journals| *journals.end());
        let journal = Journal { number, bytes: found.newest_bytes, is_full: false };
        let marker = Arc::new(MarkerKeeper::new(dir, found.marker, found.journals, last_of_streams)?);
        let engine = Self { database, keyspaces, marker, compaction: None, step: 0, journal, last_commit: 0 };
        for (space, commit) in expected {
            engine.check_last_commit(dir, space, commit)?;
        }
        Ok(engine)
    }

    /// fjall has taken all commits that were found, the last one above all.
    fn check_last_commit(&self, dir: &Path, space: Space, expected: u64) -> Result<(), Error> {
        let beat = self.reader().read(space, &[chunk::KIND_HEARTBEAT])?;
        let last = beat.and_then(|beat| chunk::parse_heartbeat(&beat)).map_or(0, |(number, _)| number);
        if last == expected {
            return Ok(());
        }
        let what =
            format!("{}: commit {expected} of {space:?} is there, but fjall ends with {last}", dir.display());
        Err(Error::damaged(what))
    }

    /// What keeps the marker of the directory; to be told when all of the engine is closed.
    pub(super) fn marker(&self) -> Arc<MarkerKeeper> {
        Arc::clone(&self.marker)
    }

    #[cfg(test)]
    pub(super) fn is_flushed(&self) -> bool {
        self.keyspaces.all().all(|keyspace| keyspace.sealed_memtable_count() == 0)
    }

    /// What is in memory and not yet in tables, in bytes. fjall's own count could only ever be too high by what it once missed; so it
    /// is held against what there can be.
    fn owed(&self) -> u64 {
        let most = |keyspace: &fjall::Keyspace| {
            keyspace.tree.active_memtable().size()
                + keyspace.sealed_memtable_count() as u64 * SEALED_BYTES_MAX
        };
        self.database.write_buffer_size().min(self.keyspaces.all().map(most).sum())
    }

    fn new_reader(&self) -> FjallReader {
        FjallReader { keyspaces: self.keyspaces.clone(), dir: self.marker.dir().into() }
    }

    fn note_journal(&mut self, newest: u64) {
        if newest != self.journal.number {
            self.journal = Journal { number: newest, ..Journal::default() };
        }
    }

    fn is_compacting(&self) -> bool {
        self.compaction.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn start_compaction(&mut self) {
        let Some(messages) = self.keyspaces.get(Space::Messages).cloned() else { return };
        // Best effort: if it fails, the space stays taken until fjall compacts by itself, and a broken disk shows
        // in the next commit.
        self.compaction = std::thread::Builder::new()
            .name("store-compaction".into())
            .spawn(move || drop(messages.major_compact()))
            .ok();
    }
}

impl Drop for FjallEngine {
    fn drop(&mut self) {
        // It holds a keyspace, and with that the lock of the directory.
        if let Some(thread) = self.compaction.take() {
            drop(thread.join());
        }
    }
}

impl Engine for FjallEngine {
    fn commit(&mut self, batch: WriteBatch, durability: Durability) -> Result<(), Error> {
        let mode = match durability {
            Durability::Buffered => PersistMode::Buffer,
            Durability::Synced => PersistMode::SyncData,
        };
        let (number, has_streams) = (batch.commit_number(), batch.has_streams());
        self.journal.bytes += batch.bytes() as u64;
        let writes = batch.into_writes();
        let mut out =
            OwnedWriteBatch::with_capacity(self.database.clone(), writes.len()).durability(Some(mode));
        let keyspace = |space| {
            let made = self.keyspaces.make(&self.database, space);
            made.map_err(|error| engine_error(self.marker.dir(), "making room for streams", error))
        };
        for write in writes {
            match write {
                Write::Put { space, key, value } => out.insert(keyspace(space)?, key, value),
                Write::Remove { space, key } => out.remove(keyspace(space)?, key),
                Write::RemoveWeak { space, key } => out.remove_weak(keyspace(space)?, key),
            }
        }
        out.commit().map_err(|error| engine_error(self.marker.dir(), "writing the journal", error))?;
        let Some(number) = number else { return Ok(()) };
        self.last_commit = number;
        if has_streams {
            self.marker.committed_streams(number);
        }
        if durability == Durability::Synced {
            let newest = self.marker.synced(number);
            self.note_journal(newest);
        }
        Ok(())
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error> {
        for pair in self.keyspaces.get(space).into_iter().flat_map(|keyspace| keyspace.range(from..to)) {
            let (key, value) =
                pair.into_inner().map_err(|error| engine_error(self.marker.dir(), READING, error))?;
            visit(&key, &value)?;
        }
        Ok(())
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(self.new_reader())
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(FjallSnapshot { reader: self.new_reader(), snapshot: self.database.snapshot() })
    }

    fn sync(&mut self) -> Result<(), Error> {
        let synced = self.database.persist(PersistMode::SyncData);
        synced.map_err(|error| engine_error(self.marker.dir(), "syncing the journal", error))?;
        if self.last_commit > 0 {
            let newest = self.marker.synced(self.last_commit);
            self.note_journal(newest);
        }
        Ok(())
    }

    fn maintain(&mut self, live_bytes: u64) -> Result<bool, Error> {
        if self.is_compacting() {
            return Ok(true);
        }
        self.step += 1;
        if COMPACTION_STEPS.contains(&self.step) && live_bytes <= COMPACT_LIVE_BYTES_MAX {
            self.start_compaction();
            return Ok(true);
        }
        // Flushing all lets go of the old journals, and of the tables that a compaction has replaced. It happens in the
        // background, and the next step sees its tables.
        self.flush()?;
        self.step %= STEPS;
        Ok(self.step != 0)
    }

    fn journal_gap(&mut self) -> Option<u64> {
        let newest = self.marker.newest_journal();
        self.note_journal(newest);
        let journal = &mut self.journal;
        if journal.bytes < JOURNAL_WORTH_BYTES || journal.is_full {
            return None;
        }
        let gap = (JOURNAL_BYTES + 1).saturating_sub(journal.bytes);
        journal.is_full = gap == 0;
        let (free, needed) = (room::free(self.marker.dir()), gap + self.owed() + FREE_BYTES_MIN);
        // Only if it makes the difference: half a journal filled up is room lost.
        let is_there = free >= needed || (free + RESERVE_BYTES >= needed && self.release_reserve());
        is_there.then_some(gap)
    }

    fn flush(&mut self) -> Result<(), Error> {
        // fjall takes note of what no reader needs any more after it has begun to flush a keyspace. So the smallest goes first: then
        // what was removed, of the others, and padding above all, is not written to tables.
        let spaces = [Space::Definitions, Space::Messages, Space::Streams];
        for keyspace in spaces.into_iter().filter_map(|space| self.keyspaces.get(space)) {
            let rotated = keyspace.rotate_memtable();
            rotated.map_err(|error| engine_error(self.marker.dir(), "flushing", error))?;
        }
        Ok(())
    }

    fn disk_room(&self) -> Option<Room> {
        let free = fs4::available_space(self.marker.dir()).ok()?;
        Some(Room { free, owed: self.owed() })
    }

    fn file_bytes(&self) -> u64 {
        self.keyspaces.get(Space::Messages).map_or(0, fjall::Keyspace::disk_space)
    }

    fn release_reserve(&self) -> bool {
        Reserve::of(self.marker.dir()).release()
    }
}

struct FjallReader {
    keyspaces: FjallKeyspaces,
    dir: PathBuf,
}

impl FjallReader {
    /// Pairs with `from <= key < to`, which it takes amiss if there can be none; `None` if the space is not there.
    fn iterate(&self, space: Space, from: &[u8], to: &[u8]) -> Result<Option<Iter>, Error> {
        let Some(keyspace) = self.keyspaces.get(space) else { return Ok(None) };
        self.reading(|| Ok(Some(keyspace.range(from..to.max(from)))))
    }

    fn reading<T>(&self, read: impl FnOnce() -> fjall::Result<T>) -> Result<T, Error> {
        // fjall checks some of what it reads by assertions.
        let read = quiet::catch(read).map_err(Error::damaged)?;
        read.map_err(|error| engine_error(&self.dir, READING, error))
    }
}

impl Reader for FjallReader {
    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(keyspace) = self.keyspaces.get(space) else { return Ok(None) };
        let value = self.reading(|| keyspace.get(key))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
        wants: &dyn Fn(&[u8]) -> bool,
        visit: &mut PairVisitor<'_>,
    ) -> Result<(), Error> {
        let Some(mut pairs) = self.iterate(space, from, to)? else { return Ok(()) };
        let mut next = || {
            let pair = pairs.next().map(|pair| pair.into_inner_if(|key| wants(key)));
            pair.transpose().map(Option::unwrap_or_default)
        };
        while let (key, Some(value)) = self.reading(&mut next)? {
            visit(&key, value.to_vec())?;
        }
        Ok(())
    }

    fn keys(&self, space: Space, from: &[u8], to: &[u8], visit: &mut KeyVisitor<'_>) -> Result<(), Error> {
        let Some(mut pairs) = self.iterate(space, from, to)? else { return Ok(()) };
        while let Some(key) = self.reading(|| pairs.next().map(Guard::key).transpose())? {
            if visit(&key)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last_key(&self, space: Space, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(mut pairs) = self.iterate(space, from, to)? else { return Ok(None) };
        let key = self.reading(|| pairs.next_back().map(Guard::key).transpose())?;
        Ok(key.map(|key| key.to_vec()))
    }

    fn damage_at(&self, space: Space, key: &[u8]) -> Option<String> {
        rescue::damage_of(&self.dir, space, key)
    }
}

struct FjallSnapshot {
    reader: FjallReader,
    snapshot: fjall::Snapshot,
}

impl Snapshot for FjallSnapshot {
    fn scan(&self, space: Space, visit: &mut Visitor<'_>) -> Result<(), Error> {
        let Some(keyspace) = self.reader.keyspaces.get(space) else { return Ok(()) };
        let mut pairs = self.reader.reading(|| Ok(self.snapshot.iter(keyspace)))?;
        while let Some((key, value)) =
            self.reader.reading(|| pairs.next().map(Guard::into_inner).transpose())?
        {
            visit(&key, &value)?;
        }
        Ok(())
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(keyspace) = self.reader.keyspaces.get(space) else { return Ok(None) };
        let value = self.reader.reading(|| self.snapshot.get(keyspace, key))?;
        Ok(value.map(|value| value.to_vec()))
    }
}

/// An error of reading or of a commit, with its first cause.
fn engine_error(dir: &Path, doing: &str, error: fjall::Error) -> Error {
    use fjall::{Error as F, LsmError as L};
    let io = |doing: &str, source| Error::Io { doing: format!("{doing} in {}", dir.display()), source };
    match error {
        F::Io(source) | F::Storage(L::Io(source)) => io(doing, source),
        F::Poisoned => match engine_log::first_error() {
            Some(cause) => match engine_log::os_error(&cause) {
                Some(source) => io("flushing or compacting tables", source),
                None => Error::EngineStopped { cause },
            },
            None => Error::Engine(error),
        },
        F::Storage(_) | F::JournalRecovery(_) | F::InvalidTrailer | F::InvalidTag(_) | F::Unrecoverable => {
            Error::damaged(format!("in {}: {error}", dir.display()))
        }
        other => Error::Engine(other),
    }
}

fn open_database(dir: &Path, open_files_max: usize) -> Result<Database, Error> {
    Database::builder(dir)
        .worker_threads(WORKER_THREADS)
        .journal_compression(CompressionType::None)
        .max_journaling_size(JOURNAL_BYTES_MAX)
        .cache_size(CACHE_BYTES)
        .max_cached_files(Some(open_files_max))
        .open()
        .map_err(|error| open_error(dir, error))
}

fn open_error(dir: &Path, error: fjall::Error) -> Error {
    use fjall::{Error as F, LsmError as L};
    match error {
        F::Locked => Error::Locked { dir: dir.into() },
        F::Io(source) | F::Storage(L::Io(source)) if source.kind() == ErrorKind::PermissionDenied => {
            Error::NotWritable { dir: dir.into(), source }
        }
        F::InvalidVersion(found) => {
            let found = found.map_or_else(|| "unknown".into(), |version| format!("{version:?}"));
            Error::Version { found, known: chunk::FORMAT_VERSION }
        }
        other => engine_error(dir, "opening the store", other),
    }
}
