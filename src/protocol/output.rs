//! What goes out on a connection: bytes, large bodies that are written from where they stand, and how many frames they are.
//!
//! Most of what is written is small and is copied together, so that a system call moves many frames. A large body is not: it would
//! take its size again in memory, for each client that it goes to and that reads slowly.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::frame::{FRAME_END, FRAME_OVERHEAD, FrameKind};
use crate::message::Message;

/// A body of at least this many bytes is written from where it stands.
pub(super) const LARGE_BODY_BYTES: usize = 128 * 1024;
/// Frames of a large body that are written at once: 2 MiB at the default frame size.
const FRAMES_AT_ONCE: usize = 16;
/// A buffer that grew above this is given back when it is empty.
const BUFFER_KEEP_BYTES: usize = 1024 * 1024;
const FRAME_END_BYTES: [u8; 1] = [FRAME_END];
const FRAME_HEAD_BYTES: usize = FRAME_OVERHEAD - FRAME_END_BYTES.len();

/// Frames to be written; those who [encode](super::encode) them count them.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// How many of them are written.
    written: usize,
    /// By ascending place.
    bodies: VecDeque<LargeBody>,
    /// Frames appended so far; it only grows, whatever is taken out.
    pub frames: u64,
}

/// A body between two bytes of the output.
#[derive(Debug)]
struct LargeBody {
    /// How many bytes come before it.
    at: usize,
    channel: u16,
    /// Bytes of body in a frame; not 0.
    piece_bytes: usize,
    message: Message,
    /// Bytes written, frames' heads and ends included.
    written: usize,
}

impl Output {
    /// Adds bytes of a frame.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Where the next byte will stand.
    pub(super) const fn end(&self) -> usize {
        self.bytes.len()
    }

    /// Adds bytes that stand in it already, with others in the place of some of them.
    #[inline]
    pub(super) fn extend_from_within(&mut self, at: usize, count: usize, changed_at: usize, changed: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_within(at..at + count);
        let place = start + changed_at..start + changed_at + changed.len();
        if let Some(place) = self.bytes.get_mut(place) {
            place.copy_from_slice(changed);
        }
    }

    /// Adds a byte of a frame.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Makes room for so many bytes.
    #[inline]
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Adds a whole body in frames of its own. The frame before it has to be complete.
    pub(super) fn push_body(&mut self, channel: u16, piece_bytes: usize, message: Message) {
        self.frames += message.body_len().div_ceil(piece_bytes) as u64;
        self.bodies.push_back(LargeBody { at: self.bytes.len(), channel, piece_bytes, message, written: 0 });
    }

    /// Whether all was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.bodies.is_empty()
    }

    /// How many bytes were added since it was last empty, without what is written of large bodies.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.bodies.iter().map(LargeBody::left).sum::<usize>()
    }

    /// Bytes of memory that would be free if it were not for what is to be written.
    #[must_use]
    pub fn memory(&self) -> usize {
        let alone = self.bodies.iter().filter(|body| body.message.is_alone());
        let bodies: usize = alone.map(|body| body.message.encoded_len()).sum();
        self.bytes.capacity() + self.bodies.capacity() * size_of::<LargeBody>() + bodies
    }

    /// What is to be written next, as one run of bytes, if it is; empty where a large body comes next, or nothing.
    #[must_use]
    pub fn run(&self) -> &[u8] {
        let end = self.bodies.front().map_or(self.bytes.len(), |body| body.at);
        self.bytes.get(self.written..end).unwrap_or_default()
    }

    /// Hands the next frames of the large body that comes next to `write`, as slices.
    pub fn with_body_slices<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> Option<T> {
        self.bodies.front().map(|body| body.with_slices(write))
    }

    /// So many bytes of what came next are written.
    pub fn advance(&mut self, count: usize) {
        if !self.run().is_empty() {
            self.written += count;
        } else if let Some(body) = self.bodies.front_mut() {
            body.written += count;
            if body.left() == 0 {
                self.bodies.pop_front();
            }
        }
        if self.bodies.is_empty() && self.written == self.bytes.len() {
            self.clear();
        }
    }

    /// Takes all that is to be written.
    pub fn take(&mut self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        while !self.is_empty() {
            let mut next = self.run().to_vec();
            if next.is_empty() {
                next = self.with_body_slices(joined).unwrap_or_default();
            }
            self.advance(next.len());
            all.append(&mut next);
        }
        all
    }

    /// Gives its room back, if nothing is to be written.
    pub fn give_back(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
            self.bodies = VecDeque::new();
        }
    }

    /// Forgets all that is to be written.
    pub fn clear(&mut self) {
        self.written = 0;
        self.bodies.clear();
        self.bytes.clear();
        if self.bytes.capacity() > BUFFER_KEEP_BYTES {
            self.bytes = Vec::new();
        }
        if self.bodies.capacity() > BUFFER_KEEP_BYTES / size_of::<LargeBody>() {
            self.bodies = VecDeque::new();
        }
    }
}

impl LargeBody {
    /// Bytes that are not written yet.
    fn left(&self) -> usize {
        let body = self.message.body_len();
        body + body.div_ceil(self.piece_bytes) * FRAME_OVERHEAD - self.written
    }

    fn with_slices<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let frame_bytes = self.piece_bytes + FRAME_OVERHEAD;
        let from = self.written / frame_bytes * self.piece_bytes;
        let rest = self.message.body().get(from..).unwrap_or_default();
        let pieces = || rest.chunks(self.piece_bytes).take(FRAMES_AT_ONCE);
        let heads: Vec<_> = pieces().map(|piece| body_frame_head(self.channel, piece.len())).collect();
        let mut slices = Vec::with_capacity(3 * heads.len());
        for (head, piece) in heads.iter().zip(pieces()) {
            slices.extend([&head[..], piece, &FRAME_END_BYTES].map(IoSlice::new));
        }
        let mut slices = &mut slices[..];
        IoSlice::advance_slices(&mut slices, self.written % frame_bytes);
        write(slices)
    }
}

fn joined(slices: &[IoSlice<'_>]) -> Vec<u8> {
    slices.iter().flat_map(|slice| slice.iter().copied()).collect()
}

pub(super) const fn body_frame_head(channel: u16, payload_bytes: usize) -> [u8; FRAME_HEAD_BYTES] {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = (payload_bytes as u32).to_be_bytes();
    [FrameKind::Body as u8, c1, c0, s3, s2, s1, s0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Parts;
    use crate::protocol::encode;

    const FRAME_MAX: u32 = 4096;

    fn message(body_bytes: usize) -> Message {
        let body: Vec<u8> = (0..body_bytes).map(|index| (index % 251) as u8).collect();
        Message::new(Parts { routing_key: b"key", properties: &[0, 0], body: &body, ..Parts::default() })
    }

    /// Large and small bodies in turn, with what stands between them.
    fn filled() -> Output {
        let mut out = Output::default();
        encode::heartbeat(&mut out);
        for body_bytes in [LARGE_BODY_BYTES, 10, LARGE_BODY_BYTES + 1, LARGE_BODY_BYTES * 2, 0] {
            encode::deliver(&mut out, FRAME_MAX, 3, b"tag", 7, false, &message(body_bytes));
        }
        encode::heartbeat(&mut out);
        out
    }

    #[test]
    fn however_little_is_written_at_a_time_it_is_the_same() {
        let mut all = filled();
        let (length, frames) = (all.len(), all.frames);
        let expected = all.take();
        assert_eq!((expected.len(), all.is_empty(), all.len()), (length, true, 0));
        for at_a_time in [501, 4095, 4096, 4097, 100_000, usize::MAX] {
            let (mut out, mut written) = (filled(), Vec::new());
            while !out.is_empty() {
                let mut next = out.run().to_vec();
                if next.is_empty() {
                    next = out
                        .with_body_slices(|slices| joined(&slices[..slices.len().min(3 + at_a_time / 1000)]))
                        .unwrap();
                }
                next.truncate(at_a_time);
                out.advance(next.len());
                written.extend(next);
            }
            assert!(written == expected, "{at_a_time} bytes at a time");
            assert_eq!(out.frames, frames);
        }
    }

    #[test]
    fn a_large_body_takes_no_memory_of_its_own() {
        let mut out = Output::default();
        let message = message(50 * LARGE_BODY_BYTES);
        encode::deliver(&mut out, FRAME_MAX, 3, b"tag", 7, false, &message);
        assert!(out.memory() < 4096, "{}", out.memory());
        assert!(out.len() > 50 * LARGE_BODY_BYTES);
        drop(message);
        assert!(out.memory() > 50 * LARGE_BODY_BYTES, "nobody else keeps it");
    }
}
