//! Reads the environment and the configuration file.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, bail};
use coney::config::Config;

use super::args::Args;
use super::resolve::resolve;
use super::source::Source;
use super::{file, variables};

/// The settings from all their sources.
pub struct Loaded {
    /// What the broker is told.
    pub config: Config,
    /// Where the number of the process goes.
    pub pid_file: Option<PathBuf>,
    /// For the log, when there is one.
    pub warnings: Vec<String>,
}

/// Reads everything.
///
/// # Errors
/// A file that cannot be read or understood, a value that cannot be used.
pub fn load(args: Args) -> anyhow::Result<Loaded> {
    refuse_env_that_is_not_text()?;
    let draft = resolve(&sources(args)?)?;
    let names: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    let warnings = variables::misspelt(names.iter().map(String::as_str));
    Ok(Loaded { config: draft.config, pid_file: draft.pid_file, warnings })
}

/// What each source says, the one that decides first.
fn sources(args: Args) -> anyhow::Result<Vec<Source>> {
    let from_env = env::var_os("CONEY_CONFIG").filter(|path| !path.is_empty());
    let path = args.config.or(from_env.map(PathBuf::from));
    let variable = |name: &str| env::var(name).ok();
    let mut sources = vec![args.flags.0, variables::ours(&variable), variables::rabbitmqs(&variable)];
    if let Some(path) = &path {
        sources.push(file::parse(path, &read_config(path)?)?);
    }
    Ok(sources)
}

fn read_config(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read the configuration file {}", path.display()))
}

/// Such a variable would otherwise count as unset, and the broker start with a default nobody asked for.
fn refuse_env_that_is_not_text() -> anyhow::Result<()> {
    for (name, value) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CONEY_") && name != "CONEY_CONFIG" && value.to_str().is_none() {
            bail!("{name}: the value is not UTF-8 text");
        }
    }
    Ok(())
}
