//! Which tables and blob files a keyspace consists of: `current` names a version file and has its checksum, and that lists them with
//! theirs.

use super::Fault;
use super::container::{Contents, Section, read_at};
use crate::message::packed::Reader;
use crate::store::error::Error;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

const LEVELS: u8 = 7;
const FORMAT: u8 = 3;

/// What a keyspace consists of.
#[derive(Debug)]
pub(in crate::store) struct Manifest {
    /// The tables by their number.
    pub(in crate::store) tables: BTreeMap<u64, Listed>,
    /// The blob files by their number.
    pub(in crate::store) blobs: BTreeMap<u64, Listed>,
}

/// A file of a keyspace as its manifest has it.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Listed {
    /// Of the whole file.
    pub(in crate::store) checksum: u128,
    /// What the sequence numbers in a table count from.
    pub(in crate::store) first_seqno: u64,
}

impl Manifest {
    /// Reads and checks the manifest of the keyspace in a directory.
    pub(in crate::store) fn read(dir: &Path) -> Result<Self, Error> {
        let current = dir.join("current");
        let (version, checksum) = read_current(&current).map_err(|fault| fault.of(&current))?;
        let path = dir.join(format!("v{version}"));
        let bytes = std::fs::read(&path).map_err(|error| Fault::from(error).of(&path))?;
        if xxh3_128(&bytes) != checksum {
            let damaged =
                Fault::Bad("it is damaged, or the file `current` beside it is: their checksums differ");
            return Err(damaged.of(&path));
        }
        Self::parse(&path).map_err(|fault| fault.of(&path))
    }

    fn parse(path: &Path) -> Result<Self, Fault> {
        let mut file = File::open(path)?;
        let contents = Contents::read(&mut file)?;
        let bytes = file.metadata()?.len();
        let mut section = |name: &str| {
            let Section { start, bytes: len, .. } = contents.section(name)?;
            read_at(&mut file, *start, *len, bytes)
        };
        if section("format_version")? != [FORMAT] || section("level_count")? != [LEVELS] {
            return Err(Fault::Bad("it has an unknown format"));
        }
        let unreadable = || Fault::Bad("it has an unreadable list");
        let tables = parse_tables(&section("tables")?).ok_or_else(unreadable)?;
        let blobs = parse_blobs(&section("blob_files")?).ok_or_else(unreadable)?;
        Ok(Self { tables, blobs })
    }
}

fn read_current(path: &Path) -> Result<(u64, u128), Fault> {
    let bytes = std::fs::read(path)?;
    let mut reader = Reader(&bytes);
    let parsed = reader.u64_le().zip(reader.u128_le()).filter(|_| reader.u8() == Some(0));
    parsed.filter(|_| reader.0.is_empty()).ok_or(Fault::Bad("it is damaged"))
}

fn parse_tables(bytes: &[u8]) -> Option<BTreeMap<u64, Listed>> {
    let mut reader = Reader(bytes);
    let mut tables = BTreeMap::new();
    for _level in 0..reader.u8()? {
        for _run in 0..reader.u8()? {
            let count = reader.u32_le()?;
            // fjall expects no empty runs.
            for _ in 0..Some(count).filter(|count| *count > 0)? {
                let (id, checksum) = parse_listed(&mut reader)?;
                tables.insert(id, Listed { checksum, first_seqno: reader.u64_le()? });
            }
        }
    }
    reader.0.is_empty().then_some(tables)
}

fn parse_blobs(bytes: &[u8]) -> Option<BTreeMap<u64, Listed>> {
    let mut reader = Reader(bytes);
    let mut blobs = BTreeMap::new();
    for _ in 0..reader.u32_le()? {
        let (id, checksum) = parse_listed(&mut reader)?;
        blobs.insert(id, Listed { checksum, first_seqno: 0 });
    }
    reader.0.is_empty().then_some(blobs)
}

fn parse_listed(reader: &mut Reader<'_>) -> Option<(u64, u128)> {
    let id = reader.u64_le()?;
    let checksum_kind = reader.u8()?;
    let checksum = reader.u128_le()?;
    (checksum_kind == 0).then_some((id, checksum))
}
