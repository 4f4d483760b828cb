//! A journal: batches, and then zeros that were set aside for more.
//!
//! A batch is `1 | item count u32 | seqno u64`, items, and `3 | xxh3 u64 of the items | FJL 3`; an item is `2 | value type u8 | compression
//! u8 | keyspace u64 | key length u16 | value length u32 | stored length u32 | key | value`, or `4 | keyspace u64`. The first item of each
//! batch of ours is the heartbeat. The sequence number has no checksum.

use super::{Fault, ItemValue};
use crate::store::chunk;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use xxhash_rust::xxh3::Xxh3;

const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TAG_CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";
const VALUE_TYPE_MAX: u8 = 4;

const START_BYTES: usize = 1 + 4 + 8;
const ITEM_HEADER_BYTES: usize = 1 + 1 + 1 + 8 + 2 + 4 + 4;
/// Start, header of the heartbeat, its key: what a batch of ours is recognised by.
const SIGNATURE_BYTES: usize = START_BYTES + ITEM_HEADER_BYTES + 1;
pub(in crate::store) const WINDOW_BYTES: usize = 256 * 1024;

/// The numbers of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Heartbeat {
    /// The number of the commit.
    pub(in crate::store) number: u64,
    /// The last commit that had been synced before.
    pub(in crate::store) synced: u64,
}

/// A whole batch.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Batch {
    /// How long it is.
    pub(in crate::store) bytes: u64,
    /// Its sequence number.
    pub(in crate::store) seqno: u64,
    /// Its heartbeat, if it begins with one.
    pub(in crate::store) beat: Option<Heartbeat>,
    /// The heartbeat of streams, if it has anything for them: instead of the last synced commit it has the last one with anything for
    /// streams.
    pub(in crate::store) streams: Option<Heartbeat>,
}

/// An item of a batch.
#[derive(Clone, Debug)]
pub(in crate::store) struct BatchItem {
    /// The number of the keyspace.
    pub(in crate::store) keyspace: u64,
    /// The key.
    pub(in crate::store) key: Vec<u8>,
    /// What becomes of it.
    pub(in crate::store) value: ItemValue,
}

/// Reads a batch; adds its items to `items`, of which nothing may be used if this fails.
pub(in crate::store) fn read_batch(
    reader: &mut impl Read,
    mut items: Option<&mut Vec<BatchItem>>,
) -> Result<Batch, Fault> {
    let [TAG_START, counts @ ..]: [u8; START_BYTES] = read_array(reader)? else {
        return Err(Fault::Bad("no batch begins there"));
    };
    let count = counts.first_chunk().map_or(0, |count| u32::from_le_bytes(*count));
    let seqno = counts.last_chunk().map_or(0, |seqno| u64::from_le_bytes(*seqno));
    let mut reader = Hashed { reader, hash: Xxh3::new(), bytes: 0 };
    let (mut beat, mut streams) = (None, None);
    for number in 0..count {
        let found = reader.item(items.as_deref_mut())?;
        if number == 0 {
            beat = found;
        } else {
            streams = streams.or(found);
        }
    }
    let Hashed { reader, hash, bytes } = reader;
    let end: [u8; 13] = read_array(reader)?;
    let expected = [&[TAG_END][..], &hash.digest().to_le_bytes(), &TRAILER].concat();
    if end != *expected {
        return Err(Fault::Bad("a batch is damaged"));
    }
    Ok(Batch { bytes: START_BYTES as u64 + bytes + end.len() as u64, seqno, beat, streams })
}

/// The next place at or after `from` where a whole batch of ours stands.
pub(in crate::store) fn next_batch<R: Read + Seek>(
    reader: &mut BufReader<R>,
    from: u64,
) -> io::Result<Option<(u64, Heartbeat)>> {
    let mut window = Vec::new();
    let mut base = from;
    loop {
        window.clear();
        reader.seek(SeekFrom::Start(base))?;
        reader.by_ref().take(WINDOW_BYTES as u64).read_to_end(&mut window)?;
        if window.len() < SIGNATURE_BYTES {
            return Ok(None);
        }
        for offset in candidates(&window) {
            let at = base + offset as u64;
            reader.seek(SeekFrom::Start(at))?;
            match read_batch(reader, None) {
                Ok(Batch { beat: Some(beat), .. }) => return Ok(Some((at, beat))),
                Ok(_) | Err(Fault::Bad(_)) => (),
                Err(Fault::Io(error)) => return Err(error),
            }
        }
        base += (window.len() - SIGNATURE_BYTES + 1) as u64;
    }
}

/// How far the next byte is that is not zero.
pub(in crate::store) fn first_non_zero(reader: &mut impl Read) -> io::Result<Option<u64>> {
    let (mut window, zeros) = (vec![0; WINDOW_BYTES], vec![0; WINDOW_BYTES]);
    let mut base = 0;
    loop {
        let len = reader.read(&mut window)?;
        let read = window.get(..len).unwrap_or_default();
        if read.is_empty() {
            return Ok(None);
        }
        // Nearly always all of them are: a comparison of slices is the fastest look.
        if Some(read) != zeros.get(..len)
            && let Some(at) = read.iter().position(|byte| *byte != 0)
        {
            return Ok(Some(base + at as u64));
        }
        base += len as u64;
    }
}

/// Offsets at which a batch that begins with our heartbeat may stand.
fn candidates(window: &[u8]) -> impl Iterator<Item = usize> {
    window.windows(SIGNATURE_BYTES).enumerate().filter(|(_, bytes)| is_signature(bytes)).map(|(at, _)| at)
}

fn is_signature(bytes: &[u8]) -> bool {
    let value_bytes = (chunk::HEARTBEAT_BYTES as u32).to_le_bytes();
    bytes.first() == Some(&TAG_START)
        && bytes.get(START_BYTES) == Some(&TAG_ITEM)
        && bytes.get(24..26) == Some(&[1, 0])
        && bytes.get(26..30) == Some(&value_bytes)
        && bytes.last() == Some(&chunk::KIND_HEARTBEAT)
}

fn read_array<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads items and hashes what it reads.
struct Hashed<'a, R> {
    reader: &'a mut R,
    hash: Xxh3,
    bytes: u64,
}

impl<R: Read> Hashed<'_, R> {
    /// Reads an item; what its value says if it is a heartbeat.
    fn item(&mut self, items: Option<&mut Vec<BatchItem>>) -> Result<Option<Heartbeat>, Fault> {
        match self.array()? {
            [TAG_CLEAR] => self.array::<8>().map(|_| None).map_err(Fault::from),
            [TAG_ITEM] => self.pair(items),
            _ => Err(Fault::Bad("a batch is damaged")),
        }
    }

    fn pair(&mut self, items: Option<&mut Vec<BatchItem>>) -> Result<Option<Heartbeat>, Fault> {
        let [value_type, compression] = self.array()?;
        let keyspace = u64::from_le_bytes(self.array()?);
        let key_bytes = u16::from_le_bytes(self.array()?);
        let _value_bytes: [u8; 4] = self.array()?;
        let stored_bytes = u32::from_le_bytes(self.array()?);
        if value_type > VALUE_TYPE_MAX || compression > 1 {
            return Err(Fault::Bad("a batch is damaged"));
        }
        if key_bytes == 1 && stored_bytes as usize == chunk::HEARTBEAT_BYTES {
            return self.heartbeat(keyspace, items);
        }
        let Some(items) = items else {
            self.pass(u64::from(key_bytes) + u64::from(stored_bytes), None)?;
            return Ok(None);
        };
        let (mut key, mut value) = (Vec::new(), Vec::new());
        self.pass(u64::from(key_bytes), Some(&mut key))?;
        self.pass(u64::from(stored_bytes), Some(&mut value))?;
        let value = if value_type == 0 { ItemValue::Here(value) } else { ItemValue::Removed };
        items.push(BatchItem { keyspace, key, value });
        Ok(None)
    }

    fn heartbeat(
        &mut self,
        keyspace: u64,
        items: Option<&mut Vec<BatchItem>>,
    ) -> Result<Option<Heartbeat>, Fault> {
        let [key] = self.array()?;
        let value: [u8; chunk::HEARTBEAT_BYTES] = self.array()?;
        if let Some(items) = items {
            items.push(BatchItem { keyspace, key: vec![key], value: ItemValue::Here(value.to_vec()) });
        }
        let numbers = chunk::parse_heartbeat(&value).filter(|_| key == chunk::KIND_HEARTBEAT);
        Ok(numbers.map(|(number, synced)| Heartbeat { number, synced }))
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = read_array(self.reader)?;
        self.hash.update(&bytes);
        self.bytes += N as u64;
        Ok(bytes)
    }

    /// Reads past bytes in small pieces, or into `kept`: a damaged length must not allocate.
    fn pass(&mut self, mut bytes: u64, mut kept: Option<&mut Vec<u8>>) -> io::Result<()> {
        let mut piece = [0; 8 * 1024];
        while bytes > 0 {
            let len = bytes.min(piece.len() as u64) as usize;
            let piece = piece.get_mut(..len).unwrap_or_default();
            self.reader.read_exact(piece)?;
            self.hash.update(piece);
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(piece);
            }
            self.bytes += len as u64;
            bytes -= len as u64;
        }
        Ok(())
    }
}
