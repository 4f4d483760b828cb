//! Why a command ends with another status than 0.

use std::io;
use std::path::{Path, PathBuf};

use super::super::client::ClientError;

/// What is said on standard error, and with which status the process ends.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// An option is none of ours, or lacks its value.
    #[error("{0}")]
    Option(String),
    /// The broker is not there, or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A file of the user's.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Standard output or input.
    #[error("standard output or input: {0}")]
    Stream(#[from] io::Error),
    /// A health check failed; what it found, as a table.
    #[error("{0}")]
    Unhealthy(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// A file that cannot be read.
    pub fn reading(path: &Path, source: io::Error) -> Self {
        Self::File { doing: "read", path: path.to_owned(), source }
    }

    /// A file that cannot be written.
    pub fn writing(path: &Path, source: io::Error) -> Self {
        Self::File { doing: "write", path: path.to_owned(), source }
    }
}
