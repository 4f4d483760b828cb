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
    /// A file is where the directory should be. Nothing was changed.
    #[error("data directory {} cannot be made: {} is a file; choose another place with --data-dir", dir.display(), file.display())]
    NotADirectory {
        /// The data directory.
        dir: PathBuf,
        /// The file, which is that or above it.
        file: PathBuf,
    },
    /// The directory or a file in it does not let us write. Nothing was changed.
    #[error(
        "data directory {} cannot be written; give it and all files in it to the user who runs the broker, or choose \
         another one with --data-dir", dir.display()
    )]
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
    #[error(
        "stored data is damaged ({detail}): `coney store check DIR` tells what is affected, `coney store salvage DIR NEW` \
         saves what is whole, or restore a backup"
    )]
    Damaged {
        /// Where and how.
        detail: String,
    },
    /// Written by a version that stores differently.
    #[error(
        "the stored data has format {found}, this version of Coney reads format {known}: start the version that wrote it, or \
         choose another directory with --data-dir and bring over what it exports (GET /api/definitions)"
    )]
    Version {
        /// The format found.
        found: String,
        /// The format this version knows.
        known: u32,
    },
    /// The disk has too little free for what a start has to write before it can give anything back.
    #[error(
        "data directory {}: its disk has {} MB free, and a start takes {} MB: free {} MB there and start again, what was \
         confirmed is safe",
        dir.display(), free / 1_000_000, needed.div_ceil(1_000_000), needed.saturating_sub(*free).div_ceil(1_000_000)
    )]
    NoRoom {
        /// The data directory.
        dir: PathBuf,
        /// Free bytes on its disk.
        free: u64,
        /// Bytes that a start takes.
        needed: u64,
    },
    /// The engine failed.
    #[error("the storage engine failed")]
    Engine(#[source] fjall::Error),
    /// The engine failed in one of its own threads.
    #[error(
        "the storage engine has stopped: {cause}; `coney store check DIR` tells whether stored data is damaged"
    )]
    EngineStopped {
        /// What it said of the first error.
        cause: String,
    },
    /// The operating system failed.
    #[error("{doing} failed{}", advice(source))]
    Io {
        /// What we were about.
        doing: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another node of the cluster leads now, or nobody can tell. This ends the role, not the process: what was confirmed is safe in
    /// the log, and nothing more is confirmed here.
    #[error("this node no longer leads its cluster: {why}")]
    Deposed {
        /// Who leads, or why nobody can tell.
        why: String,
    },
    /// The store stopped because of an earlier failure, or its thread panicked.
    #[error("the store has stopped after a failure")]
    Stopped,
}

/// What to do about an error of the system, where it says so itself.
fn advice(error: &io::Error) -> &'static str {
    /// `EIO`, `ENFILE` and `EMFILE`: they have no kind.
    const MEDIUM: i32 = 5;
    const FILES: [i32; 2] = [23, 24];
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => {
            " because the disk is full: free some space and start again, what was confirmed is safe"
        }
        (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem, _) => {
            ": check the owner and the permissions of the directory and all files in it"
        }
        (_, Some(code)) if FILES.contains(&code) => {
            ": raise the limit of open files (ulimit -n) and start again, what was confirmed is safe"
        }
        (_, Some(MEDIUM)) => ": the disk or its cable is failing, see the system's log",
        _ => "",
    }
}

impl Error {
    /// For `map_err` on an IO result.
    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Whether bytes that were stored are other bytes now, or the disk does not give them back.
    pub(super) fn is_about_stored_bytes(&self) -> bool {
        /// `EIO`: the medium.
        const IO_ERROR: i32 = 5;
        match self {
            Self::Damaged { .. } => true,
            Self::Io { source, .. } => {
                let kind = source.kind();
                matches!(
                    kind,
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound | io::ErrorKind::InvalidData
                ) || source.raw_os_error() == Some(IO_ERROR)
            }
            _ => false,
        }
    }

    /// What happened, without what to do about the whole store.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Damaged { detail } => detail.clone(),
            Self::Io { doing, source } => format!("{doing} failed: {source}"),
            other => other.to_string(),
        }
    }

    /// Damage, described.
    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged { detail: detail.into() }
    }
}
