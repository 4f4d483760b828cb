//! A blob file: values that are too large for a table, one after the other, then a block of properties.
//!
//! A blob is `BLOB | checksum of key and value u128 | seqno u64 | key length u16 | length u32 | stored length u32 | key | value`. Ours are
//! never packed.

use super::Fault;
use super::block::{self, Packing};
use super::container::{Contents, Section, read_at};
use crate::message::packed::Reader;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: &[u8; 4] = b"BLOB";
const META_MAGIC: &[u8; 4] = b"META";
const HEADER_BYTES: u64 = 4 + 16 + 8 + 2 + 4 + 4;

/// An open blob file.
pub(in crate::store) struct BlobFile {
    file: File,
    bytes: u64,
    data: Section,
}

/// A blob that was read.
pub(in crate::store) struct Blob {
    /// The key that it was put with.
    pub(in crate::store) key: Vec<u8>,
    /// The value.
    pub(in crate::store) value: Vec<u8>,
}

impl BlobFile {
    /// Opens a blob file and checks all that fjall reads when it opens one.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, Fault> {
        let mut file = File::open(path)?;
        let contents = Contents::read(&mut file)?;
        let bytes = file.metadata()?.len();
        let meta = contents.section("meta")?;
        if read_at(&mut file, meta.start, 4, bytes)? != META_MAGIC {
            return Err(Fault::Bad("its properties are damaged"));
        }
        file.seek(SeekFrom::Start(meta.start + 4))?;
        let (properties, _) = block::read(&mut file, meta.bytes.saturating_sub(4), Packing::None)?;
        block::items(&properties)?;
        let data = contents.section("data")?.clone();
        Ok(Self { file, bytes, data })
    }

    /// Reads the blob at an offset.
    pub(in crate::store) fn read(&mut self, at: u64) -> Result<Blob, Fault> {
        let header = read_at(&mut self.file, at, HEADER_BYTES, self.data.start + self.data.bytes)?;
        let bad = || Fault::Bad("a blob of it is damaged");
        let (checksum, key_bytes, bytes, stored) = parse_header(&header).ok_or_else(bad)?;
        if bytes != stored {
            return Err(bad());
        }
        let len = u64::from(key_bytes) + u64::from(stored);
        let mut key = read_at(&mut self.file, at + HEADER_BYTES, len, self.bytes)?;
        let value = key.split_off(usize::from(key_bytes));
        let mut hash = Xxh3::new();
        hash.update(&key);
        hash.update(&value);
        if hash.digest128() != checksum { Err(bad()) } else { Ok(Blob { key, value }) }
    }
}

fn parse_header(bytes: &[u8]) -> Option<(u128, u16, u32, u32)> {
    let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
    let checksum = reader.u128_le()?;
    let _seqno = reader.u64_le()?;
    Some((checksum, reader.u16_le()?, reader.u32_le()?, reader.u32_le()?))
}
