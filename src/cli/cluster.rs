//! `coney cluster`: making a cluster's log, showing its nodes, letting another node lead.

mod moved;
mod restore;
mod runtime;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use coney::Clock;
use coney::cluster::{Directory as _, Member, NatsDirectory, Told};
use coney::config::ClusterSettings;
use serde_json::{Value, json};

use self::moved::Lead;
use self::runtime::runtime;
use super::inputs::Inputs;
use super::load::load;
use super::native::Place;
use super::node::{connect, open_log, open_shard};
use super::out::say;
use super::table::Table;

/// Nodes say something of themselves twice a second.
const LISTENS: Duration = Duration::from_millis(1600);

/// What can be done with a cluster.
#[derive(Subcommand)]
pub enum ClusterCommand {
    /// Make the log that the nodes of a cluster share, once, before any of them starts.
    ///
    /// With the settings of a node: --cluster and --cluster-log at least.
    #[command(verbatim_doc_comment)]
    Init {
        /// On how many NATS servers each thing is kept: 3 or 5, or 1 for a trial.
        #[arg(long, value_name = "NUMBER", default_value = "3", value_parser = ["1", "3", "5"])]
        replicas: String,
        /// How many shards for vhosts there are, each with a log and a leader of its own: 1 to 64. It cannot be changed later.
        #[arg(long, value_name = "NUMBER", default_value = "0", value_parser = clap::value_parser!(u16).range(0..=64))]
        shards: u16,
        #[command(flatten)]
        inputs: Box<Inputs>,
    },
    /// Show the nodes: who leads, and how far each is.
    ///
    /// It asks the log's servers, so it answers when no node runs. With the settings of a node: --cluster and
    /// --cluster-log at least. Exit status: 0 if a node leads, 1 if none does.
    #[command(verbatim_doc_comment)]
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        inputs: Box<Inputs>,
    },
    /// Let another node lead: clients are disconnected, and find it where they were. Waits until one does, and says which. Or, with --vhost,
    /// move a vhost to another shard.
    ///
    /// A vhost that moves is closed for as long as it takes to copy it: its clients are disconnected. When that was interrupted, do it
    /// again, or move the vhost to the shard where it is, which opens it again.
    ///
    /// Asks the management API of any node, for which it takes an administrator's login.
    #[command(verbatim_doc_comment)]
    Move {
        /// The node; without it the one of the lowest rank that has caught up.
        node: Option<String>,
        /// In this shard, if there are several; 0 is the meta shard. With --vhost: to this one.
        #[arg(long, value_name = "NUMBER")]
        shard: Option<u16>,
        /// A vhost, to be moved to the shard that --shard names.
        #[arg(long, value_name = "NAME", conflicts_with = "node", requires = "shard")]
        vhost: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    Mark(restore::ShowMark),
    Restore(restore::Restore),
    Rejoin(restore::Rejoin),
}

impl ClusterCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Init { replicas, shards, inputs } => init(*inputs, &replicas, shards),
            Self::Status { json, inputs } => status(*inputs, json),
            Self::Move { shard: Some(shard), vhost: Some(vhost), place, .. } => {
                move_vhost(&vhost, shard, &place)
            }
            Self::Move { node, shard, place, .. } => hand_over(node, shard, &place),
            Self::Mark(mark) => mark.run(),
            Self::Restore(restore) => restore.run(),
            Self::Rejoin(rejoin) => rejoin.run(),
        }
    }
}

fn settings(inputs: Inputs) -> anyhow::Result<ClusterSettings> {
    let settings = load(inputs)?.config.cluster.unwrap_or_default();
    if settings.name.is_empty() || settings.log.is_empty() {
        bail!("which cluster is meant? --cluster NAME and --cluster-log nats://HOST:PORT say it");
    }
    Ok(settings)
}

fn init(inputs: Inputs, replicas: &str, shards: u16) -> anyhow::Result<ExitCode> {
    let settings = settings(inputs)?;
    let replicas = replicas.parse().context("--replicas")?;
    let id = runtime()?.block_on(async {
        anyhow::Ok(connect(&settings).await?.init_with_shards(replicas, shards).await?)
    })?;
    say(&format!(
        "The log of cluster {} is there, with the id {id:016x}. Its nodes can be started.\n",
        settings.name
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn status(inputs: Inputs, as_json: bool) -> anyhow::Result<ExitCode> {
    let settings = settings(inputs)?;
    let mut shards = runtime()?.block_on(heard(&settings))?.into_iter();
    let (before, after) = shards.next().unwrap_or_default();
    let nodes = nodes_of(&before, &after);
    let shards: Vec<_> = shards.map(|(before, after)| nodes_of(&before, &after)).collect();
    let has_leader = |nodes: &[Value]| nodes.iter().any(|node| node["role"] == "leader");
    let leads = has_leader(&nodes) && shards.iter().all(|nodes| has_leader(nodes));
    say(&match (as_json, nodes.is_empty()) {
        (true, _) => shown_as_json(&settings.name, &nodes, &shards),
        (false, true) => format!("No node of cluster {} has been heard.\n", settings.name),
        (false, false) if shards.is_empty() => Table::of_objects(COLUMNS, &nodes).aligned(),
        (false, false) => shown_by_shard(nodes, shards),
    })?;
    Ok(if leads { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const COLUMNS: [&str; 8] = ["name", "role", "rank", "term", "applied", "synced", "lag", "address"];

/// With its shards for vhosts, if there are any.
fn shown_as_json(name: &str, nodes: &[Value], shards: &[Vec<Value>]) -> String {
    let shard = |(number, nodes): (u32, _)| json!({ "shard": number, "nodes": nodes });
    let shards: Vec<Value> = (1..).zip(shards).map(shard).collect();
    let shown = match shards.is_empty() {
        true => json!({ "name": name, "nodes": nodes }),
        false => json!({ "name": name, "nodes": nodes, "shards": shards }),
    };
    format!("{shown}\n")
}

/// One table, with the shards' numbers.
fn shown_by_shard(nodes: Vec<Value>, shards: Vec<Vec<Value>>) -> String {
    let numbered = (0..).zip(std::iter::once(nodes).chain(shards)).flat_map(|(number, nodes): (u32, _)| {
        nodes.into_iter().map(move |mut node: Value| {
            if let Value::Object(fields) = &mut node {
                fields.insert("shard".to_owned(), number.into());
            }
            node
        })
    });
    let columns: Vec<&str> = std::iter::once("shard").chain(COLUMNS).collect();
    Table::of_objects(columns, &numbered.collect::<Vec<_>>()).aligned()
}

/// What the nodes said, and what they said some moments later, in the meta shard and each other.
async fn heard(settings: &ClusterSettings) -> anyhow::Result<Vec<(Vec<Told>, Vec<Told>)>> {
    let opened = open_log(settings, true).await?;
    let mut directories = vec![opened.directory];
    for shard in 1..=opened.shards {
        directories.push(open_shard(settings, shard).await?.directory);
    }
    let clock = Clock::system();
    let before = read_all(&directories).await?;
    clock.wait_for(Some(clock.now() + LISTENS)).await;
    Ok(before.into_iter().zip(read_all(&directories).await?).collect())
}

async fn read_all(directories: &[NatsDirectory]) -> anyhow::Result<Vec<Vec<Told>>> {
    let mut all = Vec::new();
    for directory in directories {
        all.push(directory.members().await.context("the cluster's log does not answer")?);
    }
    Ok(all)
}

/// Each node, with how far it is behind the one that is farthest. Who said nothing new is silent.
fn nodes_of(before: &[Told], after: &[Told]) -> Vec<Value> {
    let known: BTreeMap<&str, u64> =
        before.iter().map(|told| (told.member.name.as_str(), told.revision)).collect();
    let last = after.iter().map(|told| told.member.applied).max().unwrap_or(0);
    let term = after.iter().map(|told| told.member.term).max().unwrap_or(0);
    let node = |told: &Told| {
        let Member { name, rank, peer, is_leader, applied, synced, version, .. } = &told.member;
        let is_silent = known.get(name.as_str()) == Some(&told.revision);
        let role = match (is_silent, *is_leader && told.member.term == term) {
            (true, _) => "silent",
            (false, true) => "leader",
            (false, false) => "standby",
        };
        json!({
            "name": name, "role": role, "rank": rank, "term": told.member.term, "applied": applied, "synced": synced,
            "lag": last - applied, "address": peer, "version": version,
        })
    };
    after.iter().map(node).collect()
}

fn move_vhost(vhost: &str, shard: u16, place: &Place) -> anyhow::Result<ExitCode> {
    let asked = place.find().and_then(|broker| {
        let wish = json!({ "vhost": vhost, "shard": shard });
        broker.post("/api/coney/cluster/move", &wish, "the vhost", "ask a node of a cluster")
    });
    match asked {
        Ok(_) => {
            say(&format!("Shard {shard} serves vhost {vhost}.\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(error.report()),
    }
}

fn hand_over(node: Option<String>, shard: Option<u16>, place: &Place) -> anyhow::Result<ExitCode> {
    let asked = place.find().and_then(|broker| {
        let before = Lead::of(&broker, shard)?;
        let node = node.map(|node| ("node", json!(node)));
        let numbered = shard.map(|shard| ("shard", json!(shard)));
        let body = node.into_iter().chain(numbered).map(|(key, value)| (key.to_owned(), value)).collect();
        let body = Value::Object(body);
        broker.post("/api/coney/cluster/move", &body, "the cluster", "ask a node of a cluster")?;
        Ok((broker, before))
    });
    match asked {
        Ok((broker, before)) => {
            let Some(Lead { leader, term }) = before.unwrap_or_default().after(&broker, shard)? else {
                bail!("the node that leads was told to hand over, but nobody has led since");
            };
            say(&format!("Node {leader} leads, in term {term}.\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(error.report()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_said_nothing_new_is_silent_and_who_led_before_leads_no_more() {
        let told = |name: &str, term, applied, revision| {
            let member =
                Member { name: name.to_owned(), term, applied, is_leader: name != "c", ..Member::default() };
            Told { member, revision }
        };
        let before = [told("a", 1, 5, 1), told("b", 2, 9, 2), told("c", 2, 7, 3)];
        let after = [told("a", 1, 5, 4), told("b", 2, 9, 5), told("c", 2, 7, 3)];
        let shown: Vec<_> = nodes_of(&before, &after)
            .iter()
            .map(|node| format!("{} {}", node["role"], node["lag"]))
            .collect();
        assert_eq!(shown, ["\"standby\" 4", "\"leader\" 0", "\"silent\" 2"]);
    }
}
