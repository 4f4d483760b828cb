//! All that a node has at one moment, for another that cannot get it from the log any more.
//!
//! It is a chain of [frames](Frame), as the log is: the first has the mark of the moment, then come writes that put all pairs, and
//! the last has the mark again. So whatever is missing, exchanged or damaged is noticed, and the version of frames is the version here.
//!
//! Invariants:
//! - The receiver wipes what it has when the first frame is there, and not before.
//! - Until the last frame is there its disk says that what it has is a part; the mark comes with the commit that takes that back. So what
//!   is left by a crash midway is never used.

use super::frame::{BadFrame, Frame, Kind};
use super::local::LocalEngine;
use super::mark::{self, Mark};
use super::writes::{decode_writes, encode_writes};
use crate::store::{Durability, Engine, Error, Snapshot, Space, WriteBatch};

/// Bytes of a frame, but for a single larger value.
pub const PIECE_BYTES: usize = 256 * 1024;

/// Takes the frames of a snapshot.
pub type PieceVisitor<'a> = dyn FnMut(Vec<u8>) -> Result<(), Error> + 'a;

/// Gives the frames of a snapshot, of about so many bytes each.
///
/// # Errors
/// What the engine or the visitor fails with; [`Error::Stopped`] if the node has nothing to give: it is empty, or has a part.
pub fn read_snapshot(
    snapshot: &dyn Snapshot,
    piece_bytes: usize,
    visit: &mut PieceVisitor<'_>,
) -> Result<(), Error> {
    let mark = mark_of(snapshot)?.ok_or(Error::Stopped)?;
    let mut giving = Giving { visit, term: mark.term, number: 0, before: 0 };
    giving.give(Kind::Fence, &mark.encode())?;
    for space in Space::ALL {
        giving.give_space(snapshot, space, piece_bytes)?;
    }
    giving.give(Kind::Fence, &mark.encode())
}

/// The mark, if there is one and what is there is whole.
fn mark_of(snapshot: &dyn Snapshot) -> Result<Option<Mark>, Error> {
    let (mut found, mut is_partial, mut is_past) = (None, false, false);
    // They are among the first keys; the rest need not be looked at.
    let looked = snapshot.scan(Space::Messages, &mut |key, value| {
        if Mark::is_key(key) {
            found = Mark::parse(value);
        } else if mark::is_partial_key(key) {
            is_partial = true;
        } else if key.first() > Some(&0) {
            is_past = true;
            return Err(Error::Stopped);
        }
        Ok(())
    });
    if !is_past {
        looked?;
    }
    Ok(found.filter(|_| !is_partial))
}

struct Giving<'a, 'b> {
    visit: &'a mut PieceVisitor<'b>,
    term: u64,
    number: u64,
    before: u64,
}

impl Giving<'_, '_> {
    fn give_space(&mut self, snapshot: &dyn Snapshot, space: Space, bytes_max: usize) -> Result<(), Error> {
        let new = || WriteBatch::numbered(space == Space::Streams);
        let (mut batch, mut is_empty) = (new(), true);
        snapshot.scan(space, &mut |key, value| {
            if mark::is_of_one_node(space, key) {
                return Ok(());
            }
            if !is_empty && batch.bytes() + value.len() > bytes_max {
                self.give(Kind::Batch, &encode_writes(&std::mem::replace(&mut batch, new())))?;
            }
            batch.put(space, key.to_vec(), value.to_vec());
            is_empty = false;
            Ok(())
        })?;
        if is_empty { Ok(()) } else { self.give(Kind::Batch, &encode_writes(&batch)) }
    }

    fn give(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Error> {
        let (term, number, before) = (self.term, self.number, self.before);
        let (bytes, hash) = Frame { kind, term, number, part: 0, parts: 1, before, payload }.encode();
        (self.number, self.before) = (number + 1, hash);
        (self.visit)(bytes)
    }
}

/// What is wrong with a frame of a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum BadPiece {
    /// It is no frame.
    #[error("a part of a snapshot: {0}")]
    Frame(#[from] BadFrame),
    /// It does not follow the one before.
    #[error("a part of a snapshot is missing, or is another's")]
    Order,
}

/// Why a snapshot could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// What came is not what was sent: it can be tried again.
    #[error(transparent)]
    Piece(#[from] BadPiece),
    /// This node's store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Takes in a snapshot.
pub struct Filling {
    engine: LocalEngine,
    mark: Mark,
    number: u64,
    before: u64,
}

impl Filling {
    /// What the first frame says: the moment of the snapshot.
    ///
    /// # Errors
    /// [`BadPiece`].
    pub fn mark_of(first: &[u8]) -> Result<Mark, BadPiece> {
        let (frame, _) = Frame::decode(first)?;
        let is_first = (frame.kind, frame.number, frame.before) == (Kind::Fence, 0, 0);
        Mark::parse(frame.payload).filter(|_| is_first).ok_or(BadPiece::Order)
    }

    /// Wipes what the engine has, and begins.
    ///
    /// # Errors
    /// [`FillError`]. What the engine had may be gone.
    pub fn begin(mut engine: LocalEngine, first: &[u8]) -> Result<Self, FillError> {
        let (mark, (_, before)) = (Self::mark_of(first)?, Frame::decode(first).map_err(BadPiece::from)?);
        engine.wipe(mark.sequence)?;
        let mut batch = WriteBatch::numbered(false);
        mark::put_partial(&mut batch);
        engine.commit(batch, Durability::Synced)?;
        Ok(Self { engine, mark, number: 1, before })
    }

    /// Takes the next frame; the mark if it was the last one: then all is there, and synced.
    ///
    /// # Errors
    /// [`FillError`]. It has to be begun anew.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Mark>, FillError> {
        let (frame, hash) = Frame::decode(bytes).map_err(BadPiece::from)?;
        if (frame.number, frame.before) != (self.number, self.before) {
            return Err(BadPiece::Order.into());
        }
        (self.number, self.before) = (self.number + 1, hash);
        match frame.kind {
            Kind::Batch => {
                let batch = decode_writes(frame.payload).map_err(BadPiece::from)?;
                self.engine.commit(batch, Durability::Buffered)?;
                Ok(None)
            }
            Kind::Fence if Mark::parse(frame.payload) == Some(self.mark) => self.end().map(Some),
            Kind::Fence => Err(BadPiece::Order.into()),
        }
    }

    fn end(&mut self) -> Result<Mark, FillError> {
        let mut batch = WriteBatch::numbered(false);
        mark::remove_partial(&mut batch);
        self.mark.put(&mut batch);
        self.engine.commit(batch, Durability::Synced)?;
        Ok(self.mark)
    }
}
