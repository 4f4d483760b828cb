//! Settings from their sources: what a user wrote on the command line, in the environment and in a TOML file, checked
//! once and turned into a [`Config`] of plain values.
//!
//! Invariants: the first source that has a setting decides, in the order command line, environment, file, default;
//! an error names the source and the setting; no password is printed, neither by `Debug` nor in an error; nothing
//! here reads the environment or a file (both are arguments). The one exception to that purity is a host name in
//! `amqp`, which is looked up; `localhost` is not.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use coney::config::{Config, FRAME_BYTES_CEILING, FRAME_BYTES_FLOOR, LogFormat, MESSAGE_BYTES_CEILING};

use super::source::{ConfigError, ENV_PREFIX, KEYS, Origin, Overrides, Source, env_name, rabbitmq_env_name};
use super::{file, value};

/// Longest virtual host name: it travels as an AMQP short string.
const VHOST_BYTES_MAX: usize = 255;

/// Resolves the settings. `env` answers the value of a variable; `file` is the configuration file's path, which
/// is used in errors only, and its text.
///
/// # Errors
/// Text that is not TOML, a key that does not exist, a value out of its range.
pub fn resolve(
    cli: Overrides,
    env: impl Fn(&str) -> Option<String>,
    file: Option<(&Path, &str)>,
) -> Result<Config, ConfigError> {
    let file = file.map(|(path, text)| file::parse(path, text)).transpose()?;
    let mut sources = vec![Source { values: cli, origin: Origin::Flag }];
    sources.push(Source { values: from_env(&env, env_name)?, origin: Origin::Env });
    sources.push(Source { values: from_env(&env, rabbitmq_env_name)?, origin: Origin::RabbitEnv });
    sources.extend(file);
    Sources(sources).resolve()
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
        http: list("http"),
        metrics: list("metrics"),
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
        log_format: var("log-format"),
    })
}

/// The sources, the one that decides first.
struct Sources(Vec<Source>);

impl Sources {
    fn resolve(&self) -> Result<Config, ConfigError> {
        let default = self.listeners(Config::default())?;
        let frame_range = u64::from(FRAME_BYTES_FLOOR)..=u64::from(FRAME_BYTES_CEILING);
        Ok(Config {
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
            log_format: self.log_format(default.log_format)?,
            ..default
        })
    }

    /// The defaults with the addresses to listen on.
    fn listeners(&self, default: Config) -> Result<Config, ConfigError> {
        let (amqp, http) = (value::addresses, value::addresses_or_none);
        Ok(Config {
            listen: self.or("amqp", |v| v.amqp.as_deref(), amqp, default.listen)?,
            http: self.or("http", |v| v.http.as_deref(), http, default.http)?,
            metrics: self.or("metrics", |v| v.metrics.as_deref(), http, default.metrics)?,
            ..default
        })
    }

    fn log_format(&self, default: LogFormat) -> Result<LogFormat, ConfigError> {
        self.or("log-format", |v| v.log_format.as_deref(), value::log_format, default)
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
