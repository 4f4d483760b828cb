//! Settings from the environment.

use super::settings::{self, ENV_PREFIX, Kind, Setting, env_name};
use super::source::{ConfigError, Given, Origin, Source};
use super::value;

/// What a variable is called that names a file in which the value is.
const FILE_SUFFIX: &str = "_FILE";

/// Where variables and the files that they name are read from.
pub struct Secrets<'a> {
    /// The value of a variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file, or why there is none.
    pub read: &'a dyn Fn(&str) -> Result<String, String>,
}

/// Our own variables. An empty one counts as unset, as scripts often leave them so.
///
/// # Errors
/// A file for a secret that cannot be read.
pub fn ours(from: &Secrets<'_>) -> Result<Source, ConfigError> {
    settings::all().filter_map(|setting| given(setting, env_name(setting.key), from).transpose()).collect()
}

/// The variables of RabbitMQ that a setting has.
///
/// # Errors
/// The same.
pub fn rabbitmqs(from: &Secrets<'_>) -> Result<Source, ConfigError> {
    let first = |setting: &'static Setting| {
        setting.rabbitmq_env.iter().find_map(|name| given(setting, (*name).to_owned(), from).transpose())
    };
    settings::all().filter_map(first).collect()
}

fn given(setting: &'static Setting, name: String, from: &Secrets<'_>) -> Result<Option<Given>, ConfigError> {
    let var = |name: &str| (from.env)(name).filter(|text| !text.is_empty());
    if let Some(text) = var(&name) {
        let texts = match setting.kind {
            Kind::List => text.split(',').map(|part| part.trim().to_owned()).collect(),
            Kind::Text | Kind::Number | Kind::Switch | Kind::Secret => vec![text],
        };
        return Ok(Some(Given { setting, texts, origin: Origin::Env(name) }));
    }
    let name = name + FILE_SUFFIX;
    let Some(path) = var(&name).filter(|_| setting.may_be_in_a_file()) else { return Ok(None) };
    let origin = Origin::Env(name);
    let text = (from.read)(&path).map_err(|reason| ConfigError::Value {
        origin: origin.clone(),
        reason: format!("{path} {reason}"),
    })?;
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Some(Given { setting, texts: vec![text], origin }))
}

/// Warnings about variables that look like a misspelt setting: `CONEY_` and a word one or two letters away from a
/// key. Others that begin so are left alone (an orchestrator sets `CONEY_SERVICE_HOST` by itself).
pub fn misspelt<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut known: Vec<String> = settings::all().map(|setting| env_name(setting.key)).collect();
    let by_file = settings::all().filter(|setting| setting.may_be_in_a_file());
    known.extend(by_file.map(|setting| env_name(setting.key) + FILE_SUFFIX));
    known.extend(["config", "rabbitmq-conf-dir"].map(env_name));
    let suspects = names.into_iter().filter(|name| name.starts_with(ENV_PREFIX));
    suspects
        .filter(|name| !known.iter().any(|k| k == name))
        .filter_map(|name| {
            let meant = known.iter().find(|k| value::looks_like(name, k, ENV_PREFIX.len()))?;
            Some(format!("the environment variable {name} is not a setting and is ignored; {meant} is one"))
        })
        .collect()
}
