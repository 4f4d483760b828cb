//! The configuration file: TOML with the settings' keys at the top level and nothing else. An unknown key is an
//! error, so that a misspelt setting never passes for a default. No value of `default-pass` reaches an error.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de};

use super::source::{ConfigError, Origin, Overrides, Source};

/// The file as it is written.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Raw {
    amqp: Option<Vec<String>>,
    http: Option<Vec<String>>,
    metrics: Option<Vec<String>>,
    data_dir: Option<PathBuf>,
    ephemeral: Option<bool>,
    default_user: Option<String>,
    default_pass: Option<Password>,
    default_vhost: Option<String>,
    definitions: Option<PathBuf>,
    max_message_size: Option<NumberOrText>,
    queue_memory: Option<NumberOrText>,
    memory_limit: Option<NumberOrText>,
    disk_free_limit: Option<NumberOrText>,
    heartbeat: Option<NumberOrText>,
    frame_max: Option<NumberOrText>,
    channel_max: Option<NumberOrText>,
    server_product: Option<String>,
    server_version: Option<String>,
    loopback_users: Option<Vec<String>>,
    log: Option<String>,
    log_format: Option<String>,
}

/// Reads the text of the file at `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Source, ConfigError> {
    let raw: Raw = toml::from_str(text).map_err(|error| explain(path, text, &error))?;
    Ok(Source { values: raw.into(), origin: Origin::File(path.to_owned()) })
}

fn explain(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start));
    ConfigError::File {
        path: path.to_owned(),
        line: before.map(|before| before.matches('\n').count() + 1),
        reason: error.message().replace('\n', "; "),
    }
}

impl From<Raw> for Overrides {
    fn from(raw: Raw) -> Self {
        Self {
            amqp: raw.amqp,
            http: raw.http,
            metrics: raw.metrics,
            data_dir: raw.data_dir,
            ephemeral: raw.ephemeral,
            default_user: raw.default_user,
            default_pass: raw.default_pass.map(|p| p.0),
            default_vhost: raw.default_vhost,
            definitions: raw.definitions,
            max_message_size: raw.max_message_size.map(|n| n.0),
            queue_memory: raw.queue_memory.map(|n| n.0),
            memory_limit: raw.memory_limit.map(|n| n.0),
            disk_free_limit: raw.disk_free_limit.map(|n| n.0),
            heartbeat: raw.heartbeat.map(|n| n.0),
            frame_max: raw.frame_max.map(|n| n.0),
            channel_max: raw.channel_max.map(|n| n.0),
            server_product: raw.server_product,
            server_version: raw.server_version,
            loopback_users: raw.loopback_users,
            log: raw.log,
            log_format: raw.log_format,
        }
    }
}

/// A number, or a text such as `"128MiB"`; kept as text, to be checked with every other source's.
struct NumberOrText(String);

impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTextVisitor)
    }
}

struct NumberOrTextVisitor;

impl de::Visitor<'_> for NumberOrTextVisitor {
    type Value = NumberOrText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<NumberOrText, E> {
        Ok(NumberOrText(number.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<NumberOrText, E> {
        Ok(NumberOrText(text.to_owned()))
    }
}

/// A text whose type error does not show it.
struct Password(String);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer);
        text.map(Password).map_err(|_| de::Error::custom("default-pass has to be a text in quotes"))
    }
}
