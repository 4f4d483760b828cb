//! The engine on disk: fjall, and nothing else names it.
//!
//! Invariants: every batch that touches a keyspace puts a heartbeat there (the committer sees to it), because a
//! keyspace whose flush cancels out to nothing never frees its journals. The journals are checked before fjall
//! opens them, under fjall's own lock, because fjall silently drops what follows a damaged header.

use super::engine::{Durability, Engine, Reader, Space, Visitor, Write, WriteBatch};
use super::error::Error;
use super::{chunk, journal_check, private_files};
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch,
    PersistMode,
};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread::JoinHandle;

/// Flushing and compaction; one of them always stays free to flush.
const WORKER_THREADS: usize = 2;
/// Journals beyond this make fjall flush the keyspaces that hold them up.
const JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// What is removed before it was flushed never reaches a table, and larger tables are rewritten less often; but up to four
/// more wait to be flushed while a backlog grows, and a broker should be content with 150 MiB.
const MEMTABLE_BYTES: u64 = 24 * 1024 * 1024;
/// Chunks are read once, and what is read at a start is small: there is nothing to keep but the tables' own indexes.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// Chunks lie in files of their own, beside the tables: compaction rewrites where they are, not what they are. With 10 million
/// messages of 100 bytes that halves what is written, and the rate of publishing does not fall (it fell by 40 %).
const SEPARATED_BYTES: u32 = 1024;
/// A compaction of the keyspace, with what is left in files that are mostly stale, is cheap up to this much live data;
/// beyond, fjall's own has to do.
const COMPACT_LIVE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Steps of maintenance: what is in memory is flushed, everything is compacted, which finds files without live chunks, and once
/// more, which drops them; two more flushes make fjall let go of the versions of the tables before, and with them of
/// their files.
const STEPS: u8 = 6;
const COMPACTION_STEPS: [u8; 2] = [2, 4];

/// [`Engine`] on a directory.
pub(super) struct FjallEngine {
    database: Database,
    messages: Keyspace,
    definitions: Keyspace,
    compaction: Option<JoinHandle<()>>,
    /// The step of maintenance that was done last; 0: there is none to do.
    step: u8,
}

impl FjallEngine {
    /// Opens or creates the database, which keeps so many files open for the next read; also says what was healed.
    ///
    /// # Errors
    /// All of [`Error`]. Nothing is changed on disk when it is locked, not writable or damaged.
    pub(super) fn open(dir: &Path, open_files_max: usize) -> Result<(Self, Option<String>), Error> {
        let lock = prepare(dir)?;
        let healed = journal_check::check(dir)?;
        // fjall takes the lock itself. A process that slips in between checks the journals as we did.
        drop(lock);
        let database = open_database(dir, open_files_max)?;
        let messages = open_keyspace(&database, dir, "messages")?;
        let definitions = open_keyspace(&database, dir, "definitions")?;
        Ok((Self { database, messages, definitions, compaction: None, step: 0 }, healed))
    }

    const fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Messages => &self.messages,
            Space::Definitions => &self.definitions,
        }
    }

    #[cfg(test)]
    pub(super) fn is_flushed(&self) -> bool {
        self.messages.sealed_memtable_count() == 0
    }

    fn is_compacting(&self) -> bool {
        self.compaction.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn start_compaction(&mut self) {
        let messages = self.messages.clone();
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
        let writes = batch.into_writes();
        let mut out =
            OwnedWriteBatch::with_capacity(self.database.clone(), writes.len()).durability(Some(mode));
        for write in writes {
            match write {
                Write::Put { space, key, value } => out.insert(self.keyspace(space), key, value),
                Write::Remove { space, key } => out.remove(self.keyspace(space), key),
                Write::RemoveWeak { space, key } => out.remove_weak(self.keyspace(space), key),
            }
        }
        out.commit().map_err(Error::Engine)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error> {
        for pair in self.keyspace(space).range(from..to) {
            let (key, value) = pair.into_inner().map_err(scan_error)?;
            visit(&key, &value)?;
        }
        Ok(())
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(FjallReader { messages: self.messages.clone(), definitions: self.definitions.clone() })
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
        // Flushing both lets go of the old journals, and of the tables that a compaction has replaced. It happens in the
        // background, and the next step sees its tables.
        self.messages.rotate_memtable().map_err(Error::Engine)?;
        self.definitions.rotate_memtable().map_err(Error::Engine)?;
        self.step %= STEPS;
        Ok(self.step != 0)
    }
}

struct FjallReader {
    messages: Keyspace,
    definitions: Keyspace,
}

impl Reader for FjallReader {
    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let keyspace = match space {
            Space::Messages => &self.messages,
            Space::Definitions => &self.definitions,
        };
        Ok(keyspace.get(key).map_err(scan_error)?.map(|value| value.to_vec()))
    }
}

fn scan_error(error: fjall::Error) -> Error {
    match error {
        fjall::Error::Storage(fjall::LsmError::Io(source)) | fjall::Error::Io(source) => {
            Error::Io { doing: "reading the stored messages".into(), source }
        }
        other => Error::damaged(other.to_string()),
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

fn open_keyspace(database: &Database, dir: &Path, name: &str) -> Result<Keyspace, Error> {
    // fjall keeps these options from the first creation on: to change one is a new format version.
    let options = || {
        let separation = KvSeparationOptions::default();
        let separation = separation.separation_threshold(SEPARATED_BYTES).compression(CompressionType::None);
        let options = KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        options.expect_point_read_hits(true).with_kv_separation(Some(separation))
    };
    database.keyspace(name, options).map_err(|error| open_error(dir, error))
}

fn open_error(dir: &Path, error: fjall::Error) -> Error {
    use fjall::Error as F;
    match error {
        F::Locked => Error::Locked { dir: dir.into() },
        F::Io(source) => Error::Io { doing: format!("opening the store in {}", dir.display()), source },
        F::InvalidVersion(found) => {
            let found = found.map_or_else(|| "unknown".into(), |version| format!("{version:?}"));
            Error::Version { found, known: chunk::FORMAT_VERSION }
        }
        F::JournalRecovery(_) | F::InvalidTrailer | F::InvalidTag(_) | F::Unrecoverable | F::Storage(_) => {
            Error::damaged(format!("in {}: {error}", dir.display()))
        }
        other => Error::Engine(other),
    }
}

/// Sees that the directory is there, ours to write, and used by nobody else; the lock is held until the file drops.
fn prepare(dir: &Path) -> Result<File, Error> {
    private_files::create_dir_all(dir).map_err(|source| not_writable(dir, source))?;
    refuse_foreign(dir)?;
    let path = dir.join("lock");
    private_files::refuse_link(&path).map_err(|source| not_writable(&path, source))?;
    let lock = private_files::private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
        .open(&path)
        .map_err(|source| not_writable(&path, source))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Error::Locked { dir: dir.into() },
        TryLockError::Error(source) => Error::Io { doing: format!("locking {}", path.display()), source },
    })?;
    probe_writable(dir)?;
    keep_to_owner(dir);
    clear_interrupted_creation(dir)?;
    Ok(lock)
}

fn not_writable(path: &Path, source: io::Error) -> Error {
    Error::NotWritable { dir: path.into(), source }
}

/// A directory can refuse new files although the lock file in it is writable.
fn probe_writable(dir: &Path) -> Result<(), Error> {
    let probe = dir.join("write-probe");
    // One that a killed start left, or whatever else has the name: only the name goes.
    let cleared = match std::fs::remove_file(&probe) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    cleared
        .and_then(|()| private_files::create_new(&probe))
        .and_then(|_| std::fs::remove_file(&probe))
        .map_err(|source| not_writable(dir, source))
}

/// Others may not read what is stored. A directory on a volume that belongs to another user cannot be helped; it is said.
fn keep_to_owner(dir: &Path) {
    match private_files::tighten(dir) {
        Ok(0) => {}
        Ok(files) => tracing::info!(
            "{files} files or directories in {} could be read by other users; now only by their owner",
            dir.display()
        ),
        Err(error) => tracing::warn!(
            %error,
            "other users may be able to read messages and password hashes in {}",
            dir.display()
        ),
    }
}

/// Refuses a directory that has journals or tables but is no complete store, unless its creation was interrupted.
fn refuse_foreign(dir: &Path) -> Result<(), Error> {
    let has = |name: &str| dir.join(name).exists();
    if is_initialised(dir) || creation_was_interrupted(dir) {
        return Ok(());
    }
    let first_remnant = ["version", "keyspaces", "0.jnl"].into_iter().find(|name| has(name));
    first_remnant.map_or(Ok(()), |name| {
        let detail = format!("it has {name} but is not complete");
        Err(Error::Foreign { dir: dir.into(), detail })
    })
}

fn is_initialised(dir: &Path) -> bool {
    std::fs::metadata(dir.join("version")).is_ok_and(|marker| marker.len() >= 4)
}

/// Whether a first start died before the version marker, the last file to be made, was complete: then the first
/// journal is blank and no keyspace exists. fjall would refuse to create its files a second time.
fn creation_was_interrupted(dir: &Path) -> bool {
    let no_keyspace = match std::fs::read_dir(dir.join("keyspaces")) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    !is_initialised(dir)
        && no_keyspace
        && journal_check::is_blank(&dir.join("0.jnl"))
        && !dir.join("1.jnl").exists()
}

fn clear_interrupted_creation(dir: &Path) -> Result<(), Error> {
    if !creation_was_interrupted(dir) {
        return Ok(());
    }
    for name in ["0.jnl", "version"] {
        match std::fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(not_writable(&dir.join(name), error));
            }
            _ => (),
        }
    }
    Ok(())
}
