//! A batch of writes as bytes: `space u8 | op u8 | key length varint | key`, and for a put `value length varint | value`.

use super::frame::BadFrame;
use crate::message::packed::{Reader, push_varint};
use crate::store::{Space, Write, WriteBatch};

const PUT: u8 = 0;
const REMOVE: u8 = 1;
const REMOVE_WEAK: u8 = 2;

/// The bytes of a batch.
#[must_use]
pub fn encode_writes(batch: &WriteBatch) -> Vec<u8> {
    /// Of a write, besides its key and value.
    const FIXED: usize = 8;
    let mut out = Vec::with_capacity(batch.bytes() + FIXED * batch.writes().len());
    for write in batch.writes() {
        let (space, op, key, value) = match write {
            Write::Put { space, key, value } => (*space, PUT, key, Some(value)),
            Write::Remove { space, key } => (*space, REMOVE, key, None),
            Write::RemoveWeak { space, key } => (*space, REMOVE_WEAK, key, None),
        };
        out.extend([space_code(space), op]);
        push_bytes(&mut out, key);
        value.into_iter().for_each(|value| push_bytes(&mut out, value));
    }
    out
}

/// The batch in these bytes.
///
/// # Errors
/// [`BadFrame::Unknown`] for anything but what [`encode_writes`] made.
pub fn decode_writes(bytes: &[u8]) -> Result<WriteBatch, BadFrame> {
    let mut batch = WriteBatch::default();
    let mut reader = Reader(bytes);
    while !reader.0.is_empty() {
        take_write(&mut reader, &mut batch).ok_or(BadFrame::Unknown)?;
    }
    Ok(batch)
}

fn take_write(reader: &mut Reader<'_>, batch: &mut WriteBatch) -> Option<()> {
    let (space, op) = (space_of(reader.u8()?)?, reader.u8()?);
    let key = take_bytes(reader)?;
    match op {
        PUT => batch.put(space, key, take_bytes(reader)?),
        REMOVE => batch.remove(space, key),
        REMOVE_WEAK => batch.remove_weak(space, key),
        _ => return None,
    }
    Some(())
}

const fn space_code(space: Space) -> u8 {
    match space {
        Space::Messages => 0,
        Space::Definitions => 1,
        Space::Streams => 2,
    }
}

const fn space_of(code: u8) -> Option<Space> {
    match code {
        0 => Some(Space::Messages),
        1 => Some(Space::Definitions),
        2 => Some(Space::Streams),
        _ => None,
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take_bytes(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let len = usize::try_from(reader.varint()?).ok()?;
    reader.take(len).map(<[u8]>::to_vec)
}
