//! Reads the environment and the configuration files.
//!
//! The first of these that has a setting decides: the command line; our variables; RabbitMQ's variables; the file that the
//! command line names; RabbitMQ's files; the file that `CONEY_CONFIG` names; what a start as `rabbitmq-server` brings; the default.
//! `CONEY_CONFIG` comes late because it is what an image or a unit sets, so that people can say otherwise in `rabbitmq.conf`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, bail};
use coney::config::Config;

use super::conf::{self, Format};
use super::inputs::{Inputs, StartedAs};
use super::resolve::{missing, resolve, winners};
use super::settings;
use super::source::{ConfigError, Given, Origin, Source};
use super::{file, variables};

/// RabbitMQ's configuration directory.
const RABBITMQ_DIR: &str = "/etc/rabbitmq";
/// Where data is if nothing else is said, below the directory that RabbitMQ's package and image have for it.
const RABBITMQ_DATA: &str = "/var/lib/rabbitmq/mnesia/coney";

/// The settings from all their sources.
pub struct Loaded {
    /// What the broker is told.
    pub config: Config,
    /// Where the number of the process goes.
    pub pid_file: Option<PathBuf>,
    /// What is missing for a start.
    pub missing: Option<ConfigError>,
    /// For the log, when there is one.
    pub warnings: Vec<String>,
    /// What was given, each setting by the source that decided.
    pub given: Vec<Given>,
}

/// Reads everything.
///
/// # Errors
/// A file that cannot be read or understood, a value that cannot be used.
pub fn load(inputs: Inputs) -> anyhow::Result<Loaded> {
    refuse_env_that_is_not_text()?;
    let mut reader = Reader { started_as: inputs.started_as(), ..Reader::default() };
    let sources = reader.sources(inputs)?;
    let draft = resolve(&sources)?;
    let missing = missing(&sources, &draft);
    let names: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    reader.warnings.extend(variables::misspelt(names.iter().map(String::as_str)));
    let config = Config { config_files: reader.files, ..draft.config };
    let given = winners(&sources).into_iter().cloned().collect();
    Ok(Loaded { config, pid_file: draft.pid_file, missing, warnings: reader.warnings, given })
}

/// Reads one file, whichever format it has, checks what it says, and answers what of it has no effect.
///
/// # Errors
/// As above.
pub fn check(path: &Path) -> anyhow::Result<Vec<String>> {
    let mut reader = Reader::default();
    let source = reader.file(path)?;
    resolve(&[source])?;
    reader.warnings.extend(reader.remarks);
    Ok(reader.warnings)
}

#[derive(Default)]
struct Reader {
    started_as: StartedAs,
    files: Vec<PathBuf>,
    warnings: Vec<String>,
    remarks: Vec<String>,
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

impl Reader {
    /// What each source says, the one that decides first.
    fn sources(&mut self, inputs: Inputs) -> anyhow::Result<Vec<Source>> {
        let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"));
        let secrets = variables::Secrets { env: &variable, read: &read };
        let mut sources = vec![inputs.flags.0, variables::ours(&secrets)?, variables::rabbitmqs(&secrets)?];
        sources.push(self.meaning(conf::environment_entries(&variable))?);
        if let Some(path) = &inputs.config {
            sources.push(self.file(path)?);
        }
        sources.push(self.rabbitmqs_files(inputs.rabbitmq_conf_dir)?);
        if let Some(path) =
            env::var_os("CONEY_CONFIG").filter(|path| !path.is_empty() && inputs.config.is_none())
        {
            sources.push(self.file(Path::new(&path))?);
        }
        sources.push(preset(self.started_as));
        Ok(sources)
    }

    /// A file of whichever format.
    fn file(&mut self, path: &Path) -> anyhow::Result<Source> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
        match conf::format_of(&text) {
            Format::Toml => {
                self.files.push(path.to_owned());
                Ok(file::parse(path, &text)?)
            }
            Format::Conf | Format::Erlang => self.rabbitmqs(&[path.to_owned()]),
        }
    }

    /// The files that RabbitMQ would read: one by `RABBITMQ_CONFIG_FILE` or of its directory, then those of `RABBITMQ_CONFIG_FILES` or
    /// of `conf.d`.
    fn rabbitmqs_files(&mut self, dir: Option<PathBuf>) -> anyhow::Result<Source> {
        let dir = dir.or_else(|| (self.started_as == StartedAs::RabbitMqServer).then(|| RABBITMQ_DIR.into()));
        let mut paths = Vec::new();
        if let Some(named) = variable("RABBITMQ_CONFIG_FILE") {
            match with_suffix(Path::new(&named)) {
                Some(path) => paths.push(path),
                None => self.warnings.push(format!(
                    "RABBITMQ_CONFIG_FILE: there is no file {named}, {named}.conf or {named}.config"
                )),
            }
        } else if let Some(path) = dir.as_ref().and_then(|dir| with_suffix(&dir.join("rabbitmq"))) {
            paths.push(path);
        }
        let more = variable("RABBITMQ_CONFIG_FILES").map(PathBuf::from);
        let more = more.or_else(|| dir.as_ref().map(|dir| dir.join("conf.d")));
        paths.extend(more.into_iter().flat_map(|pattern| conf::matching(&pattern)));
        let advanced = variable("RABBITMQ_ADVANCED_CONFIG_FILE").map(PathBuf::from);
        let advanced = advanced.or_else(|| dir.map(|dir| dir.join("advanced.config")));
        if let Some(path) = advanced.filter(|path| path.exists()) {
            self.warnings.push(format!("{} has no effect: it is for what only RabbitMQ has", path.display()));
        }
        self.rabbitmqs(&paths)
    }

    fn rabbitmqs(&mut self, paths: &[PathBuf]) -> anyhow::Result<Source> {
        let entries = conf::read_entries(paths, &variable)?;
        self.files.extend_from_slice(paths);
        Ok(self.meaning(entries)?)
    }

    fn meaning(&mut self, entries: Vec<conf::Entry>) -> Result<Source, ConfigError> {
        let meaning = conf::meaning(entries)?;
        self.warnings.extend(meaning.warnings);
        self.remarks.extend(meaning.remarks);
        Ok(meaning.source)
    }
}

/// RabbitMQ takes the name with and without its suffix.
fn with_suffix(path: &Path) -> Option<PathBuf> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    ["", ".conf", ".config"].map(with).into_iter().find(|path| path.is_file())
}

/// What a RabbitMQ does: it listens everywhere, and its data is where its package has it.
fn preset(started_as: StartedAs) -> Source {
    let StartedAs::RabbitMqServer = started_as else { return Source::new() };
    let data_dir = ["RABBITMQ_MNESIA_DIR", "RABBITMQ_MNESIA_BASE"]
        .into_iter()
        .find_map(|name| Some((variable(name)?, Origin::Env(name.to_owned()))))
        .unwrap_or((RABBITMQ_DATA.to_owned(), Origin::RabbitMqServer));
    let all = ("all".to_owned(), Origin::RabbitMqServer);
    let given = |(key, (text, origin)): (&str, (String, Origin))| {
        Some(Given { setting: settings::find(key)?, texts: vec![text], origin })
    };
    [("listen-on", all), ("data-dir", data_dir)].into_iter().filter_map(given).collect()
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
