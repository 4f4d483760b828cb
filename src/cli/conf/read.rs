//! Reads RabbitMQ's configuration files: a line at a time, with the files that they include and the variables that they name.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::entries::Entry;
use super::erlang;
use super::syntax::{Statement, parse};
use crate::cli::source::ConfigError;

/// Files that include each other are not followed further.
const INCLUDES_MAX: usize = 8;

/// What a configuration file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Ours.
    Toml,
    /// RabbitMQ's.
    Conf,
    /// RabbitMQ's until 3.6.
    Erlang,
}

/// Tells it by what is in the file. Both of the line formats have `key = value`: RabbitMQ's keys have underscores or dots where
/// ours have dashes, and its texts no double quotes.
pub fn format_of(text: &str) -> Format {
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '%']));
    let Some(first) = lines.next() else { return Format::Toml };
    let is_terms = first.starts_with('[') && (first.len() == 1 || first.contains('{') || first == "[].");
    if is_terms {
        return Format::Erlang;
    }
    let is_conf = |line: &str| {
        let Some((key, value)) = line.split_once('=') else { return line.starts_with("include ") };
        let (key, value) = (key.trim(), value.trim());
        key.contains(['_', '.']) && !key.contains('-') || !is_toml_value(value)
    };
    if std::iter::once(first).chain(lines).any(is_conf) { Format::Conf } else { Format::Toml }
}

fn is_toml_value(value: &str) -> bool {
    let bare = value.split('#').next().unwrap_or_default().trim();
    value.starts_with(['"', '\'', '[', '{'])
        || matches!(bare, "true" | "false")
        || bare.replace('_', "").parse::<f64>().is_ok()
}

/// What is in the files, in their order, with `$(NAME)` replaced: by the environment's variable of that name, else by the value of
/// that key.
///
/// # Errors
/// A file that cannot be read or understood, a name that stands for nothing.
pub fn read_entries(
    paths: &[PathBuf],
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<Entry>, ConfigError> {
    let mut entries = Vec::new();
    for path in paths {
        read_file(path, INCLUDES_MAX, &mut entries)?;
    }
    substitute(&mut entries, env)?;
    Ok(entries)
}

fn read_file(path: &Path, includes_left: usize, entries: &mut Vec<Entry>) -> Result<(), ConfigError> {
    let text =
        fs::read_to_string(path).map_err(|error| fault(path, None, format!("cannot be read: {error}")))?;
    if format_of(&text) == Format::Erlang {
        entries.extend(erlang::entries(path, &text)?);
        return Ok(());
    }
    for line in parse(&text).map_err(|error| fault(path, Some(error.line), error.reason))? {
        match line.what {
            Statement::Set { key, value } => {
                entries.push(Entry::of_file(path, line.number, key, value));
            }
            Statement::Include(_) if includes_left == 0 => {
                return Err(fault(path, Some(line.number), "files include each other too deeply"));
            }
            Statement::Include(pattern) => {
                let beside = path.parent().unwrap_or(Path::new("")).join(pattern);
                for included in matching(&beside) {
                    read_file(&included, includes_left - 1, entries)?;
                }
            }
        }
    }
    Ok(())
}

/// The settings of one text, without includes and variables.
#[cfg(test)]
pub fn entries_of(path: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let lines = parse(text).map_err(|error| fault(path, Some(error.line), error.reason))?;
    let entry = |line: super::syntax::Line| match line.what {
        Statement::Set { key, value } => Some(Entry::of_file(path, line.number, key, value)),
        Statement::Include(_) => None,
    };
    Ok(lines.into_iter().filter_map(entry).collect())
}

/// The files that a path with `*` in its last part means, by name; a directory means its `.conf` files.
pub fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (dir, name) = if pattern.is_dir() {
        (pattern, "*.conf")
    } else {
        (pattern.parent().unwrap_or(Path::new("")), name.as_str())
    };
    if !name.contains('*') {
        return if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() };
    }
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let matches = |entry: &fs::DirEntry| matches_stars(&entry.file_name().to_string_lossy(), name);
    let mut files: Vec<PathBuf> = entries.filter(matches).map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

fn matches_stars(name: &str, pattern: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return name == pattern };
    let Some(rest) = name.strip_prefix(before) else { return false };
    (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| matches_stars(rest, after))
}

fn substitute(entries: &mut [Entry], env: &impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
    let values: HashMap<String, String> =
        entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
    for entry in entries {
        if !entry.value.contains("$(") {
            continue;
        }
        let mut written = std::mem::take(&mut entry.value);
        while let Some((before, rest)) = written.split_once("$(") {
            let Some((name, after)) = rest.split_once(')') else { break };
            let value = env(name).or_else(|| values.get(name).cloned()).ok_or_else(|| {
                let reason = format!("$({name}) is neither a variable of the environment nor a key");
                ConfigError::Value { origin: entry.origin.clone(), reason }
            })?;
            entry.value += &format!("{before}{value}");
            written = after.to_owned();
        }
        entry.value += &written;
    }
    Ok(())
}

fn fault(path: &Path, line: Option<usize>, reason: impl Into<String>) -> ConfigError {
    ConfigError::File { path: path.to_owned(), line, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_told_by_the_text() {
        for (text, format) in [
            ("", Format::Toml),
            ("# only a comment\n", Format::Toml),
            ("heartbeat = 60\n", Format::Toml),
            ("amqp = [\"5672\"]\ndata-dir = 'x'", Format::Toml),
            ("[table]\nx = 1", Format::Toml),
            ("heartbeat = 60\ndefault_user = ann", Format::Conf),
            ("default_user = ann", Format::Conf),
            ("listeners.tcp.default = 5672", Format::Conf),
            ("log.console.level = 'info'", Format::Conf),
            ("loopback_users = none", Format::Conf),
            ("include conf.d/*.conf", Format::Conf),
            ("heartbeat = soon # one", Format::Conf),
            ("[{rabbit, []}].", Format::Erlang),
            ("%% old\n[\n  {rabbit, []}\n].", Format::Erlang),
            ("[].", Format::Erlang),
        ] {
            assert_eq!(format_of(text), format, "{text}");
        }
    }

    #[test]
    fn includes_and_variables_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("rabbitmq.conf");
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        fs::write(&main, "heartbeat = 1\ninclude conf.d/*.conf\ndefault_user = $(WHO)-$(heartbeat)\n")
            .unwrap();
        fs::write(dir.path().join("conf.d/2.conf"), "heartbeat = 3").unwrap();
        fs::write(dir.path().join("conf.d/1.conf"), "heartbeat = 2").unwrap();
        fs::write(dir.path().join("conf.d/other"), "heartbeat = 9").unwrap();
        let env = |name: &str| (name == "WHO").then(|| "ann".to_owned());
        let entries = read_entries(std::slice::from_ref(&main), &env).unwrap();
        let plain: Vec<String> =
            entries.iter().map(|entry| format!("{}={}", entry.key, entry.value)).collect();
        assert_eq!(plain, ["heartbeat=1", "heartbeat=2", "heartbeat=3", "default_user=ann-3"]);
        let unset = read_entries(std::slice::from_ref(&main), &|_| None).unwrap_err().to_string();
        assert!(unset.contains("rabbitmq.conf:3: default_user: $(WHO) is neither"), "{unset}");
        fs::write(&main, "include rabbitmq.conf").unwrap();
        assert!(read_entries(&[main], &env).unwrap_err().to_string().contains("too deeply"));
        assert_eq!(matching(&dir.path().join("conf.d")).len(), 2);
        assert!(matches_stars("a.b.conf", "a*.conf") && !matches_stars("a.config", "*.conf"));
    }
}
