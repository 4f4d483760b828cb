//! What a node of a cluster is told.

use std::fmt;
use std::path::PathBuf;

/// A cluster, and which of its nodes this is.
#[derive(Clone, Default, PartialEq, Eq)]
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
    /// A user of the log's servers, and its password.
    pub log_user: Option<String>,
    /// See there.
    pub log_password: Option<String>,
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
    /// For how long the log keeps what a node needs that is silent, in s: an hour if it is not said.
    pub retain_s: Option<u32>,
    /// How many frames of the log are kept at most: 20,000 if it is not said.
    pub retain_frames: Option<u64>,
    /// How many bytes of it: 10 GiB if it is not said.
    pub retain_bytes: Option<u64>,
}

/// Without the password.
impl fmt::Debug for ClusterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterSettings")
            .field("name", &self.name)
            .field("node", &self.node)
            .field("rank", &self.rank)
            .field("log", &self.log)
            .field("log_user", &self.log_user)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
