//! `coney cluster mark`, `restore` and `rejoin`: on a node that is stopped, after the cluster's log was lost.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use coney::Clock;
use coney::cluster::{LocalEngine, Mark, Nats, Origin, Sequence, Stop, adopt, dir_of, mark_of};
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
    /// As JSON: a line for each shard.
    #[arg(long)]
    json: bool,
    /// In this shard alone, if there are several; 0 is the meta shard.
    #[arg(long, value_name = "NUMBER")]
    shard: Option<u16>,
    #[command(flatten)]
    inputs: Box<Inputs>,
}

/// Make a new log in the place of one that is lost, from what this stopped node has.
///
/// With the node's own settings. Stop all nodes, compare what `coney cluster mark` says on each, and do this on the one that has most; then
/// start it, and `coney cluster rejoin` the others. When it was interrupted, do it again. With shards each is restored by itself,
/// where not all are lost or another node has most of one: with --shard.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Restore {
    /// On how many NATS servers each thing is kept: 3 or 5, or 1 for a trial.
    #[arg(long, value_name = "NUMBER", default_value = "3", value_parser = ["1", "3", "5"])]
    replicas: String,
    /// Remove the frames that are left of the log before.
    #[arg(long)]
    discard_log: bool,
    /// In this shard alone, if there are several; 0 is the meta shard. Without it, in all.
    #[arg(long, value_name = "NUMBER")]
    shard: Option<u16>,
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
    /// In this shard alone, if there are several; 0 is the meta shard. Without it, in each whose log this node's data are not of.
    #[arg(long, value_name = "NUMBER")]
    shard: Option<u16>,
    #[command(flatten)]
    inputs: Box<Inputs>,
}

/// A node that does not run.
struct Node {
    settings: ClusterSettings,
    dir: PathBuf,
    /// How many shards for vhosts it has.
    shards: u16,
}

/// Its part in a shard, as long as this is there.
struct Stopped {
    name: String,
    shard: u16,
    dir: PathBuf,
    engine: LocalEngine,
}

impl Node {
    fn find(inputs: Inputs) -> anyhow::Result<Self> {
        let config = load(inputs)?.config;
        let (Some(settings), Some(dir)) = (config.cluster, config.data_dir) else {
            bail!(
                "which node is meant? Its own settings say it: --cluster, --cluster-node, --cluster-log and --data-dir"
            );
        };
        if !dir.is_dir() {
            bail!("there is no data directory {}", dir.display());
        }
        let shards = (1..).take_while(|shard| dir_of(&dir, *shard).is_dir()).count();
        Ok(Self { settings, dir, shards: u16::try_from(shards)? })
    }

    /// The shards that are meant. The meta shard is the last, as when they are made: it says how many there are.
    fn meant(&self, shard: Option<u16>) -> anyhow::Result<Vec<u16>> {
        match shard {
            Some(shard) if shard > self.shards => bail!("this node has no shard {shard}"),
            Some(shard) => Ok(vec![shard]),
            None => Ok((1..=self.shards).chain([0]).collect()),
        }
    }

    fn open(&self, shard: u16) -> anyhow::Result<Stopped> {
        let (dir, name) = (dir_of(&self.dir, shard), self.settings.node.clone());
        let clock = Clock::system();
        let opened = LocalEngine::open(&dir, OPEN_FILES_MAX, move || clock.now());
        let (engine, _) = opened.with_context(|| format!("data directory {}", dir.display()))?;
        Ok(Stopped { name, shard, dir, engine })
    }

    async fn connect(&self, shard: u16) -> anyhow::Result<Nats> {
        let nats = connect(&self.settings).await?;
        Ok(if shard == 0 { nats } else { nats.of_shard(shard).await? })
    }
}

impl Stopped {
    /// For people: which log it is about.
    fn of_shard(&self) -> String {
        if self.shard == 0 { String::new() } else { format!(" of shard {}", self.shard) }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.engine.close();
    }
}

impl ShowMark {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let node = Node::find(*self.inputs)?;
        let mut meant = node.meant(self.shard)?;
        meant.sort_unstable();
        for shard in meant {
            say(&shown(&node.open(shard)?, self.json)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn shown(part: &Stopped, as_json: bool) -> anyhow::Result<String> {
    let Mark { log_id, sequence: Sequence(frame), term, number, .. } = mark_of(&part.engine)?;
    let (name, shard) = (&part.name, part.shard);
    if !as_json {
        let of = part.of_shard();
        return Ok(format!(
            "Node {name} has applied frame {frame}, of term {term}, of the log {log_id:016x}{of}.\n"
        ));
    }
    let log = format!("{log_id:016x}");
    let mut mark = json!({ "node": name, "log": log, "term": term, "frame": frame, "batch": number });
    if let Some(fields) = mark.as_object_mut().filter(|_| shard > 0) {
        fields.insert("shard".to_owned(), shard.into());
    }
    Ok(format!("{mark}\n"))
}

impl Restore {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let replicas = self.replicas.parse().context("--replicas")?;
        let node = Node::find(*self.inputs)?;
        for shard in node.meant(self.shard)? {
            let one = OneRestore { replicas, discards: self.discard_log, is_behind: self.behind };
            one.run(&node, shard).with_context(|| format!("shard {shard}"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The same in one shard.
struct OneRestore {
    replicas: usize,
    discards: bool,
    is_behind: bool,
}

impl OneRestore {
    fn run(&self, node: &Node, shard: u16) -> anyhow::Result<()> {
        let mut part = node.open(shard)?;
        let mark = mark_of(&part.engine)?;
        let origin = Origin { node: part.name.clone(), mark };
        let shards = if shard == 0 { node.shards } else { 0 };
        let log_id = runtime()?.block_on(async {
            let nats = node.connect(shard).await?;
            let is_begun = nats.log().await.is_ok_and(|(id, made_of)| {
                id == mark.log_id || made_of.is_some_and(|made_of| made_of.mark == mark)
            });
            let members = nats.members().await;
            let ahead = members.iter().map(|told| &told.member).find(|member| {
                member.name != origin.node && (member.term, member.applied) > (mark.term, mark.sequence.0)
            });
            if let Some(ahead) = ahead.filter(|_| !is_begun && !self.is_behind) {
                bail!(
                    "node {} has said that it has applied frame {} of term {}, and this one has frame {} of term {}. Restore it there, or with \
                     --behind from this one if that node is lost",
                    ahead.name, ahead.applied, ahead.term, mark.sequence.0, mark.term
                );
            }
            Ok(nats.restore(&origin, self.replicas, shards, self.discards).await?)
        })?;
        if log_id != mark.log_id {
            adopt(&mut part.engine, mark, log_id)?;
        }
        say(&format!(
            "Node {} goes on after frame {} with the log {log_id:016x}{}. Start it first; `coney cluster rejoin` lets the others follow it.\n",
            origin.node,
            mark.sequence.0,
            part.of_shard()
        ))?;
        Ok(())
    }
}

impl Rejoin {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let node = Node::find(*self.inputs)?;
        let meant = node.meant(self.shard)?;
        let mut is_any_other = false;
        for shard in &meant {
            is_any_other |= rejoin(&node, *shard)?;
        }
        if !is_any_other {
            bail!("this node's data are of the log that there is: start it")
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Whether its data in a shard were another log's.
fn rejoin(node: &Node, shard: u16) -> anyhow::Result<bool> {
    let mut part = node.open(shard)?;
    let (log_id, origin) =
        runtime()?.block_on(async { Ok::<_, anyhow::Error>(node.connect(shard).await?.log().await?) })?;
    let mark = match mark_of(&part.engine) {
        Ok(mark) if mark.log_id == log_id => return Ok(false),
        Ok(mark) => Some(mark),
        Err(Stop::Alone | Stop::Partial | Stop::Store(Error::Damaged { .. })) => None,
        Err(stop) => return Err(stop.into()),
    };
    if let (Some(mark), Some(origin)) = (mark, &origin)
        && mark == origin.mark
    {
        adopt(&mut part.engine, mark, log_id)?;
        let of = part.of_shard();
        say(&format!("This node has the same{of} as node {}: it can be started.\n", origin.node))?;
        return Ok(true);
    }
    part.engine.close();
    let aside = put_aside(&part.dir, mark)?;
    say(&format!(
        "What this node had{} is in {}. It can be started, and takes a snapshot.\n",
        part.of_shard(),
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
    Ok(true)
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
