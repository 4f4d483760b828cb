//! The frame of tables, blob files and manifests: sections, then a table of contents, then a trailer of 38 bytes, which has the
//! checksum and the place of the table of contents. The sections have no checksums here.

use super::Fault;
use crate::message::packed::Reader;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use xxhash_rust::xxh3::xxh3_128;

const TRAILER_BYTES: u64 = 4 + 1 + 1 + 16 + 8 + 8;
/// Magic, version of the format, kind of checksum.
const TRAILER_START: &[u8] = b"SFA!\x01\x00";
const CONTENTS_START: &[u8] = b"TOC!";

/// A section of a file.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) name: Vec<u8>,
    pub(super) start: u64,
    pub(super) bytes: u64,
}

/// The table of contents.
#[derive(Debug)]
pub(super) struct Contents(Vec<Section>);

impl Contents {
    /// Reads and checks it.
    pub(super) fn read(file: &mut File) -> Result<Self, Fault> {
        let bytes = file.seek(SeekFrom::End(0))?;
        let end = bytes.checked_sub(TRAILER_BYTES).ok_or(Fault::Bad("it ends too early"))?;
        let trailer = read_at(file, end, TRAILER_BYTES, bytes)?;
        let (checksum, start) = parse_trailer(&trailer).ok_or(Fault::Bad("its trailer is damaged"))?;
        let len = end.checked_sub(start).ok_or(Fault::Bad("its trailer is damaged"))?;
        let contents = read_at(file, start, len, bytes)?;
        if xxh3_128(&contents) != checksum {
            return Err(Fault::Bad("its table of contents is damaged"));
        }
        parse(&contents, start).ok_or(Fault::Bad("its table of contents is damaged")).map(Self)
    }

    /// A section by its name.
    pub(super) fn section(&self, name: &str) -> Result<&Section, Fault> {
        self.find(name).ok_or(Fault::Bad("a section of it is missing"))
    }

    /// The same if it is not always there.
    pub(super) fn find(&self, name: &str) -> Option<&Section> {
        self.0.iter().find(|section| section.name == name.as_bytes())
    }
}

/// Reads `len` bytes at `start` of a file of `bytes`.
pub(super) fn read_at(file: &mut File, start: u64, len: u64, bytes: u64) -> Result<Vec<u8>, Fault> {
    if start.checked_add(len).is_none_or(|end| end > bytes) {
        return Err(Fault::Bad("it ends too early"));
    }
    let mut read = vec![0; usize::try_from(len).map_err(|_| Fault::Bad("a length in it is too large"))?];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut read)?;
    Ok(read)
}

/// Checksum and place of the table of contents.
fn parse_trailer(bytes: &[u8]) -> Option<(u128, u64)> {
    let mut reader = Reader(bytes.strip_prefix(TRAILER_START)?);
    Some((reader.u128_le()?, reader.u64_le()?))
}

fn parse(bytes: &[u8], end: u64) -> Option<Vec<Section>> {
    let mut reader = Reader(bytes.strip_prefix(CONTENTS_START)?);
    let mut sections = Vec::new();
    for _ in 0..reader.u32_le()? {
        let (start, bytes) = (reader.u64_le()?, reader.u64_le()?);
        let name = usize::from(reader.u16_le()?);
        let name = reader.take(name)?.to_vec();
        if start.checked_add(bytes)? > end {
            return None;
        }
        sections.push(Section { name, start, bytes });
    }
    reader.0.is_empty().then_some(sections)
}
