//! What a node says of itself to its own process.

use super::log::Sequence;

/// What a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It applies what another writes.
    #[default]
    Follower,
    /// Its broker serves clients.
    Leader,
}

/// What a node says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub role: Role,
    /// The last term that it knows of.
    pub term: u64,
    /// As a follower: the last frame that it has applied.
    pub applied: Sequence,
    /// As a follower: whether that was all a moment ago.
    pub is_caught_up: bool,
    /// Whether it takes another node's snapshot, because it cannot go on from the log alone.
    pub is_rejoining: bool,
}
