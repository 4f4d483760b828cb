//! `~/.rabbitmqadmin.conf`: sections of a node each. The Python program's is an INI file, the Rust program's is TOML; what both have
//! in common is read here: `[section]`, `key = value`, with or without quotes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// The section that is taken where none is named; it may be missing.
pub const DEFAULT_NODE: &str = "default";
/// Values of this section hold in every other one.
const SHARED_SECTION: &str = "DEFAULT";

/// Keys and values of a section; keys in lower case.
pub type Section = BTreeMap<String, String>;

/// The user's own file, if there is one.
pub fn default_path(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let home = variable("USERPROFILE").or_else(|| variable("HOME"))?;
    let path = Path::new(&home).join(".rabbitmqadmin.conf");
    path.is_file().then_some(path)
}

/// Reads a node's section. One that is missing is an error unless it is the default one.
pub fn read(path: &Path, node: &str) -> Result<Section, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::reading(path, error))?;
    let mut sections = parse(&text);
    let mut shared = sections.remove(SHARED_SECTION).unwrap_or_default();
    match sections.remove(node) {
        Some(section) => shared.extend(section),
        None if node == DEFAULT_NODE => shared.clear(),
        None => {
            let names: Vec<&str> = sections.keys().map(String::as_str).collect();
            let text = format!("Could not read section '{node}' in config file '{}':\n   ", path.display());
            return Err(Failure::Usage(text + &format!("it has the sections: {}", names.join(", "))));
        }
    }
    Ok(shared)
}

fn parse(text: &str) -> BTreeMap<String, Section> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.trim().clone_into(&mut current);
            sections.entry(current.clone()).or_default();
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            let section = sections.entry(current.clone()).or_default();
            section.insert(key.trim().to_lowercase(), plain(value.trim()));
        }
    }
    sections
}

/// Without the quotes of TOML, and with one percent sign where INI files have two.
fn plain(value: &str) -> String {
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    quoted.map_or_else(|| value.replace("%%", "%"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_file_are_read() {
        let text = "[DEFAULT]\nusername = u\n# a\n; b\n[ini]\n  Hostname: a.b\n  password = 100%%\n[toml]\nport = 1\nhostname = \"x = y\"\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf");
        fs::write(&path, text).unwrap();
        let section = |node: &str| read(&path, node).map(|section| section.into_iter().collect::<Vec<_>>());
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let ini = vec![pair("hostname", "a.b"), pair("password", "100%"), pair("username", "u")];
        assert_eq!(section("ini").unwrap(), ini);
        let toml = vec![pair("hostname", "x = y"), pair("port", "1"), pair("username", "u")];
        assert_eq!(section("toml").unwrap(), toml);
        assert_eq!(section("default").unwrap(), []);
        let text = section("none").unwrap_err().to_string();
        assert!(
            text.starts_with("Could not read section 'none' in config file") && text.ends_with("ini, toml")
        );
    }
}
