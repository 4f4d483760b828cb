//! What one shard's store has of a vhost, on its way to another shard's: from the node that leads the one to the node that leads the other.
//!
//! It is a chain of [frames](Frame), as a snapshot is: the first has the definitions and the store's epoch, then come the pairs of its queues, and
//! the last is empty. A first one that is empty says that the vhost is not closed yet.

use std::collections::{BTreeMap, HashSet};

use super::frame::{BadFrame, Frame, Kind};
use super::snapshot::PieceVisitor;
use super::writes::{decode_writes, encode_writes};
use crate::broker::definitions::vhost_settings_key;
use crate::broker::operations::{content_of, is_content_of};
use crate::store::{Error, Pair, Snapshot, Space, Write, WriteBatch, definitions_of, pairs_of_queues};

/// Under it the first frame has the epoch.
const EPOCH: &[u8] = b"epoch";

/// Gives what there is of a vhost, if it was closed for the move of this id.
///
/// # Errors
/// What the engine or the visitor fails with, or `Damaged`.
pub fn read_vhost(
    snapshot: &dyn Snapshot,
    vhost: &str,
    id: u64,
    piece_bytes: usize,
    visit: &mut PieceVisitor<'_>,
) -> Result<(), Error> {
    let mut chain = Chain::default();
    let mut give = |kind, payload: &[u8]| visit(chain.next(kind, payload));
    let of_settings = vhost_settings_key(vhost);
    let is_wanted = |name: &str| name == of_settings || is_content_of(name, vhost);
    let (mut definitions, epoch) = definitions_of(snapshot, &is_wanted)?;
    let (queues, is_closed) = content_of(&definitions, id).map_err(Error::damaged)?;
    if !is_closed {
        return give(Kind::Fence, &[]);
    }
    definitions.remove(&of_settings);
    let mut head = WriteBatch::default();
    head.put(Space::Messages, EPOCH.to_vec(), epoch.to_be_bytes().to_vec());
    for (name, value) in definitions {
        head.put(Space::Definitions, name.into_bytes(), value);
    }
    give(Kind::Fence, &encode_writes(&head))?;
    let queues: HashSet<_> = queues.into_iter().collect();
    pairs_of_queues(snapshot, &queues, piece_bytes, &mut |pairs| {
        let mut batch = WriteBatch::default();
        pairs.into_iter().for_each(|(space, key, value)| batch.put(space, key, value));
        give(Kind::Batch, &encode_writes(&batch))
    })?;
    give(Kind::Fence, &[])
}

/// Where a chain of frames is.
#[derive(Debug, Default)]
struct Chain {
    number: u64,
    before: u64,
}

impl Chain {
    fn next(&mut self, kind: Kind, payload: &[u8]) -> Vec<u8> {
        let frame =
            Frame { kind, term: 0, number: self.number, part: 0, parts: 1, before: self.before, payload };
        let (bytes, hash) = frame.encode();
        (self.number, self.before) = (self.number + 1, hash);
        bytes
    }

    fn take<'a>(&mut self, bytes: &'a [u8]) -> Result<Frame<'a>, BadFrame> {
        let (frame, hash) = Frame::decode(bytes)?;
        if (frame.number, frame.before) != (self.number, self.before) {
            return Err(BadFrame::Unknown);
        }
        (self.number, self.before) = (self.number + 1, hash);
        Ok(frame)
    }
}

/// What the first frame says.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) definitions: BTreeMap<String, Vec<u8>>,
    pub(super) epoch: u64,
}

/// Takes the frames apart.
#[derive(Debug, Default)]
pub(super) struct Taking(Chain);

impl Taking {
    /// The first; `None` if the vhost is not closed yet.
    ///
    /// # Errors
    /// It is no such frame.
    pub(super) fn head(&mut self, bytes: &[u8]) -> Result<Option<Head>, BadFrame> {
        let frame = self.0.take(bytes)?;
        if frame.payload.is_empty() {
            return Ok(None);
        }
        let mut head = Head::default();
        for (space, key, value) in pairs_in(frame.payload)? {
            if space == Space::Definitions {
                head.definitions.insert(String::from_utf8(key).map_err(|_| BadFrame::Unknown)?, value);
            } else {
                head.epoch = u64::from_be_bytes(value.try_into().map_err(|_| BadFrame::Unknown)?);
            }
        }
        Ok(Some(head))
    }

    /// The next; nothing is in the last.
    ///
    /// # Errors
    /// It is not what was sent after the one before.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<Vec<Pair>, BadFrame> {
        let frame = self.0.take(bytes)?;
        let pairs = pairs_in(frame.payload)?;
        if pairs.is_empty() == (frame.kind == Kind::Fence) { Ok(pairs) } else { Err(BadFrame::Unknown) }
    }
}

fn pairs_in(payload: &[u8]) -> Result<Vec<Pair>, BadFrame> {
    let batch = decode_writes(payload)?;
    let pair = |write: &Write| match write {
        Write::Put { space, key, value } => Ok((*space, key.clone(), value.clone())),
        _ => Err(BadFrame::Unknown),
    };
    batch.writes().iter().map(pair).collect()
}
