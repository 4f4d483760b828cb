//! What is done to queues.

use serde_json::{Value, json};

use super::call::Call;
use super::command::{CTL, Command, DIAGNOSTICS_AND_QUEUES, QUEUES, Section};
use super::failure::{Failure, Means as _, UNAVAILABLE, USAGE};
use super::fields::{items, number, text};
use super::options::{flag, text as text_option};
use super::output::Output;
use crate::cli::client::path::{api, with_query};
use crate::cli::table::Table;

pub const COMMANDS: &[Command] = &[
    Command::new("purge_queue", CTL, Section::Queues, "Drops the ready messages of a queue", purge).takes(
        "<queue> [--timeout <timeout>]",
        1,
        1,
    ),
    Command::new("delete_queue", CTL, Section::Queues, "Deletes a queue", delete)
        .takes("[--vhost <vhost>] <queue_name> [--if-empty|-e] [--if-unused|-u] [--timeout <timeout>]", 1, 1)
        .with(&[flag("if-empty").short('e'), flag("if-unused").short('u')]),
    Command::new(
        "quorum_status",
        DIAGNOSTICS_AND_QUEUES,
        Section::Monitoring,
        "Shows the one member that a quorum queue has",
        quorum_status,
    )
    .takes("[--vhost <vhost>] <queue>", 1, 1),
    Command::new(
        "stream_status",
        DIAGNOSTICS_AND_QUEUES,
        Section::Monitoring,
        "Shows the status of a stream",
        stream_status,
    )
    .takes("[--vhost <vhost>] [--tracking] <stream>", 1, 1)
    .with(&[flag("tracking")]),
    Command::new(
        "peek",
        QUEUES,
        Section::Monitoring,
        "Shows the ready message at a position, counted from 1, and leaves it there",
        peek,
    )
    .takes("[--vhost <vhost>] <queue> <position> [--timeout <timeout>]", 2, 2),
    Command::new("rebalance", QUEUES, Section::Cluster, "Does nothing: there is one node", rebalance)
        .takes("< all | quorum | stream > [--vhost-pattern <pattern>] [--queue-pattern <pattern>]", 1, 1)
        .with(&[text_option("vhost-pattern"), text_option("queue-pattern")]),
    Command::new(
        "reclaim_quorum_memory",
        DIAGNOSTICS_AND_QUEUES,
        Section::Operations,
        "Does nothing: memory is given back by itself",
        reclaim,
    )
    .takes("[--vhost <vhost>] <quorum queue>", 1, 1),
];

fn purge(call: &Call) -> Result<Output, Failure> {
    let (queue, vhost) = (call.argument(0), call.vhost());
    call.say(format!("Purging queue '{queue}' in vhost '{vhost}' ..."))?;
    call.client()?.delete(&api(&["queues", vhost, queue, "contents"])).when(404, Failure::no_object)?;
    Ok(Output::Done)
}

fn delete(call: &Call) -> Result<Output, Failure> {
    let (queue, vhost) = (call.argument(0), call.vhost());
    let conditions: Vec<&str> =
        ["empty", "unused"].into_iter().filter(|what| call.options.has(&format!("if-{what}"))).collect();
    let condition = if conditions.is_empty() {
        String::new()
    } else {
        format!(" if queue is {}", conditions.join(" and "))
    };
    call.say(format!("Deleting queue '{queue}' on vhost '{vhost}'{condition} ..."))?;
    let missing = || Failure::error(USAGE, "Queue not found");
    let found = call.ask(&["queues", vhost, queue])?.when(404, missing)?;
    let query: Vec<(String, &str)> = conditions.iter().map(|what| (format!("if-{what}"), "true")).collect();
    let path =
        with_query(&api(&["queues", vhost, queue]), query.iter().map(|(key, value)| (key.as_str(), *value)));
    call.client()?.delete(&path).when(404, missing)?;
    let ready = number(&found, "messages_ready");
    Ok(Output::Text(format!("Queue was successfully deleted with {ready} ready messages")))
}

/// A queue, which has to be a quorum queue.
fn quorum_queue(call: &Call, refused: &str) -> Result<Value, Failure> {
    let (queue, vhost) = (call.argument(0), call.vhost());
    let found = call.ask(&["queues", vhost, queue])?.when(404, Failure::no_object)?;
    match text(&found, "type") {
        "quorum" => Ok(found),
        _ => Err(Failure::error(UNAVAILABLE, refused)),
    }
}

fn quorum_status(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Status of quorum queue {} on node {} ...", call.argument(0), call.node()?))?;
    quorum_queue(call, "Cannot get quorum status of a classic queue")?;
    let mut table = Table::new(["Node Name", "Raft State", "Membership"]);
    table.push(vec![call.node()?.into(), "leader".into(), "voter".into()]);
    Ok(Output::Table(table))
}

fn stream_status(call: &Call) -> Result<Output, Failure> {
    let (queue, vhost) = (call.argument(0), call.vhost());
    call.say(format!("Status of stream {queue} on node {} ...", call.node()?))?;
    let found = call.ask(&["queues", vhost, queue])?.when(404, Failure::no_object)?;
    Err(Failure::error(UNAVAILABLE, format!("Cannot get stream status of a {} queue", text(&found, "type"))))
}

/// RabbitMQ does it for quorum queues only.
fn peek(call: &Call) -> Result<Output, Failure> {
    let (queue, vhost) = (call.argument(0), call.vhost());
    let position: u64 = call.argument(1).parse().unwrap_or_default();
    if position == 0 {
        return Err(Failure::bad_argument("position must be a positive integer"));
    }
    call.say(format!("Peeking at quorum queue {queue} at position {position} on node {} ...", call.node()?))?;
    let path = api(&["coney", "queues", vhost, queue, "messages"]);
    let offset = (position - 1).to_string();
    let path = with_query(&path, [("state", "ready"), ("offset", offset.as_str()), ("limit", "1")]);
    let missing =
        || Failure::error(UNAVAILABLE, format!("Target queue was not found in virtual host '{vhost}'"));
    let found = call.client()?.get(&path).when(404, missing)?;
    let messages = found.get("messages").cloned().unwrap_or(found);
    let Some(message) = items(messages).into_iter().next() else {
        return Err(Failure::error(UNAVAILABLE, "Message at this position was not found"));
    };
    let mut table = Table::new(["keys", "values"]);
    for (key, value) in message.as_object().into_iter().flatten() {
        table.push(vec![key.as_str().into(), value.clone()]);
    }
    Ok(Output::Table(table))
}

fn rebalance(call: &Call) -> Result<Output, Failure> {
    let kind = call.argument(0);
    if !["all", "quorum", "stream"].contains(&kind) {
        return Err(Failure::error(
            UNAVAILABLE,
            format!("type {kind} is not supported. Try one of all, quorum, stream."),
        ));
    }
    call.say(format!("Re-balancing leaders of {kind} queues..."))?;
    let queues = items(call.get(&["queues"])?);
    let quorum = queues.iter().filter(|queue| text(queue, "type") == "quorum").count();
    let mut table = Table::new(["Node name", "Number of quorum queues"]);
    if quorum > 0 {
        table.push(vec![call.node()?.into(), quorum.into()]);
    }
    if call.form.is_json() {
        let value = json!({ "node": call.node()?, "result": "ok", "value": [] });
        return Ok(Output::Both(String::new(), value));
    }
    Ok(Output::Table(table))
}

fn reclaim(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Will flush Raft WAL of quorum queue {} ...", call.argument(0)))?;
    quorum_queue(call, "This operation is not supported by classic queues")?;
    Ok(Output::Done)
}
