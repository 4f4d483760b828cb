//! The cluster that a broker leads, as those see it who show it: what there is above the broker tells it by this.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use serde::Serialize;

/// A cluster at one moment, by what its nodes last said of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterStatus {
    /// Its name.
    pub name: String,
    /// The node that answers.
    pub node: String,
    /// The one that leads, if it is known.
    pub leader: Option<String>,
    /// The term that it leads in.
    pub term: u64,
    /// Where the log is.
    pub log: Vec<String>,
    /// Whether the log may lose what it has confirmed: it was not asked to sync.
    pub is_log_unsafe: bool,
    /// All nodes that have been heard, in the order of their names.
    pub nodes: Vec<ClusterNode>,
    /// The shards for vhosts, if this is the meta shard and there are others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardStatus>,
}

/// A shard of it, as the node that answers sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShardStatus {
    /// Its number, from 1.
    pub shard: u16,
    /// The node that leads it, if it is known.
    pub leader: Option<String>,
    /// The term that it leads in.
    pub term: u64,
    /// All nodes that have been heard of in it.
    pub nodes: Vec<ClusterNode>,
}

/// A node of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterNode {
    /// Its name.
    pub name: String,
    /// `leader`, `standby`, or `silent` if nothing was heard of it for some seconds.
    pub role: &'static str,
    /// Those of lower rank lead rather than others.
    pub rank: u32,
    /// Where other nodes reach it.
    pub address: Option<String>,
    /// The last term that it knows of.
    pub term: u64,
    /// The last frame of the log that it has applied.
    pub applied: u64,
    /// The last frame that is on its disk for sure.
    pub synced: u64,
    /// How many frames it is behind the one that is farthest.
    pub lag: u64,
    /// Whether it could lead at once: it is heard, and has all that the leader had some seconds ago.
    pub is_caught_up: bool,
    /// Its version.
    pub version: String,
}

impl ClusterStatus {
    /// Whether nobody could take over at once if this node stopped now.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        !self.nodes.iter().any(|node| node.name != self.node && node.is_caught_up)
    }
}

/// A number that is watched, of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterMetric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// What it is now.
    pub value: u64,
}

impl ClusterStatus {
    /// What is watched of the node that answers.
    #[must_use]
    pub fn metrics(&self) -> [ClusterMetric; 6] {
        let own = self.nodes.iter().find(|node| node.name == self.node).cloned().unwrap_or_default();
        let members = self.nodes.iter().filter(|node| node.role != "silent").count();
        let metric = |name, help, value| ClusterMetric { name, help, value };
        [
            metric(
                "coney_cluster_role",
                "1 while this node leads, 0 while it follows",
                u64::from(own.role == "leader"),
            ),
            metric("coney_cluster_term", "The last term that this node knows of", self.term),
            metric(
                "coney_cluster_applied",
                "The last frame of the log that this node has applied",
                own.applied,
            ),
            metric(
                "coney_cluster_synced",
                "The last frame of the log that is on this node's disk for sure",
                own.synced,
            ),
            metric(
                "coney_cluster_lag_frames",
                "How many frames this node is behind the one that is farthest",
                own.lag,
            ),
            metric(
                "coney_cluster_members",
                "How many nodes of the cluster have been heard lately",
                members as u64,
            ),
        ]
    }
}

/// Why a node does not hand over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// There is no such node, or it is not heard, or it is behind.
    #[error("{0}")]
    Refused(String),
    /// It did not come about.
    #[error("{0}")]
    Failed(String),
}

/// What comes of asking.
pub type Moving = Pin<Box<dyn Future<Output = Result<(), MoveError>> + Send>>;

/// What a broker is told of the cluster that it leads.
pub trait ClusterView: Debug + Send + Sync {
    /// How it is.
    fn status(&self) -> ClusterStatus;

    /// Whether that node could lead now.
    ///
    /// # Errors
    /// Why not.
    fn can_hand_over(&self, to: Option<&str>) -> Result<(), MoveError>;

    /// Lets another node lead: this one, or whichever comes first.
    fn hand_over(&self, to: Option<String>) -> Moving;

    /// How many shards there are beside this one, for vhosts to be given to: 0 unless this is the meta shard.
    fn data_shards(&self) -> u32 {
        0
    }

    /// Somebody asked, over the management API, for the process to be stopped.
    fn stop(&self);
}
