//! What a setting is: its names, its help, and how its text becomes a value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use coney::config::Config;

/// Prefix of every environment variable of ours.
pub const ENV_PREFIX: &str = "CONEY_";

/// One setting. `--KEY` on the command line, `CONEY_KEY` in the environment and `KEY` in a file mean the same.
pub struct Setting {
    /// Its name: lower case, with dashes.
    pub key: &'static str,
    /// How many values it has, and of which sort.
    pub kind: Kind,
    /// Stands for the value in the help.
    pub value_name: &'static str,
    /// What it does, in one sentence; after an empty line perhaps more. Variables, key and default are added.
    pub help: &'static str,
    /// What holds where no source says anything, as text; a comma between the values of a list. `None` where nothing
    /// that could be written does.
    pub default: Option<&'static str>,
    /// Variables of RabbitMQ that set it.
    pub rabbitmq_env: &'static [&'static str],
    /// Checks the texts and puts the value where it belongs. A failure is the rest of a sentence that begins with the
    /// setting's name, and never shows a secret.
    pub set: fn(&mut Draft, &[String]) -> Result<(), String>,
}

/// Of which sort the values of a setting are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A number, perhaps with a unit: in a file with or without quotes.
    Number,
    /// Any number of texts. A flag may be repeated, and commas separate values there and in variables.
    List,
    /// True or false; the flag alone means true.
    Switch,
    /// A text that is never shown.
    Secret,
}

/// Settings in the making.
pub struct Draft {
    /// What the broker is told.
    pub config: Config,
    /// Where a listener is for which a port alone is given.
    pub interfaces: Vec<IpAddr>,
    /// Where the number of the process goes.
    pub pid_file: Option<PathBuf>,
    /// Whether a product or a version to announce was given.
    pub is_announced: bool,
}

impl Draft {
    /// Announces what the persona does, unless something else is to be announced. Those settings come before.
    pub(super) fn announce_persona(&mut self) {
        if let Some((product, version)) = self.config.persona.announced().filter(|_| !self.is_announced) {
            self.config.server_product = product.to_owned();
            self.config.server_version = version.to_owned();
        }
    }
}

impl Default for Draft {
    fn default() -> Self {
        let interfaces = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Self { config: Config::default(), interfaces, pid_file: None, is_announced: false }
    }
}

/// The settings under one heading of the help.
pub struct Group {
    /// The heading.
    pub heading: &'static str,
    /// In the order of the help, and of the table in which one may build upon another.
    pub settings: &'static [Setting],
}

impl Setting {
    /// The default by its texts.
    pub fn default_texts(&self) -> Option<Vec<String>> {
        let text = self.default?;
        Some(match self.kind {
            Kind::List => text.split(',').map(str::to_owned).collect(),
            Kind::Text | Kind::Number | Kind::Switch | Kind::Secret => vec![text.to_owned()],
        })
    }

    /// Whether a variable with `_FILE` at its end can name a file that holds it, as orchestrators give secrets.
    pub fn may_be_in_a_file(&self) -> bool {
        self.kind == Kind::Secret || self.key == "default-user"
    }

    /// The help of the flag, with the other names and the default.
    pub fn long_help(&self) -> String {
        let mut variables = vec![env_name(self.key)];
        variables.extend(self.rabbitmq_env.iter().map(|name| (*name).to_owned()));
        let variables = variables.join(" or ");
        let (key, default) = (self.key, self.default.unwrap_or("none"));
        let (in_env, in_file) = match self.kind {
            Kind::List => (", comma-separated", ", a list"),
            Kind::Switch => ("=true", ""),
            Kind::Text | Kind::Number | Kind::Secret => ("", ""),
        };
        let names = format!("[env {variables}{in_env}; key {key}{in_file}; default {default}]");
        let gap = if self.help.contains("\n\n") { "\n" } else { "\n\n" };
        format!("{}{gap}{names}", self.help)
    }

    /// The first sentence of the help.
    pub fn short_help(&self) -> &'static str {
        let line = self.help.lines().next().unwrap_or_default();
        line.strip_suffix('.').unwrap_or(line)
    }
}

/// The environment variable of a setting: `data-dir` is `CONEY_DATA_DIR`.
pub fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.to_uppercase().replace('-', "_"))
}

/// Puts a value that was checked in its place.
pub(super) fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

/// The text of a setting that has one value.
pub(super) fn one(texts: &[String]) -> &str {
    texts.first().map_or("", String::as_str)
}
