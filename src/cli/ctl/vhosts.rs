//! Virtual hosts.

use serde_json::{Value, json};

use super::call::Call;
use super::command::{ANY, CTL, CTL_AND_DIAGNOSTICS, Command, Section};
use super::failure::{DATA, Failure, Means as _, SOFTWARE, USAGE};
use super::fields::{Fields, items};
use super::options::{Switch, text};
use super::output::Output;
use crate::cli::client::path::api;
use crate::cli::table::Table;

const METADATA: &[Switch] = &[text("description"), text("tags"), text("default-queue-type")];

pub const COMMANDS: &[Command] = &[
    Command::new("list_vhosts", CTL_AND_DIAGNOSTICS, Section::AccessControl, "Lists virtual hosts", list).lists(
        "[--no-table-headers] [<column> ...] [--timeout <timeout>]",
        &["name", "description", "tags", "default_queue_type", "tracing", "cluster_state", "metadata", "protected_from_deletion"],
    ),
    Command::new("add_vhost", CTL, Section::VirtualHosts, "Makes a virtual host", add)
        .takes(
            "<vhost> [--description <description> --tags \"<tag1>,<tag2>,<...>\" --default-queue-type <quorum|classic|stream>]",
            1,
            1,
        )
        .with(METADATA),
    Command::new("delete_vhost", CTL, Section::VirtualHosts, "Deletes a virtual host with all that is in it", delete)
        .takes("<vhost>", 1, 1),
    Command::new("update_vhost_metadata", CTL, Section::VirtualHosts, "Changes description, tags or default queue type", update)
        .takes(
            "<vhost> [--description <description>] [--tags \"<tag1>,<tag2>,<...>\"] [--default-queue-type <quorum|classic|stream>]",
            1,
            1,
        )
        .with(METADATA),
    Command::new("set_vhost_tags", CTL, Section::VirtualHosts, "Sets a virtual host's tags", set_tags)
        .takes("<vhost> <tag> [...]", 1, ANY),
    Command::new("enable_vhost_deletion_protection", CTL, Section::VirtualHosts, "Keeps a virtual host from being deleted", protect)
        .takes("<vhost>", 1, 1),
    Command::new("disable_vhost_deletion_protection", CTL, Section::VirtualHosts, "Lets a virtual host be deleted again", unprotect)
        .takes("<vhost>", 1, 1),
    Command::new("trace_on", CTL, Section::VirtualHosts, "Marks a virtual host as traced; nothing is traced", trace_on)
        .takes("[--vhost <vhost>]", 0, 0),
    Command::new("trace_off", CTL, Section::VirtualHosts, "Takes that mark away", trace_off)
        .takes("[--vhost <vhost>]", 0, 0),
    Command::new("restart_vhost", CTL, Section::VirtualHosts, "Does nothing: a virtual host cannot fail alone", restart)
        .takes("[--vhost <vhost>] [--timeout <timeout>]", 0, 0),
    Command::new("reconcile_vhosts", CTL, Section::VirtualHosts, "Does nothing: there is one node", reconcile)
        .takes("[--timeout <timeout>]", 0, 0),
];

/// Kinds of queues that a vhost may have as its default.
const QUEUE_TYPES: [&str; 3] = ["classic", "quorum", "stream"];

fn list(call: &Call) -> Result<Output, Failure> {
    call.say("Listing vhosts ...")?;
    let columns = if call.arguments.is_empty() { vec!["name".to_owned()] } else { call.arguments.clone() };
    Ok(Output::Table(Table::of_objects(columns, &items(call.get(&["vhosts"])?))))
}

/// Description, tags and default queue type, as they are given.
fn given(call: &Call) -> Result<Value, Failure> {
    let mut body = json!({});
    if let Some(description) = call.options.value("description") {
        body.put("description", description);
    }
    if let Some(tags) = call.options.value("tags") {
        body.put("tags", tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect::<Value>());
    }
    if let Some(kind) = call.options.value("default-queue-type") {
        if !QUEUE_TYPES.contains(&kind) {
            let text =
                format!("Unsupported default queue type: {kind}; use one of {}", QUEUE_TYPES.join(", "));
            return Err(Failure::argument(USAGE, text));
        }
        body.put("default_queue_type", kind);
    }
    Ok(body)
}

/// One that is there already stays as it is, as in RabbitMQ.
fn add(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    if name.is_empty() {
        return Err(Failure::bad_argument("a virtual host's name cannot be empty"));
    }
    let body = given(call)?;
    call.say(format!("Adding vhost \"{name}\" ..."))?;
    match call.ask(&["vhosts", name])? {
        Ok(_) => Ok(Output::Done),
        Err(error) if error.status() == Some(404) => {
            call.client()?.put(&api(&["vhosts", name]), &body)?;
            Ok(Output::Done)
        }
        Err(error) => Err(error.into()),
    }
}

fn delete(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    call.say(format!("Deleting vhost \"{name}\" ..."))?;
    call.client()?.delete(&api(&["vhosts", name])).when(404, || Failure::no_vhost(name))?;
    Ok(Output::Done)
}

fn update(call: &Call) -> Result<Output, Failure> {
    let changes = given(call)?;
    if changes.as_object().is_none_or(serde_json::Map::is_empty) {
        return Err(Failure::argument(USAGE, "not enough arguments."));
    }
    let name = call.argument(0);
    call.say(format!("Updating metadata of vhost \"{name}\" ..."))?;
    change(call, name, changes)
}

/// Changes some of a vhost's settings; the others stay.
fn change(call: &Call, name: &str, changes: Value) -> Result<Output, Failure> {
    let found = call.ask(&["vhosts", name])?.when(404, || Failure::no_vhost(name))?;
    let mut body = json!({});
    for key in ["description", "tags", "default_queue_type", "tracing"] {
        body.put(key, changes.get(key).unwrap_or(found.at(key)).clone());
    }
    call.client()?.put(&api(&["vhosts", name]), &body)?;
    Ok(Output::Done)
}

fn set_tags(call: &Call) -> Result<Output, Failure> {
    let (name, tags) =
        call.arguments.split_first().map_or(("", &[][..]), |(name, tags)| (name.as_str(), tags));
    call.say(format!("Setting tags for virtual host \"{name}\" to [{}] ...", tags.join(", ")))?;
    call.ask(&["vhosts", name])?
        .when(404, || Failure::error(DATA, format!("Virtual host \"{name}\" does not exist")))?;
    change(call, name, json!({ "tags": tags }))
}

fn protect(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    call.say(format!("Protecting virtual host \"{name}\" from removal..."))?;
    let path = api(&["vhosts", name, "deletion", "protection"]);
    call.client()?.post(&path, &Value::Null).when(404, || Failure::no_vhost(name))?;
    Ok(Output::Done)
}

fn unprotect(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    call.say(format!("Removing virtual host deletion protection of \"{name}\"..."))?;
    let path = api(&["vhosts", name, "deletion", "protection"]);
    call.client()?.delete(&path).when(404, || Failure::no_vhost(name))?;
    Ok(Output::Done)
}

fn trace_on(call: &Call) -> Result<Output, Failure> {
    trace(call, true, "Starting", "enabled")
}

fn trace_off(call: &Call) -> Result<Output, Failure> {
    trace(call, false, "Stopping", "disabled")
}

fn trace(call: &Call, is_on: bool, doing: &str, done: &str) -> Result<Output, Failure> {
    let vhost = call.vhost();
    call.say(format!("{doing} tracing for vhost \"{vhost}\" ..."))?;
    change(call, vhost, json!({ "tracing": is_on }))?;
    let text = format!("Trace {done} for vhost {vhost}");
    let value = json!({ "node": call.node()?, "result": "ok", "value": text });
    Ok(Output::Both(text, value))
}

fn restart(call: &Call) -> Result<Output, Failure> {
    let (vhost, node) = (call.vhost(), call.node()?);
    call.say(format!("Trying to restart vhost '{vhost}' on node '{node}' ..."))?;
    call.ask(&["vhosts", vhost])?.when(404, || {
        Failure::error(
            SOFTWARE,
            format!("Failed to start vhost '{vhost}' on node '{node}': there is no such vhost"),
        )
    })?;
    Ok(Output::Text(format!("Vhost '{vhost}' is already running on node '{node}'")))
}

fn reconcile(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    call.say("Will try to initiate virtual host reconciliation on all reachable cluster nodes...")?;
    Ok(Output::Done)
}
