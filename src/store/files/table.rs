//! A table: blocks of items in the order of their keys, then an index and a filter, then a block of properties.

use super::block::{self, HEADER_BYTES, Header, MAGIC, Packing};
use super::container::{Contents, Section, read_at};
use super::{Fault, Item, ItemValue};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// Sections that consist of one block each; those that are not always there are checked when they are.
const SINGLE_BLOCKS: [&str; 4] = ["meta", "tli", "filter_tli", "filter"];

/// An open table.
pub(in crate::store) struct Table {
    file: File,
    bytes: u64,
    data: Section,
    packing: Packing,
}

impl Table {
    /// Opens a table and checks all that fjall reads when it opens one.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, Fault> {
        let mut file = File::open(path)?;
        let contents = Contents::read(&mut file)?;
        let bytes = file.metadata()?.len();
        contents.section("tli")?;
        for name in SINGLE_BLOCKS {
            // A filter of several blocks begins with one.
            if let Some(section) = contents.find(name) {
                read_block(&mut file, section.start, section.bytes, Packing::None)?;
            }
        }
        let meta = contents.section("meta")?;
        let properties = block::items(&read_block(&mut file, meta.start, meta.bytes, Packing::None)?)?;
        let packing = packing(&properties)?;
        let data = contents.section("data")?.clone();
        Ok(Self { file, bytes, data, packing })
    }

    /// The first item.
    pub(in crate::store) fn first_item(&mut self) -> Result<Item, Fault> {
        block::first_item(&read_block(&mut self.file, self.data.start, self.data.bytes, self.packing)?)
    }

    /// Visits all items that can be read, and each fault on the way.
    ///
    /// # Errors
    /// What the visitor fails with.
    pub(in crate::store) fn scan<E>(
        &mut self,
        visit: &mut dyn FnMut(Result<Item, Fault>) -> Result<(), E>,
    ) -> Result<(), E> {
        let end = self.data.start + self.data.bytes;
        let mut at = self.data.start;
        while at < end {
            match read_block(&mut self.file, at, end - at, self.packing).and_then(|data| block::items(&data))
            {
                Ok(items) => items.into_iter().try_for_each(|item| visit(Ok(item)))?,
                Err(fault) => visit(Err(fault))?,
            }
            at = self.next_block(at, end);
        }
        Ok(())
    }

    /// Where the block after the one at `at` begins: behind it, or at the next header if its own is damaged.
    fn next_block(&mut self, at: u64, end: u64) -> u64 {
        if let Some(header) = self.header(at) {
            return at + HEADER_BYTES as u64 + u64::from(header.stored_bytes);
        }
        let Ok(rest) = read_at(&mut self.file, at, end - at, self.bytes) else { return end };
        let headers = rest.windows(HEADER_BYTES).enumerate().skip(1);
        let mut headers = headers.filter(|(_, bytes)| bytes.starts_with(MAGIC));
        headers
            .find(|(_, bytes)| Header::parse(bytes).is_some())
            .map_or(end, |(offset, _)| at + offset as u64)
    }

    fn header(&mut self, at: u64) -> Option<Header> {
        Header::parse(&read_at(&mut self.file, at, HEADER_BYTES as u64, self.bytes).ok()?)
    }
}

/// The checksum of a whole file.
pub(in crate::store) fn checksum(path: &Path) -> Result<u128, Fault> {
    let mut reader = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let mut hash = Xxh3::new();
    loop {
        let read = std::io::BufRead::fill_buf(&mut reader)?;
        if read.is_empty() {
            return Ok(hash.digest128());
        }
        hash.update(read);
        let len = read.len();
        std::io::BufRead::consume(&mut reader, len);
    }
}

fn read_block(file: &mut File, start: u64, max: u64, packing: Packing) -> Result<Vec<u8>, Fault> {
    file.seek(SeekFrom::Start(start))?;
    block::read(file, max, packing).map(|(data, _)| data)
}

fn packing(properties: &[Item]) -> Result<Packing, Fault> {
    let property = properties.iter().find(|item| item.key == b"compression#data");
    match property.map(|item| &item.value) {
        Some(ItemValue::Here(value)) if value == &[0] => Ok(Packing::None),
        Some(ItemValue::Here(value)) if value == &[1] => Ok(Packing::Lz4),
        _ => Err(Fault::Bad("it is packed in an unknown way")),
    }
}
