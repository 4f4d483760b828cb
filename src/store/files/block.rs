//! A block of a table: a header of 33 bytes, then the data, which may be packed.
//!
//! The header is `LSM 3 | kind u8 | checksum of the stored data u128 | stored length u32 | length u32 | checksum of all that u32`.
//! The data of a block with items ends in a trailer of 31 bytes, which begins with the restart interval and ends with the count of
//! items. Every such many items one has its whole key, `type | seqno | key length | key`, the others share the beginning of that
//! key, `type | seqno | shared length | rest length | rest`; both go on with `value length | value` unless they remove. Numbers of
//! items are varints.

use super::{Fault, Item, ItemValue};
use crate::message::packed::Reader;
use std::io::Read;
use xxhash_rust::xxh3::xxh3_128;

pub(super) const MAGIC: &[u8; 4] = b"LSM\x03";
pub(super) const HEADER_BYTES: usize = 4 + 1 + 16 + 4 + 4 + 4;
const TRAILER_BYTES: usize = 31;

const VALUE: u8 = 0;
const TOMBSTONE: u8 = 1;
const WEAK_TOMBSTONE: u8 = 2;
const INDIRECTION: u8 = 4;

/// How blocks are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Lz4,
}

/// The header of a block.
#[derive(Debug)]
pub(super) struct Header {
    checksum: u128,
    pub(super) stored_bytes: u32,
    bytes: u32,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let covered = bytes.get(..HEADER_BYTES - 4)?;
        let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
        let _kind = reader.u8()?;
        let header =
            Self { checksum: reader.u128_le()?, stored_bytes: reader.u32_le()?, bytes: reader.u32_le()? };
        // Of this checksum only the lower bytes are stored.
        (xxh3_128(covered) as u32 == reader.u32_le()?).then_some(header)
    }
}

/// Reads a block of at most `max` bytes; its data, and how many bytes it took.
pub(super) fn read(reader: &mut impl Read, max: u64, packing: Packing) -> Result<(Vec<u8>, u64), Fault> {
    let mut header = [0; HEADER_BYTES];
    reader.read_exact(&mut header)?;
    let header = Header::parse(&header).ok_or(Fault::Bad("the header of a block is damaged"))?;
    let taken = HEADER_BYTES as u64 + u64::from(header.stored_bytes);
    if taken > max {
        return Err(Fault::Bad("the header of a block is damaged"));
    }
    let mut data = vec![0; header.stored_bytes as usize];
    reader.read_exact(&mut data)?;
    if xxh3_128(&data) != header.checksum {
        return Err(Fault::Bad("a block of it is damaged"));
    }
    if packing == Packing::Lz4 {
        data = super::lz4::unpack(&data, header.bytes as usize)
            .ok_or(Fault::Bad("a block cannot be unpacked"))?;
    }
    Ok((data, taken))
}

/// The items of a block.
pub(super) fn items(data: &[u8]) -> Result<Vec<Item>, Fault> {
    parse(data, usize::MAX).ok_or(Fault::Bad("a block has unreadable items"))
}

/// The first item of a block.
pub(super) fn first_item(data: &[u8]) -> Result<Item, Fault> {
    let first = parse(data, 1).and_then(|items| items.into_iter().next());
    first.ok_or(Fault::Bad("a block has unreadable items"))
}

fn parse(data: &[u8], max: usize) -> Option<Vec<Item>> {
    let trailer = data.last_chunk::<TRAILER_BYTES>()?;
    let restart_interval = usize::from(*trailer.first()?);
    let count = u32::from_le_bytes(*trailer.last_chunk()?) as usize;
    let mut reader = Reader(data);
    let (mut items, mut whole) = (Vec::new(), Vec::new());
    for number in 0..count.min(max) {
        let kind = reader.u8()?;
        let seqno = reader.varint()?;
        let shared = if number.checked_rem(restart_interval)? == 0 { 0 } else { reader.varint()? };
        let rest = usize::try_from(reader.varint()?).ok()?;
        let shared: &[u8] = whole.get(..usize::try_from(shared).ok()?)?;
        let key = [shared, reader.take(rest)?].concat();
        if number % restart_interval == 0 {
            whole.clone_from(&key);
        }
        items.push(Item { key, seqno, value: value(kind, &mut reader)? });
    }
    Some(items)
}

fn value(kind: u8, reader: &mut Reader<'_>) -> Option<ItemValue> {
    if kind == TOMBSTONE || kind == WEAK_TOMBSTONE {
        return Some(ItemValue::Removed);
    }
    let len = usize::try_from(reader.varint()?).ok()?;
    let bytes = reader.take(len)?;
    match kind {
        VALUE => Some(ItemValue::Here(bytes.to_vec())),
        INDIRECTION => {
            let mut place = Reader(bytes);
            let (offset, file) = (place.varint()?, place.varint()?);
            Some(ItemValue::Blob { file, offset })
        }
        _ => None,
    }
}
