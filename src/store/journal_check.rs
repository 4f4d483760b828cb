//! Looks through fjall's journals before fjall does. fjall 3 stops reading a journal at the first entry it cannot
//! parse and drops all that follows, and refuses to open when the hole is in a value. A crash legitimately leaves
//! such a hole, but only in batches that were never synced; anywhere else it is damage, and confirmed messages
//! would go missing. So: an unsynced bad tail is cut off, anything else is refused.
//!
//! How to tell: the first item of each of our batches is the heartbeat, its commit number and the last commit that
//! was synced before. If an intact batch after the hole says that a commit in the hole had been synced, the hole is
//! damage. Journals but the newest were synced as a whole when they were sealed.
//!
//! The journal format (fjall 3.1, little-endian): a batch is `1 | item count u32 | seqno u64`, items, and
//! `3 | xxh3 u64 of the items | FJL 3`; an item is `2 | value type u8 | compression u8 | keyspace u64 | key length
//! u16 | value length u32 | stored length u32 | key | value`, or `4 | keyspace u64`. Unwritten space is zeros.

use super::chunk;
use super::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TAG_CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";

const START_BYTES: usize = 1 + 4 + 8;
const ITEM_HEADER_BYTES: usize = 1 + 1 + 1 + 8 + 2 + 4 + 4;
const WINDOW_BYTES: usize = 256 * 1024;
/// Start, header of the heartbeat, its key: what a batch of ours is recognised by.
const SIGNATURE_BYTES: usize = START_BYTES + ITEM_HEADER_BYTES + 1;

/// Checks all journals in the directory; cuts a bad unsynced tail off and says so.
///
/// # Errors
/// [`Error::Damaged`], [`Error::NotWritable`] or [`Error::Io`]; nothing is changed then.
pub(super) fn check(dir: &Path) -> Result<Option<String>, Error> {
    let mut journals = Vec::new();
    for path in journal_paths(dir)? {
        journals.push(Journal::open(path)?);
    }
    let Some(mut newest) = journals.pop() else { return Ok(None) };
    let mut last = None;
    for mut journal in journals {
        last = journal.check_sealed(last)?;
    }
    newest.check_active(last)
}

/// Whether there is nothing but zeros in the file, or no file.
pub(super) fn is_blank(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => {
            first_non_zero(&mut BufReader::with_capacity(WINDOW_BYTES, file)).is_ok_and(|at| at.is_none())
        }
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

fn journal_paths(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let reading = || Error::io(format!("listing {}", dir.display()));
    let mut journals = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(reading())? {
        let path = entry.map_err(reading())?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_suffix(".jnl").and_then(|stem| stem.parse::<u64>().ok()) {
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// The numbers of a heartbeat.
#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    number: u64,
    synced: u64,
}

/// Why the bytes at some place are no batch.
enum Fault {
    Bad,
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof { Self::Bad } else { Self::Io(error) }
    }
}

struct Journal {
    path: PathBuf,
    reader: BufReader<File>,
}

impl Journal {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|source| match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Error::NotWritable { dir: path.clone(), source }
            }
            _ => Error::Io { doing: format!("opening {}", path.display()), source },
        })?;
        Ok(Self { path, reader: BufReader::with_capacity(WINDOW_BYTES, file) })
    }

    fn check_sealed(&mut self, before: Option<Heartbeat>) -> Result<Option<Heartbeat>, Error> {
        let (end, last) = self.intact(before)?;
        match self.first_non_zero_from(end)? {
            None => Ok(last),
            Some(at) => Err(self.damaged(at)),
        }
    }

    fn check_active(&mut self, before: Option<Heartbeat>) -> Result<Option<String>, Error> {
        let (end, last) = self.intact(before)?;
        if self.first_non_zero_from(end)?.is_none() {
            return Ok(None);
        }
        if self.synced_batch_follows(end, last)? {
            return Err(self.damaged(end));
        }
        self.truncate(end).map(Some)
    }

    /// Where the intact batches from the start of the file end, and the heartbeat of the last one.
    fn intact(&mut self, before: Option<Heartbeat>) -> Result<(u64, Option<Heartbeat>), Error> {
        let (mut end, mut last) = (0, before);
        loop {
            match read_batch(&mut self.reader) {
                Ok((bytes, beat)) => {
                    end += bytes;
                    last = beat.or(last);
                }
                Err(Fault::Bad) => return Ok((end, last)),
                Err(Fault::Io(source)) => return Err(self.unreadable(source)),
            }
        }
    }

    fn first_non_zero_from(&mut self, from: u64) -> Result<Option<u64>, Error> {
        let found = self.reader.seek(SeekFrom::Start(from)).and_then(|_| first_non_zero(&mut self.reader));
        found.map(|offset| offset.map(|offset| from + offset)).map_err(|source| self.unreadable(source))
    }

    /// Whether an intact batch after `from` proves that the commit after `last` had been synced. Without a `last`
    /// nobody knows which commit is broken, so any intact batch is proof enough.
    fn synced_batch_follows(&mut self, from: u64, last: Option<Heartbeat>) -> Result<bool, Error> {
        let broken = last.map(|beat| beat.number + 1);
        let mut at = from + 1;
        while let Some((found, beat)) = self.next_intact(at).map_err(|source| self.unreadable(source))? {
            if broken.is_none_or(|broken| beat.number > broken && beat.synced >= broken) {
                return Ok(true);
            }
            at = found + 1;
        }
        Ok(false)
    }

    /// The next place at or after `from` where a whole batch of ours stands.
    fn next_intact(&mut self, from: u64) -> io::Result<Option<(u64, Heartbeat)>> {
        let mut window = Vec::new();
        let mut base = from;
        loop {
            window.clear();
            self.reader.seek(SeekFrom::Start(base))?;
            self.reader.by_ref().take(WINDOW_BYTES as u64).read_to_end(&mut window)?;
            if window.len() < SIGNATURE_BYTES {
                return Ok(None);
            }
            for offset in candidates(&window) {
                let at = base + offset as u64;
                self.reader.seek(SeekFrom::Start(at))?;
                match read_batch(&mut self.reader) {
                    Ok((_, Some(beat))) => return Ok(Some((at, beat))),
                    Ok((_, None)) | Err(Fault::Bad) => (),
                    Err(Fault::Io(error)) => return Err(error),
                }
            }
            base += (window.len() - SIGNATURE_BYTES + 1) as u64;
        }
    }

    fn truncate(&mut self, end: u64) -> Result<String, Error> {
        let doing = || Error::io(format!("cutting the unfinished end off {}", self.path.display()));
        let file = self.reader.get_mut();
        file.set_len(end).map_err(doing())?;
        file.sync_all().map_err(doing())?;
        Ok(format!("cut off an unfinished, unconfirmed write at byte {end} of {}", self.path.display()))
    }

    fn damaged(&self, at: u64) -> Error {
        Error::damaged(format!("{} at byte {at}, with confirmed data after it", self.path.display()))
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::Io { doing: format!("reading {}", self.path.display()), source }
    }
}

fn first_non_zero(reader: &mut impl Read) -> io::Result<Option<u64>> {
    let mut window = vec![0; WINDOW_BYTES];
    let mut base = 0;
    loop {
        let len = reader.read(&mut window)?;
        let read = window.get(..len).unwrap_or_default();
        if read.is_empty() {
            return Ok(None);
        }
        if let Some(at) = read.iter().position(|byte| *byte != 0) {
            return Ok(Some(base + at as u64));
        }
        base += len as u64;
    }
}

/// Offsets at which a batch that begins with our heartbeat may stand.
fn candidates(window: &[u8]) -> impl Iterator<Item = usize> {
    window.windows(SIGNATURE_BYTES).enumerate().filter(|(_, bytes)| is_signature(bytes)).map(|(at, _)| at)
}

fn is_signature(bytes: &[u8]) -> bool {
    let value_bytes = (chunk::HEARTBEAT_BYTES as u32).to_le_bytes();
    bytes.first() == Some(&TAG_START)
        && bytes.get(START_BYTES) == Some(&TAG_ITEM)
        && bytes.get(24..26) == Some(&[1, 0])
        && bytes.get(26..30) == Some(&value_bytes)
        && bytes.last() == Some(&chunk::KIND_HEARTBEAT)
}

/// Reads a batch; its length and its heartbeat, if it begins with one.
fn read_batch(reader: &mut impl Read) -> Result<(u64, Option<Heartbeat>), Fault> {
    let start: [u8; START_BYTES] = read_array(reader)?;
    let [TAG_START, counts @ ..] = &start else { return Err(Fault::Bad) };
    let items = counts.first_chunk().map_or(0, |count| u32::from_le_bytes(*count));
    let mut hasher = Hashed { reader, hash: Xxh3::new(), bytes: 0 };
    let mut beat = None;
    for item in 0..items {
        let found = hasher.item()?;
        if item == 0 {
            beat = found;
        }
    }
    let (hash, bytes) = (hasher.hash.digest(), hasher.bytes);
    let end: [u8; 13] = read_array(reader)?;
    let mut expected = [TAG_END; 13];
    for (to, from) in expected.iter_mut().skip(1).zip(hash.to_le_bytes().into_iter().chain(TRAILER)) {
        *to = from;
    }
    if end != expected {
        return Err(Fault::Bad);
    }
    Ok((START_BYTES as u64 + bytes + end.len() as u64, beat))
}

fn read_array<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads items and hashes what it reads.
struct Hashed<'a, R> {
    reader: &'a mut R,
    hash: Xxh3,
    bytes: u64,
}

impl<R: Read> Hashed<'_, R> {
    /// Reads an item; what its value says if it is a heartbeat.
    fn item(&mut self) -> Result<Option<Heartbeat>, Fault> {
        match self.array()? {
            [TAG_CLEAR] => self.array::<8>().map(|_| None).map_err(Fault::from),
            [TAG_ITEM] => self.pair(),
            _ => Err(Fault::Bad),
        }
    }

    fn pair(&mut self) -> Result<Option<Heartbeat>, Fault> {
        let [value_type, compression] = self.array()?;
        let _keyspace: [u8; 8] = self.array()?;
        let key_bytes = u16::from_le_bytes(self.array()?);
        let _value_bytes: [u8; 4] = self.array()?;
        let stored_bytes = u32::from_le_bytes(self.array()?);
        if value_type > 4 || compression > 1 {
            return Err(Fault::Bad);
        }
        if key_bytes == 1 && stored_bytes as usize == chunk::HEARTBEAT_BYTES {
            return self.heartbeat();
        }
        self.skip(u64::from(key_bytes) + u64::from(stored_bytes))?;
        Ok(None)
    }

    fn heartbeat(&mut self) -> Result<Option<Heartbeat>, Fault> {
        let [key] = self.array()?;
        let value: [u8; chunk::HEARTBEAT_BYTES] = self.array()?;
        let numbers = chunk::parse_heartbeat(&value).filter(|_| key == chunk::KIND_HEARTBEAT);
        Ok(numbers.map(|(number, synced)| Heartbeat { number, synced }))
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = read_array(self.reader)?;
        self.hash.update(&bytes);
        self.bytes += N as u64;
        Ok(bytes)
    }

    /// Reads past bytes in small pieces: a damaged length must not allocate.
    fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        let mut piece = [0; 8 * 1024];
        while bytes > 0 {
            let len = bytes.min(piece.len() as u64) as usize;
            let piece = piece.get_mut(..len).unwrap_or_default();
            self.reader.read_exact(piece)?;
            self.hash.update(piece);
            self.bytes += len as u64;
            bytes -= len as u64;
        }
        Ok(())
    }
}
