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
use coney::cluster::{Directory as _, Member, Told};
use coney::config::ClusterSettings;
use serde_json::{Value, json};

use self::moved::Lead;
use self::runtime::runtime;
use super::inputs::Inputs;
use super::load::load;
use super::native::Place;
use super::node::{connect, open_log};
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
    /// Let another node lead: clients are disconnected, and find it where they were. Waits until one does, and says which.
    ///
    /// Asks the management API of any node, for which it takes an administrator's login.
    #[command(verbatim_doc_comment)]
    Move {
        /// The node; without it the one of the lowest rank that has caught up.
        node: Option<String>,
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
            Self::Init { replicas, inputs } => init(*inputs, &replicas),
            Self::Status { json, inputs } => status(*inputs, json),
            Self::Move { node, place } => hand_over(node, &place),
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

fn init(inputs: Inputs, replicas: &str) -> anyhow::Result<ExitCode> {
    let settings = settings(inputs)?;
    let replicas = replicas.parse().context("--replicas")?;
    let id = runtime()?
        .block_on(async { Ok::<_, anyhow::Error>(connect(&settings).await?.init(replicas).await?) })?;
    say(&format!(
        "The log of cluster {} is there, with the id {id:016x}. Its nodes can be started.\n",
        settings.name
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn status(inputs: Inputs, as_json: bool) -> anyhow::Result<ExitCode> {
    let settings = settings(inputs)?;
    let (before, after) = runtime()?.block_on(heard(&settings))?;
    let nodes = nodes(&before, &after);
    let leads = nodes.iter().any(|node| node["role"] == "leader");
    say(&match (as_json, nodes.is_empty()) {
        (true, _) => format!("{}\n", json!({ "name": settings.name, "nodes": nodes })),
        (false, true) => format!("No node of cluster {} has been heard.\n", settings.name),
        (false, false) => Table::of_objects(COLUMNS, &nodes).aligned(),
    })?;
    Ok(if leads { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const COLUMNS: [&str; 8] = ["name", "role", "rank", "term", "applied", "synced", "lag", "address"];

/// What nodes said, and what they said some moments later.
async fn heard(settings: &ClusterSettings) -> anyhow::Result<(Vec<Told>, Vec<Told>)> {
    let directory = open_log(settings, true).await?.directory;
    let read = || async { directory.members().await.context("the cluster's log does not answer") };
    let (before, clock) = (read().await?, Clock::system());
    clock.wait_for(Some(clock.now() + LISTENS)).await;
    Ok((before, read().await?))
}

/// Each node, with how far it is behind the one that is farthest. Who said nothing new is silent.
fn nodes(before: &[Told], after: &[Told]) -> Vec<Value> {
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

fn hand_over(node: Option<String>, place: &Place) -> anyhow::Result<ExitCode> {
    let asked = place.find().and_then(|broker| {
        let before = Lead::of(&broker)?;
        let body = node.map_or_else(|| json!({}), |node| json!({ "node": node }));
        broker.post("/api/coney/cluster/move", &body, "the cluster", "ask a node of a cluster")?;
        Ok((broker, before))
    });
    match asked {
        Ok((broker, before)) => {
            let Some(Lead { leader, term }) = before.unwrap_or_default().after(&broker)? else {
                bail!("the node that leads was told to hand over, but nobody has led since");
            };
            say(&format!("Node {leader} leads, in term {term}.\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("coney: {error}");
            Ok(ExitCode::from(error.exit_code()))
        }
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
        let shown: Vec<_> =
            nodes(&before, &after).iter().map(|node| format!("{} {}", node["role"], node["lag"])).collect();
        assert_eq!(shown, ["\"standby\" 4", "\"leader\" 0", "\"silent\" 2"]);
    }
}
