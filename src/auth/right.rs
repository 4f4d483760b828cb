//! The three rights, and what is wrong with a pattern for one.

use std::fmt;

/// What an operation may need on an exchange or a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Creating and deleting.
    Configure,
    /// Putting messages in.
    Write,
    /// Taking messages out.
    Read,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

/// A pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{right}: \"{pattern}\" is not a regular expression this broker understands: {why}")]
pub struct PatternError {
    /// Which of the three it is.
    pub right: Right,
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it, in one line.
    pub why: String,
}
