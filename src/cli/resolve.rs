//! Settings from their sources: what a user wrote on the command line, in the environment and in files, checked
//! once and turned into plain values.
//!
//! Invariants: the first source that has a setting decides; an error names the source and the setting; no password is
//! printed, neither by `Debug` nor in an error; nothing here reads the environment or a file. The one exception to that
//! purity is a host name to listen on, which is looked up; `localhost` is not.

use super::settings::{self, Draft};
use super::source::{ConfigError, Given, Source};

/// What holds, each setting by the first source that has it, in the order of the table.
pub fn winners(sources: &[Source]) -> Vec<&Given> {
    let said = |key: &str| {
        let found = |source: &'_ Source| source.iter().position(|given| given.setting.key == key);
        sources.iter().enumerate().find_map(|(rank, source)| Some((rank, source.get(found(source)?)?)))
    };
    let named_above = |rank| said("data-dir").is_some_and(|(above, _)| above < rank);
    settings::all()
        .filter_map(|setting| said(setting.key))
        // The two exclude each other: a source that names a directory wins over memory in one below it.
        .filter(|(rank, given)| given.setting.key != "ephemeral" || !named_above(*rank))
        .map(|(_, given)| given)
        .collect()
}

/// Checks what holds and makes plain values of it.
///
/// # Errors
/// The first value that is out of its range.
pub fn resolve(sources: &[Source]) -> Result<Draft, ConfigError> {
    let mut draft = Draft::default();
    for given in winners(sources) {
        let set = (given.setting.set)(&mut draft, &given.texts);
        set.map_err(|reason| ConfigError::Value { origin: given.origin.clone(), reason })?;
    }
    Ok(draft)
}

/// What a broker lacks to start, if something: a node of a cluster needs more than others.
pub fn missing(sources: &[Source], draft: &Draft) -> Option<ConfigError> {
    let reason = settings::missing(draft)?;
    let first = winners(sources).into_iter().find(|given| given.setting.key.starts_with("cluster"))?;
    Some(ConfigError::Value { origin: first.origin.clone(), reason })
}
