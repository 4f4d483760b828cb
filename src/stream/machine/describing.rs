//! What there is to know about the stream.

use super::stream::Stream;
use crate::message::{LogSegment, Position};
use crate::queue::{Details, LogDetails, Measures, PEEK_MAX, Peek, PeekState, Peeked, PeekedPlace, Tally};
use crate::time::Time;

/// A stream with nothing in it, its task and its mailbox included, in bytes.
const STREAM_BYTES: usize = 7 * 1024;
/// A reader, in bytes.
const READER_BYTES: usize = 512;

impl Stream {
    /// Bytes of memory that it takes without those of its messages: an estimate.
    #[must_use]
    pub fn footprint(&self) -> usize {
        STREAM_BYTES
            + self.readers.len() * READER_BYTES
            + self.log.segments() * size_of::<LogSegment>()
            + self.cursors.iter().map(|(_, cursor)| cursor.footprint()).sum::<usize>()
            + self.dedup.footprint()
    }

    pub(super) fn measures(&self) -> Measures {
        Measures {
            counts: self.counts(),
            oldest_ready: self.log.first_at().map(|at| self.on_the_clock(at)),
            oldest_unacked: None,
            overhead_bytes: self.footprint(),
            is_unreadable: self.unreadable.is_some(),
        }
    }

    pub(super) fn details(&self) -> Details {
        let (messages, bytes) = (self.counts().ready, self.counts().ready_bytes);
        let in_memory = self.tail.first().map_or(0, |first| self.log.next() - first);
        Details {
            measures: self.measures(),
            tally: Tally {
                ready_in_memory: usize::try_from(in_memory).unwrap_or(usize::MAX),
                ready_in_memory_bytes: self.tail.bytes(),
                persistent: messages,
                persistent_bytes: bytes,
                ..Tally::default()
            },
            head_timestamp_s: None,
            consumers: self
                .readers
                .iter()
                .filter(|(_, reader)| reader.is_consumer())
                .map(|(_, reader)| reader.details())
                .collect(),
            has_credit: self.readers.iter().any(|(_, reader)| reader.has_credit()),
            delivery_limit: None,
            unreadable: self.unreadable.clone(),
            log: Some(LogDetails { cursors: self.cursor_details(), ..self.log.details() }),
        }
    }

    /// All that is in a stream is ready. Positions are offsets.
    pub(super) fn peek(&self, peek: Peek) -> Vec<Peeked> {
        let (first, next) = (self.log.first(), self.log.next());
        let (from, limit) = match peek.state {
            PeekState::Ready => (first.saturating_add(peek.offset as u64), peek.limit.min(PEEK_MAX)),
            PeekState::From(Position(offset)) => (offset.max(first), peek.limit.min(PEEK_MAX)),
            PeekState::At(position) if (first..next).contains(&position.0) => (position.0, 1),
            _ => return Vec::new(),
        };
        (from..next).take(limit).map(|offset| self.peeked(offset)).collect()
    }

    fn peeked(&self, offset: u64) -> Peeked {
        Peeked {
            position: Position(offset),
            message: self.in_memory(offset).cloned(),
            on_disk: None,
            redelivered: false,
            expires: Some(Time::NEVER),
            priority: 0,
            place: PeekedPlace::Ready,
            attempts: None,
        }
    }
}
