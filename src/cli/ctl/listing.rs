//! Lists of what clients made, and of clients.

use serde_json::{Value, json};

use super::call::Call;
use super::command::{CTL_AND_DIAGNOSTICS, Command, Section};
use super::failure::Failure;
use super::fields::{Fields, arguments, items, number, process, text};
use super::options::{flag, number as number_option};
use super::output::Output;
use crate::cli::table::Table;

const OF_VHOST: &str = "[--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]";
const OF_NODE: &str = "[--no-table-headers] [<column> ...] [--timeout <timeout>]";

const QUEUE: &[&str] = &[
    "arguments",
    "auto_delete",
    "consumer_capacity",
    "consumer_utilisation",
    "consumers",
    "disk_reads",
    "disk_writes",
    "durable",
    "effective_policy_definition",
    "exclusive",
    "exclusive_consumer_pid",
    "exclusive_consumer_tag",
    "head_message_timestamp",
    "leader",
    "members",
    "memory",
    "message_bytes",
    "message_bytes_persistent",
    "message_bytes_ram",
    "message_bytes_ready",
    "message_bytes_unacknowledged",
    "messages",
    "messages_persistent",
    "messages_ram",
    "messages_ready",
    "messages_ready_ram",
    "messages_unacknowledged",
    "messages_unacknowledged_ram",
    "name",
    "online",
    "operator_policy",
    "owner_pid",
    "pid",
    "policy",
    "state",
    "type",
];
const EXCHANGE: &[&str] = &["name", "type", "durable", "auto_delete", "internal", "arguments", "policy"];
const BINDING: &[&str] = &[
    "source_name",
    "source_kind",
    "destination_name",
    "destination_kind",
    "routing_key",
    "arguments",
    "vhost",
];
const CONSUMER: &[&str] = &[
    "queue_name",
    "channel_pid",
    "consumer_tag",
    "ack_required",
    "prefetch_count",
    "active",
    "activity_status",
    "arguments",
];
const CONNECTION: &[&str] = &[
    "pid",
    "name",
    "port",
    "host",
    "peer_port",
    "peer_host",
    "ssl",
    "ssl_protocol",
    "ssl_key_exchange",
    "ssl_cipher",
    "ssl_hash",
    "peer_cert_subject",
    "peer_cert_issuer",
    "peer_cert_validity",
    "state",
    "channels",
    "protocol",
    "auth_mechanism",
    "user",
    "vhost",
    "timeout",
    "frame_max",
    "channel_max",
    "client_properties",
    "recv_oct",
    "recv_cnt",
    "send_oct",
    "send_cnt",
    "send_pend",
    "connected_at",
    "node",
    "user_provided_name",
];
const CHANNEL: &[&str] = &[
    "pid",
    "connection",
    "name",
    "number",
    "user",
    "vhost",
    "transactional",
    "confirm",
    "consumer_count",
    "messages_unacknowledged",
    "messages_uncommitted",
    "acks_uncommitted",
    "messages_unconfirmed",
    "prefetch_count",
    "global_prefetch_count",
    "state",
];

pub const COMMANDS: &[Command] = &[
    Command::new("list_queues", CTL_AND_DIAGNOSTICS, Section::Monitoring, "Lists the queues of a virtual host", queues)
        .lists(
            "[--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] [<column>, ...] [--timeout <timeout>]",
            QUEUE,
        )
        .with(&[flag("online"), flag("offline"), flag("local")]),
    Command::new("list_unresponsive_queues", CTL_AND_DIAGNOSTICS, Section::Monitoring, "Lists queues that do not answer: there can be none", unresponsive)
        .lists(
            "[--local] [--queue-timeout <milliseconds>] [<column> ...] [--no-table-headers] [--timeout <timeout>]",
            QUEUE,
        )
        .with(&[flag("local"), number_option("queue-timeout")]),
    Command::new("list_exchanges", CTL_AND_DIAGNOSTICS, Section::Monitoring, "Lists the exchanges of a virtual host", exchanges)
        .lists(OF_VHOST, EXCHANGE),
    Command::new("list_bindings", CTL_AND_DIAGNOSTICS, Section::Monitoring, "Lists the bindings of a virtual host", bindings)
        .lists(OF_VHOST, BINDING),
    Command::new("list_consumers", CTL_AND_DIAGNOSTICS, Section::Monitoring, "Lists the consumers of a virtual host", consumers)
        .lists(OF_VHOST, CONSUMER),
    Command::new("list_connections", CTL_AND_DIAGNOSTICS, Section::Monitoring, "Lists client connections", connections)
        .lists(OF_NODE, CONNECTION),
    Command::new("list_channels", CTL_AND_DIAGNOSTICS, Section::Monitoring, "Lists channels", channels)
        .lists("[--no-table-headers] [<column> ...]", CHANNEL),
];

/// How long a list may take, as RabbitMQ's tool says it first.
const TIMEOUT_S: u64 = 60;

/// A table of the columns that are asked for, or of these.
fn table(call: &Call, usual: &[&str], rows: &[Value]) -> Output {
    let columns = if call.arguments.is_empty() {
        usual.iter().map(|column| (*column).to_owned()).collect()
    } else {
        call.arguments.clone()
    };
    Output::Table(Table::of_objects(columns, rows))
}

/// What a vhost has of a kind; nothing where there is no such vhost, as RabbitMQ's tool has it.
fn in_vhost(call: &Call, kind: &str) -> Result<Vec<Value>, Failure> {
    match call.ask(&[kind, call.vhost()])? {
        Ok(found) => Ok(items(found)),
        Err(error) if error.status() == Some(404) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn with_arguments(call: &Call, rows: &mut [Value]) {
    for row in rows {
        row.put("arguments", arguments(row.at("arguments"), call.form.is_json()));
    }
}

fn queues(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Timeout: {}.0 seconds ...", call.timeout_s().unwrap_or(TIMEOUT_S)))?;
    call.say(format!("Listing queues for vhost {} ...", call.vhost()))?;
    let is_any = call.options.has("online") || call.options.has("local") || !call.options.has("offline");
    let mut queues = if is_any { in_vhost(call, "queues")? } else { Vec::new() };
    with_arguments(call, &mut queues);
    let wants_members =
        call.arguments.iter().any(|column| ["leader", "members", "online"].contains(&&**column));
    for queue in &mut queues {
        complete(call, queue, wants_members)?;
    }
    Ok(table(call, &["name", "messages"], &queues))
}

/// What a process is to RabbitMQ's tool the queue's node is here.
fn complete(call: &Call, queue: &mut Value, wants_members: bool) -> Result<(), Failure> {
    let is_json = call.form.is_json();
    if let Some(definition) = queue.get("effective_policy_definition") {
        queue.put("effective_policy_definition", arguments(definition, is_json));
    }
    queue.put("pid", format!("<{}.{}>", text(queue, "node"), text(queue, "name")));
    let owner = queue.at("owner_pid_details");
    if owner.is_object() {
        queue.put(
            "owner_pid",
            process(text(queue, "node"), text(owner, "peer_host"), number(owner, "peer_port"), 0),
        );
    }
    if wants_members && text(queue, "type") == "quorum" {
        let node = call.node()?;
        queue.put("leader", node);
        queue.put("members", json!([node]));
        queue.put("online", json!([node]));
    }
    Ok(())
}

fn unresponsive(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    call.say(format!("Listing unresponsive queues for vhost {} ...", call.vhost()))?;
    Ok(table(call, &["name"], &[]))
}

fn exchanges(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Listing exchanges for vhost {} ...", call.vhost()))?;
    let mut exchanges = in_vhost(call, "exchanges")?;
    with_arguments(call, &mut exchanges);
    Ok(table(call, &["name", "type"], &exchanges))
}

fn bindings(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Listing bindings for vhost {}...", call.vhost()))?;
    let mut bindings = in_vhost(call, "bindings")?;
    with_arguments(call, &mut bindings);
    for binding in &mut bindings {
        binding.rename("source", "source_name");
        binding.put("source_kind", "exchange");
        binding.rename("destination", "destination_name");
        binding.rename("destination_type", "destination_kind");
    }
    let usual = BINDING.get(..6).unwrap_or(BINDING);
    Ok(table(call, usual, &bindings))
}

fn consumers(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Listing consumers in vhost {} ...", call.vhost()))?;
    let mut consumers = in_vhost(call, "consumers")?;
    with_arguments(call, &mut consumers);
    for consumer in &mut consumers {
        consumer.put("queue_name", consumer.at("queue").at("name").clone());
        let channel = consumer.at("channel_details");
        let (host, port) = (text(channel, "peer_host"), number(channel, "peer_port"));
        consumer.put("channel_pid", process(text(channel, "node"), host, port, number(channel, "number")));
    }
    let usual = [
        "queue_name",
        "channel_pid",
        "consumer_tag",
        "ack_required",
        "prefetch_count",
        "active",
        "arguments",
    ];
    Ok(table(call, &usual, &consumers))
}

fn connections(call: &Call) -> Result<Output, Failure> {
    call.say("Listing connections ...")?;
    let mut connections = items(call.get(&["connections"])?);
    for connection in &mut connections {
        let (host, port) = (text(connection, "peer_host"), number(connection, "peer_port"));
        connection.put("pid", process(text(connection, "node"), host, port, 0));
        if !call.form.is_json() && text(connection, "protocol") == "AMQP 0-9-1" {
            connection.put("protocol", "{0,9,1}");
        }
        connection
            .put("client_properties", arguments(connection.at("client_properties"), call.form.is_json()));
    }
    Ok(table(call, &["user", "peer_host", "peer_port", "state"], &connections))
}

fn channels(call: &Call) -> Result<Output, Failure> {
    call.say("Listing channels ...")?;
    let mut channels = items(call.get(&["channels"])?);
    for channel in &mut channels {
        let connection = channel.pull("connection_details");
        let (host, port) = (text(&connection, "peer_host"), number(&connection, "peer_port"));
        let node = text(channel, "node").to_owned();
        channel.put("pid", process(&node, host, port, number(channel, "number")));
        channel.put("connection", process(&node, host, port, 0));
    }
    Ok(table(call, &["pid", "user", "consumer_count", "messages_unacknowledged"], &channels))
}
