//! Looks through a data directory before fjall opens it, and changes nothing: whether it is new, or has all that it must have.

use super::error::Error;
use super::journal_check::{self, Journals, Torn};
use super::keyspaces::Keyspaces;
use super::marker::{self, Marker};
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The version file of fjall 3.
const VERSION: &[u8] = b"FJL\x03";

/// What was found in a directory that may be opened.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    /// What our own file says.
    pub(super) marker: Option<Marker>,
    /// The numbers of the journals.
    pub(super) journals: Option<RangeInclusive<u64>>,
    /// The last whole commit; 0 if there is none.
    pub(super) last_commit: u64,
    /// The last one that has anything for streams; 0 if there is none.
    pub(super) last_of_streams: u64,
    /// What the newest journal ends with, if that is no commit.
    pub(super) torn: Option<Torn>,
    /// The directory of a keyspace that a crash kept from being made.
    pub(super) half_made: Option<PathBuf>,
    /// Bytes of the whole commits in the newest journal.
    pub(super) newest_bytes: u64,
}

/// Looks through the directory.
///
/// # Errors
/// [`Error::Foreign`], [`Error::Damaged`], [`Error::Version`] or [`Error::Io`].
pub(super) fn inspect(dir: &Path) -> Result<Inspection, Error> {
    let marker = Marker::read(dir)?;
    if marker.is_none() && (is_untouched(dir) || creation_was_interrupted(dir)) {
        return Ok(Inspection::default());
    }
    check_version(dir, marker.as_ref())?;
    let numbers = list_journals(dir)?;
    check_numbers(dir, &numbers, marker.as_ref())?;
    let keyspaces = Keyspaces::read(dir)?;
    let paths: Vec<PathBuf> = numbers.iter().map(|number| marker::journal_path(dir, *number)).collect();
    let is_unused = marker.is_none()
        && !keyspaces.has_tables()
        && !paths.is_empty()
        && paths.iter().all(|path| journal_check::is_blank(path));
    let journals = numbers.first().zip(numbers.last()).map(|(first, last)| *first..=*last);
    if is_unused {
        return Ok(Inspection { journals, ..Inspection::default() });
    }
    if paths.is_empty() {
        let path = marker::journal_path(dir, marker.as_ref().map_or(0, |marker| *marker.journals.end()));
        return Err(Error::damaged(format!("{} is missing, and there is no other journal", path.display())));
    }
    keyspaces.check_complete(dir)?;
    let Journals { last, last_of_streams, torn, newest_bytes } =
        journal_check::check(&paths, keyspaces.flushed)?;
    let in_tables = keyspaces.flushed.messages.map_or(0, |commit| commit.number);
    let last_commit = last.map_or(in_tables, |commit| commit.number.max(in_tables));
    if let Some(marker) = &marker {
        check_commits(dir, marker, &numbers, last_commit, torn.as_ref())?;
        let before = paths.first().and_then(|oldest| marker::journal_before(oldest));
        check_streams(dir, marker, before, last_of_streams)?;
    }
    let half_made = keyspaces.half_made().cloned();
    Ok(Inspection { marker, journals, last_commit, last_of_streams, torn, half_made, newest_bytes })
}

/// Whether a first start died before the version file, the last file to be made, was complete: then the first
/// journal is blank and no keyspace exists. fjall would refuse to create its files a second time.
pub(super) fn creation_was_interrupted(dir: &Path) -> bool {
    let no_keyspace = match std::fs::read_dir(dir.join("keyspaces")) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    !is_initialised(dir)
        && !dir.join(marker::NAME).exists()
        && no_keyspace
        && journal_check::is_blank(&dir.join("0.jnl"))
        && !dir.join("1.jnl").exists()
}

fn is_initialised(dir: &Path) -> bool {
    std::fs::metadata(dir.join("version")).is_ok_and(|version| version.len() >= VERSION.len() as u64)
}

/// Whether nothing of a store is there.
fn is_untouched(dir: &Path) -> bool {
    !["version", "keyspaces", "0.jnl"].into_iter().any(|name| dir.join(name).exists())
}

fn check_version(dir: &Path, marker: Option<&Marker>) -> Result<(), Error> {
    let path = dir.join("version");
    let damaged = |what: &str| Error::damaged(format!("{} {what}", path.display()));
    match std::fs::read(&path) {
        Ok(found) if found == VERSION => Ok(()),
        // Older and newer versions of fjall.
        Ok(found) if matches!(found.as_slice(), [b'F', b'J', b'L', 1 | 2 | 4..=9]) => {
            Err(Error::Version { found: format!("fjall {}", found.last().unwrap_or(&0)), known: 3 })
        }
        Ok(_) => Err(damaged("is damaged: write `FJL` and a byte 3 to it if that is all that is wrong")),
        Err(error) if error.kind() == ErrorKind::NotFound && marker.is_some() => Err(damaged("is missing")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let first = ["keyspaces", "0.jnl"].into_iter().find(|name| dir.join(name).exists());
            let detail = format!("it has {} but is not complete", first.unwrap_or("files"));
            Err(Error::Foreign { dir: dir.into(), detail })
        }
        Err(error) => Err(Error::io(format!("reading {}", path.display()))(error)),
    }
}

/// The numbers of the journals, ascending. What fjall would take for a journal and fail over is refused.
fn list_journals(dir: &Path) -> Result<Vec<u64>, Error> {
    let reading = || Error::io(format!("listing {}", dir.display()));
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(reading())? {
        let entry = entry.map_err(reading())?;
        let name = entry.file_name();
        let is_file = entry.file_type().map_err(reading())?.is_file();
        let number = name.to_str().and_then(marker::journal_number);
        let looks_like_one = Path::new(&name).extension().is_some_and(|end| end.eq_ignore_ascii_case("jnl"));
        match number {
            Some(number) if is_file => numbers.push(number),
            None if !looks_like_one && name.to_str().is_some() => {}
            _ => {
                let what = format!("{} does not belong there: move it away", entry.path().display());
                return Err(Error::damaged(what));
            }
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Journals are numbered without gaps, and the newest that was known is there.
fn check_numbers(dir: &Path, numbers: &[u64], marker: Option<&Marker>) -> Result<(), Error> {
    let missing = |number: u64, why: &str| {
        Error::damaged(format!("{} is missing: {why}", marker::journal_path(dir, number).display()))
    };
    for (before, after) in numbers.iter().zip(numbers.iter().skip(1)) {
        if *after != before + 1 {
            return Err(missing(before + 1, "there are older and newer journals"));
        }
    }
    let Some((marker, newest)) = marker.zip(numbers.last()) else { return Ok(()) };
    if newest < marker.journals.end() {
        let why = format!("{} says that it was there", marker::NAME);
        return Err(missing(*marker.journals.end(), &why));
    }
    Ok(())
}

/// What our own file says was on the disk is there.
fn check_commits(
    dir: &Path,
    marker: &Marker,
    numbers: &[u64],
    last_commit: u64,
    torn: Option<&Torn>,
) -> Result<(), Error> {
    let says = |what: String| format!("{} says that {what}", dir.join(marker::NAME).display());
    if last_commit < marker.commit {
        let newest = numbers.last().map_or(0, |number| *number);
        let place = torn.map_or(String::new(), |torn| format!(" (it is whole up to byte {})", torn.at));
        let what =
            format!("commit {} was on the disk, but {last_commit} is the last one there", marker.commit);
        let path = marker::journal_path(dir, newest);
        return Err(Error::damaged(format!("{}{place}: {}", path.display(), says(what))));
    }
    let first = *marker.journals.start();
    if marker.closed && last_commit == marker.commit && numbers.first().is_some_and(|oldest| *oldest > first)
    {
        let path = marker::journal_path(dir, first);
        return Err(Error::damaged(format!(
            "{} is missing: {}",
            path.display(),
            says("it was there".into())
        )));
    }
    Ok(())
}

/// The tables of streams may lag behind those of messages: a journal that only they need is missed by nobody else.
fn check_streams(
    dir: &Path,
    marker: &Marker,
    before: Option<PathBuf>,
    last_of_streams: u64,
) -> Result<(), Error> {
    if last_of_streams >= marker.streams {
        return Ok(());
    }
    let place = before.unwrap_or_else(|| dir.join("keyspaces"));
    let (path, Marker { streams, .. }) = (dir.join(marker::NAME), marker);
    Err(Error::damaged(format!(
        "something is missing, maybe {}: {} says that commit {streams} had something for streams, but {last_of_streams} is the last one \
         there that has",
        place.display(),
        path.display()
    )))
}

impl Inspection {
    /// That the torn end was cut off, for the log.
    pub(super) fn healed(&self) -> Option<String> {
        self.torn_end().map(|torn_end| format!("cut off an unfinished end: {torn_end}"))
    }

    /// What is known of the torn end.
    pub(super) fn torn_end(&self) -> Option<String> {
        let Torn { path, at, followed_by } = self.torn.as_ref()?;
        let last = self.last_commit;
        let path = path.display();
        let mut words = format!("{path} has no whole commit after commit {last}, at byte {at}.");
        if let Some(number) = followed_by {
            words += &format!(" Commit {number} after it was whole, but had not been synced.");
        }
        words += match &self.marker {
            Some(marker) if marker.closed && marker.commit == last => {
                " The store was closed after that commit, so nothing is lost."
            }
            _ => {
                " A crash while it was being written leaves such an end, and then nothing confirmed is lost. If there was \
                 no crash, the file was damaged, and what was confirmed later is lost."
            }
        };
        if let Some(marker) = self.marker.as_ref().filter(|marker| !marker.closed) {
            words += &format!(" Known to have been on the disk: commits up to {}.", marker.commit);
        }
        Some(words)
    }
}
