//! What the topology refuses, by reply code. The texts are RabbitMQ's, without the `NAME - ` prefix of the wire:
//! client tests and libraries match on them.

use std::fmt;

use super::delay::InvalidDelay;

/// A refused topology operation; a channel exception of the given reply code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// 404 NOT_FOUND.
    #[error("{0}")]
    NotFound(String),
    /// 403 ACCESS_REFUSED.
    #[error("{0}")]
    AccessRefused(String),
    /// 406 PRECONDITION_FAILED.
    #[error("{0}")]
    PreconditionFailed(String),
}

impl TopologyError {
    /// The AMQP reply code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::NotFound(_) => 404,
            Self::AccessRefused(_) => 403,
            Self::PreconditionFailed(_) => 406,
        }
    }

    /// No such exchange, in the words clients expect.
    #[must_use]
    pub fn no_exchange(name: impl fmt::Display, vhost: &str) -> Self {
        Self::NotFound(format!("no exchange '{name}' in vhost '{vhost}'"))
    }

    /// No such queue, in the words clients expect.
    #[must_use]
    pub fn no_queue(name: impl fmt::Display, vhost: &str) -> Self {
        Self::NotFound(format!("no queue '{name}' in vhost '{vhost}'"))
    }

    pub(super) fn default_exchange() -> Self {
        Self::AccessRefused("operation not permitted on the default exchange".to_owned())
    }
}

/// Why a message cannot be routed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The exchange that it was published to does not exist.
    #[error("no such exchange")]
    NoSuchExchange,
    /// It came to a delayed exchange, and says in no way that can be understood how long it has to wait.
    #[error(transparent)]
    InvalidDelay(#[from] InvalidDelay),
}
