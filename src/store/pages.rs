//! Pages: messages that a queue has put out of memory and that a restart forgets: transient ones, and any of queues that
//! are not durable.
//!
//! They are not in the engine: what needs no atomicity and no recovery should cost one sequential write, not a journal, a
//! memtable, a flush and a compaction. Each queue appends its pages to a file of its own, which is deleted when none of
//! its pages is left; queues are read mostly in order, so that files go as the queue is drained. Nothing is synced, and the
//! next start deletes what is there.
//!
//! Invariants: what is read back is what was written, or an error; of a page that is gone there is nothing.

use super::chunk::{decode_entries, encode_entry};
use super::error::Error;
use super::private_files;
use super::submission::StoredMessage;
use crate::message::runs::Runs;
use crate::message::{Position, QueueId};
use foldhash::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// A file takes no more pages when it has this many bytes: what a queue keeps on disk beyond its live pages.
const FILE_BYTES_FULL: u64 = 16 * 1024 * 1024;

/// Their directory in the data directory.
const NAME: &str = "pages";

/// All pages of a store.
pub(super) struct Pages {
    place: Place,
    queues: HashMap<QueueId, QueuePages>,
    next_file: u64,
    buffer: Vec<u8>,
}

/// Where files are.
enum Place {
    Dir(PathBuf),
    Memory(HashMap<u64, Vec<u8>>),
}

#[derive(Default)]
struct QueuePages {
    pages: HashMap<u64, Page>,
    /// The file that takes pages, and its bytes so far.
    open: Option<(u64, u64)>,
    /// Live pages by file.
    live: HashMap<u64, u32>,
}

struct Page {
    file: u64,
    offset: u64,
    len: usize,
    count: usize,
    hash: u64,
}

impl Pages {
    /// Pages in a directory, which is emptied.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be.
    pub(super) fn in_dir(dir: &Path) -> Result<Self, Error> {
        Self::forget_earlier(dir)?;
        let dir = dir.join(NAME);
        private_files::create_dir_all(&dir).map_err(Error::io("making the directory of pages"))?;
        Ok(Self::new(Place::Dir(dir)))
    }

    /// Deletes what an earlier run has left in a data directory.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be.
    pub(super) fn forget_earlier(dir: &Path) -> Result<(), Error> {
        match std::fs::remove_dir_all(dir.join(NAME)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io("deleting the pages of an earlier run")(error))
            }
            _ => Ok(()),
        }
    }

    /// Free bytes on the disk that they are on.
    pub(super) fn free(&self) -> Option<u64> {
        match &self.place {
            Place::Dir(dir) => fs4::available_space(dir).ok(),
            Place::Memory(_) => None,
        }
    }

    /// Pages in memory, for simulations.
    pub(super) fn in_memory() -> Self {
        Self::new(Place::Memory(HashMap::default()))
    }

    fn new(place: Place) -> Self {
        Self { place, queues: HashMap::default(), next_file: 0, buffer: Vec::new() }
    }

    /// Writes a page.
    ///
    /// # Errors
    /// [`Error::Io`]; nothing can be paged any more.
    pub(super) fn write(
        &mut self,
        queue: QueueId,
        id: u64,
        entries: Vec<StoredMessage>,
    ) -> Result<(), Error> {
        self.buffer.clear();
        let count = entries.len();
        let mut last = Position(0);
        for entry in entries {
            encode_entry(&mut self.buffer, &entry, entry.position.0 - last.0, None);
            last = entry.position;
        }
        let pages = self.queues.entry(queue).or_default();
        let (file, offset) = pages.open.unwrap_or_else(|| {
            self.next_file += 1;
            (self.next_file, 0)
        });
        self.place.append(file, &self.buffer).map_err(Error::io("writing a page"))?;
        let len = self.buffer.len();
        let end = offset + len as u64;
        pages.open = (end < FILE_BYTES_FULL).then_some((file, end));
        *pages.live.entry(file).or_default() += 1;
        pages.pages.insert(id, Page { file, offset, len, count, hash: xxh3_64(&self.buffer) });
        Ok(())
    }

    /// Reads the wanted messages of a page; none if there is no such page.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Damaged`] if it is not what was written.
    pub(super) fn read(
        &mut self,
        queue: QueueId,
        id: u64,
        wanted: &Runs,
    ) -> Result<Vec<StoredMessage>, Error> {
        let Some(page) = self.queues.get(&queue).and_then(|pages| pages.pages.get(&id)) else {
            return Ok(Vec::new());
        };
        let bytes = self.place.read(page).map_err(Error::io("reading a page"))?;
        let whole = xxh3_64(&bytes) == page.hash;
        let no_bodies = |_| Ok(None);
        let entries = decode_entries(Position(0), bytes, 0, page.count, Some(wanted), &no_bodies)?;
        let entries = entries.filter(|_| whole);
        entries.ok_or_else(|| Error::damaged(format!("a page of queue {}", queue.0)))
    }

    /// Forgets a page.
    pub(super) fn forget(&mut self, queue: QueueId, id: u64) {
        let Some(pages) = self.queues.get_mut(&queue) else { return };
        let Some(page) = pages.pages.remove(&id) else { return };
        let Some(live) = pages.live.get_mut(&page.file) else { return };
        *live -= 1;
        if *live > 0 {
            return;
        }
        pages.live.remove(&page.file);
        pages.open = pages.open.filter(|(file, _)| *file != page.file);
        self.place.delete(page.file);
        if pages.pages.is_empty() {
            self.queues.remove(&queue);
        }
    }

    /// Forgets all pages of a queue.
    pub(super) fn forget_all(&mut self, queue: QueueId) {
        let Some(pages) = self.queues.remove(&queue) else { return };
        for file in pages.live.into_keys() {
            self.place.delete(file);
        }
    }
}

fn name(dir: &Path, file: u64) -> PathBuf {
    dir.join(format!("{file}.page"))
}

impl Place {
    fn append(&mut self, file: u64, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Dir(dir) => {
                let mut options = OpenOptions::new();
                private_files::private(options.create(true).append(true));
                options.open(name(dir, file))?.write_all(bytes)
            }
            Self::Memory(files) => {
                files.entry(file).or_default().extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn read(&self, page: &Page) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; page.len];
        match self {
            Self::Dir(dir) => {
                let mut file = File::open(name(dir, page.file))?;
                file.seek(SeekFrom::Start(page.offset))?;
                file.read_exact(&mut bytes)?;
            }
            Self::Memory(files) => {
                let start = page.offset as usize;
                let file = files.get(&page.file).and_then(|file| file.get(start..start + page.len));
                bytes.copy_from_slice(file.ok_or(ErrorKind::UnexpectedEof)?);
            }
        }
        Ok(bytes)
    }

    /// Best effort: what stays goes with the next start.
    fn delete(&mut self, file: u64) {
        match self {
            Self::Dir(dir) => drop(std::fs::remove_file(name(dir, file))),
            Self::Memory(files) => drop(files.remove(&file)),
        }
    }
}
