//! Settings from the environment.

use super::settings::{self, ENV_PREFIX, Kind, Setting, env_name};
use super::source::{Given, Origin, Source};
use super::value;

/// Our own variables. An empty one counts as unset, as scripts often leave them so.
pub fn ours(env: &impl Fn(&str) -> Option<String>) -> Source {
    settings::all().filter_map(|setting| given(setting, env_name(setting.key), env)).collect()
}

/// The variables of RabbitMQ that a setting has.
pub fn rabbitmqs(env: &impl Fn(&str) -> Option<String>) -> Source {
    let first = |setting: &'static Setting| {
        setting.rabbitmq_env.iter().find_map(|name| given(setting, (*name).to_owned(), env))
    };
    settings::all().filter_map(first).collect()
}

fn given(setting: &'static Setting, name: String, env: &impl Fn(&str) -> Option<String>) -> Option<Given> {
    let text = env(&name).filter(|text| !text.is_empty())?;
    let texts = match setting.kind {
        Kind::List => text.split(',').map(|part| part.trim().to_owned()).collect(),
        Kind::Text | Kind::Number | Kind::Switch | Kind::Secret => vec![text],
    };
    Some(Given { setting, texts, origin: Origin::Env(name) })
}

/// Warnings about variables that look like a misspelt setting: `CONEY_` and a word one or two letters away from a
/// key. Others that begin so are left alone (an orchestrator sets `CONEY_SERVICE_HOST` by itself).
pub fn misspelt<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut known: Vec<String> = settings::all().map(|setting| env_name(setting.key)).collect();
    known.push(env_name("config"));
    let suspects = names.into_iter().filter(|name| name.starts_with(ENV_PREFIX));
    suspects
        .filter(|name| !known.iter().any(|k| k == name))
        .filter_map(|name| {
            let meant = known.iter().find(|k| value::looks_like(name, k, ENV_PREFIX.len()))?;
            Some(format!("the environment variable {name} is not a setting and is ignored; {meant} is one"))
        })
        .collect()
}
