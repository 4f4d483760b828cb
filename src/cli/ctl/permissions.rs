//! What users may do.

use serde_json::{Value, json};

use super::call::Call;
use super::command::{CTL, CTL_AND_DIAGNOSTICS, Command, Section};
use super::failure::{Failure, Means as _, NO_USER, UNAVAILABLE};
use super::fields::{items, text};
use super::output::Output;
use crate::cli::client::path::api;
use crate::cli::client::{ClientError, Response};
use crate::cli::table::Table;

const LIST: &str = "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]";
const LIST_OF_USER: &str = "[--no-table-headers] <username> [--timeout <timeout>]";

pub const COMMANDS: &[Command] = &[
    Command::new(
        "list_permissions",
        CTL_AND_DIAGNOSTICS,
        Section::AccessControl,
        "Lists what users may do in a virtual host",
        list,
    )
    .takes(LIST, 0, 0),
    Command::new(
        "list_user_permissions",
        CTL_AND_DIAGNOSTICS,
        Section::AccessControl,
        "Lists what a user may do in each virtual host",
        list_of_user,
    )
    .takes(LIST_OF_USER, 1, 1),
    Command::new(
        "set_permissions",
        CTL,
        Section::AccessControl,
        "Lets a user configure, write and read what matches",
        set,
    )
    .takes("[--vhost <vhost>] <username> <conf> <write> <read>", 4, 4),
    Command::new(
        "set_permissions_globally",
        CTL,
        Section::AccessControl,
        "The same in all virtual hosts that there are",
        set_globally,
    )
    .takes("<username> <conf> <write> <read>", 4, 4),
    Command::new(
        "clear_permissions",
        CTL,
        Section::AccessControl,
        "Lets a user do nothing in a virtual host any more",
        clear,
    )
    .takes("[--vhost <vhost>] <username>", 1, 1),
    Command::new(
        "list_topic_permissions",
        CTL_AND_DIAGNOSTICS,
        Section::AccessControl,
        "Lists the routing keys that users may use",
        list_topics,
    )
    .takes(LIST, 0, 0),
    Command::new(
        "list_user_topic_permissions",
        CTL_AND_DIAGNOSTICS,
        Section::AccessControl,
        "Lists the routing keys that a user may use",
        list_topics_of_user,
    )
    .takes(LIST_OF_USER, 1, 1),
    Command::new(
        "set_topic_permissions",
        CTL,
        Section::AccessControl,
        "Restricts the routing keys that a user may use on a topic exchange",
        set_topics,
    )
    .takes("[--vhost <vhost>] <username> <exchange> <write> <read>", 4, 4),
    Command::new(
        "clear_topic_permissions",
        CTL,
        Section::AccessControl,
        "Takes restrictions of routing keys away",
        clear_topics,
    )
    .takes("[--vhost <vhost>] <username> [<exchange>]", 1, 2),
];

fn rows(columns: &[&str], objects: Value) -> Output {
    Output::Table(Table::of_objects(columns.iter().copied(), &items(objects)))
}

fn list(call: &Call) -> Result<Output, Failure> {
    let vhost = call.vhost();
    call.say(format!("Listing permissions for vhost \"{vhost}\" ..."))?;
    let found = call.ask(&["vhosts", vhost, "permissions"])?.when(404, || Failure::no_vhost(vhost))?;
    Ok(rows(&["user", "configure", "write", "read"], found))
}

fn list_of_user(call: &Call) -> Result<Output, Failure> {
    let user = call.argument(0);
    call.say(format!("Listing permissions for user \"{user}\" ..."))?;
    let found = call.ask(&["users", user, "permissions"])?;
    let found = found.when(404, || Failure::no_user(UNAVAILABLE, user))?;
    Ok(rows(&["vhost", "configure", "write", "read"], found))
}

fn set(call: &Call) -> Result<Output, Failure> {
    let (user, vhost) = (call.argument(0), call.vhost());
    call.say(format!("Setting permissions for user \"{user}\" in vhost \"{vhost}\" ..."))?;
    put(call, vhost)?;
    Ok(Output::Done)
}

fn set_globally(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Setting permissions for user \"{}\" in all virtual hosts ...", call.argument(0)))?;
    for vhost in items(call.get(&["vhosts"])?) {
        put(call, text(&vhost, "name"))?;
    }
    Ok(Output::Done)
}

fn put(call: &Call, vhost: &str) -> Result<(), Failure> {
    let user = call.argument(0);
    let body = json!({ "configure": call.argument(1), "write": call.argument(2), "read": call.argument(3) });
    let put = call.client()?.put(&api(&["permissions", vhost, user]), &body);
    explained(call, vhost, put).map(drop)
}

/// A user or a vhost that is not there is a bad request, in the API; here each has its own word.
fn explained(call: &Call, vhost: &str, put: Result<Response, ClientError>) -> Result<Response, Failure> {
    let Err(error) = put else { return Ok(put?) };
    let user = call.argument(0);
    let is_missing = |kind: &str, name: &str| {
        Ok::<bool, Failure>(call.ask(&[kind, name])?.is_err_and(|error| error.status() == Some(404)))
    };
    if error.status() == Some(400) || error.status() == Some(404) {
        if is_missing("users", user)? {
            return Err(Failure::error(NO_USER, format!("User {user} does not exist")));
        }
        if is_missing("vhosts", vhost)? {
            return Err(Failure::error(UNAVAILABLE, format!("Virtual host {vhost} does not exist")));
        }
    }
    Err(error.into())
}

/// What is not there is cleared.
fn cleared(done: Result<Response, ClientError>) -> Result<Output, Failure> {
    match done {
        Err(error) if error.status() != Some(404) && error.status() != Some(400) => Err(error.into()),
        _ => Ok(Output::Done),
    }
}

fn clear(call: &Call) -> Result<Output, Failure> {
    let (user, vhost) = (call.argument(0), call.vhost());
    call.say(format!("Clearing permissions for user \"{user}\" in vhost \"{vhost}\" ..."))?;
    cleared(call.client()?.delete(&api(&["permissions", vhost, user])))
}

fn list_topics(call: &Call) -> Result<Output, Failure> {
    let vhost = call.vhost();
    call.say(format!("Listing topic permissions for vhost \"{vhost}\" ..."))?;
    let found = call.ask(&["vhosts", vhost, "topic-permissions"])?.when(404, || Failure::no_vhost(vhost))?;
    Ok(rows(&["user", "exchange", "write", "read"], found))
}

fn list_topics_of_user(call: &Call) -> Result<Output, Failure> {
    let user = call.argument(0);
    call.say(format!("Listing topic permissions for user \"{user}\" ..."))?;
    let found = call.ask(&["users", user, "topic-permissions"])?;
    let found = found.when(404, || Failure::no_user(UNAVAILABLE, user))?;
    Ok(Output::Bare(Table::of_objects(["vhost", "exchange", "write", "read"], &items(found))))
}

fn set_topics(call: &Call) -> Result<Output, Failure> {
    let (user, exchange, vhost) = (call.argument(0), call.argument(1), call.vhost());
    call.say(format!(
        "Setting topic permissions on \"{exchange}\" for user \"{user}\" in vhost \"{vhost}\" ..."
    ))?;
    let body = json!({ "exchange": exchange, "write": call.argument(2), "read": call.argument(3) });
    let put = call.client()?.put(&api(&["topic-permissions", vhost, user]), &body);
    explained(call, vhost, put)?;
    Ok(Output::Done)
}

fn clear_topics(call: &Call) -> Result<Output, Failure> {
    let (user, vhost) = (call.argument(0), call.vhost());
    match call.arguments.get(1) {
        Some(exchange) => {
            call.say(format!(
                "Clearing topic permissions on \"{exchange}\" for user \"{user}\" in vhost \"{vhost}\" ..."
            ))?;
            cleared(call.client()?.delete(&api(&["topic-permissions", vhost, user, exchange])))
        }
        None => {
            call.say(format!("Clearing topic permissions for user \"{user}\" in vhost \"{vhost}\" ..."))?;
            cleared(call.client()?.delete(&api(&["topic-permissions", vhost, user])))
        }
    }
}
