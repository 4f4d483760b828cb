//! The committer's part of streams: gives chunks their offsets, and removes what is trimmed, a bounded piece at a time.

use super::append::{LogAppend, LogCommitted, LogSink};
use super::keys::{ChunkKey, DELETED, Front, chunks_end, chunks_from, front_key, segment_key, segment_value};
use super::state::{LogState, NewChunk, Placed};
use super::value;
use crate::message::QueueId;
use crate::store::engine::{Reader, Space, WriteBatch};
use crate::store::error::Error;
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// So many keys are removed in one commit, some milliseconds of it.
pub(in crate::store) const REMOVED_KEYS_MAX: usize = 10_000;

/// All streams that have anything stored.
pub(in crate::store) struct Logs {
    pub(super) reader: Box<dyn Reader>,
    pub(super) streams: HashMap<QueueId, Log>,
    /// Those with keys to be removed.
    pub(super) trimming: BTreeSet<QueueId>,
    /// Whether the store says that it has streams, so that a version that knows none does not open it.
    pub(super) is_marked: bool,
}

/// A stream.
#[derive(Default)]
pub(super) struct Log {
    pub(super) state: LogState,
    pub(super) front: Front,
}

/// Somebody to be told when the commit is synced.
pub(in crate::store) struct Notice {
    sink: Arc<dyn LogSink>,
    committed: LogCommitted,
}

impl Notice {
    /// Tells them.
    pub(in crate::store) fn tell(self) {
        self.sink.committed(self.committed);
    }
}

impl Logs {
    /// Whether there is no stream.
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether trimmed chunks are left, which the next commits remove.
    pub(in crate::store) fn is_trimming(&self) -> bool {
        !self.trimming.is_empty()
    }

    /// It is marked, with a batch that another has made.
    #[cfg(feature = "cluster")]
    pub(in crate::store) const fn mark(&mut self) {
        self.is_marked = true;
    }

    /// Takes these streams of what was found anew.
    #[cfg(feature = "cluster")]
    pub(in crate::store) fn take_over(&mut self, found: Self, wanted: &std::collections::HashSet<QueueId>) {
        self.streams.extend(found.streams.into_iter().filter(|(stream, _)| wanted.contains(stream)));
        self.trimming.extend(found.trimming.into_iter().filter(|stream| wanted.contains(stream)));
    }

    /// Whether the store has to be marked, with the batch that this is asked for, as one with streams.
    pub(in crate::store) fn take_mark(&mut self) -> bool {
        let is_due = !self.is_empty() && !self.is_marked;
        self.is_marked |= is_due;
        is_due
    }

    /// Puts a chunk at the end of its stream. Nobody is told, and nothing put, if the stream was deleted.
    pub(in crate::store) fn append(&mut self, append: LogAppend, batch: &mut WriteBatch) -> Option<Notice> {
        let LogAppend { stream, at, filter, entries, begins_segment, ticket, sink } = append;
        let count = u32::try_from(entries.len()).ok().filter(|count| *count > 0)?;
        let log = self.streams.entry(stream).or_default();
        if log.front.is_deleted() {
            return None;
        }
        let value = value::encode(&filter, &entries);
        let bytes = value.len() as u32;
        let chunk = NewChunk { count: count.into(), bytes: bytes.into(), at, begins_segment };
        let Placed { first, at, sealed } = log.state.place(&chunk);
        batch.put(Space::Streams, ChunkKey { stream, first, count, bytes, at }.encode(), value);
        if let Some(segment) = &sealed {
            batch.put(Space::Streams, segment_key(stream, segment.first), segment_value(segment));
        }
        Some(Notice { sink, committed: LogCommitted { ticket, first } })
    }

    /// All below `before` goes, the first offset of a segment. The open segment stays in any case.
    pub(in crate::store) fn trim(&mut self, stream: QueueId, before: u64) {
        let Some(log) = self.streams.get_mut(&stream).filter(|log| !log.front.is_deleted()) else { return };
        let front = before.min(log.state.open.first);
        if front > log.front.front {
            log.front.front = front;
            self.trimming.insert(stream);
        }
    }

    /// All of a stream goes, if it is one.
    pub(in crate::store) fn delete(&mut self, stream: QueueId) {
        if let Some(log) = self.streams.get_mut(&stream) {
            log.front.front = DELETED;
            self.trimming.insert(stream);
        }
    }

    /// Removes the next piece of what is trimmed; returns how many bytes that were.
    ///
    /// # Errors
    /// What the engine fails with, unless it is about stored bytes: what cannot be found stays.
    pub(in crate::store) fn write_trims(&mut self, batch: &mut WriteBatch) -> Result<u64, Error> {
        let (mut bytes, mut keys_left) = (0, REMOVED_KEYS_MAX);
        while let Some(stream) = self.trimming.first().copied().filter(|_| keys_left > 0) {
            match self.write_trim(stream, &mut keys_left, batch) {
                Ok(removed) => bytes += removed,
                Err(error) if error.is_about_stored_bytes() => {
                    self.trimming.remove(&stream);
                    tracing::warn!(stream = stream.0, %error, "what was trimmed of a stream stays on the disk");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }

    fn write_trim(
        &mut self,
        stream: QueueId,
        keys_left: &mut usize,
        batch: &mut WriteBatch,
    ) -> Result<u64, Error> {
        let Some(log) = self.streams.get_mut(&stream) else {
            self.trimming.remove(&stream);
            return Ok(0);
        };
        let Front { front, removed_to } = log.front;
        let piece = Piece::find(&*self.reader, stream, log.front, *keys_left)?;
        let end = if piece.is_last { front } else { piece.keys.last().map_or(front, ChunkKey::next) };
        let segments = segments(&*self.reader, stream, removed_to, end)?;
        *keys_left = keys_left.saturating_sub(piece.keys.len() + segments.len());
        let chunks = piece.keys.iter().map(ChunkKey::encode);
        chunks.chain(segments).for_each(|key| batch.remove_weak(Space::Streams, key));
        log.front.removed_to = end;
        if log.front.is_deleted() && piece.is_last {
            batch.remove(Space::Streams, front_key(stream));
            self.streams.remove(&stream);
        } else {
            batch.put(Space::Streams, front_key(stream), log.front.encode());
        }
        if piece.is_last {
            self.trimming.remove(&stream);
        }
        Ok(piece.keys.iter().map(|chunk| u64::from(chunk.bytes)).sum())
    }
}

/// Chunks that are removed together.
struct Piece {
    keys: Vec<ChunkKey>,
    /// Whether no more are to be removed after them.
    is_last: bool,
}

impl Piece {
    fn find(reader: &dyn Reader, stream: QueueId, front: Front, keys_max: usize) -> Result<Self, Error> {
        let mut piece = Self { keys: Vec::new(), is_last: true };
        let to = if front.is_deleted() { chunks_end(stream) } else { chunks_from(stream, front.front) };
        reader.keys(Space::Streams, &chunks_from(stream, front.removed_to), &to, &mut |key| {
            if piece.keys.len() >= keys_max {
                piece.is_last = false;
                return Ok(ControlFlow::Break(()));
            }
            let chunk = ChunkKey::parse(key);
            piece
                .keys
                .push(chunk.ok_or_else(|| Error::damaged("a chunk of a stream has an unreadable key"))?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(piece)
    }
}

/// The keys of the full segments that begin there.
fn segments(reader: &dyn Reader, stream: QueueId, from: u64, to: u64) -> Result<Vec<Vec<u8>>, Error> {
    let mut keys = Vec::new();
    let (from, to) = (segment_key(stream, from), segment_key(stream, to));
    reader.keys(Space::Streams, &from, &to, &mut |key| {
        keys.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(keys)
}
