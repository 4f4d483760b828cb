//! Definitions in RabbitMQ's JSON format (<https://www.rabbitmq.com/docs/definitions>): read, checked as a whole, then
//! put into the store as one batch and into memory.
//!
//! Invariants: a file with a fault changes nothing; importing a file twice is importing it once; what exists already and
//! differs stays as it is, but for users, permissions and policies, which are overwritten.

mod apply;
mod check;
mod fields;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use apply::{Defaults, import};

use crate::policy::PolicyError;

/// Why definitions cannot be imported: one line that names the object and what is wrong with it. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {why}")]
pub struct ImportError {
    object: String,
    why: String,
}

impl ImportError {
    fn new(object: impl Into<String>, why: impl Into<String>) -> Self {
        Self { object: object.into(), why: why.into() }
    }

    fn from_policy(error: &PolicyError) -> Self {
        Self::new(error.policy(), error.why())
    }
}
