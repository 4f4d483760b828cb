//! Health checks: exit code 0 if all is well.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::command::{CTL, CTL_AND_DIAGNOSTICS, Command, DIAGNOSTICS, DIAGNOSTICS_AND_QUEUES, Section};
use super::failure::{Failure, UNAVAILABLE, USAGE};
use super::fields::{items, number, text};
use super::options::{number as number_option, text as text_option};
use super::output::Output;
use super::program::Program;
use super::shown::{alarms as raised_alarms, listeners};
use crate::cli::out::say;
use crate::cli::table::Table;

const TIMEOUT: &str = "[--timeout <timeout>]";
const PING: &[Program] = CTL_AND_DIAGNOSTICS;

pub const COMMANDS: &[Command] = &[
    Command::new("ping", PING, Section::Monitoring, "Checks that the broker answers", ping)
        .takes(TIMEOUT, 0, 0),
    Command::new(
        "check_running",
        DIAGNOSTICS,
        Section::Monitoring,
        "Checks that the broker has started",
        check_running,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "is_running",
        DIAGNOSTICS,
        Section::Monitoring,
        "Says whether the broker has started",
        is_running,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "is_booting",
        DIAGNOSTICS,
        Section::Monitoring,
        "Says whether the broker is starting: it answers no earlier",
        is_booting,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new("alarms", DIAGNOSTICS, Section::Monitoring, "Lists alarms", alarms).takes(TIMEOUT, 0, 0),
    Command::new(
        "check_alarms",
        DIAGNOSTICS,
        Section::Monitoring,
        "Checks that there is no alarm",
        check_alarms,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "check_local_alarms",
        DIAGNOSTICS,
        Section::Monitoring,
        "Checks that there is no alarm",
        check_local_alarms,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "check_port_connectivity",
        DIAGNOSTICS,
        Section::Monitoring,
        "Checks that each listener takes connections",
        check_port_connectivity,
    )
    .takes("[--address <target address>] [--timeout <timeout>]", 0, 0)
    .with(&[text_option("address")]),
    Command::new(
        "check_port_listener",
        DIAGNOSTICS,
        Section::Monitoring,
        "Checks that the broker listens on a port",
        check_port_listener,
    )
    .takes("<port> [--timeout <timeout>]", 1, 1),
    Command::new(
        "check_protocol_listener",
        DIAGNOSTICS,
        Section::Monitoring,
        "Checks that the broker listens for a protocol",
        check_protocol_listener,
    )
    .takes("<protocol> [--timeout <timeout>]", 1, 1),
    Command::new(
        "check_virtual_hosts",
        DIAGNOSTICS,
        Section::Monitoring,
        "Checks that all virtual hosts run",
        check_virtual_hosts,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "check_certificate_expiration",
        DIAGNOSTICS,
        Section::Monitoring,
        "Checks that no certificate ends soon",
        check_certificates,
    )
    .takes("[--within <period>] [--unit <unit>]", 0, 0)
    .with(&[number_option("within"), text_option("unit")]),
    Command::new(
        "check_if_node_is_quorum_critical",
        DIAGNOSTICS_AND_QUEUES,
        Section::Monitoring,
        "Checks nothing: there is one node",
        quorum_critical,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "check_if_new_quorum_queue_replicas_have_finished_initial_sync",
        DIAGNOSTICS_AND_QUEUES,
        Section::Monitoring,
        "Checks nothing: there is one node",
        no_new_replicas,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "check_if_cluster_has_classic_queue_mirroring_policy",
        DIAGNOSTICS_AND_QUEUES,
        Section::Monitoring,
        "Checks nothing: there is no mirroring",
        no_mirroring,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "list_policies_with_classic_queue_mirroring",
        DIAGNOSTICS_AND_QUEUES,
        Section::Monitoring,
        "Lists nothing: there is no mirroring",
        no_policies,
    )
    .takes("[--no-table-headers] [--timeout <timeout>]", 0, 0),
    Command::new(
        "list_operator_policies_with_classic_queue_mirroring",
        DIAGNOSTICS_AND_QUEUES,
        Section::Monitoring,
        "Lists nothing: there is no mirroring",
        no_operator_policies,
    )
    .takes("[--no-table-headers] [--timeout <timeout>]", 0, 0),
    Command::new(
        "check_if_any_deprecated_features_are_used",
        CTL_AND_DIAGNOSTICS,
        Section::Monitoring,
        "Checks that nothing is used that RabbitMQ is to lose",
        check_deprecated,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "list_node_auth_attempt_stats",
        CTL_AND_DIAGNOSTICS,
        Section::Monitoring,
        "Shows how many logins succeeded and failed",
        attempts,
    )
    .takes("[--by-source]", 0, 0)
    .with(&[super::options::flag("by-source")]),
    Command::new(
        "reset_node_auth_attempt_metrics",
        DIAGNOSTICS,
        Section::Configuration,
        "Counts logins from 0 again",
        forget_attempts,
    ),
    Command::new(
        "check_if_metadata_store_is_initialized",
        CTL,
        Section::Monitoring,
        "Checks nothing: a broker that runs has read its definitions",
        initialized,
    )
    .takes(TIMEOUT, 0, 0),
];

fn ping(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    let milliseconds = call.timeout_s().unwrap_or(60) * 1000;
    call.say(format!(
        "Will ping {node}. This only checks if the OS process is running and registered with epmd. Timeout: {milliseconds} ms."
    ))?;
    Ok(Output::Text("Ping succeeded".to_owned()))
}

fn check_running(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Checking if RabbitMQ is running on node {node} ..."))?;
    Ok(Output::Text(format!("RabbitMQ on node {node} is fully booted and running")))
}

fn is_running(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Asking node {node} for its status ..."))?;
    let text = format!("RabbitMQ on node {node} is fully booted and running");
    let value = json!({ "result": true, "message": text });
    Ok(Output::Both(text, value))
}

fn is_booting(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Asking node {node} for its boot status ..."))?;
    let text = format!(
        "RabbitMQ on node {node} is fully booted (check with is_running), stopped or has not started booting yet"
    );
    let value = json!({ "result": false, "message": text });
    Ok(Output::Both(text, value))
}

/// Alarms that are raised, with a line of text each.
fn in_effect(call: &Call) -> Result<(Vec<Value>, String), Failure> {
    let node = call.get(&["nodes", call.node()?])?;
    let raised = raised_alarms(&node);
    let line = |alarm: &Value| format!("{} alarm on node {}\n", text(alarm, "resource"), text(&node, "name"));
    let lines = raised.iter().map(line).collect();
    Ok((raised, lines))
}

fn alarms(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Asking node {node} to report any known resource alarms ..."))?;
    let (raised, lines) = in_effect(call)?;
    let none = format!("Node {node} reported no alarms, local or clusterwide");
    let value = json!({ "result": "ok", "node": node, "alarms": raised });
    Ok(Output::Both(if raised.is_empty() { none } else { lines }, value))
}

fn check_alarms(call: &Call) -> Result<Output, Failure> {
    no_alarms(call, "alarms", "no alarms, local or clusterwide")
}

fn check_local_alarms(call: &Call) -> Result<Output, Failure> {
    no_alarms(call, "local alarms", "no local alarms")
}

fn no_alarms(call: &Call, what: &str, none: &str) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Asking node {node} to report any local resource alarms ..."))?;
    let (raised, lines) = in_effect(call)?;
    if raised.is_empty() {
        return Ok(Output::Both(format!("Node {node} reported {none}"), json!({ "result": "ok" })));
    }
    let value = json!({ "result": "error", "node": node, "alarms": raised });
    Err(Failure::error(UNAVAILABLE, format!("Node {node} reported {what}:\n{lines}")).with_value(value))
}

fn found_listeners(call: &Call) -> Result<Vec<Value>, Failure> {
    Ok(listeners(&call.get(&["overview"])?))
}

/// How long a listener may take to accept.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// Each listener on its own address, unless another is asked for.
fn check_port_connectivity(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    let address = call.options.value("address");
    let how = address.map_or("using hostname resolution".to_owned(), |address| {
        format!("using {address} for node IP address")
    });
    call.say(format!("Testing TCP connections to all active listeners on node {node} {how} ..."))?;
    let listeners = found_listeners(call)?;
    let mut refused = Vec::new();
    for listener in &listeners {
        let host = address.map_or_else(|| reachable(text(listener, "interface")), str::to_owned);
        let port = number(listener, "port");
        if !call.form.is_for_programs() {
            say(&format!("Will connect to {host}:{port}\n"))?;
        }
        if !accepts(&host, port) {
            refused.push(format!("{host}:{port}"));
        }
    }
    if !refused.is_empty() {
        let text = format!(
            "Connection to ports of the following listeners on node {node} failed:\n{}",
            refused.join("\n")
        );
        return Err(Failure::error(UNAVAILABLE, text)
            .with_value(json!({ "result": "error", "node": node, "failures": refused })));
    }
    let how = address.map_or("using node hostname resolution".to_owned(), |address| {
        format!("using {address} for target IP address")
    });
    let text = format!("Successfully connected to ports {} on node {node} ({how})", ports(&listeners));
    let value = json!({ "result": "ok", "node": node, "listeners": listeners });
    Ok(Output::Both(text, value))
}

/// An address that stands for all is reached over loopback.
fn reachable(interface: &str) -> String {
    match interface {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        // Whichever of the two this machine has.
        "[::]" => "localhost".to_owned(),
        other => other.to_owned(),
    }
}

fn accepts(host: &str, port: u64) -> bool {
    let addresses = format!("{host}:{port}").to_socket_addrs();
    addresses.is_ok_and(|mut found| {
        found.any(|address| TcpStream::connect_timeout(&address, CONNECT_WAIT).is_ok())
    })
}

/// The ports, each once, in their order.
fn ports(listeners: &[Value]) -> String {
    let mut ports: Vec<u64> = listeners.iter().map(|listener| number(listener, "port")).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

fn check_port_listener(call: &Call) -> Result<Output, Failure> {
    let port: u64 = call.argument(0).parse().unwrap_or_default();
    if port == 0 {
        return Err(Failure::bad_argument("Argument must be a positive integer"));
    }
    let node = call.node()?;
    call.say(format!("Asking node {node} if there's an active listener on port {port} ..."))?;
    let listeners = found_listeners(call)?;
    if listeners.iter().any(|listener| number(listener, "port") == port) {
        let value = json!({ "result": "ok", "node": node, "port": call.argument(0) });
        return Ok(Output::Both(format!("A listener for port {port} is running on node {node}."), value));
    }
    let text = format!(
        "No listener for port {port} is active on node {node}. Found listeners that use the following ports: {}",
        ports(&listeners)
    );
    let value = json!({ "result": "error", "node": node, "port": call.argument(0), "listeners": listeners });
    Err(Failure::plain(UNAVAILABLE, text).with_value(value))
}

/// Other words for the same, as RabbitMQ's tool takes them.
fn protocol_of(name: &str) -> &str {
    match name.trim() {
        "amqp091" | "amqp10" | "amqp/0-9-1" => "amqp",
        "amqps" | "amqp/tls" => "amqp/ssl",
        "management" => "http",
        "prometheus" => "http/prometheus",
        other => other,
    }
}

fn check_protocol_listener(call: &Call) -> Result<Output, Failure> {
    let (given, node) = (call.argument(0), call.node()?);
    call.say(format!("Asking node {node} if there's an active listener for protocol {given} ..."))?;
    let listeners = found_listeners(call)?;
    let wanted = protocol_of(given);
    if listeners.iter().any(|listener| text(listener, "protocol") == wanted) {
        let value = json!({ "result": "ok", "node": node, "protocol": given });
        return Ok(Output::Both(
            format!("A listener for protocol {wanted} is running on node {node}."),
            value,
        ));
    }
    let mut protocols: Vec<&str> = listeners.iter().map(|listener| text(listener, "protocol")).collect();
    protocols.sort_unstable();
    protocols.dedup();
    let found = protocols.join(", ");
    let text = format!(
        "No listener for protocol {given} is active on node {node}. Found listeners for the following protocols: {found}"
    );
    let value = json!({ "result": "error", "node": node, "protocol": given, "listeners": listeners });
    Err(Failure::error(UNAVAILABLE, text).with_value(value))
}

fn check_virtual_hosts(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Checking if all vhosts are running on node {node} ..."))?;
    call.get(&["health", "checks", "virtual-hosts"])?;
    Ok(Output::Both(format!("Node {node} reported all vhosts as running"), json!({ "result": "ok" })))
}

const PERIODS: [&str; 4] = ["days", "weeks", "months", "years"];

fn check_certificates(call: &Call) -> Result<Output, Failure> {
    let unit = call.options.value("unit").unwrap_or("weeks").to_lowercase();
    let within = call.options.value("within").unwrap_or("4");
    if !PERIODS.contains(&unit.as_str()) {
        let text = format!("unit '{unit}' is not supported. Please use one of: {}", PERIODS.join(", "));
        return Err(Failure::argument(USAGE, text));
    }
    call.say(format!("Checking certificate expiration on node {} ...", call.node()?))?;
    let asked = call.ask(&["health", "checks", "certificate-expiration", within, &unit])?;
    match asked {
        Ok(_) => {
            let text = format!("No certificates are expiring within {within} {unit}.");
            Ok(Output::Both(text, json!({ "result": "ok" })))
        }
        Err(error) => Err(Failure::error(UNAVAILABLE, error.to_string())),
    }
}

fn quorum_critical(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Checking if node {node} is critical for quorum of any queues/streams ..."))?;
    let text =
        format!("Node {node} seems to be the only one in a single node cluster, the check does not apply");
    Ok(Output::Both(text, json!({ "result": "ok" })))
}

fn no_new_replicas(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Checking if node {node} runs promotable replicas of any queues ..."))?;
    let text = format!("Node {node} reported no queues with promotable replicas");
    Ok(Output::Both(text, json!({ "result": "ok" })))
}

fn no_mirroring(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    call.say("Checking if cluster has any classic queue mirroring policy ...")?;
    let text = "Cluster reported no policies that enable classic queue mirroring";
    Ok(Output::Both(text.to_owned(), json!({ "result": "ok" })))
}

fn no_policies(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    call.say("Listing policies with classic queue mirroring ...")?;
    Ok(Output::Table(Table::new(["vhost", "name"])))
}

fn no_operator_policies(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    call.say("Listing operator policies with classic queue mirroring ...")?;
    Ok(Output::Table(Table::new(["vhost", "name"])))
}

fn check_deprecated(call: &Call) -> Result<Output, Failure> {
    call.say("Checking if any deprecated features are used ...")?;
    let used = items(call.get(&["deprecated-features", "used"])?);
    if used.is_empty() {
        let text = "Cluster reported no deprecated features in use";
        return Ok(Output::Both(text.to_owned(), json!({ "result": "ok" })));
    }
    let names: Vec<&str> = used.iter().map(|feature| text(feature, "name")).collect();
    Err(Failure::error(UNAVAILABLE, format!("Deprecated features in use: {}", names.join(", "))))
}

fn attempts(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Listing authentication\n attempts for node \"{node}\" ..."))?;
    let pieces = ["auth", "attempts", node, "source"];
    let pieces = if call.options.has("by-source") { &pieces[..] } else { pieces.get(..3).unwrap_or(&pieces) };
    let attempts = items(call.get(pieces)?);
    if call.form.is_json() {
        let value = json!({ "result": "ok", "node": node, "attempts": attempts });
        return Ok(Output::Both(String::new(), value));
    }
    let columns = ["protocol", "auth_attempts", "auth_attempts_failed", "auth_attempts_succeeded"];
    Ok(Output::Table(Table::of_objects(columns, &attempts)))
}

fn forget_attempts(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Reset auth attempt metrics on node {node} ..."))?;
    call.client()?.delete(&crate::cli::client::path::api(&["auth", "attempts", node]))?;
    Ok(Output::Done)
}

fn initialized(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Checking if metadata store on node {node} has completed its initialisation..."))?;
    Ok(Output::Text(format!("Metadata store on node {node} has completed its initialisation")))
}
