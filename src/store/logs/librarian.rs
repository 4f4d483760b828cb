//! The librarian: reads streams, on a thread of its own, so that a long replay delays neither a commit nor a queue's pages.

use super::keys::{ChunkKey, chunks_end, chunks_from};
use super::read::{LogChunk, LogRead, LogRequest, LogSeek};
use super::value::ParsedChunk;
use crate::message::QueueId;
use crate::store::engine::{Reader, Space};
use crate::store::error::Error;
use crate::store::load::Unreadable;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;

/// Does what it is asked, in order.
pub(in crate::store) struct Librarian {
    reader: Box<dyn Reader>,
}

impl Librarian {
    pub(in crate::store) const fn new(reader: Box<dyn Reader>) -> Self {
        Self { reader }
    }

    /// Serves until it is closed, or nobody can ask any more.
    ///
    /// # Errors
    /// Whatever cannot be read for another reason than that the bytes are damaged.
    pub(in crate::store) fn run(&self, requests: &Receiver<LogRequest>) -> Result<(), Error> {
        while let Ok(request) = requests.recv() {
            if matches!(request, LogRequest::Close) {
                break;
            }
            self.serve(request)?;
        }
        Ok(())
    }

    /// Does one thing.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(in crate::store) fn serve(&self, request: LogRequest) -> Result<(), Error> {
        match request {
            LogRequest::Read(LogRead { stream, from, bytes_max, done }) => {
                done(self.told(stream, from, self.chunks(stream, from, bytes_max))?);
            }
            LogRequest::Seek(seek) => {
                let found = self.find(&seek);
                (seek.done)(self.told(seek.stream, seek.first, found)?);
            }
            LogRequest::Close => {}
        }
        Ok(())
    }

    /// Only this stream has lost anything, if the error is about stored bytes.
    fn told<T>(
        &self,
        stream: QueueId,
        from: u64,
        read: Result<T, Error>,
    ) -> Result<Result<T, Unreadable>, Error> {
        match read {
            Ok(read) => Ok(Ok(read)),
            Err(error) if error.is_about_stored_bytes() => {
                let damage = self.key_at(stream, from).ok().flatten();
                let damage = damage.and_then(|key| self.reader.damage_at(Space::Streams, &key));
                Ok(Err(Unreadable(damage.unwrap_or_else(|| error.detail()))))
            }
            Err(error) => Err(error),
        }
    }

    fn chunks(&self, stream: QueueId, from: u64, bytes_max: usize) -> Result<Vec<LogChunk>, Error> {
        let begin = self.holder(stream, 0, from)?.filter(|chunk| chunk.next() > from);
        let begin = begin.map_or(from, |chunk| chunk.first);
        let (mut chunks, taken) = (Vec::new(), Cell::new(0));
        let fits = |key: &[u8]| {
            let before = taken.get();
            taken.set(before + ChunkKey::parse(key).map_or(0, |chunk| chunk.bytes as usize));
            before == 0 || taken.get() <= bytes_max
        };
        let (from, to) = (chunks_from(stream, begin), chunks_end(stream));
        let read = self.reader.range(Space::Streams, &from, &to, &fits, &mut |key, value| {
            chunks.push(parse(key, value)?);
            Ok(())
        });
        match read {
            // Whoever goes on from here will be told.
            Err(error) if error.is_about_stored_bytes() && !chunks.is_empty() => Ok(chunks),
            read => read.map(|()| chunks),
        }
    }

    fn find(&self, seek: &LogSeek) -> Result<u64, Error> {
        let LogSeek { stream, first, next, at, .. } = seek;
        let (mut low, mut high) = (*first, *next);
        let mut found = *next;
        // All chunks that begin below `low` came before the time; `found` is the first known that did not.
        while low < high {
            let middle = low + (high - low) / 2;
            match self.holder(*stream, *first, middle)? {
                Some(chunk) if chunk.at >= *at => {
                    found = chunk.first;
                    high = chunk.first;
                }
                Some(chunk) => low = chunk.next().max(middle + 1),
                None => low = middle + 1,
            }
        }
        Ok(found)
    }

    /// The last chunk that begins in `first..=offset`.
    fn holder(&self, stream: QueueId, first: u64, offset: u64) -> Result<Option<ChunkKey>, Error> {
        let (from, to) = (chunks_from(stream, first), chunks_from(stream, offset.saturating_add(1)));
        let key = self.reader.last_key(Space::Streams, &from, &to)?;
        key.map(|key| ChunkKey::parse(&key).ok_or_else(|| unreadable(&key))).transpose()
    }

    /// The key of the chunk that holds an offset, or of the first after it.
    fn key_at(&self, stream: QueueId, offset: u64) -> Result<Option<Vec<u8>>, Error> {
        if let Some(chunk) = self.holder(stream, 0, offset)?.filter(|chunk| chunk.next() > offset) {
            return Ok(Some(chunk.encode()));
        }
        let mut found = None;
        let (from, to) = (chunks_from(stream, offset), chunks_end(stream));
        self.reader.keys(Space::Streams, &from, &to, &mut |key| {
            found = Some(key.to_vec());
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }
}

fn parse(key: &[u8], value: Vec<u8>) -> Result<LogChunk, Error> {
    let chunk = ChunkKey::parse(key).filter(|chunk| chunk.bytes as usize == value.len());
    let chunk = chunk.ok_or_else(|| unreadable(key))?;
    let parsed = ParsedChunk::parse(value, chunk.count).ok_or_else(|| unreadable(key))?;
    Ok(LogChunk { first: chunk.first, at: chunk.at, filter: parsed.filter, entries: parsed.entries })
}

fn unreadable(key: &[u8]) -> Error {
    Error::damaged(match ChunkKey::parse(key) {
        Some(chunk) => {
            format!("the chunk of stream {} at offset {} is unreadable", chunk.stream.0, chunk.first)
        }
        None => "a chunk of a stream has an unreadable key".into(),
    })
}
