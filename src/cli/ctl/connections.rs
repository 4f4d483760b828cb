//! Closing connections.

use axum::http::Method;
use serde_json::Value;

use super::call::Call;
use super::command::{CTL, Command, Section};
use super::failure::{Failure, UNAVAILABLE};
use super::fields::{items, number, process, text};
use super::options::{flag, number as number_option};
use super::output::Output;
use crate::cli::client::path::with_query;

pub const COMMANDS: &[Command] = &[
    Command::new("close_connection", CTL, Section::Operations, "Closes a connection, named as list_connections does (pid or name)", close)
        .takes("<connection pid> <explanation>", 2, 2),
    Command::new("close_all_user_connections", CTL, Section::Operations, "Closes the connections of a user", close_of_user)
        .takes("<username> <explanation>", 2, 2),
    Command::new("close_all_connections", CTL, Section::Operations, "Closes all connections of a virtual host, or all", close_all)
        .takes(
            "[--vhost <vhost> --limit <limit>] [-n <node> --global] [--per-connection-delay <delay>] <explanation>",
            1,
            1,
        )
        .with(&[flag("global"), number_option("limit"), number_option("per-connection-delay")]),
];

fn close(call: &Call) -> Result<Output, Failure> {
    let (wanted, reason) = (call.argument(0), call.argument(1));
    call.say(format!("Closing connection {wanted}, reason: {reason}..."))?;
    let is_meant = |connection: &Value| {
        let (host, port) = (text(connection, "peer_host"), number(connection, "peer_port"));
        text(connection, "name") == wanted || process(text(connection, "node"), host, port, 0) == wanted
    };
    match items(call.get(&["connections"])?).iter().find(|connection| is_meant(connection)) {
        Some(connection) => end(call, text(connection, "name"), reason),
        // One that has gone is closed.
        None if wanted.starts_with('<') && wanted.ends_with('>') => Ok(Output::Done),
        None => Err(Failure::error(
            UNAVAILABLE,
            format!("{wanted:?} is no connection: see rabbitmqctl list_connections pid name"),
        )),
    }
}

fn end(call: &Call, name: &str, reason: &str) -> Result<Output, Failure> {
    delete(call, [("name", name), ("reason", reason)])?;
    Ok(Output::Done)
}

fn close_of_user(call: &Call) -> Result<Output, Failure> {
    let (user, reason) = (call.argument(0), call.argument(1));
    call.say(format!("Closing connections of user {user}, reason: {reason}..."))?;
    delete(call, [("user", user), ("reason", reason)])?;
    Ok(Output::Done)
}

/// How many were closed.
fn delete<'a>(call: &Call, query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<u64, Failure> {
    let answer = call.client()?.send(Method::DELETE, &with_query("/api/coney/connections", query), None)?;
    Ok(number(&answer.body, "closed"))
}

/// A delay between connections is no use: all is over in a moment.
fn close_all(call: &Call) -> Result<Output, Failure> {
    let reason = call.argument(0);
    let limit = call.options.value("limit").filter(|limit| *limit != "0");
    let mut query = vec![("reason", reason)];
    if call.options.has("global") || !call.options.has("vhost") {
        let node = call.node()?;
        call.say(format!("Closing all connections to node {node} (across all vhosts), reason: {reason}..."))?;
    } else {
        let how_many = limit.map_or_else(|| "all".to_owned(), str::to_owned);
        call.say(format!("Closing {how_many} connections in vhost {}, reason: {reason}...", call.vhost()))?;
        query.push(("vhost", call.vhost()));
    }
    query.extend(limit.map(|limit| ("limit", limit)));
    let closed = delete(call, query)?;
    Ok(Output::Text(format!("Closed {closed} connections")))
}
