//! Reads the environment and the configuration file.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, bail};
use coney::config::Config;

use super::args::Args;
use super::resolve::{misspelt_env, resolve};

/// The settings from all their sources.
pub fn load_config(args: Args) -> anyhow::Result<Config> {
    refuse_env_that_is_not_text()?;
    let from_env = env::var_os("CONEY_CONFIG").filter(|path| !path.is_empty());
    let path = args.config.clone().or(from_env.map(PathBuf::from));
    let text = path.as_deref().map(read_config).transpose()?;
    let file = path.as_deref().zip(text.as_deref());
    Ok(resolve(args.into(), |name| env::var(name).ok(), file)?)
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

/// Warns of variables that look like a misspelt setting.
pub fn warn_of_misspelt_env() {
    let names: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    for warning in misspelt_env(names.iter().map(String::as_str)) {
        tracing::warn!("{warning}");
    }
}
