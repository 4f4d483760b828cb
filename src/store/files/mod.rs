//! The files of fjall 3 as they lie on the disk, read without fjall: it panics, or deletes what it does not know, where a file is
//! not what it wrote. So what it will read at a start is read here first, and what it refuses can still be salvaged.
//!
//! Numbers are little-endian unless something else is said. Checksums are xxh3, of 128 bits where nothing else is said.
//!
//! Invariants: nothing here writes, panics, or allocates more than a file has bytes.

pub(super) mod blobs;
mod block;
mod container;
pub(super) mod journal;
mod lz4;
pub(super) mod manifest;
pub(super) mod table;

use super::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Why bytes are not what fjall wrote.
#[derive(Debug)]
pub(super) enum Fault {
    /// They are others; in words.
    Bad(&'static str),
    /// They cannot be read.
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof {
            Self::Bad("it ends too early")
        } else {
            Self::Io(error)
        }
    }
}

impl Fault {
    /// The same as an error about a file.
    pub(super) fn of(self, path: &Path) -> Error {
        match self {
            Self::Bad(what) => Error::damaged(format!("{}: {what}", path.display())),
            Self::Io(source) if source.kind() == ErrorKind::NotFound => {
                Error::damaged(format!("{} is missing", path.display()))
            }
            Self::Io(source) => Error::Io { doing: format!("reading {}", path.display()), source },
        }
    }
}

/// An item of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The key.
    pub(super) key: Vec<u8>,
    /// The sequence number: the newest item of a key counts.
    pub(super) seqno: u64,
    /// What it says of the key.
    pub(super) value: ItemValue,
}

/// What an item says of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemValue {
    /// This is its value.
    Here(Vec<u8>),
    /// Its value is in this blob file, at this offset.
    Blob {
        /// The number of the blob file.
        file: u64,
        /// Where the blob begins.
        offset: u64,
    },
    /// It is removed.
    Removed,
}
