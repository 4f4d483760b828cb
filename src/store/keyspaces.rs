//! Looks through fjall's keyspaces before fjall does: it makes an empty store where the root of one is missing, deletes what the
//! root does not name, and panics or aborts over some flipped bits.
//!
//! Keyspace 0 has the names of the others. Each is a directory with a manifest, tables and blob files. A keyspace that was made by a
//! first start, killed before it was used, may lack anything; one that has been used lacks nothing.

use super::chunk::{self, KIND_HEARTBEAT};
use super::error::Error;
use super::files::blobs::BlobFile;
use super::files::manifest::{Listed, Manifest};
use super::files::table::{self, Table};
use super::files::{Fault, Item, ItemValue};
use super::journal_check::{Commit, Flushed};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The keyspace of names.
const ROOT: u64 = 0;
/// Tables are hashed as a whole up to this many bytes, some 100 ms from a disk; beyond only what fjall reads of them at a start.
const HASHED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The names of our keyspaces.
pub(super) const MESSAGES: &str = "messages";
pub(super) const DEFINITIONS: &str = "definitions";
/// There from the first stream on.
pub(super) const STREAMS: &str = "streams";

/// The keyspaces of a store.
#[derive(Debug, Default)]
pub(super) struct Keyspaces {
    by_name: BTreeMap<String, Keyspace>,
    /// Directories that the root does not name, by their numbers.
    unnamed: BTreeMap<u64, Keyspace>,
    /// The number of the newest keyspace that has a name.
    last_named: u64,
    has_root: bool,
    /// What is in their tables.
    pub(super) flushed: Flushed,
}

#[derive(Debug)]
struct Keyspace {
    dir: PathBuf,
    /// What it consists of; none if it has no root.
    manifest: Option<Manifest>,
}

impl Keyspaces {
    /// Reads all manifests and checks what they name.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`].
    pub(super) fn read(dir: &Path) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut hashed = 0;
        let mut directories = list(&dir.join("keyspaces"))?;
        let root = directories.remove(&ROOT).map(Keyspace::read).transpose()?;
        if let Some(root) = root.as_ref().filter(|root| root.manifest.is_some()) {
            root.check_files(&mut hashed)?;
            found.has_root = true;
        }
        let mut names = root.map(|root| root.names()).transpose()?.unwrap_or_default();
        for (number, dir) in directories {
            let keyspace = Keyspace::read(dir)?;
            keyspace.check_files(&mut hashed)?;
            match names.remove(&number) {
                Some(name) => {
                    found.last_named = number;
                    found.by_name.insert(name, keyspace);
                }
                None => drop(found.unnamed.insert(number, keyspace)),
            }
        }
        if let Some((number, name)) = names.first_key_value() {
            return Err(missing(
                &dir.join("keyspaces").join(number.to_string()),
                &format!("it has the {name}"),
            ));
        }
        let newest = |name| found.by_name.get(name).map_or(Ok(None), Keyspace::newest_commit);
        found.flushed = Flushed { messages: newest(MESSAGES)?, streams: newest(STREAMS)? };
        Ok(found)
    }

    /// Whether anything was ever written to a table of ours.
    pub(super) fn has_tables(&self) -> bool {
        self.by_name.values().chain(self.unnamed.values()).any(Keyspace::has_tables)
    }

    /// The directory of a keyspace that a crash kept from being made: it has no name yet, and nothing in it.
    pub(super) fn half_made(&self) -> Option<&PathBuf> {
        let unnamed = self.unnamed.get(&(self.last_named + 1))?;
        (!unnamed.has_tables()).then_some(&unnamed.dir)
    }

    /// Refuses what lacks anything that a used store has, or has more.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub(super) fn check_complete(&self, dir: &Path) -> Result<(), Error> {
        let dir = dir.join("keyspaces");
        if !self.has_root {
            return Err(missing(&dir.join("0/current"), "it is the root of all that is stored"));
        }
        let mut unnamed = self.unnamed.values().filter(|unnamed| self.half_made() != Some(&unnamed.dir));
        if let Some(unnamed) = unnamed.next() {
            let what = format!("{} belongs to no store of this version", unnamed.dir.display());
            return Err(Error::damaged(what));
        }
        for name in [MESSAGES, DEFINITIONS, STREAMS] {
            let Some(keyspace) = self.by_name.get(name) else {
                if name == STREAMS {
                    continue;
                }
                return Err(missing(&dir, &format!("the {name} were in it")));
            };
            if keyspace.manifest.is_none() {
                return Err(missing(&keyspace.dir.join("current"), &format!("it is the root of the {name}")));
            }
        }
        Ok(())
    }
}

impl Keyspace {
    fn read(dir: PathBuf) -> Result<Self, Error> {
        let has_current = dir.join("current").try_exists();
        let has_current = has_current.map_err(Error::io(format!("reading {}", dir.display())))?;
        let manifest = if has_current { Some(Manifest::read(&dir)?) } else { None };
        Ok(Self { dir, manifest })
    }

    fn has_tables(&self) -> bool {
        self.manifest.as_ref().is_some_and(|found| !found.tables.is_empty() || !found.blobs.is_empty())
    }

    fn table(&self, number: u64) -> PathBuf {
        self.dir.join("tables").join(number.to_string())
    }

    fn blob(&self, number: u64) -> PathBuf {
        self.dir.join("blobs").join(number.to_string())
    }

    /// The tables with what the manifest says of them.
    fn tables(&self) -> impl Iterator<Item = (PathBuf, Listed)> {
        let tables = self.manifest.iter().flat_map(|manifest| &manifest.tables);
        tables.map(|(number, listed)| (self.table(*number), *listed))
    }

    fn check_files(&self, hashed: &mut u64) -> Result<(), Error> {
        list(&self.dir.join("tables"))?;
        list(&self.dir.join("blobs"))?;
        for (path, listed) in self.tables() {
            check_table(&path, listed, hashed).map_err(|fault| fault.of(&path))?;
        }
        for number in self.manifest.iter().flat_map(|manifest| manifest.blobs.keys()) {
            let path = self.blob(*number);
            BlobFile::open(&path).map_err(|fault| fault.of(&path))?;
        }
        Ok(())
    }

    /// The names of the other keyspaces, if this is the root.
    fn names(&self) -> Result<BTreeMap<u64, String>, Error> {
        let mut newest = BTreeMap::new();
        for (path, listed) in self.tables() {
            let mut table = Table::open(&path).map_err(|fault| fault.of(&path))?;
            table.scan(&mut |item| {
                let Item { key, seqno, value } = item.map_err(|fault| fault.of(&path))?;
                let seqno = seqno.saturating_add(listed.first_seqno);
                if newest.get(&key).is_none_or(|(before, _)| *before <= seqno) {
                    newest.insert(key, (seqno, value));
                }
                Ok::<_, Error>(())
            })?;
        }
        let names = newest.into_iter().filter_map(|(key, (_, value))| {
            let number = u64::from_be_bytes(key.strip_prefix(b"n")?.try_into().ok()?);
            let ItemValue::Here(name) = value else { return None };
            Some((number, String::from_utf8(name).ok()?))
        });
        Ok(names.collect())
    }

    /// The newest heartbeat: its key is the first of all.
    fn newest_commit(&self) -> Result<Option<Commit>, Error> {
        let mut newest: Option<Commit> = None;
        for (path, _) in self.tables() {
            let first = Table::open(&path).and_then(|mut table| table.first_item());
            let Item { key, seqno, value } = first.map_err(|fault| fault.of(&path))?;
            let (true, ItemValue::Here(beat)) = (key == [KIND_HEARTBEAT], value) else { continue };
            let Some((number, _)) = chunk::parse_heartbeat(&beat) else { continue };
            if newest.is_none_or(|newest| newest.seqno < seqno) {
                newest = Some(Commit { number, seqno });
            }
        }
        Ok(newest)
    }
}

fn check_table(path: &Path, listed: Listed, hashed: &mut u64) -> Result<(), Fault> {
    let bytes = path.metadata()?.len();
    Table::open(path)?;
    if *hashed + bytes > HASHED_BYTES_MAX {
        return Ok(());
    }
    *hashed += bytes;
    if table::checksum(path)? == listed.checksum {
        return Ok(());
    }
    Err(Fault::Bad("it is damaged: it does not have the checksum that its manifest says"))
}

/// The names of the keyspaces in a directory, by their numbers.
///
/// # Errors
/// [`Error::Damaged`] or [`Error::Io`].
pub(super) fn names_of(dir: &Path) -> Result<BTreeMap<u64, String>, Error> {
    Keyspace::read(dir.join(ROOT.to_string()))?.names()
}

/// What is in a directory whose names are all numbers, as fjall expects. Empty if there is no such directory.
fn list(dir: &Path) -> Result<BTreeMap<u64, PathBuf>, Error> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Error::io(format!("listing {}", dir.display()))(error)),
    };
    let holds_directories = dir.ends_with("keyspaces");
    let mut found = BTreeMap::new();
    for entry in entries {
        let reading = || Error::io(format!("listing {}", dir.display()));
        let entry = entry.map_err(reading())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dir = entry.file_type().map_err(reading())?.is_dir();
        let number = name.parse::<u64>().ok().filter(|number| number.to_string() == name);
        match number {
            Some(number) if is_dir == holds_directories => drop(found.insert(number, entry.path())),
            // What file managers leave, and what fjall passes over.
            None if name == ".DS_Store" || name.starts_with("._") || (holds_directories && !is_dir) => {}
            _ => {
                let what = format!("{} does not belong there: move it away", entry.path().display());
                return Err(Error::damaged(what));
            }
        }
    }
    Ok(found)
}

fn missing(path: &Path, what: &str) -> Error {
    Error::damaged(format!("{} is missing: {what}", path.display()))
}
