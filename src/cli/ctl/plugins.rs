//! `rabbitmq-plugins`. Nothing is loaded or unloaded: what there is of RabbitMQ's plugins is part of the broker and always on. So
//! whatever a script enables is there already, or is told to be missing, with exit code 0, so that images that enable it start all the same. What was
//! asked for is kept in RabbitMQ's file, for those who ask what is enabled.

use std::fs;
use std::path::{Path, PathBuf};

use coney::broker::node::node_name;
use coney::broker::plugins::plugins;
use serde_json::{Value, json};

use super::call::Call;
use super::command::{ANY, Command, PLUGINS, Section};
use super::failure::{DATA, Failure, UNAVAILABLE, USAGE};
use super::options::{Switch, flag};
use super::output::{Form, Output};
use crate::cli::inputs::Inputs;
use crate::cli::load::load;

const WHERE: &[Switch] = &[flag("offline"), flag("online"), flag("all")];

pub const COMMANDS: &[Command] = &[
    Command::new("list", PLUGINS, Section::Plugins, "Lists the plugins whose work the broker does", list)
        .takes("[pattern] [--verbose] [--minimal] [--enabled] [--implicitly-enabled]", 0, 1)
        .with(&[
            flag("verbose").short('v'),
            flag("minimal").short('m'),
            flag("enabled").short('E'),
            flag("implicitly-enabled").short('e'),
        ]),
    Command::new(
        "enable",
        PLUGINS,
        Section::Plugins,
        "Enables plugins: nothing is to be done for those that there are",
        enable,
    )
    .takes("<plugin1> [ <plugin2>] | --all [--offline] [--online]", 0, ANY)
    .with(WHERE),
    Command::new(
        "disable",
        PLUGINS,
        Section::Plugins,
        "Takes plugins out of the file; what is part of the broker stays on",
        disable,
    )
    .takes("<plugin1> [ <plugin2>] | --all [--offline] [--online]", 0, ANY)
    .with(WHERE),
    Command::new("set", PLUGINS, Section::Plugins, "Enables these plugins and no others", set)
        .takes("<plugin1> [ <plugin2>] [--offline] [--online]", 0, ANY)
        .with(WHERE),
    Command::new(
        "is_enabled",
        PLUGINS,
        Section::Monitoring,
        "Tells by its exit code whether plugins are enabled",
        is_enabled,
    )
    .takes("<plugin1> [ <plugin2>] [--offline] [--online]", 1, ANY)
    .with(WHERE),
    Command::new(
        "directories",
        PLUGINS,
        Section::Monitoring,
        "Shows where RabbitMQ's file of enabled plugins is",
        directories,
    )
    .takes("[--offline] [--online]", 0, 0)
    .with(WHERE),
];

/// Plugins of RabbitMQ whose exchanges the broker has without them.
const BUILT_IN: [(&str, &str); 3] = [
    ("rabbitmq_consistent_hash_exchange", "The exchange type x-consistent-hash"),
    ("rabbitmq_delayed_message_exchange", "The exchange type x-delayed-message"),
    ("rabbitmq_event_exchange", "The exchange amq.rabbitmq.event"),
];

/// Names the file, as for RabbitMQ.
const FILE_VARIABLE: &str = "RABBITMQ_ENABLED_PLUGINS_FILE";
const FILE: &str = "/etc/rabbitmq/enabled_plugins";

/// A line of the list.
struct Known {
    name: &'static str,
    about: &'static str,
    is_explicit: bool,
}

fn known() -> Vec<Known> {
    let served = plugins().iter().map(|plugin| Known {
        name: plugin.name,
        about: plugin.description,
        is_explicit: plugin.is_explicit,
    });
    let built_in = BUILT_IN.into_iter().map(|(name, about)| Known { name, about, is_explicit: false });
    let mut known: Vec<Known> = served.chain(built_in).collect();
    known.sort_by_key(|plugin| plugin.name);
    known
}

fn is_known(name: &str) -> bool {
    known().iter().any(|plugin| plugin.name == name)
}

/// RabbitMQ's file of enabled plugins.
fn file(call: &Call) -> PathBuf {
    let given = call.options.value("enabled-plugins-file").map(PathBuf::from);
    let variable = || std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    given.or_else(variable).unwrap_or_else(|| FILE.into())
}

/// The names in an Erlang list such as `[rabbitmq_management,rabbitmq_shovel].`
fn names_in(text: &str) -> Vec<String> {
    let without_comments = text.lines().map(|line| line.split('%').next().unwrap_or_default());
    let text: String = without_comments.collect::<Vec<_>>().join(" ");
    let names = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn written(call: &Call) -> Vec<String> {
    fs::read_to_string(file(call)).map(|text| names_in(&text)).unwrap_or_default()
}

fn write(path: &Path, names: &[String]) -> Result<(), Failure> {
    fs::write(path, format!("[{}].\n", names.join(",")))
        .map_err(|error| Failure::error(DATA, format!("cannot write {}: {error}", path.display())))
}

/// The node's name as it says, or as it will be by the settings of this environment.
fn node(call: &Call) -> String {
    let by_settings = || node_name(&load(Inputs::default()).map(|loaded| loaded.config).unwrap_or_default());
    if call.options.has("offline") {
        return by_settings();
    }
    call.node().map_or_else(|_| by_settings(), str::to_owned)
}

fn list(call: &Call) -> Result<Output, Failure> {
    let pattern = call.arguments.first().map_or(".*", String::as_str);
    let matching = fancy_regex::Regex::new(pattern).map_err(|error| {
        Failure::argument(USAGE, format!("{pattern:?} is not a regular expression: {error}"))
    })?;
    call.say(format!("Listing plugins with pattern \"{pattern}\" ..."))?;
    let (node, only_explicit) = (node(call), call.options.has("enabled"));
    let plugins: Vec<Known> = known()
        .into_iter()
        .filter(|plugin| {
            matching.is_match(plugin.name).unwrap_or(false) && (plugin.is_explicit || !only_explicit)
        })
        .collect();
    let is_minimal = call.options.has("minimal");
    if call.form.is_json() {
        return Ok(Output::Both(String::new(), json_of(&plugins, is_minimal)));
    }
    if call.form != Form::Table {
        return Err(Failure::argument(USAGE, "plugins are listed as a table or as json"));
    }
    if is_minimal || call.options.has("silent") {
        return Ok(Output::Raw(plugins.iter().map(|plugin| format!("{}\n", plugin.name)).collect()));
    }
    let head = " Configured: E = explicitly enabled; e = implicitly enabled\n | Status: * = running on";
    let mut text = format!("{head} {node}\n |/\n");
    let width = plugins.iter().map(|plugin| plugin.name.len()).max().unwrap_or_default();
    for plugin in &plugins {
        let mark = if plugin.is_explicit { 'E' } else { 'e' };
        text += &match call.options.has("verbose") {
            true => format!(
                "[{mark}*] {}\n     Version:     \t{VERSION}\n     Dependencies:\t[]\n     Description: \t{}\n",
                plugin.name, plugin.about
            ),
            false => format!("[{mark}*] {:width$} {VERSION}\n", plugin.name),
        };
    }
    Ok(Output::Raw(text))
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn json_of(plugins: &[Known], is_minimal: bool) -> Value {
    let items = plugins.iter().map(|plugin| {
        if is_minimal {
            return json!({ "name": plugin.name });
        }
        let enabled = if plugin.is_explicit { "enabled" } else { "implicit" };
        json!({ "name": plugin.name, "enabled": enabled, "running": true, "version": VERSION, "running_version": VERSION })
    });
    let format = if is_minimal { "minimal" } else { "normal" };
    json!({ "status": "running", "format": format, "plugins": items.collect::<Vec<_>>() })
}

/// What a change is.
enum Change {
    Enable,
    Disable,
    Set,
}

fn enable(call: &Call) -> Result<Output, Failure> {
    change(call, Change::Enable)
}

fn disable(call: &Call) -> Result<Output, Failure> {
    change(call, Change::Disable)
}

fn set(call: &Call) -> Result<Output, Failure> {
    change(call, Change::Set)
}

fn asked_for(call: &Call) -> Result<Vec<String>, Failure> {
    if call.options.has("offline") && call.options.has("online") {
        return Err(Failure::argument(USAGE, "Cannot set both online and offline"));
    }
    let names = if call.options.has("all") {
        known().iter().map(|plugin| plugin.name.to_owned()).collect()
    } else {
        call.arguments.clone()
    };
    let wrong = names.iter().find(|name| names_in(name) != [(*name).clone()]);
    if let Some(wrong) = wrong {
        return Err(Failure::argument(USAGE, format!("{wrong:?} cannot be the name of a plugin")));
    }
    Ok(names)
}

fn change(call: &Call, change: Change) -> Result<Output, Failure> {
    let names = asked_for(call)?;
    if names.is_empty() && !matches!(change, Change::Set) {
        return Err(Failure::argument(USAGE, "not enough arguments."));
    }
    let node = node(call);
    let doing = if matches!(change, Change::Disable) { "Disabling" } else { "Enabling" };
    call.say(format!("{doing} plugins on node {node}:\n{}", names.join("\n")))?;
    if !matches!(change, Change::Disable) {
        for missing in names.iter().filter(|name| !is_known(name)) {
            eprintln!("Warning: {missing} is not part of Coney; it is noted, and nothing else is done");
        }
    }
    let before = written(call);
    let kept = before.iter().filter(|name| match change {
        Change::Enable => true,
        Change::Disable => !names.contains(name),
        Change::Set => false,
    });
    let mut after: Vec<String> = kept.cloned().collect();
    if !matches!(change, Change::Disable) {
        after.extend(
            names.iter().filter(|name| !before.contains(name) || matches!(change, Change::Set)).cloned(),
        );
    }
    after.sort_unstable();
    after.dedup();
    keep(call, &after)?;
    configured(call, &node, &before, &after)
}

/// Without a broker the file is all that there is; with one it is a courtesy, where RabbitMQ's directory exists.
fn keep(call: &Call, names: &[String]) -> Result<(), Failure> {
    let path = file(call);
    let has_directory = path.parent().is_some_and(Path::is_dir);
    if call.options.has("offline") || std::env::var_os(FILE_VARIABLE).is_some() {
        return write(&path, names);
    }
    if has_directory && write(&path, names).is_err() {
        eprintln!("Warning: {} cannot be written, so this is not noted there", path.display());
    }
    Ok(())
}

fn configured(call: &Call, node: &str, before: &[String], after: &[String]) -> Result<Output, Failure> {
    let mut on: Vec<&str> = plugins().iter().map(|plugin| plugin.name).collect();
    on.extend(after.iter().map(String::as_str));
    on.sort_unstable();
    on.dedup();
    let is_offline = call.options.has("offline");
    let difference = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|name| !other.contains(name)).cloned().collect()
    };
    let (enabled, disabled) = (difference(after, before), difference(before, after));
    let mode = if is_offline { "offline" } else { "online" };
    let value = json!([on, { "mode": mode, "set": on, "enabled": enabled, "disabled": disabled, "started": [], "stopped": [] }]);
    if call.is_quiet() {
        return Ok(Output::Both(String::new(), value));
    }
    let indented = |names: &[&str]| names.iter().map(|name| format!("  {name}\n")).collect::<String>();
    let mut text = format!(
        "The following plugins have been configured:\n{}Applying plugin configuration to {node}...\n",
        indented(&on)
    );
    for (names, what) in [(&enabled, "enabled"), (&disabled, "disabled")] {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if !names.is_empty() {
            text += &format!("The following plugins have been {what}:\n{}\n", indented(&names));
        }
    }
    text += match (is_offline, enabled.is_empty() && disabled.is_empty()) {
        (_, true) => "Plugin configuration unchanged.",
        (true, false) => {
            "Offline change; nothing has to be loaded at the start: what there is is part of the broker."
        }
        (false, false) => "Nothing has to be started: what there is is part of the broker.",
    };
    Ok(Output::Both(text, value))
}

/// With a broker, what it serves; without one, what the file says, too.
fn is_enabled(call: &Call) -> Result<Output, Failure> {
    let names = asked_for(call)?;
    let is_offline = call.options.has("offline");
    let (noun, verb) = if names.len() == 1 { ("Plugin", "is") } else { ("Plugins", "are") };
    let list = names.join(", ");
    let place = if is_offline {
        call.say(format!(
            "Inferring if {} {list} {verb} enabled from local environment...",
            noun.to_lowercase()
        ))?;
        String::new()
    } else {
        let node = call.node()?;
        call.say(format!("Asking node {node} if {} {list} {verb} enabled...", noun.to_lowercase()))?;
        format!(" on node {node}")
    };
    let mut on: Vec<String> = known().iter().map(|plugin| plugin.name.to_owned()).collect();
    if is_offline {
        on.extend(written(call));
    }
    let missing: Vec<&str> = names.iter().filter(|name| !on.contains(name)).map(String::as_str).collect();
    if missing.is_empty() {
        let text = format!("{noun} {list} {verb} enabled{place}");
        return Ok(Output::Both(text.clone(), json!({ "result": "ok", "message": text })));
    }
    let (noun, verb) = if missing.len() == 1 { ("Plugin", "is") } else { ("Plugins", "are") };
    let text = format!(
        "{noun} {} {verb} not enabled{place}. Enabled plugins and dependencies: {}",
        missing.join(", "),
        on.join(", ")
    );
    let value = json!({ "result": "error", "message": text });
    Err(Failure::error(UNAVAILABLE, text).with_value(value))
}

fn directories(call: &Call) -> Result<Output, Failure> {
    let node = node(call);
    call.say(format!("Listing plugin directories used by node {node}"))?;
    let path = file(call);
    let text = format!(
        "Plugin archives directory: none\nPlugin expansion directory: none\nEnabled plugins file: {}",
        path.display()
    );
    let value = json!({ "plugins_dir": "", "plugins_expand_dir": "", "enabled_plugins_file": path });
    Ok(Output::Both(text, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rabbitmqs_file_is_read() {
        assert_eq!(
            names_in("[rabbitmq_management, rabbitmq_shovel].\n"),
            ["rabbitmq_management", "rabbitmq_shovel"]
        );
        assert_eq!(names_in("%% by hand\n[a, % the first\n 'b'].\n"), ["a", "b"]);
        assert_eq!(names_in("[].\n"), Vec::<String>::new());
    }
}
