//! What the sources of settings say, each value with the place where it stands.

use std::fmt;
use std::path::PathBuf;

use super::settings::Setting;

/// What one source says, at most one entry for each setting.
pub type Source = Vec<Given>;

/// A setting as it was given.
#[derive(Clone)]
pub struct Given {
    /// Which.
    pub setting: &'static Setting,
    /// Its texts; exactly one, unless it is a list.
    pub texts: Vec<String>,
    /// Where.
    pub origin: Origin,
}

/// The place where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line, without its dashes.
    Flag(&'static str),
    /// An environment variable.
    Env(String),
    /// What a start as `rabbitmq-server` brings.
    RabbitMqServer,
    /// A line of a file, from 1, and what the setting is called there.
    File { path: PathBuf, line: usize, key: String },
}

impl Origin {
    /// Whether it is the command line.
    pub const fn is_flag(&self) -> bool {
        matches!(self, Self::Flag(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(key) => write!(f, "--{key}"),
            Self::Env(name) => f.write_str(name),
            Self::RabbitMqServer => f.write_str("rabbitmq-server"),
            Self::File { path, line, key } => write!(f, "{}:{line}: {key}", path.display()),
        }
    }
}

/// Why the settings cannot be used. Always one line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The file is not TOML, or has a key or a type that does not exist.
    #[error("{}{}: {reason}", path.display(), line.map(|n| format!(":{n}")).unwrap_or_default())]
    File {
        /// The file.
        path: PathBuf,
        /// Line of the fault, from 1.
        line: Option<usize>,
        /// What is wrong, naming the key.
        reason: String,
    },
    /// A value cannot be used.
    #[error("{origin}: {reason}")]
    Value {
        /// The flag, variable or key (with its file) that holds it.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
}

impl ConfigError {
    /// Whether the command line is at fault, which makes it a usage error.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Value { origin, .. } if origin.is_flag())
    }
}
