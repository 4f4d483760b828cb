//! `coney cluster mark`, `restore` and `rejoin`: on a node that is stopped, after the cluster's log was lost.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use coney::Clock;
use coney::cluster::{LocalEngine, Mark, Origin, SHARDS_DIR, Sequence, Stop, adopt, mark_of};
use coney::config::ClusterSettings;
use coney::store::{Error, set_aside};
use serde_json::json;

use super::super::inputs::Inputs;
use super::super::load::load;
use super::super::node::connect;
use super::super::out::say;
use super::runtime::runtime;

/// Open files of the engine.
const OPEN_FILES_MAX: usize = 256;
/// A log is put aside so often under one name.
const ASIDES_MAX: u32 = 100;

/// Show how far a stopped node is in the cluster's log.
///
/// With the node's own settings, --data-dir above all. When the log is lost, the node with the highest term, and of those the highest
/// frame, is the one to restore it from.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct ShowMark {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    inputs: Box<Inputs>,
}

/// Make a new log in the place of one that is lost, from what this stopped node has.
///
/// With the node's own settings. Stop all nodes, compare what `coney cluster mark` says on each, and do this on the one that has most; then
/// start it, and `coney cluster rejoin` the others. When it was interrupted, do it again.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Restore {
    /// On how many NATS servers each thing is kept: 3 or 5, or 1 for a trial.
    #[arg(long, value_name = "NUMBER", default_value = "3", value_parser = ["1", "3", "5"])]
    replicas: String,
    /// Remove the frames that are left of the log before.
    #[arg(long)]
    discard_log: bool,
    /// Do it though another node has said that it has more.
    #[arg(long)]
    behind: bool,
    #[command(flatten)]
    inputs: Box<Inputs>,
}

/// Let this stopped node follow a log that was restored from another: its data are put aside.
///
/// With the node's own settings. It takes a snapshot of another node when it is started. What it had is kept in a directory within its
/// data directory, which can be opened by a broker by itself, and deleted.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Rejoin {
    #[command(flatten)]
    inputs: Box<Inputs>,
}

/// A node that does not run, as long as this is there.
struct Stopped {
    settings: ClusterSettings,
    dir: PathBuf,
    engine: LocalEngine,
}

impl Stopped {
    fn open(inputs: Inputs) -> anyhow::Result<Self> {
        let config = load(inputs)?.config;
        let (Some(settings), Some(dir)) = (config.cluster, config.data_dir) else {
            bail!(
                "which node is meant? Its own settings say it: --cluster, --cluster-node, --cluster-log and --data-dir"
            );
        };
        if !dir.is_dir() {
            bail!("there is no data directory {}", dir.display());
        }
        if dir.join(SHARDS_DIR).is_dir() {
            bail!("{} is a node's of a cluster with shards: that cannot be restored yet", dir.display());
        }
        let clock = Clock::system();
        let opened = LocalEngine::open(&dir, OPEN_FILES_MAX, move || clock.now());
        let (engine, _) = opened.with_context(|| format!("data directory {}", dir.display()))?;
        Ok(Self { settings, dir, engine })
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.engine.close();
    }
}

impl ShowMark {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let node = Stopped::open(*self.inputs)?;
        let Mark { log_id, sequence: Sequence(frame), term, number, .. } = mark_of(&node.engine)?;
        let name = &node.settings.node;
        say(&if self.json {
            let log = format!("{log_id:016x}");
            format!(
                "{}\n",
                json!({ "node": name, "log": log, "term": term, "frame": frame, "batch": number })
            )
        } else {
            format!("Node {name} has applied frame {frame}, of term {term}, of the log {log_id:016x}.\n")
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let replicas = self.replicas.parse().context("--replicas")?;
        let mut node = Stopped::open(*self.inputs)?;
        let mark = mark_of(&node.engine)?;
        let origin = Origin { node: node.settings.node.clone(), mark };
        let log_id = runtime()?.block_on(async {
            let nats = connect(&node.settings).await?;
            let is_begun = nats.log().await.is_ok_and(|(id, made_of)| {
                id == mark.log_id || made_of.is_some_and(|made_of| made_of.mark == mark)
            });
            let members = nats.members().await;
            let ahead = members.iter().map(|told| &told.member).find(|member| {
                member.name != origin.node && (member.term, member.applied) > (mark.term, mark.sequence.0)
            });
            if let Some(ahead) = ahead.filter(|_| !is_begun && !self.behind) {
                bail!(
                    "node {} has said that it has applied frame {} of term {}, and this one has frame {} of term {}. Restore it there, or with \
                     --behind from this one if that node is lost",
                    ahead.name, ahead.applied, ahead.term, mark.sequence.0, mark.term
                );
            }
            Ok(nats.restore(&origin, replicas, self.discard_log).await?)
        })?;
        if log_id != mark.log_id {
            adopt(&mut node.engine, mark, log_id)?;
        }
        say(&format!(
            "Node {} goes on after frame {} with the log {log_id:016x}. Start it first; `coney cluster rejoin` lets the others follow it.\n",
            origin.node, mark.sequence.0
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Rejoin {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut node = Stopped::open(*self.inputs)?;
        let (log_id, origin) = runtime()?
            .block_on(async { Ok::<_, anyhow::Error>(connect(&node.settings).await?.log().await?) })?;
        let mark = match mark_of(&node.engine) {
            Ok(mark) if mark.log_id == log_id => {
                bail!("this node's data are of the log that there is: start it")
            }
            Ok(mark) => Some(mark),
            Err(Stop::Alone | Stop::Partial | Stop::Store(Error::Damaged { .. })) => None,
            Err(stop) => return Err(stop.into()),
        };
        if let (Some(mark), Some(origin)) = (mark, &origin)
            && mark == origin.mark
        {
            adopt(&mut node.engine, mark, log_id)?;
            say(&format!("This node has the same as node {}: it can be started.\n", origin.node))?;
            return Ok(ExitCode::SUCCESS);
        }
        node.engine.close();
        let aside = put_aside(&node.dir, mark)?;
        say(&format!(
            "What this node had is in {}. It can be started, and takes a snapshot.\n",
            aside.display()
        ))?;
        let has_more = |mark: &Mark, origin: &Origin| {
            mark.log_id == origin.mark.log_id
                && (mark.term, mark.sequence) > (origin.mark.term, origin.mark.sequence)
        };
        if let Some((mark, origin)) = mark.zip(origin).filter(|(mark, origin)| has_more(mark, origin)) {
            let (own, other) = (mark.sequence.0, origin.mark.sequence.0);
            say(&format!(
                "It had applied frame {own}, and node {}, from which the log was restored, frame {other}: keep it.\n",
                origin.node
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn put_aside(dir: &Path, mark: Option<Mark>) -> anyhow::Result<PathBuf> {
    let name = mark.map_or_else(
        || "aside".to_owned(),
        |Mark { log_id, sequence, .. }| format!("aside-{log_id:016x}-{}", sequence.0),
    );
    let names = (2..ASIDES_MAX).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.clone()).chain(names).find(|name| !dir.join(name).exists());
    Ok(set_aside(dir, &free.unwrap_or(name))?)
}
