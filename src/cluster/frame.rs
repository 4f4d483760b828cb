//! What stands in the log. A frame says who it comes from (a term), which batch of that term it has a part of, and what the frame
//! before it was.
//!
//! Numbers are little-endian: `magic u32 | version u8 | kind u8 | term u64 | number u64 | part u16 | parts u16 | hash of the frame
//! before u64 | xxh3 u64 | payload`. The checksum covers all the rest, and is the frame's hash: frames are a chain.

use crate::message::packed::Reader;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: u32 = u32::from_le_bytes(*b"CNYf");
/// Readers take this version and all before it, so that nodes can be exchanged one after the other.
const VERSION: u8 = 1;
/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 4 + 1 + 1 + 8 + 8 + 2 + 2 + 8 + 8;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A part of a batch of writes.
    Batch,
    /// A new leader, by its name: nothing of earlier terms follows. A batch that misses parts was never confirmed, and is dropped.
    Fence,
}

/// A frame, of which the payload is somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// Counts leaders: each fence has a higher one.
    pub term: u64,
    /// Counts the batches of a term, from 1; a fence has 0.
    pub number: u64,
    /// Which part of the batch it is, from 0.
    pub part: u16,
    /// How many parts the batch has; at least 1.
    pub parts: u16,
    /// The hash of the frame before it in the log; 0 for the first.
    pub before: u64,
    /// A batch's writes or a part of them, or the leader's name.
    pub payload: &'a [u8],
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// It is shorter than a frame, or begins differently.
    #[error("it is not one of Coney's")]
    Foreign,
    /// A later version of Coney wrote it.
    #[error("it has version {0}, which only later versions of Coney know: upgrade this node")]
    Version(u8),
    /// Its checksum is that of something else.
    #[error("it is damaged")]
    Damaged,
    /// It has what no frame has.
    #[error("it is of no known kind, or its writes are not")]
    Unknown,
}

impl<'a> Frame<'a> {
    /// Its bytes, and its hash.
    #[must_use]
    pub fn encode(&self) -> (Vec<u8>, u64) {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        out.extend(MAGIC.to_le_bytes());
        out.push(VERSION);
        out.push(match self.kind {
            Kind::Batch => 0,
            Kind::Fence => 1,
        });
        out.extend(self.term.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out.extend(self.part.to_le_bytes());
        out.extend(self.parts.to_le_bytes());
        out.extend(self.before.to_le_bytes());
        let hash = hash_of(&out, self.payload);
        out.extend(hash.to_le_bytes());
        out.extend(self.payload);
        (out, hash)
    }

    /// The frame in these bytes, and its hash.
    ///
    /// # Errors
    /// [`BadFrame`] for anything but what [`encode`](Self::encode) made.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, u64), BadFrame> {
        let (header, payload) = bytes.split_at_checked(HEADER_BYTES).ok_or(BadFrame::Foreign)?;
        let mut reader = Reader(header);
        if reader.u32_le() != Some(MAGIC) {
            return Err(BadFrame::Foreign);
        }
        let (version, kind) = reader.u8().zip(reader.u8()).ok_or(BadFrame::Foreign)?;
        let (covered, hash) = header.split_last_chunk::<8>().ok_or(BadFrame::Foreign)?;
        let hash = u64::from_le_bytes(*hash);
        if hash_of(covered, payload) != hash {
            return Err(BadFrame::Damaged);
        }
        if version > VERSION {
            return Err(BadFrame::Version(version));
        }
        let frame = Self::fields(&mut reader, kind, payload).ok_or(BadFrame::Unknown)?;
        Ok((frame, hash))
    }

    fn fields(reader: &mut Reader<'_>, kind: u8, payload: &'a [u8]) -> Option<Self> {
        let kind = match kind {
            0 => Kind::Batch,
            1 => Kind::Fence,
            _ => return None,
        };
        let (term, number) = (reader.u64_le()?, reader.u64_le()?);
        let (part, parts) = (reader.u16_le()?, reader.u16_le()?);
        let before = reader.u64_le()?;
        (part < parts).then_some(Self { kind, term, number, part, parts, before, payload })
    }
}

fn hash_of(header: &[u8], payload: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(header);
    hash.update(payload);
    hash.digest()
}
