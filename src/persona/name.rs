//! The brokers that Coney can stand in for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::call::LARGE_BODY_BYTES;

/// A broker that Coney can stand in for: it refuses what that one refuses, and never takes more than Coney does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Persona {
    /// Itself.
    #[default]
    #[serde(rename = "coney")]
    Coney,
    /// RabbitMQ 3.13.
    #[serde(rename = "rabbitmq-3.13")]
    RabbitMq313,
    /// RabbitMQ 4.0, and 4.1, which does the same as far as the rules go.
    #[serde(rename = "rabbitmq-4.0")]
    RabbitMq40,
    /// RabbitMQ 4.3.
    #[serde(rename = "rabbitmq-4.3")]
    RabbitMq43,
    /// LavinMQ 2.
    #[serde(rename = "lavinmq-2")]
    LavinMq2,
}

impl Persona {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Coney, Self::RabbitMq313, Self::RabbitMq40, Self::RabbitMq43, Self::LavinMq2];
    /// Those that the rules have columns for, in the order of the columns.
    pub const OTHERS: [Self; 4] = [Self::RabbitMq313, Self::RabbitMq40, Self::RabbitMq43, Self::LavinMq2];

    /// Its name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coney => "coney",
            Self::RabbitMq313 => "rabbitmq-3.13",
            Self::RabbitMq40 => "rabbitmq-4.0",
            Self::RabbitMq43 => "rabbitmq-4.3",
            Self::LavinMq2 => "lavinmq-2",
        }
    }

    /// Its name in sentences.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Coney => "Coney",
            Self::RabbitMq313 => "RabbitMQ 3.13",
            Self::RabbitMq40 => "RabbitMQ 4.0",
            Self::RabbitMq43 => "RabbitMQ 4.3",
            Self::LavinMq2 => "LavinMQ 2",
        }
    }

    /// Its place among the columns of the rules.
    #[must_use]
    pub const fn column(self) -> Option<usize> {
        match self {
            Self::Coney => None,
            Self::RabbitMq313 => Some(0),
            Self::RabbitMq40 => Some(1),
            Self::RabbitMq43 => Some(2),
            Self::LavinMq2 => Some(3),
        }
    }

    /// What it announces as product and version; Coney has settings for that.
    #[must_use]
    pub const fn announced(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Coney => None,
            Self::RabbitMq313 => Some(("RabbitMQ", "3.13.7")),
            Self::RabbitMq40 => Some(("RabbitMQ", "4.0.9")),
            Self::RabbitMq43 => Some(("RabbitMQ", "4.3.5")),
            Self::LavinMq2 => Some(("LavinMQ", "2.9.1")),
        }
    }

    /// The largest message body that it takes, in bytes, if that is less than Coney's default.
    #[must_use]
    pub const fn body_bytes_max(self) -> Option<u64> {
        match self {
            Self::RabbitMq40 | Self::RabbitMq43 => Some(LARGE_BODY_BYTES),
            Self::Coney | Self::RabbitMq313 | Self::LavinMq2 => None,
        }
    }

    /// Whether basic.qos with `global` limits a channel. RabbitMQ 4.3 takes it as if `global` were not there.
    #[must_use]
    pub const fn has_channel_prefetch(self) -> bool {
        !matches!(self, Self::RabbitMq43)
    }
}

impl fmt::Display for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such persona; the text names those that there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of coney, rabbitmq-3.13, rabbitmq-4.0, rabbitmq-4.3, lavinmq-2")]
pub struct UnknownPersona;

impl FromStr for Persona {
    type Err = UnknownPersona;

    fn from_str(name: &str) -> Result<Self, UnknownPersona> {
        Self::ALL.into_iter().find(|persona| persona.name() == name).ok_or(UnknownPersona)
    }
}
