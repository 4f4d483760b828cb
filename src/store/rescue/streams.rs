//! Streams: which of their chunks can be read. Values are looked at one by one and not kept: a stream may be larger than memory.

use super::raw::Raw;
use super::state::QueueState;
use crate::message::{LogSegment, QueueId};
use crate::store::engine::Space;
use crate::store::logs::ParsedChunk;
use crate::store::logs::keys::{
    CHUNKS, ChunkKey, Front, SEGMENTS, front_key, parse_segment, segment_key, segment_value, stream_of,
};
use std::collections::BTreeMap;

/// What can be read of all streams.
#[derive(Default)]
pub(super) struct Streams {
    /// Messages by stream.
    pub(super) states: BTreeMap<QueueId, QueueState>,
    /// The keys of whole chunks.
    pub(super) chunks: Vec<Vec<u8>>,
    /// Where they begin, and their full segments.
    pub(super) records: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// One of them.
#[derive(Default)]
struct Stream {
    front: Front,
    segments: Vec<LogSegment>,
    /// The chunks after the full segments.
    open: LogSegment,
    /// The offset after the last chunk that is known to have been there.
    next: u64,
}

impl Streams {
    /// Reads all chunks.
    pub(super) fn of(raw: &mut Raw) -> Self {
        let (mut found, mut streams) = (Self::default(), read_records(raw));
        for key in raw.keys(Space::Streams, &[CHUNKS], &[CHUNKS + 1]) {
            let Some(chunk) = ChunkKey::parse(&key) else { continue };
            let stream = streams.entry(chunk.stream).or_default();
            if chunk.first >= stream.front.front {
                found.chunk(raw, stream, &chunk, key);
            }
        }
        for (id, stream) in streams.into_iter().filter(|(_, stream)| !stream.front.is_deleted()) {
            found.records.extend(stream.records(id));
        }
        found
    }

    fn chunk(&mut self, raw: &mut Raw, stream: &mut Stream, chunk: &ChunkKey, key: Vec<u8>) {
        let value = raw.value(Space::Streams, &key).filter(|value| value.len() == chunk.bytes as usize);
        let is_whole = value.is_some_and(|value| ParsedChunk::parse(value, chunk.count).is_some());
        let state = self.states.entry(chunk.stream).or_default();
        stream.next = stream.next.max(chunk.next());
        if !is_whole {
            state.lost += u64::from(chunk.count);
            return;
        }
        state.whole += u64::from(chunk.count);
        stream.take(chunk);
        self.chunks.push(key);
    }
}

/// The fronts and full segments of all streams. One that cannot be read is no loss: the chunks of such a segment are trimmed with those
/// of the next.
fn read_records(raw: &mut Raw) -> BTreeMap<QueueId, Stream> {
    let mut streams = BTreeMap::<QueueId, Stream>::new();
    for key in raw.keys(Space::Streams, &[SEGMENTS], &[SEGMENTS + 1]) {
        let Some((id, value)) = stream_of(&key).zip(raw.value(Space::Streams, &key)) else { continue };
        let stream = streams.entry(id).or_default();
        if key == front_key(id) {
            stream.front = Front::parse(&value).unwrap_or_default();
        } else if let Some(segment) = parse_segment(&key, &value).filter(|found| found.first >= stream.end())
        {
            stream.segments.push(segment);
        }
    }
    streams
}

impl Stream {
    /// Where the full segments end.
    fn end(&self) -> u64 {
        self.segments.last().map_or(self.front.front, |segment| segment.next)
    }

    fn take(&mut self, chunk: &ChunkKey) {
        if chunk.first < self.end() {
            return;
        }
        if self.open.bytes == 0 {
            self.open.first_at = chunk.at;
        }
        self.open.next = chunk.next();
        self.open.bytes += u64::from(chunk.bytes);
        self.open.last_at = chunk.at;
    }

    fn records(mut self, id: QueueId) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let first = self.end();
        if self.next > first.max(self.open.next) {
            // Its last chunks are lost. Their offsets are known to clients, and must not be given to other messages.
            self.segments.push(LogSegment { first, next: self.next, ..self.open });
        }
        let front = Front { removed_to: self.front.front, ..self.front };
        let front = (front.front > 0).then(|| (front_key(id), front.encode()));
        let segments = self.segments.into_iter();
        let segments = segments.map(move |segment| (segment_key(id, segment.first), segment_value(&segment)));
        front.into_iter().chain(segments)
    }
}
