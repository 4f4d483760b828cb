//! What goes out on a connection: bytes, and how many frames they are.

use std::ops::{Deref, DerefMut};

/// Bytes to be written. It is a byte buffer for those who write it; those who [encode](super::encode) count their frames.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// Frames appended so far; it only grows, whatever is taken out.
    pub frames: u64,
}

impl Deref for Output {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Output {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}
