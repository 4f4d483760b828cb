//! What can go wrong with the store, in words for the person who runs the broker: one line, what and what to do.

use std::io;
use std::path::PathBuf;

/// Why the store could not be opened, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the lock of the directory.
    #[error("data directory {} is in use by another process: stop that one or choose another directory", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// The directory or a file in it does not let us write. Nothing was changed.
    #[error("data directory {} cannot be written; check its owner and permissions", dir.display())]
    NotWritable {
        /// The directory or file.
        dir: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The directory belongs to something else, or is half a store. Nothing was changed.
    #[error("data directory {} does not hold a usable store ({detail}): choose an empty one or restore a backup", dir.display())]
    Foreign {
        /// The data directory.
        dir: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Stored bytes are not what was written. Opening would lose messages silently, so it is refused.
    #[error("stored data is damaged ({detail}): restore a backup, or start with an empty data directory")]
    Damaged {
        /// Where and how.
        detail: String,
    },
    /// Written by a version that stores differently.
    #[error(
        "the stored data has format {found}, this version reads format {known}: use the version that wrote it"
    )]
    Version {
        /// The format found.
        found: String,
        /// The format this version knows.
        known: u32,
    },
    /// The engine failed.
    #[error("the storage engine failed")]
    Engine(#[source] fjall::Error),
    /// The operating system failed.
    #[error("{doing} failed")]
    Io {
        /// What we were about.
        doing: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store stopped because of an earlier failure, or its thread panicked.
    #[error("the store has stopped after a failure")]
    Stopped,
}

impl Error {
    /// For `map_err` on an IO result.
    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Damage, described.
    pub(super) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged { detail: detail.into() }
    }
}
