//! Walks a stream of frames without decoding it: a method is shown with its arguments, a body with the bytes at its
//! beginning, and everything else is stepped over.
//!
//! Invariants: each byte is looked at once; the buffer never grows; a frame of an unknown type or without its end
//! octet is an error, because counts after it would be of something else.

use std::io::{ErrorKind, Read};

use crate::Result;
use crate::wire::{BODY, FRAME_END, FRAME_HEADER_BYTES, HEADER, HEARTBEAT, METHOD};

/// What one read takes at most. Larger means fewer calls, until it falls out of the processor's cache.
pub const READ_BYTES_MAX: usize = 256 * 1024;
/// A frame is shown when this much of its payload is there, or all of it. The methods of interest are smaller.
const SHOWN_BYTES_MAX: usize = 600;

/// Is shown the frames.
pub trait Visit {
    /// A method, by class and number, with its arguments (cut to some 600 bytes).
    fn method(&mut self, id: u32, arguments: &[u8]) -> Result<()>;

    /// A body frame of `size` bytes, with those at its beginning.
    fn body(&mut self, head: &[u8], size: usize) -> Result<()> {
        let _ = (head, size);
        Ok(())
    }
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something came in.
    Read,
    /// Nothing came in before the socket's read timeout.
    Idle,
    /// The other side closed the stream.
    Closed,
}

/// The part of a stream that was read and not walked yet.
pub struct Scanner {
    buffer: Vec<u8>,
    filled: usize,
    /// Bytes of the current frame that are still to come and that nobody wants to see.
    skip: usize,
}

impl Scanner {
    /// A scanner at the beginning of a frame.
    pub fn new() -> Self {
        Self { buffer: vec![0; READ_BYTES_MAX], filled: 0, skip: 0 }
    }

    /// Reads once and shows every frame that came in.
    pub fn read(&mut self, stream: &mut impl Read, visit: &mut impl Visit) -> Result<Progress> {
        match stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => Ok(Progress::Closed),
            Ok(count) => {
                self.filled += count;
                self.walk(visit).map(|()| Progress::Read)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(Progress::Idle),
                _ => Err(error.into()),
            },
        }
    }

    fn walk(&mut self, visit: &mut impl Visit) -> Result<()> {
        let bytes = &self.buffer[..self.filled];
        let mut at = self.skip.min(bytes.len());
        self.skip -= at;
        while let &[kind, _, _, a, b, c, d, ref rest @ ..] = &bytes[at..] {
            let size = u32::from_be_bytes([a, b, c, d]) as usize;
            let whole = rest.get(size);
            if whole.is_none() && rest.len() < SHOWN_BYTES_MAX {
                break;
            }
            if whole.is_some_and(|&end| end != FRAME_END) {
                return Err(format!("a frame of type {kind} and {size} bytes does not end as a frame").into());
            }
            show(kind, &rest[..size.min(rest.len())], size, visit)?;
            let end = at + FRAME_HEADER_BYTES + size + 1;
            at = end.min(bytes.len());
            self.skip = end - at;
        }
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }
}

#[inline]
fn show(kind: u8, payload: &[u8], size: usize, visit: &mut impl Visit) -> Result<()> {
    match (kind, payload) {
        (METHOD, &[a, b, c, d, ref arguments @ ..]) => {
            visit.method(u32::from_be_bytes([a, b, c, d]), arguments)
        }
        (BODY, head) => visit.body(head, size),
        (HEADER | HEARTBEAT, _) => Ok(()),
        _ => Err(format!("a frame of type {kind} and {size} bytes").into()),
    }
}
