//! How much a user may open (<https://www.rabbitmq.com/docs/user-limits>).

use serde::{Deserialize, Serialize};

/// A user's limits. What is not limited is `None`, or negative, as in RabbitMQ; 0 allows none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UserLimits {
    /// Connections at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// Channels at a time, on all connections together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_channels: Option<i64>,
}

/// One of a user's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserLimit {
    /// `max-connections`.
    MaxConnections,
    /// `max-channels`.
    MaxChannels,
}

impl UserLimit {
    /// The limit of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "max-connections" => Some(Self::MaxConnections),
            "max-channels" => Some(Self::MaxChannels),
            _ => None,
        }
    }
}

impl UserLimits {
    /// With another value of one of them.
    #[must_use]
    pub const fn with(mut self, limit: UserLimit, value: Option<i64>) -> Self {
        match limit {
            UserLimit::MaxConnections => self.max_connections = value,
            UserLimit::MaxChannels => self.max_channels = value,
        }
        self
    }

    /// Whether nothing was said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.max_connections.is_none() && self.max_channels.is_none()
    }
}
