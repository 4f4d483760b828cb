//! What outlives the process: messages of durable queues, and definitions.
//!
//! Everything is written by one committer, which takes [`Submission`]s from any number of [`StoreHandle`]s, commits
//! what is there as one batch (one fdatasync), and then releases the publisher confirms and callbacks that wait
//! for it. Nothing waits inside [`StoreHandle::submit`].
//!
//! Messages come back by [`StoreHandle::load`]: those of durable queues out of their chunks, and any others out of the
//! pages that their queue wrote with [`StoreHandle::write_page`], which last no longer than the process. The pager, a
//! thread of its own, reads and writes for both, so that a slow read delays no commit. Streams are read by the librarian, another
//! thread.
//!
//! Invariants:
//! - Submissions take effect in the order in which they were submitted, each as a whole; those of one [`Join`]
//!   together, when the last of them came.
//! - What was confirmed, or whose `done` was called, survives the death of the machine. What was only removed or
//!   marked as delivered survives the death of the process; losing that is a redelivery.
//! - A stream's offsets are given by the committer, and told when they are durable (`logs`).
//! - A load finds everything that was submitted, or written to its page, before it.
//! - Only `fjall_engine` and `fjall_keyspaces` know fjall and only `files` what its files look like. Nothing here knows tokio.

#[cfg(feature = "cluster")]
mod adopting;
mod alone;
mod bodies;
mod chunk;
mod committer;
mod confirms;
mod directory;
mod disk;
mod engine;
mod engine_log;
mod ephemeral;
mod error;
mod files;
mod fjall_engine;
mod fjall_keyspaces;
mod handle;
mod heartbeat;
mod index;
mod inspection;
mod journal_check;
mod keyspaces;
mod load;
mod lock;
mod logs;
mod marker;
mod memory;
mod pager;
mod pages;
mod private_files;
mod quiet;
mod recovered;
mod recovery;
pub mod rescue;
mod reserve;
mod room;
mod rounds;
#[cfg(feature = "cluster")]
mod set_aside;
mod shared_body;
mod submission;
#[cfg(test)]
mod tests;
mod thread;
#[cfg(feature = "cluster")]
mod wiping;

#[cfg(feature = "cluster")]
pub use adopting::{AdoptStep, AdoptWhat, Adoption, Pair, definitions_of, pairs_of_queues};
#[cfg(feature = "cluster")]
pub use alone::{ALONE_KEY, MARK_KEY, PARTIAL_KEY, has};
pub use committer::DRAIN_BYTES_MAX;
pub use disk::{Closing, Disk, open_disk};
pub use engine::{
    CommitNumbers, Durability, Engine, KeyVisitor, PairVisitor, Reader, Snapshot, Space, Visitor, Write,
    WriteBatch,
};
pub use error::Error;
pub use handle::{Stats, StoreHandle};
pub use load::{Load, Look, Unreadable};
pub use logs::{LogAppend, LogChunk, LogCommitted, LogRead, LogSeek, LogSink, RecoveredLog};
pub use memory::{MemoryDisk, MemoryEngine};
pub use recovered::{Recovered, RecoveredQueue, StoredSegment};
#[cfg(feature = "cluster")]
pub use recovery::{definition_name, definitions_of_kind};
pub use reserve::{RESERVE_BYTES, Reserve};
pub use room::Room;
#[cfg(feature = "cluster")]
pub use set_aside::{finish_setting_aside, set_aside};
pub use submission::{Confirm, ConfirmSink, Join, Op, StoredMessage, Submission};
pub use thread::{
    ManualCommitter, OpenOptions, RunOptions, Store, open, open_manual, open_manual_with, open_with,
};
#[cfg(feature = "cluster")]
pub use wiping::{finish_wiping, wipe};
