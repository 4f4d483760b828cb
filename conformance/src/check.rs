//! How a check ends: it holds, fails, or does not apply.

use std::fmt::Debug;

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The broker did something else.
    Fail(String),
    /// The case says nothing about this broker, and why.
    Skip(String),
}

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fail(error.to_string())
    }
}

/// What a case and its helpers return.
pub type Check<T = ()> = Result<T, Stop>;

/// A failure.
pub fn fail<T>(text: impl Into<String>) -> Check<T> {
    Err(Stop::Fail(text.into()))
}

/// Fails with both values unless they are equal.
pub fn same<T: PartialEq<U> + Debug, U: Debug>(what: &str, found: T, wanted: U) -> Check {
    if found == wanted { Ok(()) } else { fail(format!("{what}: {found:?}, expected {wanted:?}")) }
}

/// Fails with `what` unless `condition`.
pub fn ensure(condition: bool, what: impl Into<String>) -> Check {
    if condition { Ok(()) } else { fail(what) }
}
