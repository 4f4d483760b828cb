//! How much a user may open (<https://www.rabbitmq.com/docs/user-limits>).

use std::fmt;

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

/// For people.
impl fmt::Display for UserLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [connections, channels] = [self.max_connections, self.max_channels].map(limit_in_words);
        write!(f, "{connections} connections and {channels} channels")
    }
}

/// How many there may be, for people.
#[must_use]
pub fn limit_in_words(limit: Option<i64>) -> String {
    limit
        .filter(|limit| *limit >= 0)
        .map_or_else(|| "any number of".to_owned(), |limit| format!("at most {limit}"))
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
