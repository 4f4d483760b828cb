//! Streams in the store: each is a log of chunks by offset, of which nothing is kept in memory but where it ends.
//!
//! The committer gives offsets (`committed`), the librarian reads (`librarian`), a start finds the ends again (`found`).
//!
//! Invariants:
//! - The offsets of a stream begin at 0 and are dense. They are given in the order in which units become whole, and nobody
//!   hears of one before it is synced, so none is ever given to other bytes.
//! - A chunk is written once and removed once. Whatever lies below a stream's front is gone, whether or not its keys are
//!   removed yet; a start goes on with that.

mod append;
mod committed;
mod found;
pub(super) mod keys;
mod librarian;
mod read;
mod recovered;
mod state;
mod value;

pub use append::{LogAppend, LogCommitted, LogSink};
#[cfg(test)]
pub(super) use committed::REMOVED_KEYS_MAX;
pub(super) use committed::{Logs, Notice};
pub(super) use librarian::Librarian;
pub(super) use read::LogRequest;
pub use read::{LogChunk, LogRead, LogSeek};
pub use recovered::RecoveredLog;
pub(super) use state::{LogState, NewChunk, Placed};
pub(super) use value::{ParsedChunk, value_len};
