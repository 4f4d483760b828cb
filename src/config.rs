//! The broker's settings: what a user wrote on the command line, in the environment and in a TOML file, checked
//! once and turned into a [`Config`] of plain values.
//!
//! Invariants: the first source that has a setting decides, in the order command line, environment, file, default;
//! an error names the source and the setting; no password is printed, neither by `Debug` nor in an error; nothing
//! here reads the environment or a file (both are arguments). The one exception to that purity is a host name in
//! `amqp`, which is looked up; `localhost` is not.

mod file;
mod value;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

pub use value::parse_bytes;

/// Largest `max-message-size` that may be set: RabbitMQ's own ceiling, and half of the largest body that a
/// broker with 1 GiB of memory could hold once in and once out.
pub const MESSAGE_BYTES_CEILING: u64 = 512 << 20;
/// Smallest `frame-max`: RabbitMQ refuses less, and clients raise theirs to it.
pub const FRAME_BYTES_FLOOR: u32 = 8192;
/// Largest `frame-max`: clients size their buffers by it (one of them at 32 times), and a frame is read whole.
pub const FRAME_BYTES_CEILING: u32 = 16 << 20;
/// Longest virtual host name: it travels as an AMQP short string.
const VHOST_BYTES_MAX: usize = 255;
/// Prefix of every environment variable of ours.
const ENV_PREFIX: &str = "CONEY_";

/// Every setting, as it is called in the file; `--KEY` on the command line and `CONEY_KEY` in the environment.
pub const KEYS: [&str; 19] = [
    "amqp",
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
    "config",
];

/// How much memory the broker may use before it blocks publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// Of the machine's memory, or of its container's if that is less, 1 to 100.
    Percent(u8),
    /// Resident memory of the process, in bytes.
    Bytes(u64),
    /// As much as there is.
    None,
}

/// The resolved settings.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// Addresses to accept AMQP connections on, at least one; port 0 picks a free one.
    pub listen: Vec<SocketAddr>,
    /// Where the store lives; `None` keeps everything in memory.
    pub data_dir: Option<PathBuf>,
    /// User made when the data directory is new.
    pub default_user: String,
    /// That user's password.
    pub default_pass: String,
    /// Virtual host made when the data directory is new.
    pub default_vhost: String,
    /// Definitions in RabbitMQ's JSON format, imported at every start before clients are accepted.
    pub definitions: Option<PathBuf>,
    /// Largest message body accepted, 1 byte to [`MESSAGE_BYTES_CEILING`].
    pub message_bytes_max: u64,
    /// How much of a queue is kept in memory, at least 1 byte; what is beyond is on disk, if there is one.
    pub queue_bytes_in_memory: usize,
    /// Above it publishers are blocked.
    pub memory_limit: MemoryLimit,
    /// With less than this many bytes free on the disk of the data directory publishers are blocked; `None` never.
    pub disk_free_limit: Option<u64>,
    /// Heartbeat interval offered to clients, in seconds; 0 offers none.
    pub heartbeat_s: u16,
    /// Largest frame offered to clients, [`FRAME_BYTES_FLOOR`] to [`FRAME_BYTES_CEILING`] bytes.
    pub frame_bytes_max: u32,
    /// Channels a connection may have open at once, at least 1.
    pub channels_max: u16,
    /// `product` in the server properties. Clients choose behaviour by it (kombu: how `basic.qos` is meant).
    pub server_product: String,
    /// `version` in the server properties, read together with the product.
    pub server_version: String,
    /// Users that may connect over a loopback address only.
    pub loopback_users: Vec<String>,
    /// What to log, in the syntax of `tracing`'s env filter.
    pub log: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 5672))],
            data_dir: Some(PathBuf::from("coney-data")),
            default_user: "guest".into(),
            default_pass: "guest".into(),
            default_vhost: "/".into(),
            definitions: None,
            message_bytes_max: 128 << 20,
            queue_bytes_in_memory: 16 << 20,
            memory_limit: MemoryLimit::Percent(40),
            disk_free_limit: Some(200_000_000),
            heartbeat_s: 60,
            frame_bytes_max: 131_072,
            channels_max: 2047,
            server_product: "RabbitMQ".into(),
            server_version: "4.0.5".into(),
            loopback_users: vec!["guest".into()],
            log: "info".into(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .field("default_user", &self.default_user)
            .field("default_vhost", &self.default_vhost)
            .field("definitions", &self.definitions)
            .field("message_bytes_max", &self.message_bytes_max)
            .field("queue_bytes_in_memory", &self.queue_bytes_in_memory)
            .field("memory_limit", &self.memory_limit)
            .field("disk_free_limit", &self.disk_free_limit)
            .field("heartbeat_s", &self.heartbeat_s)
            .field("frame_bytes_max", &self.frame_bytes_max)
            .field("channels_max", &self.channels_max)
            .field("server_product", &self.server_product)
            .field("server_version", &self.server_version)
            .field("loopback_users", &self.loopback_users)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Resolves the settings. `env` answers the value of a variable; `file` is the configuration file's path, which
    /// is used in errors only, and its text.
    ///
    /// # Errors
    /// Text that is not TOML, a key that does not exist, a value out of its range.
    pub fn resolve(
        cli: Overrides,
        env: impl Fn(&str) -> Option<String>,
        file: Option<(&Path, &str)>,
    ) -> Result<Self, ConfigError> {
        let file = file.map(|(path, text)| file::parse(path, text)).transpose()?;
        let mut sources = vec![Source { values: cli, origin: Origin::Flag }];
        sources.push(Source { values: from_env(&env, env_name)?, origin: Origin::Env });
        sources.push(Source { values: from_env(&env, rabbitmq_env_name)?, origin: Origin::RabbitEnv });
        sources.extend(file);
        Sources(sources).resolve()
    }
}

/// What one source says, as text: `None` where it says nothing.
#[derive(Clone, Default)]
pub struct Overrides {
    /// Each `HOST:PORT`.
    pub amqp: Option<Vec<String>>,
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
    /// Bytes, with or without a unit: see [`parse_bytes`].
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

/// Warnings about variables that look like a misspelt setting: `CONEY_` and a word one or two letters away from a
/// key. Others that begin so are left alone (an orchestrator sets `CONEY_SERVICE_HOST` by itself).
pub fn misspelt_env<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let known: Vec<String> = KEYS.iter().map(|key| env_name(key)).collect();
    let suspects = names.into_iter().filter(|name| name.starts_with(ENV_PREFIX));
    suspects
        .filter(|name| !known.iter().any(|k| k == name))
        .filter_map(|name| {
            let meant = known.iter().find(|k| value::looks_like(name, k, ENV_PREFIX.len()))?;
            Some(format!("the environment variable {name} is not a setting and is ignored; {meant} is one"))
        })
        .collect()
}

fn rabbitmq_env_name(key: &str) -> String {
    match key {
        "default-user" | "default-pass" | "default-vhost" => {
            format!("RABBITMQ_{}", key.to_uppercase().replace('-', "_"))
        }
        _ => String::new(),
    }
}

/// Reads every setting from the environment. An empty variable counts as unset, as scripts often leave them so.
fn from_env(
    env: &impl Fn(&str) -> Option<String>,
    name_of: fn(&str) -> String,
) -> Result<Overrides, ConfigError> {
    let var = |key: &str| {
        let name = name_of(key);
        if name.is_empty() { None } else { env(&name).filter(|text| !text.is_empty()) }
    };
    let list = |key: &str| var(key).map(|text| text.split(',').map(|s| s.trim().to_owned()).collect());
    let ephemeral = var("ephemeral").map(|text| {
        value::parse_bool(&text).map_err(|reason| ConfigError::Value {
            origin: name_of("ephemeral"),
            reason,
            usage: false,
        })
    });
    Ok(Overrides {
        amqp: list("amqp"),
        data_dir: var("data-dir").map(PathBuf::from),
        ephemeral: ephemeral.transpose()?,
        default_user: var("default-user"),
        default_pass: var("default-pass"),
        default_vhost: var("default-vhost"),
        definitions: var("definitions").map(PathBuf::from),
        max_message_size: var("max-message-size"),
        queue_memory: var("queue-memory"),
        memory_limit: var("memory-limit"),
        disk_free_limit: var("disk-free-limit"),
        heartbeat: var("heartbeat"),
        frame_max: var("frame-max"),
        channel_max: var("channel-max"),
        server_product: var("server-product"),
        server_version: var("server-version"),
        loopback_users: list("loopback-users"),
        log: var("log"),
    })
}

/// Where values came from, to name it in an error.
enum Origin {
    Flag,
    Env,
    RabbitEnv,
    File(PathBuf),
}

impl Origin {
    fn name(&self, key: &str) -> String {
        match self {
            Self::Flag => format!("--{key}"),
            Self::Env => env_name(key),
            Self::RabbitEnv => rabbitmq_env_name(key),
            Self::File(path) => format!("{}: {key}", path.display()),
        }
    }
}

struct Source {
    values: Overrides,
    origin: Origin,
}

/// The sources, the one that decides first.
struct Sources(Vec<Source>);

impl Sources {
    fn resolve(&self) -> Result<Config, ConfigError> {
        let default = Config::default();
        let frame_range = u64::from(FRAME_BYTES_FLOOR)..=u64::from(FRAME_BYTES_CEILING);
        Ok(Config {
            listen: self.or("amqp", |v| v.amqp.as_deref(), value::addresses, default.listen)?,
            data_dir: self.data_dir(default.data_dir)?,
            default_user: self.text("default-user", |v| &v.default_user, default.default_user)?,
            default_pass: self.text("default-pass", |v| &v.default_pass, default.default_pass)?,
            default_vhost: self.or(
                "default-vhost",
                |v| v.default_vhost.as_deref(),
                |text| value::non_empty(text, VHOST_BYTES_MAX),
                default.default_vhost,
            )?,
            definitions: self.definitions()?,
            message_bytes_max: self.bytes(
                "max-message-size",
                |v| &v.max_message_size,
                1..=MESSAGE_BYTES_CEILING,
                default.message_bytes_max,
            )?,
            queue_bytes_in_memory: self.bytes(
                "queue-memory",
                |v| &v.queue_memory,
                1..=u64::MAX,
                default.queue_bytes_in_memory,
            )?,
            memory_limit: self.or(
                "memory-limit",
                |v| v.memory_limit.as_deref(),
                value::memory_limit,
                default.memory_limit,
            )?,
            disk_free_limit: self.or(
                "disk-free-limit",
                |v| v.disk_free_limit.as_deref(),
                value::bytes_or_none,
                default.disk_free_limit,
            )?,
            heartbeat_s: self.or(
                "heartbeat",
                |v| v.heartbeat.as_deref(),
                |text| value::number_within(text, 0, "seconds"),
                default.heartbeat_s,
            )?,
            frame_bytes_max: self.bytes(
                "frame-max",
                |v| &v.frame_max,
                frame_range,
                default.frame_bytes_max,
            )?,
            channels_max: self.or(
                "channel-max",
                |v| v.channel_max.as_deref(),
                |text| value::number_within(text, 1, "channels"),
                default.channels_max,
            )?,
            server_product: self.text("server-product", |v| &v.server_product, default.server_product)?,
            server_version: self.text("server-version", |v| &v.server_version, default.server_version)?,
            loopback_users: self.or(
                "loopback-users",
                |v| v.loopback_users.as_deref(),
                value::users,
                default.loopback_users,
            )?,
            log: self.or("log", |v| v.log.as_deref(), value::filter, default.log)?,
        })
    }

    fn definitions(&self) -> Result<Option<PathBuf>, ConfigError> {
        self.or("definitions", |v| v.definitions.as_deref(), |path| value::path(path).map(Some), None)
    }

    /// A size within a range.
    fn bytes<T: TryFrom<u64>>(
        &self,
        key: &str,
        pick: impl Fn(&Overrides) -> &Option<String>,
        range: RangeInclusive<u64>,
        default: T,
    ) -> Result<T, ConfigError> {
        self.or(key, |v| pick(v).as_deref(), |text| value::bytes_within(text, range.clone()), default)
    }

    /// The first source's value, checked by `parse`; else the default.
    fn or<'a, V: ?Sized + 'a, T>(
        &'a self,
        key: &str,
        pick: impl Fn(&'a Overrides) -> Option<&'a V>,
        parse: impl Fn(&V) -> Result<T, String>,
        default: T,
    ) -> Result<T, ConfigError> {
        let found = self.0.iter().find_map(|source| Some((&source.origin, pick(&source.values)?)));
        let Some((origin, raw)) = found else { return Ok(default) };
        parse(raw).map_err(|reason| ConfigError::Value {
            origin: origin.name(key),
            reason,
            usage: matches!(origin, Origin::Flag),
        })
    }

    fn text(
        &self,
        key: &str,
        pick: fn(&Overrides) -> &Option<String>,
        default: String,
    ) -> Result<String, ConfigError> {
        self.or(key, |v| pick(v).as_deref(), |text| value::non_empty(text, usize::MAX), default)
    }

    /// The two settings that exclude each other: the first source that has either decides.
    fn data_dir(&self, default: Option<PathBuf>) -> Result<Option<PathBuf>, ConfigError> {
        let says = |v: &Overrides| v.ephemeral.is_some() || v.data_dir.is_some();
        let decides = self.0.iter().find(|source| says(&source.values));
        if decides.is_some_and(|source| source.values.ephemeral == Some(true)) {
            return Ok(None);
        }
        self.or("data-dir", |v| v.data_dir.as_deref(), |path| value::path(path).map(Some), default)
    }
}

#[cfg(test)]
mod tests;
