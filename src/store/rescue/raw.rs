//! All key-value pairs that can be read of a directory, whatever else is damaged.

use crate::store::engine::Space;
use crate::store::error::Error;
use crate::store::files::blobs::BlobFile;
use crate::store::files::journal::{self, BatchItem, WINDOW_BYTES};
use crate::store::files::manifest::Manifest;
use crate::store::files::table::{self, Table};
use crate::store::files::{Fault, Item, ItemValue};
use crate::store::keyspaces::{DEFINITIONS, MESSAGES, STREAMS, names_of};
use crate::store::marker::{journal_numbers, journal_path};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The numbers that the keyspaces have unless a start was killed while it made them.
const USUAL_NUMBERS: [(u64, Space); 3] = [(1, Space::Messages), (2, Space::Definitions), (3, Space::Streams)];

/// Where a value is.
#[derive(Clone, Debug)]
enum Place {
    Here(Vec<u8>),
    Blob(PathBuf, u64),
}

/// The newest of each key; no place: it was removed.
type Pairs = BTreeMap<Vec<u8>, (u64, Option<Place>)>;

/// All pairs of a directory.
pub(super) struct Raw {
    pairs: HashMap<Space, Pairs>,
    blobs: HashMap<PathBuf, BlobFile>,
    faults: Vec<String>,
}

impl Raw {
    /// Reads tables, then journals.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be listed.
    pub(super) fn read(dir: &Path) -> Result<Self, Error> {
        let mut raw = Self { pairs: HashMap::new(), blobs: HashMap::new(), faults: Vec::new() };
        let spaces = raw.spaces(&dir.join("keyspaces"));
        for (number, space) in &spaces {
            let keyspace = dir.join("keyspaces").join(number.to_string());
            if *space != Space::Streams || keyspace.exists() {
                raw.keyspace(&keyspace, *space);
            }
        }
        raw.journals(dir, &spaces)?;
        Ok(raw)
    }

    /// What is wrong, a line each.
    pub(super) fn take_faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }

    /// The keys of a range.
    pub(super) fn keys(&self, space: Space, from: &[u8], to: &[u8]) -> Vec<Vec<u8>> {
        let pairs = self.pairs.get(&space).into_iter();
        let range = pairs.flat_map(|pairs| pairs.range(from.to_vec()..to.to_vec()));
        range.filter(|(_, (_, place))| place.is_some()).map(|(key, _)| key.clone()).collect()
    }

    /// The value of a key, if it is there and can be read.
    pub(super) fn value(&mut self, space: Space, key: &[u8]) -> Option<Vec<u8>> {
        let (_, place) = self.pairs.get(&space)?.get(key)?;
        match place.clone()? {
            Place::Here(value) => Some(value),
            Place::Blob(path, offset) => {
                let read = self.read_blob(&path, offset, key);
                read.map_err(|fault| self.fault(&format!("{}, at byte {offset}", path.display()), &fault))
                    .ok()
            }
        }
    }

    fn read_blob(&mut self, path: &Path, offset: u64, key: &[u8]) -> Result<Vec<u8>, Fault> {
        if !self.blobs.contains_key(path) {
            self.blobs.insert(path.into(), BlobFile::open(path)?);
        }
        let blob = self.blobs.get_mut(path).ok_or(Fault::Bad("it is damaged"))?.read(offset)?;
        if blob.key == key { Ok(blob.value) } else { Err(Fault::Bad("another key has its value there")) }
    }

    fn fault(&mut self, place: &str, fault: &Fault) {
        let line = match fault {
            Fault::Bad(what) => format!("{place}: {what}"),
            Fault::Io(error) => format!("{place}: {error}"),
        };
        self.add(line);
    }

    fn note(&mut self, error: &Error) {
        self.add(error.detail());
    }

    fn add(&mut self, line: String) {
        if !self.faults.contains(&line) {
            self.faults.push(line);
        }
    }

    /// Which keyspace is which.
    fn spaces(&mut self, dir: &Path) -> Vec<(u64, Space)> {
        let names = names_of(dir).unwrap_or_else(|error| {
            self.note(&error);
            BTreeMap::new()
        });
        let space = |name: &str| match name {
            MESSAGES => Some(Space::Messages),
            DEFINITIONS => Some(Space::Definitions),
            STREAMS => Some(Space::Streams),
            _ => None,
        };
        let named: Vec<_> =
            names.into_iter().filter_map(|(number, name)| Some((number, space(&name)?))).collect();
        let has = |space| named.iter().any(|(_, named)| *named == space);
        if has(Space::Messages) && has(Space::Definitions) { named } else { USUAL_NUMBERS.into() }
    }

    fn keyspace(&mut self, dir: &Path, space: Space) {
        let manifest = Manifest::read(dir).map_err(|error| self.note(&error)).ok();
        let tables: Vec<(PathBuf, u64)> = match &manifest {
            Some(manifest) => {
                let path = |number: &u64| dir.join("tables").join(number.to_string());
                manifest.tables.iter().map(|(number, listed)| (path(number), listed.first_seqno)).collect()
            }
            // Whatever is there: the newest of each key still counts, but what was removed by a compaction comes back.
            None => all_files(&dir.join("tables")).into_iter().map(|path| (path, 0)).collect(),
        };
        for (path, first_seqno) in tables {
            self.table(dir, space, &path, first_seqno);
        }
        let listed = manifest.iter().flat_map(|manifest| &manifest.blobs);
        for (number, listed) in listed {
            let path = dir.join("blobs").join(number.to_string());
            match table::checksum(&path) {
                Ok(checksum) if checksum == listed.checksum => {}
                Ok(_) => self.fault(&path.display().to_string(), &Fault::Bad("its checksum is wrong")),
                Err(fault) => self.note(&fault.of(&path)),
            }
        }
    }

    fn table(&mut self, dir: &Path, space: Space, path: &Path, first_seqno: u64) {
        let mut table = match Table::open(path) {
            Ok(table) => table,
            Err(fault) => return self.note(&fault.of(path)),
        };
        let mut faults = Vec::new();
        let pairs = self.pairs.entry(space).or_default();
        // The visitor fails with nothing.
        let scanned = table.scan(&mut |item| {
            match item {
                Ok(Item { key, seqno, value }) => {
                    let place = match value {
                        ItemValue::Here(value) => Some(Place::Here(value)),
                        ItemValue::Blob { file, offset } => {
                            Some(Place::Blob(dir.join("blobs").join(file.to_string()), offset))
                        }
                        ItemValue::Removed => None,
                    };
                    put(pairs, key, seqno.saturating_add(first_seqno), place);
                }
                Err(fault) => faults.push(fault),
            }
            Ok::<(), ()>(())
        });
        debug_assert!(scanned.is_ok(), "the visitor takes everything");
        faults.into_iter().for_each(|fault| self.note(&fault.of(path)));
    }

    fn journals(&mut self, dir: &Path, spaces: &[(u64, Space)]) -> Result<(), Error> {
        let numbers = journal_numbers(dir).map_err(Error::io(format!("listing {}", dir.display())))?;
        let mut order = Order::default();
        for number in numbers {
            let path = journal_path(dir, number);
            if let Err(fault) = self.journal(&path, spaces, &mut order) {
                self.note(&fault.of(&path));
            }
        }
        self.faults.append(&mut order.gaps);
        Ok(())
    }

    /// All whole batches of a journal, also those behind a hole.
    fn journal(&mut self, path: &Path, spaces: &[(u64, Space)], order: &mut Order) -> Result<(), Fault> {
        let mut reader = BufReader::with_capacity(WINDOW_BYTES, File::open(path)?);
        let mut at = 0;
        loop {
            reader.seek(SeekFrom::Start(at))?;
            let mut items = Vec::new();
            match journal::read_batch(&mut reader, Some(&mut items)) {
                Ok(batch) => {
                    let seqno = order.next(path, batch.seqno, batch.beat.map(|beat| beat.number));
                    at += batch.bytes;
                    for BatchItem { keyspace, key, value } in items {
                        let Some((_, space)) = spaces.iter().find(|(number, _)| *number == keyspace) else {
                            continue;
                        };
                        let place = match value {
                            ItemValue::Here(value) => Some(Place::Here(value)),
                            _ => None,
                        };
                        put(self.pairs.entry(*space).or_default(), key, seqno, place);
                    }
                }
                Err(Fault::Bad(_)) if is_blank_from(&mut reader, at)? => return Ok(()),
                Err(Fault::Bad(_)) => match journal::next_batch(&mut reader, at + 1)? {
                    Some((found, _)) => {
                        let place = format!("{}, bytes {at} to {found}", path.display());
                        self.fault(&place, &Fault::Bad("no whole commit is there"));
                        at = found;
                    }
                    None => return Ok(()),
                },
                Err(fault) => return Err(fault),
            }
        }
    }
}

/// Whether only room for more follows.
fn is_blank_from(reader: &mut BufReader<File>, at: u64) -> Result<bool, Fault> {
    reader.seek(SeekFrom::Start(at))?;
    Ok(journal::first_non_zero(reader)?.is_none())
}

fn put(pairs: &mut Pairs, key: Vec<u8>, seqno: u64, place: Option<Place>) {
    if pairs.get(&key).is_none_or(|(before, _)| *before <= seqno) {
        pairs.insert(key, (seqno, place));
    }
}

fn all_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

/// The order of batches: their sequence numbers, unless one of them is obviously wrong.
#[derive(Default)]
struct Order {
    last_seqno: Option<u64>,
    last_commit: Option<u64>,
    gaps: Vec<String>,
}

impl Order {
    fn next(&mut self, path: &Path, seqno: u64, commit: Option<u64>) -> u64 {
        const STEP_MAX: u64 = 1 << 32;
        let in_order = |last: u64| seqno > last && seqno - last <= STEP_MAX;
        let seqno = match self.last_seqno {
            Some(last) if !in_order(last) => last + 1,
            _ => seqno,
        };
        if let Some((before, commit)) = self.last_commit.zip(commit)
            && commit > before + 1
        {
            let gap = format!("{}: commits {} to {} are missing", path.display(), before + 1, commit - 1);
            self.gaps.push(gap);
        }
        self.last_seqno = Some(seqno);
        self.last_commit = commit.or(self.last_commit);
        seqno
    }
}

/// An error about damage that fjall found, which never says where, with the file.
pub(in crate::store) fn name_file(dir: &Path, error: Error) -> Error {
    let Error::Damaged { detail } = error else { return error };
    let fault = Raw::read(dir).ok().and_then(|mut raw| raw.take_faults().into_iter().next());
    Error::damaged(fault.map_or(detail.clone(), |fault| format!("{fault}; {detail}")))
}

/// Which file makes a key unreadable, and how; `None` if none does.
pub(in crate::store) fn damage_of(dir: &Path, space: Space, key: &[u8]) -> Option<String> {
    let mut raw = Raw { pairs: HashMap::new(), blobs: HashMap::new(), faults: Vec::new() };
    let spaces = raw.spaces(&dir.join("keyspaces"));
    let (number, _) = spaces.iter().find(|(_, of)| *of == space)?;
    let dir = dir.join("keyspaces").join(number.to_string());
    let manifest = Manifest::read(&dir).ok()?;
    for (number, listed) in &manifest.tables {
        let path = dir.join("tables").join(number.to_string());
        raw.table(&dir, space, &path, listed.first_seqno);
    }
    let faults_of_tables = raw.take_faults();
    let value = raw.value(space, key);
    if value.is_some() {
        return None;
    }
    raw.take_faults().into_iter().chain(faults_of_tables).next()
}
