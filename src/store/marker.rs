//! `coney.store`: our own file in the data directory, by which a start knows what must be there.
//!
//! fjall makes an empty store where files of its root are missing, and deletes what it then does not know. This file says that
//! the directory had a store, which journals there were, and up to which commit everything was on the disk. It is written
//! at the first commit after an open, when a journal begins, and at a clean end; never in between, so that commits cost no more.
//!
//! Invariants:
//! - What it says was so when it was written, and still holds: a directory may have more, never less.
//! - A confirmed commit in a journal comes after the file that names the journal.
//! - It is replaced as a whole: a crash leaves the old one or the new one.
//!
//! A version of Coney that does not know the file leaves it as it is, so what it says may be old.

use super::error::Error;
use super::{lock, private_files};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::xxh3_64;

/// Its name.
pub(super) const NAME: &str = "coney.store";
const NEW_NAME: &str = "coney.store.new";
const FORMAT: &str = "1";
const FIRST_LINE: &str = "# Coney keeps queues and messages in this directory. Without this file it cannot tell whether any are missing.";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// Tells directories apart.
    pub(super) id: String,
    /// Whether the store was closed and nothing was written after.
    pub(super) closed: bool,
    /// This commit and all before it were on the disk.
    pub(super) commit: u64,
    /// The last of them that had anything for streams; 0 if there was none.
    pub(super) streams: u64,
    /// The journals that there were.
    pub(super) journals: RangeInclusive<u64>,
}

impl Marker {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not what was written, or [`Error::Io`].
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(NAME);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(format!("reading {}", path.display()))(error)),
        };
        let parsed = std::str::from_utf8(&bytes).ok().and_then(Self::parse);
        parsed.map(Some).ok_or_else(|| {
            Error::damaged(format!(
                "{}: it is not what was written. If nothing else is damaged, remove it and start again",
                path.display()
            ))
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (covered, checksum) = text.rsplit_once("checksum ")?;
        if checksum != format!("{:016x}\n", xxh3_64(covered.as_bytes())) {
            return None;
        }
        let lines: HashMap<&str, &str> = covered.lines().filter_map(|line| line.split_once(' ')).collect();
        let (first, last) = lines.get("journals")?.split_once('-')?;
        Some(Self {
            id: lines.get("id").filter(|_| lines.get("format") == Some(&FORMAT))?.to_string(),
            closed: lines.get("state")?.trim() == "closed",
            commit: lines.get("commit")?.parse().ok()?,
            streams: lines.get("streams").map_or(Some(0), |number| number.parse().ok())?,
            journals: first.parse().ok()?..=last.parse().ok()?,
        })
    }

    fn text(&self) -> String {
        // Equally long: a file that is only reopened can be written over where there is no room for another.
        let state = if self.closed { "closed" } else { "open  " };
        let Self { id, commit, streams, journals, .. } = self;
        let (first, last) = (journals.start(), journals.end());
        let streams = if *streams > 0 { format!("streams {streams}\n") } else { String::new() };
        let covered = format!(
            "{FIRST_LINE}\nformat {FORMAT}\nid {id}\nstate {state}\ncommit {commit}\n{streams}journals {first}-{last}\n"
        );
        let checksum = xxh3_64(covered.as_bytes());
        format!("{covered}checksum {checksum:016x}\n")
    }

    /// Says that the store is open again, before anything in it changes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn reopen(&mut self, dir: &Path) -> Result<(), Error> {
        if !std::mem::take(&mut self.closed) {
            return Ok(());
        }
        let written = self.write(dir).or_else(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => self.write_over(dir),
            _ => Err(error),
        });
        written.map_err(Error::io(format!("writing {}", dir.join(NAME).display())))
    }

    /// Writes over the file, less than a sector, which takes no room.
    fn write_over(&self, dir: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(dir.join(NAME))?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()
    }

    fn write(&self, dir: &Path) -> io::Result<()> {
        let new = dir.join(NEW_NAME);
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private_files::create_new(&new)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, dir.join(NAME))?;
        sync_directory(dir)
    }
}

#[cfg(unix)]
fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Other systems cannot.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Keeps the file up to date while a store is open.
pub(super) struct MarkerKeeper {
    dir: PathBuf,
    state: Mutex<State>,
}

struct State {
    marker: Marker,
    /// Whether the file says so since this open.
    is_written: bool,
    /// The newest journal, by its number.
    newest_journal: u64,
    /// The one that will come next.
    next_journal: PathBuf,
    /// Whether somebody was told that the file cannot be written.
    has_warned: bool,
}

impl MarkerKeeper {
    /// For a directory in which this file was found, and these journals; `streams` is the last commit that has anything for streams.
    pub(super) fn new(
        dir: &Path,
        found: Option<Marker>,
        journals: Option<RangeInclusive<u64>>,
        streams: u64,
    ) -> Result<Self, Error> {
        let id = found.map_or_else(new_id, |marker| Ok(marker.id))?;
        let journals = journals.unwrap_or(0..=0);
        let newest_journal = *journals.end();
        let next_journal = journal_path(dir, newest_journal + 1);
        let marker = Marker { id, closed: false, commit: 0, streams, journals };
        let state =
            Mutex::new(State { marker, is_written: false, newest_journal, next_journal, has_warned: false });
        Ok(Self { dir: dir.into(), state })
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The number of the newest journal. Costs a look for the next one.
    pub(super) fn newest_journal(&self) -> u64 {
        self.look_for_next(&mut self.state())
    }

    fn look_for_next(&self, state: &mut State) -> u64 {
        while state.next_journal.exists() {
            state.newest_journal += 1;
            state.next_journal = journal_path(&self.dir, state.newest_journal + 1);
        }
        state.newest_journal
    }

    /// A batch that has something for streams was committed.
    pub(super) fn committed_streams(&self, commit: u64) {
        self.state().marker.streams = commit;
    }

    /// A batch was committed and synced. Gives the number of the newest journal, and costs a look for the next one.
    pub(super) fn synced(&self, commit: u64) -> u64 {
        let mut state = self.state();
        state.marker.commit = commit;
        let newest = self.look_for_next(&mut state);
        if newest != *state.marker.journals.end() {
            state.marker.journals = oldest_journal(&self.dir).unwrap_or(newest)..=newest;
            state.is_written = false;
        }
        if !state.is_written {
            self.write(&mut state);
        }
        newest
    }

    /// The store is closed: all is on the disk.
    pub(super) fn closed(&self) {
        let mut state = self.state();
        // If somebody else has opened it meanwhile, the file is theirs.
        let Some(_lock) = lock::lock_again(&self.dir).ok().filter(|_| state.is_written) else { return };
        let newest = *state.marker.journals.end();
        state.marker.journals = oldest_journal(&self.dir).unwrap_or(newest)
            ..=newest.max(newest_journal(&self.dir).unwrap_or(newest));
        state.marker.closed = true;
        self.write(&mut state);
    }

    /// What it says is true without the file, too: where it cannot be written less is noticed later, no more.
    fn write(&self, state: &mut State) {
        match state.marker.write(&self.dir) {
            Ok(()) => state.is_written = true,
            Err(error) if !state.has_warned => {
                state.has_warned = true;
                tracing::warn!(%error, "cannot write {}", self.dir.join(NAME).display());
            }
            Err(_) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The numbers of the journals in a directory, ascending.
pub(super) fn journal_numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        numbers.extend(journal_number(&entry?.file_name().to_string_lossy()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The number of a journal by the name of its file.
pub(super) fn journal_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".jnl")?.parse::<u64>().ok()?;
    (format!("{number}.jnl") == name).then_some(number)
}

/// Where a journal is.
pub(super) fn journal_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.jnl"))
}

/// Where the journal before this one is, or was.
pub(super) fn journal_before(path: &Path) -> Option<PathBuf> {
    let number = journal_number(path.file_name()?.to_str()?)?;
    Some(journal_path(path.parent()?, number.checked_sub(1)?))
}

fn oldest_journal(dir: &Path) -> Option<u64> {
    journal_numbers(dir).ok()?.first().copied()
}

fn newest_journal(dir: &Path) -> Option<u64> {
    journal_numbers(dir).ok()?.last().copied()
}

fn new_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let random = getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()));
    random.map_err(Error::io("getting a random number"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker { id: "ab".into(), closed: true, commit: 17, streams: 9, journals: 3..=5 }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Marker::read(dir.path()).unwrap(), None);
        std::fs::write(dir.path().join(NEW_NAME), "left by a kill").unwrap();
        for marker in [marker(), Marker { closed: false, ..marker() }, Marker { streams: 0, ..marker() }] {
            marker.write(dir.path()).unwrap();
            assert_eq!(Marker::read(dir.path()).unwrap(), Some(marker));
        }
        assert!(!dir.path().join(NEW_NAME).exists());
        let (mut reopened, open) = (marker(), Marker { closed: false, ..marker() });
        marker().write(dir.path()).unwrap();
        open.write_over(dir.path()).unwrap();
        assert_eq!(Marker::read(dir.path()).unwrap(), Some(open.clone()));
        reopened.reopen(dir.path()).unwrap();
        assert_eq!(reopened, open);
    }

    #[test]
    fn any_other_bit_is_noticed() {
        let text = marker().text().into_bytes();
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let parsed = std::str::from_utf8(&flipped).ok().and_then(Marker::parse);
            assert_eq!(parsed, None, "bit {bit}");
        }
        for len in 0..text.len() {
            assert_eq!(std::str::from_utf8(&text[..len]).ok().and_then(Marker::parse), None, "{len} bytes");
        }
    }
}
