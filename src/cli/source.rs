//! What one source of settings says, and how it is named in an error.

use std::path::PathBuf;

/// Prefix of every environment variable of ours.
pub(super) const ENV_PREFIX: &str = "CONEY_";

/// Every setting, as it is called in the file; `--KEY` on the command line and `CONEY_KEY` in the environment.
pub const KEYS: [&str; 22] = [
    "amqp",
    "http",
    "metrics",
    "data-dir",
    "ephemeral",
    "default-user",
    "default-pass",
    "default-vhost",
    "definitions",
    "max-message-size",
    "queue-memory",
    "memory-limit",
    "disk-free-limit",
    "heartbeat",
    "frame-max",
    "channel-max",
    "server-product",
    "server-version",
    "loopback-users",
    "log",
    "log-format",
    "config",
];

/// What one source says, as text: `None` where it says nothing.
#[derive(Clone, Default)]
pub struct Overrides {
    /// Each `HOST:PORT`.
    pub amqp: Option<Vec<String>>,
    /// Each `HOST:PORT`, or the single word `none`.
    pub http: Option<Vec<String>>,
    /// The same.
    pub metrics: Option<Vec<String>>,
    /// A directory.
    pub data_dir: Option<PathBuf>,
    /// Whether to keep everything in memory. On the same source it wins over `data_dir`; a `data_dir` of a higher
    /// source wins over it.
    pub ephemeral: Option<bool>,
    /// A user name.
    pub default_user: Option<String>,
    /// A password.
    pub default_pass: Option<String>,
    /// A virtual host.
    pub default_vhost: Option<String>,
    /// A file.
    pub definitions: Option<PathBuf>,
    /// Bytes, with or without a unit: see [`parse_bytes`](super::value::parse_bytes).
    pub max_message_size: Option<String>,
    /// `queue-memory`.
    pub queue_memory: Option<String>,
    /// Bytes, with or without a unit, a percentage of the machine's memory such as `40%`, or `none`.
    pub memory_limit: Option<String>,
    /// Bytes, with or without a unit, or `none`.
    pub disk_free_limit: Option<String>,
    /// Seconds.
    pub heartbeat: Option<String>,
    /// Bytes, with or without a unit.
    pub frame_max: Option<String>,
    /// A number.
    pub channel_max: Option<String>,
    /// Any text.
    pub server_product: Option<String>,
    /// Any text.
    pub server_version: Option<String>,
    /// User names; the single name `none` is the empty list.
    pub loopback_users: Option<Vec<String>>,
    /// A filter.
    pub log: Option<String>,
    /// `text` or `json`.
    pub log_format: Option<String>,
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
        origin: String,
        /// What is wrong.
        reason: String,
        /// Whether it stood on the command line.
        usage: bool,
    },
}

impl ConfigError {
    /// Whether the command line is at fault, which makes it a usage error.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Value { usage: true, .. })
    }
}

/// The environment variable of a setting: `data-dir` is `CONEY_DATA_DIR`.
#[must_use]
pub fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.to_uppercase().replace('-', "_"))
}

pub(super) fn rabbitmq_env_name(key: &str) -> String {
    match key {
        "default-user" | "default-pass" | "default-vhost" => {
            format!("RABBITMQ_{}", key.to_uppercase().replace('-', "_"))
        }
        _ => String::new(),
    }
}

/// Where values came from, to name it in an error.
pub(super) enum Origin {
    Flag,
    Env,
    RabbitEnv,
    File(PathBuf),
}

impl Origin {
    pub(super) fn name(&self, key: &str) -> String {
        match self {
            Self::Flag => format!("--{key}"),
            Self::Env => env_name(key),
            Self::RabbitEnv => rabbitmq_env_name(key),
            Self::File(path) => format!("{}: {key}", path.display()),
        }
    }
}

/// A source.
pub(super) struct Source {
    pub(super) values: Overrides,
    pub(super) origin: Origin,
}
