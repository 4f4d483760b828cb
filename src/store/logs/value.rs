//! The value of a chunk: `version u8 | filter length varint | filter | entries`, and an entry: `flags u8 | length varint |
//! encoded message`. How many entries there are stands in the key.

use crate::message::packed::{Reader, push_varint};
use crate::message::{FinishedBlock, Message};
use crate::store::chunk::{MESSAGE_FLAGS, message_flags, message_in};

/// Of the value alone; the keys belong to the format of the store.
const VERSION: u8 = 1;
/// Flags, a length, and a message without anything.
const ENTRY_BYTES_MIN: usize = 1 + 1 + 6;

/// What is in a chunk.
pub(in crate::store) struct ParsedChunk {
    pub(in crate::store) filter: Vec<u8>,
    pub(in crate::store) entries: Vec<Message>,
}

/// Bytes of the value.
pub(in crate::store) fn value_len(filter: &[u8], entries: &[Message]) -> usize {
    let entry = |message: &Message| 1 + prefixed_len(message.encoded_len());
    1 + prefixed_len(filter.len()) + entries.iter().map(entry).sum::<usize>()
}

/// Of a length and so many bytes.
const fn prefixed_len(len: usize) -> usize {
    let bits = (usize::BITS - (len | 1).leading_zeros()) as usize;
    bits.div_ceil(7) + len
}

/// As bytes.
pub(super) fn encode(filter: &[u8], entries: &[Message]) -> Vec<u8> {
    let mut value = Vec::with_capacity(value_len(filter, entries));
    value.push(VERSION);
    push_varint(&mut value, filter.len() as u64);
    value.extend_from_slice(filter);
    for message in entries {
        let encoded = message.encoded();
        value.push(message_flags(message));
        push_varint(&mut value, encoded.len() as u64);
        value.extend_from_slice(encoded);
    }
    value
}

impl ParsedChunk {
    /// From bytes with so many entries, which share a block; `None` if these are others.
    pub(in crate::store) fn parse(value: Vec<u8>, count: u32) -> Option<Self> {
        let block = FinishedBlock::of(value);
        let bytes = block.bytes();
        let mut reader = Reader(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let filter = prefixed(&mut reader)?.to_vec();
        let count = count as usize;
        if count > reader.0.len() / ENTRY_BYTES_MIN {
            return None;
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let flags = reader.u8().filter(|flags| flags & !MESSAGE_FLAGS == 0)?;
            let len = prefixed(&mut reader)?.len();
            let start = bytes.len() - reader.0.len() - len;
            entries.push(message_in(&block, start, len, flags)?);
        }
        reader.0.is_empty().then_some(Self { filter, entries })
    }
}

fn prefixed<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(reader.varint()?).ok()?;
    reader.take(len)
}
