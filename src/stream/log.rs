//! What there is: offsets, segments, and which of them are to go.

use std::collections::VecDeque;

use crate::message::LogSegment;
use crate::queue::options::StreamOptions;
use crate::queue::{LogChunk, LogDetails, RecoveredStream};
use crate::time::Timestamp;

/// What the newest segment has, whether durable yet or not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OpenSegment {
    pub(super) bytes: u64,
    pub(super) chunks: u64,
    pub(super) first_at: Timestamp,
    /// When the newest chunk came.
    pub(super) last_at: Timestamp,
}

impl OpenSegment {
    pub(super) const fn add_chunk(&mut self, at: Timestamp) {
        if self.chunks == 0 {
            self.first_at = at;
        }
        self.last_at = at;
        self.chunks += 1;
    }
}

/// The durable part of a stream.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Ascending, without gaps; the last one is open.
    segments: VecDeque<LogSegment>,
    /// The offset that comes next.
    next: u64,
    /// The first offset of the newest chunk.
    last_chunk: u64,
}

impl Log {
    pub(super) fn restored(recovered: RecoveredStream) -> Self {
        let next = recovered.segments.last().map_or(0, |segment| segment.next);
        Self { segments: recovered.segments.into(), next, last_chunk: recovered.last_chunk }
    }

    /// What is known of the newest segment.
    pub(super) fn open_segment(&self) -> OpenSegment {
        self.segments.back().map_or_else(OpenSegment::default, |segment| OpenSegment {
            bytes: segment.bytes,
            chunks: 1,
            first_at: segment.first_at,
            last_at: segment.last_at,
        })
    }

    /// The oldest offset there is; the next one if there is none.
    pub(super) fn first(&self) -> u64 {
        self.segments.front().map_or(self.next, |segment| segment.first)
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) const fn last_chunk(&self) -> u64 {
        self.last_chunk
    }

    pub(super) fn len(&self) -> u64 {
        self.next - self.first()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub(super) fn details(&self) -> LogDetails {
        LogDetails {
            first: self.first(),
            next: self.next,
            segments: self.segments.len(),
            first_at: self.first_at(),
            last_at: self.segments.back().map(|segment| segment.last_at),
            cursors: Vec::new(),
        }
    }

    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The time of the oldest chunk.
    pub(super) fn first_at(&self) -> Option<Timestamp> {
        self.segments.front().map(|segment| segment.first_at)
    }

    /// The segment that has the first chunk whose time is at or after this one, if there is such a chunk.
    pub(super) fn segment_at(&self, at: Timestamp) -> Option<&LogSegment> {
        self.segments.iter().find(|segment| segment.last_at >= at)
    }

    /// A chunk of so many bytes is durable.
    pub(super) fn push(&mut self, chunk: &LogChunk, bytes: u64, begins_segment: bool) {
        let (first, next, at) = (chunk.first, chunk.next(), chunk.at);
        match self.segments.back_mut().filter(|_| !begins_segment) {
            Some(open) => {
                (open.next, open.last_at) = (next, at);
                open.bytes += bytes;
            }
            None => self.segments.push_back(LogSegment { first, next, bytes, first_at: at, last_at: at }),
        }
        (self.next, self.last_chunk) = (next, first);
    }

    /// Takes out the segments that are too old or too much, but never the newest. The first offset that stays, if any go.
    pub(super) fn retain(&mut self, now: Timestamp, options: &StreamOptions) -> Option<u64> {
        let mut bytes = self.bytes();
        let mut is_trimmed = false;
        while let [oldest, _, ..] = self.segments.make_contiguous() {
            let too_much = options.bytes_max.is_some_and(|max| bytes > max);
            let too_old = options.age_max_ms.is_some_and(|age| oldest.last_at.plus_ms(age) < now);
            if !too_much && !too_old {
                break;
            }
            bytes -= oldest.bytes;
            self.segments.pop_front();
            is_trimmed = true;
        }
        is_trimmed.then(|| self.first())
    }

    /// When the oldest segment is too old, if it may go.
    pub(super) fn next_too_old(&self, options: &StreamOptions) -> Option<Timestamp> {
        let age = options.age_max_ms.filter(|_| self.segments.len() > 1)?;
        // One more: it goes when it is older than that.
        Some(self.segments.front()?.last_at.plus_ms(age.saturating_add(1)))
    }
}
