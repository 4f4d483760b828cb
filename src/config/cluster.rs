//! What a node of a cluster is told.

use std::path::PathBuf;

/// A cluster, and which of its nodes this is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The cluster's name, the same on all nodes: letters, digits, `-` and `_`.
    pub name: String,
    /// The node's name, which no other has: the same characters.
    pub node: String,
    /// Nodes of lower rank lead rather than others.
    pub rank: u32,
    /// The servers of the log, `nats://HOST:PORT`.
    pub log: Vec<String>,
    /// A file with what the log's servers ask for.
    pub log_credentials: Option<PathBuf>,
    /// Where the configuration of the log's servers can be seen, `http://HOST:PORT`.
    pub log_monitor: Vec<String>,
    /// A file with a login to the system account of the log's servers: the same.
    pub log_system_credentials: Option<PathBuf>,
    /// Where other nodes reach this one, `HOST:PORT`.
    pub peer: String,
    /// Where it leads two shards more than another node, it hands one over when it has been so for this many seconds; 0: never. A minute
    /// if it is not said.
    pub spread_after_s: Option<u64>,
    /// Whether it starts although the log's servers may lose what they have confirmed.
    pub is_log_unsafe: bool,
}
