//! The leader's engine: each batch goes to the log first, and to the engine of this node when the log has it.
//!
//! Invariants:
//! - One append is under way at a time, and it names the frame that it comes after.
//! - What is applied here is in the log. What is in the log and not applied here, because the node died or lost its lease meanwhile, it
//!   applies later as a follower, as all others do.
//! - An answer that was lost is found out by asking again: the same frame at the same place is the same append.

use super::frame::{Frame, HEADER_BYTES, Kind};
use super::log::{AppendError, Log, Sequence};
use super::mark::Mark;
use super::tenure::Tenure;
use super::writes::encode_writes;
use crate::store::{Durability, Engine, Error, Reader, Room, Snapshot, Space, Visitor, WriteBatch};

/// [`Engine`] over a log and the engine of this node.
pub struct ReplicatedEngine<E, L> {
    inner: E,
    appender: Appender<L>,
}

/// Appends frames after the last one that it knows.
pub(super) struct Appender<L> {
    log: L,
    tenure: Tenure,
    /// The last frame of the log.
    pub(super) last: Mark,
}

/// What came of an append.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// The frame is the last one.
    Done,
    /// Something else is where it would have been.
    Other,
    /// The tenure is over, and nobody knows.
    GivenUp,
    /// Nothing was appended: it takes too many parts.
    TooLarge,
}

impl<L: Log> Appender<L> {
    pub(super) const fn new(log: L, last: Mark, tenure: Tenure) -> Self {
        Self { log, tenure, last }
    }

    /// Appends a frame after the last one, and finds out what came of it.
    pub(super) fn append(&mut self, kind: Kind, next: Mark, part: (u16, u16), payload: &[u8]) -> Appended {
        let after = self.last.sequence;
        let Mark { term, number, .. } = next;
        let frame =
            Frame { kind, term, number, part: part.0, parts: part.1, before: self.last.hash, payload };
        let (bytes, hash) = frame.encode();
        while !self.tenure.is_over() {
            let at = match self.log.append(after, &bytes) {
                Ok(at) => Some(at),
                Err(AppendError::Unknown(_)) => None,
                Err(AppendError::Fenced) => match self.what_is_after(after) {
                    Some((at, found)) if found == bytes => Some(at),
                    Some(_) => return Appended::Other,
                    None => None,
                },
            };
            if let Some(sequence) = at {
                self.last = Mark { sequence, hash, ..next };
                return Appended::Done;
            }
            self.log.wait(after);
        }
        Appended::GivenUp
    }

    /// The frame that stands there, if it can be read: if not, it may not be there for good.
    fn what_is_after(&mut self, after: Sequence) -> Option<(Sequence, Vec<u8>)> {
        self.log.read(after, 1).ok()?.into_iter().next()
    }

    /// Appends a batch in as many parts as it takes.
    fn append_batch(&mut self, batch: &WriteBatch) -> Appended {
        let writes = encode_writes(batch);
        let room = self.log.frame_bytes_max().saturating_sub(HEADER_BYTES).max(1);
        let next = Mark { number: self.last.number + 1, ..self.last };
        let parts: Vec<&[u8]> = if writes.is_empty() { vec![&[]] } else { writes.chunks(room).collect() };
        let Ok(count) = u16::try_from(parts.len()) else { return Appended::TooLarge };
        for (part, payload) in (0..count).zip(parts) {
            match self.append(Kind::Batch, next, (part, count), payload) {
                Appended::Done => {}
                other => return other,
            }
        }
        Appended::Done
    }
}

impl<E: Engine, L: Log> ReplicatedEngine<E, L> {
    /// An engine for whoever has fenced the log: `fence` is the last frame, and its own.
    pub const fn new(inner: E, log: L, fence: Mark, tenure: Tenure) -> Self {
        Self { inner, appender: Appender::new(log, fence, tenure) }
    }
}

impl<E: Engine, L: Log> Engine for ReplicatedEngine<E, L> {
    fn commit(&mut self, mut batch: WriteBatch, _: Durability) -> Result<(), Error> {
        match self.appender.append_batch(&batch) {
            Appended::Done => {}
            Appended::Other => return Err(deposed("another node has written to the log")),
            Appended::GivenUp => return Err(deposed("its lease ended before the log answered")),
            Appended::TooLarge => return Err(too_large(batch.bytes())),
        }
        self.appender.last.put(&mut batch);
        self.inner.commit(batch, Durability::Buffered)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error> {
        self.inner.scan(space, from, to, visit)
    }

    fn reader(&self) -> Box<dyn Reader> {
        self.inner.reader()
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.inner.snapshot()
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.inner.sync()
    }

    fn maintain(&mut self, live_bytes: u64) -> Result<bool, Error> {
        self.inner.maintain(live_bytes)
    }

    /// Never any: what would fill a journal of this node up would go to all of them.
    fn journal_gap(&mut self) -> Option<u64> {
        None
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.inner.flush()
    }

    fn disk_room(&self) -> Option<Room> {
        self.inner.disk_room()
    }

    fn file_bytes(&self) -> u64 {
        self.inner.file_bytes()
    }

    fn release_reserve(&self) -> bool {
        self.inner.release_reserve()
    }
}

fn too_large(bytes: usize) -> Error {
    let doing = format!("appending a batch of {bytes} bytes to the log");
    Error::Io { doing, source: std::io::Error::other("its frames are too small for that") }
}

fn deposed(why: &str) -> Error {
    Error::Deposed { why: why.to_owned() }
}
