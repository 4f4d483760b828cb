//! Looks through fjall's journals before fjall does. fjall 3 stops reading a journal at the first entry it cannot
//! parse and drops all that follows, refuses to open when the hole is in a value, and believes any sequence number. A crash
//! legitimately leaves a hole, but only in batches that were never synced; anywhere else it is damage, and confirmed messages
//! would go missing. So: an unsynced bad tail may be cut off, anything else is refused.
//!
//! How to tell: the first item of each of our batches is the heartbeat, its commit number and the last commit that
//! was synced before. If an intact batch after the hole says that a commit in the hole had been synced, the hole is
//! damage. Journals but the newest were synced as a whole when they were sealed. Commit numbers have no gaps, from the first
//! that is not in the tables to the last, and sequence numbers ascend with them; the newest commit in the tables says
//! which of them fjall will pass over.

use super::error::Error;
use super::files::Fault;
use super::files::journal::{self, Batch, Heartbeat, WINDOW_BYTES};
use super::marker;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Between two commits fjall takes a sequence number for each flush and compaction. More than this is damage.
const SEQNO_STEP_MAX: u64 = 1 << 32;

/// A commit and its place in fjall's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) number: u64,
    pub(super) seqno: u64,
}

/// The newest commits in the tables.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flushed {
    /// Of all commits, for each has something for the messages.
    pub(super) messages: Option<Commit>,
    /// Of those that have something for streams.
    pub(super) streams: Option<Commit>,
}

/// What the journals hold.
#[derive(Debug, Default)]
pub(super) struct Journals {
    /// The last whole commit.
    pub(super) last: Option<Commit>,
    /// The number of the last one that has anything for streams, in journals or tables; 0 if there is none.
    pub(super) last_of_streams: u64,
    /// What the newest ends with, if that is no commit.
    pub(super) torn: Option<Torn>,
    /// Bytes of the whole commits in the newest.
    pub(super) newest_bytes: u64,
}

/// Bytes at the end of the newest journal that are no whole commit, and may never have been one.
#[derive(Debug)]
pub(super) struct Torn {
    pub(super) path: PathBuf,
    /// Where they begin.
    pub(super) at: u64,
    /// A whole commit that follows them. It was not synced, and goes with them.
    pub(super) followed_by: Option<u64>,
}

impl Torn {
    /// Cuts them off.
    ///
    /// # Errors
    /// [`Error::NotWritable`] or [`Error::Io`].
    pub(super) fn cut(&self) -> Result<(), Error> {
        let doing = || Error::io(format!("cutting the unfinished end off {}", self.path.display()));
        let file = OpenOptions::new().write(true).open(&self.path);
        let file = file.map_err(|source| match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Error::NotWritable { dir: self.path.clone(), source }
            }
            _ => doing()(source),
        })?;
        file.set_len(self.at).map_err(doing())?;
        file.sync_all().map_err(doing())
    }
}

/// Checks journals, the oldest first; `flushed` are the newest commits in the tables. Changes nothing.
///
/// # Errors
/// [`Error::Damaged`] or [`Error::Io`].
pub(super) fn check(paths: &[PathBuf], flushed: Flushed) -> Result<Journals, Error> {
    let last_of_streams = flushed.streams.map_or(0, |commit| commit.number);
    let before = paths.first().and_then(|oldest| marker::journal_before(oldest));
    let mut chain = Chain { flushed: flushed.messages, last: None, last_of_streams, before };
    let Some((newest, sealed)) = paths.split_last() else { return Ok(Journals::default()) };
    for path in sealed {
        Journal::open(path)?.check_sealed(&mut chain)?;
    }
    let (newest_bytes, torn) = Journal::open(newest)?.check_newest(&mut chain)?;
    chain.end(newest)?;
    Ok(Journals { last: chain.last, last_of_streams: chain.last_of_streams, torn, newest_bytes })
}

/// Whether there is nothing but zeros in the file, or no file.
pub(super) fn is_blank(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => {
            let mut reader = BufReader::with_capacity(WINDOW_BYTES, file);
            journal::first_non_zero(&mut reader).is_ok_and(|at| at.is_none())
        }
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// The commits as they follow each other.
struct Chain {
    flushed: Option<Commit>,
    last: Option<Commit>,
    /// The number of the last commit with anything for streams; at first, of those in the tables.
    last_of_streams: u64,
    /// The journal before the first one.
    before: Option<PathBuf>,
}

impl Chain {
    /// Takes the next batch; what is wrong with it, if anything is.
    fn take(&mut self, batch: &Batch) -> Result<(), String> {
        let beat = batch.beat.ok_or("it has no commit number")?;
        let commit = Commit { number: beat.number, seqno: batch.seqno };
        let flushed = self.flushed.map_or(0, |flushed| flushed.number);
        match self.last {
            Some(last) if commit.number != last.number.wrapping_add(1) => {
                return Err(gap(last.number, commit.number));
            }
            None if commit.number > flushed.saturating_add(1) => {
                return Err(gap(flushed, commit.number) + &self.where_it_may_have_been());
            }
            _ => {}
        }
        self.check_order(commit)?;
        self.last = Some(commit);
        self.take_streams(batch)
    }

    /// Tables of streams may lag behind those of messages, so that older journals are needed for them.
    fn take_streams(&mut self, batch: &Batch) -> Result<(), String> {
        let Some(Heartbeat { number, synced: before }) = batch.streams else { return Ok(()) };
        if number > self.last_of_streams {
            if before > self.last_of_streams {
                let place = self.where_it_may_have_been();
                return Err(format!("commit {before}, with something for streams, is missing{place}"));
            }
            self.last_of_streams = number;
        }
        Ok(())
    }

    fn where_it_may_have_been(&self) -> String {
        self.before.iter().map(|path| format!(", maybe with {}", path.display())).collect()
    }

    fn check_order(&self, commit: Commit) -> Result<(), String> {
        let before = self.last.map(|last| last.seqno);
        let follows = before.is_none_or(|before| commit.seqno > before);
        let agrees = self
            .flushed
            .is_none_or(|flushed| commit.number.cmp(&flushed.number) == commit.seqno.cmp(&flushed.seqno));
        let floor = before.max(self.flushed.map(|flushed| flushed.seqno)).unwrap_or(0);
        if follows && agrees && commit.seqno.saturating_sub(floor) <= SEQNO_STEP_MAX {
            return Ok(());
        }
        Err(format!("the sequence number {} of commit {} is out of order", commit.seqno, commit.number))
    }

    /// A table never has a commit that its journal has not.
    fn end(&self, newest: &Path) -> Result<(), Error> {
        let flushed = self.flushed.map_or(0, |flushed| flushed.number).max(self.last_of_streams);
        match self.last {
            Some(last) if last.number < flushed => Err(Error::damaged(format!(
                "{} ends with commit {}, but commit {flushed} is in the tables",
                newest.display(),
                last.number,
            ))),
            _ => Ok(()),
        }
    }
}

fn gap(before: u64, number: u64) -> String {
    if number > before {
        format!("commits {} to {} are missing", before.saturating_add(1), number - 1)
    } else {
        format!("commit {number} comes after commit {before}")
    }
}

struct Journal<'a> {
    path: &'a Path,
    reader: BufReader<File>,
}

impl<'a> Journal<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|error| Fault::from(error).of(path))?;
        Ok(Self { path, reader: BufReader::with_capacity(WINDOW_BYTES, file) })
    }

    fn check_sealed(&mut self, chain: &mut Chain) -> Result<(), Error> {
        let (end, _) = self.intact(chain)?;
        match self.first_non_zero_from(end)? {
            // Another is begun when one is full.
            None if end == 0 => Err(self.damaged(0, "and there is a newer journal")),
            None => Ok(()),
            Some(at) => Err(self.damaged(at, "and it was complete before")),
        }
    }

    /// The bytes of its whole commits, and what comes after them.
    fn check_newest(&mut self, chain: &mut Chain) -> Result<(u64, Option<Torn>), Error> {
        let (end, last) = self.intact(chain)?;
        if self.first_non_zero_from(end)?.is_none() {
            return Ok((end, None));
        }
        let last = last.map(|beat| beat.number).or(chain.last.map(|last| last.number));
        let last = last.or(chain.flushed.map(|flushed| flushed.number));
        let followed_by = self.unsynced_batch_after(end, last)?;
        Ok((end, Some(Torn { path: self.path.into(), at: end, followed_by })))
    }

    /// Where the intact batches from the start of the file end, and the heartbeat of the last one.
    fn intact(&mut self, chain: &mut Chain) -> Result<(u64, Option<Heartbeat>), Error> {
        let (mut end, mut last) = (0, None);
        loop {
            match journal::read_batch(&mut self.reader, None) {
                Ok(batch) => {
                    chain.take(&batch).map_err(|what| {
                        Error::damaged(format!("{} at byte {end}: {what}", self.path.display()))
                    })?;
                    end += batch.bytes;
                    last = batch.beat;
                }
                Err(Fault::Bad(_)) => return Ok((end, last)),
                Err(Fault::Io(source)) => return Err(self.unreadable(source)),
            }
        }
    }

    fn first_non_zero_from(&mut self, from: u64) -> Result<Option<u64>, Error> {
        let found = self.reader.seek(SeekFrom::Start(from));
        let found = found.and_then(|_| journal::first_non_zero(&mut self.reader));
        found.map(|offset| offset.map(|offset| from + offset)).map_err(|source| self.unreadable(source))
    }

    /// The first whole batch after a hole that follows the commit `last`; an error if any proves that a commit in the hole
    /// had been synced. Without a `last` nobody knows which commit is broken, so any batch is proof enough.
    fn unsynced_batch_after(&mut self, hole: u64, last: Option<u64>) -> Result<Option<u64>, Error> {
        let broken = last.map(|number| number + 1);
        let (mut at, mut first) = (hole + 1, None);
        while let Some((found, beat)) =
            journal::next_batch(&mut self.reader, at).map_err(|source| self.unreadable(source))?
        {
            if broken.is_none_or(|broken| beat.number > broken && beat.synced >= broken) {
                let detail = format!("and commit {} after it was confirmed", beat.number);
                return Err(self.damaged(hole, &detail));
            }
            first = first.or(Some(beat.number));
            at = found + 1;
        }
        Ok(first)
    }

    fn damaged(&self, at: u64, detail: &str) -> Error {
        Error::damaged(format!("{} at byte {at}: no whole commit is there, {detail}", self.path.display()))
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::Io { doing: format!("reading {}", self.path.display()), source }
    }
}
