//! What is about clusters, and about putting a node out of service. There is one node.

use serde_json::json;

use super::call::Call;
use super::command::{ANY, CTL, CTL_AND_DIAGNOSTICS, Command, DIAGNOSTICS, QUEUES, Section, UPGRADE};
use super::failure::{Failure, UNAVAILABLE, USAGE};
use super::fields::{Fields, text};
use super::options::{flag, text as text_option};
use super::output::Output;
use super::shown::{alarms, listener_lines, listeners};

pub const COMMANDS: &[Command] = &[
    Command::new("cluster_status", CTL_AND_DIAGNOSTICS, Section::Cluster, "Shows the cluster: one node", cluster_status)
        .takes("[--timeout <timeout>]", 0, 0),
    Command::new("join_cluster", CTL, Section::Cluster, "Is refused: Coney does not cluster yet", no_cluster)
        .takes("[--disc|--ram] <existing_cluster_member>", 1, 1)
        .with(&[flag("disc"), flag("ram")]),
    Command::new("forget_cluster_node", CTL, Section::Cluster, "Is refused: there is no other node", forget)
        .takes("[--offline] <existing_cluster_member_node>", 1, 1)
        .with(&[flag("offline")]),
    Command::new("change_cluster_node_type", CTL, Section::Cluster, "Is refused: Coney does not cluster yet", no_cluster)
        .takes("<disc | ram>", 1, 1),
    Command::new("force_boot", CTL, Section::Cluster, "Is refused: a broker never waits for others", no_cluster),
    Command::new("force_standalone_khepri_boot", CTL, Section::Cluster, "Is refused: there are no others", no_cluster),
    Command::new("rename_cluster_node", CTL, Section::Deprecated, "Does nothing, as in RabbitMQ", renamed)
        .takes("<oldnode1> <newnode1> [oldnode2] [newnode2] ...", 2, ANY),
    Command::new("update_cluster_nodes", CTL, Section::Deprecated, "Is refused: Coney does not cluster yet", no_cluster)
        .takes("<seed_node>", 1, 1),
    Command::new("discover_peers", DIAGNOSTICS, Section::Monitoring, "Lists the nodes of the cluster: one", discover)
        .takes("[--timeout <timeout>]", 0, 0),
    Command::new("add_member", QUEUES, Section::Queues, "Is refused: there is no other node", no_member)
        .takes("[--vhost <vhost>] <queue> <node> [--membership <promotable|voter>] [--timeout <timeout>]", 2, 2)
        .with(&[text_option("membership")]),
    Command::new("delete_member", QUEUES, Section::Queues, "Does nothing: no other node has a member", removed)
        .takes("[--vhost <vhost>] <queue> <node>", 2, 2),
    Command::new("grow", QUEUES, Section::Cluster, "Is refused: there is no other node", no_member_of_all)
        .takes(
            "<node> <all | even> [--vhost-pattern <pattern>] [--queue-pattern <pattern>] [--membership <promotable|voter>]",
            2,
            2,
        )
        .with(&[text_option("vhost-pattern"), text_option("queue-pattern"), text_option("membership")]),
    Command::new("shrink", QUEUES, Section::Cluster, "Does nothing: no other node has members", shrunk)
        .takes("<node> [--errors-only]", 1, 1)
        .with(&[flag("errors-only")]),
    Command::new("post_upgrade", UPGRADE, Section::Upgrade, "Does nothing: there is one node", post_upgrade),
    Command::new("drain", UPGRADE, Section::Upgrade, "Is refused: stop the broker instead", no_maintenance),
    Command::new("revive", UPGRADE, Section::Upgrade, "Does nothing: the broker is in service", revive),
];

const NO_CLUSTER: &str = "Coney does not cluster yet: a broker is one node";

fn no_cluster(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    Err(Failure::unsupported(NO_CLUSTER))
}

fn forget(call: &Call) -> Result<Output, Failure> {
    let (wanted, node) = (call.argument(0), call.node()?);
    call.say(format!("Removing node {wanted} from the cluster"))?;
    if wanted == node {
        return Err(Failure::error(UNAVAILABLE, "a node cannot remove itself"));
    }
    Err(Failure::error(
        UNAVAILABLE,
        format!("The node selected, {wanted}, is not in the cluster. {NO_CLUSTER}"),
    ))
}

fn renamed(_: &Call) -> Result<Output, Failure> {
    Ok(Output::Text("DEPRECATED. This command is a no-op: a node's name is its host's.".to_owned()))
}

fn discover(call: &Call) -> Result<Output, Failure> {
    call.say("Discovering peers nodes ...")?;
    let node = call.node()?;
    Ok(Output::Both(format!("[:{node}]"), json!([node])))
}

fn no_member(call: &Call) -> Result<Output, Failure> {
    not_a_member(call.argument(1))
}

fn no_member_of_all(call: &Call) -> Result<Output, Failure> {
    not_a_member(call.argument(0))
}

fn not_a_member(node: &str) -> Result<Output, Failure> {
    Err(Failure::plain(USAGE, format!("Error: node {node} is not a member of the cluster. {NO_CLUSTER}")))
}

fn removed(call: &Call) -> Result<Output, Failure> {
    let (queue, node) = (call.argument(0), call.argument(1));
    call.say(format!("Removing a replica of queue {queue} on node {node}..."))?;
    if node == call.node()? {
        return Err(Failure::error(UNAVAILABLE, "it is the only one: delete the queue instead"));
    }
    Ok(Output::Done)
}

fn shrunk(call: &Call) -> Result<Output, Failure> {
    let node = call.argument(0);
    call.say(format!("Shrinking quorum queues on {node}..."))?;
    if node == call.node()? {
        return Err(Failure::error(UNAVAILABLE, "all queues have their only member there"));
    }
    Ok(Output::Done)
}

fn post_upgrade(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    call.say("Executing post upgrade tasks...")?;
    Ok(Output::Text("There is nothing to do.".to_owned()))
}

/// RabbitMQ would let other nodes take over.
fn no_maintenance(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!(
        "Will put node {node} into maintenance mode. The node will no longer serve any client traffic!"
    ))?;
    Err(Failure::unsupported(
        "there is no maintenance mode, because there is no other node to take over: \
         `rabbitmqctl shutdown` stops the broker, and what was confirmed is there when it starts again",
    ))
}

fn revive(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!(
        "Will put node {node} back into regular operating mode. The node will again serve client traffic and host primary queue replicas."
    ))?;
    Ok(Output::Done)
}

fn cluster_status(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?.to_owned();
    call.say(format!("Cluster status of node {node} ..."))?;
    let overview = call.get(&["overview"])?;
    let about = call.get(&["nodes", &node])?;
    let flags = call.get(&["feature-flags"])?;
    let listeners = listeners(&overview);
    let version = text(&overview, "rabbitmq_version");
    let name = text(&overview, "cluster_name");
    let cores = about.at("processors");
    let value = json!({
        "alarms": alarms(&about), "cluster_name": name, "cluster_tags": [], "disk_nodes": [node], "ram_nodes": [],
        "running_nodes": [node], "partitions": {}, "feature_flags": flags,
        "listeners": { node.clone(): listeners.clone() }, "cpu_cores": { node.clone(): cores },
        "maintenance_status": { node.clone(): "not under maintenance" },
        "versions": { node.clone(): { "rabbitmq_name": "RabbitMQ", "rabbitmq_version": version, "erlang_version": "none" } },
    });
    let raised: Vec<String> =
        alarms(&about).iter().map(|alarm| format!("Node: {node}, {}", text(alarm, "resource"))).collect();
    let raised = if raised.is_empty() { "(none)".to_owned() } else { raised.join("\n") };
    let flags: Vec<String> = flags
        .as_array()
        .into_iter()
        .flatten()
        .map(|flag| format!("Flag: {}, state: {}", text(flag, "name"), text(flag, "state")))
        .collect();
    let listeners: String = listener_lines(&listeners)
        .lines()
        .map(|line| format!("Node: {node}, i{}\n", line.get(1..).unwrap_or_default()))
        .collect();
    let people = format!(
        "Basics\n\nCluster name: {name}\nTotal CPU cores available cluster-wide: {cores}\n\nCluster Tags\n\n(none)\n\n\
         Disk Nodes\n\n{node}\n\nRunning Nodes\n\n{node}\n\nVersions\n\n{node}: RabbitMQ {version} on Coney {}\n\n\
         CPU Cores\n\nNode: {node}, available CPU cores: {cores}\n\nMaintenance status\n\nNode: {node}, status: not under maintenance\n\n\
         Alarms\n\n{raised}\n\nNetwork Partitions\n\n(none)\n\nListeners\n\n{listeners}\nFeature flags\n\n{}",
        text(&overview, "product_version"),
        flags.join("\n"),
    );
    Ok(Output::Both(people, value))
}
