//! What a start finds of streams. It seeks from stream to stream and reads the keys of each one's last segment: no messages,
//! and no chunk of the segments before.

use super::committed::{Log, Logs};
use super::keys::{
    CHUNKS, ChunkKey, Front, SEGMENTS, chunks_end, chunks_from, end_of, front_key, parse_segment,
    segment_key, segments_end, stream_of,
};
use super::recovered::RecoveredLog;
use super::state::LogState;
use crate::message::{LogSegment, QueueId};
use crate::store::engine::{Reader, Space};
use crate::store::error::Error;
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

impl Logs {
    /// Finds all streams; changes nothing.
    ///
    /// # Errors
    /// [`Error::Damaged`], or what the engine fails with.
    pub(in crate::store) fn find(
        reader: Box<dyn Reader>,
    ) -> Result<(Self, Vec<(QueueId, RecoveredLog)>), Error> {
        let mut logs =
            Self { reader, streams: HashMap::default(), trimming: BTreeSet::new(), is_marked: false };
        let mut recovered = Vec::new();
        for stream in streams(&*logs.reader)? {
            recovered.extend(logs.add(stream)?.map(|log| (stream, log)));
        }
        logs.is_marked = !logs.is_empty();
        Ok((logs, recovered))
    }

    fn add(&mut self, stream: QueueId) -> Result<Option<RecoveredLog>, Error> {
        let front = front(&*self.reader, stream)?;
        if front.is_trimming() {
            self.trimming.insert(stream);
        }
        if front.is_deleted() {
            self.streams.insert(stream, Log { state: LogState::default(), front });
            return Ok(None);
        }
        let log = recover(&*self.reader, stream, front.front)?;
        self.streams.insert(stream, Log { state: LogState { open: log.open }, front });
        Ok(Some(log))
    }
}

/// All streams of which anything is there.
fn streams(reader: &dyn Reader) -> Result<BTreeSet<QueueId>, Error> {
    let mut streams = BTreeSet::new();
    for kind in [CHUNKS, SEGMENTS] {
        let mut from = vec![kind];
        while let Some(key) = first_key(reader, &from, &[kind + 1])? {
            let stream = stream_of(&key).ok_or_else(|| damaged_key(&key))?;
            streams.insert(stream);
            from = end_of(kind, stream);
        }
    }
    Ok(streams)
}

fn first_key(reader: &dyn Reader, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut first = None;
    reader.keys(Space::Streams, from, to, &mut |key| {
        first = Some(key.to_vec());
        Ok(ControlFlow::Break(()))
    })?;
    Ok(first)
}

fn front(reader: &dyn Reader, stream: QueueId) -> Result<Front, Error> {
    let Some(value) = reader.read(Space::Streams, &front_key(stream))? else { return Ok(Front::default()) };
    let unreadable = || Error::damaged(format!("the front of stream {} is unreadable", stream.0));
    Front::parse(&value).ok_or_else(unreadable)
}

fn recover(reader: &dyn Reader, stream: QueueId, front: u64) -> Result<RecoveredLog, Error> {
    let sealed = sealed(reader, stream, front)?;
    let first = sealed.last().map_or(front, |segment| segment.next);
    let open = open(reader, stream, first)?;
    let (from, to) = (chunks_from(stream, front), chunks_end(stream));
    let last = reader.last_key(Space::Streams, &from, &to)?;
    let last = last.map(|key| ChunkKey::parse(&key).ok_or_else(|| damaged_key(&key))).transpose()?;
    let last_chunk = last.map_or(open.next, |chunk| chunk.first);
    Ok(RecoveredLog { sealed, open, last_chunk, next: open.next })
}

/// The full segments from an offset on. There may be gaps between them, in a stream that was salvaged.
fn sealed(reader: &dyn Reader, stream: QueueId, front: u64) -> Result<Vec<LogSegment>, Error> {
    let mut sealed: Vec<LogSegment> = Vec::new();
    let (from, to) = (segment_key(stream, front), segments_end(stream));
    reader.range(Space::Streams, &from, &to, &|_| true, &mut |key, value| {
        let next = sealed.last().map_or(front, |segment| segment.next);
        let segment = parse_segment(key, &value).filter(|segment| segment.first >= next);
        let unreadable =
            || Error::damaged(format!("a segment's record of stream {} is unreadable", stream.0));
        sealed.push(segment.ok_or_else(unreadable)?);
        Ok(())
    })?;
    Ok(sealed)
}

/// The segment that begins at an offset and has all chunks from there on.
fn open(reader: &dyn Reader, stream: QueueId, first: u64) -> Result<LogSegment, Error> {
    let mut open = LogSegment { first, next: first, ..LogSegment::default() };
    let (from, to) = (chunks_from(stream, first), chunks_end(stream));
    reader.keys(Space::Streams, &from, &to, &mut |key| {
        let chunk = ChunkKey::parse(key).filter(|chunk| chunk.first >= open.next);
        let chunk = chunk.ok_or_else(|| damaged_key(key))?;
        if open.is_empty() {
            open.first_at = chunk.at;
        }
        open.next = chunk.next();
        open.bytes += u64::from(chunk.bytes);
        open.last_at = open.last_at.max(chunk.at);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(open)
}

fn damaged_key(key: &[u8]) -> Error {
    let of = stream_of(key).map_or_else(String::new, |stream| format!(" of stream {}", stream.0));
    Error::damaged(format!("a record{of} has an unreadable key"))
}
