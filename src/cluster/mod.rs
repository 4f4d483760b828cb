//! More than one machine: the store's batches go through a replicated log, from the one node that leads to all others.
//!
//! The unit is what the committer commits. The leader appends each batch to the log (`log`) and applies it to its own engine when the
//! log has taken it; the others read the log and apply the same batches to theirs (`follower`). So every node has the whole store,
//! and a node that takes over opens what it has.
//!
//! Invariants:
//! - A node applies what is in the log, in its order, each frame once: how far it is, its [`Mark`], is written with each batch, in the same
//!   atomic commit.
//! - An append names the sequence that it comes after, and one at a time is under way. So whoever appended a fence after all that it has read
//!   knows that nothing of earlier leaders can follow.
//! - Who leads is said by the fences in the log alone. The lease only says who may try.
//! - Each frame carries the hash of the one before. A log that contradicts what was applied stops the node, which keeps what it has.

mod adopting;
mod broker_metrics;
mod damage;
mod directory;
mod engine;
mod entry;
mod follower;
mod frame;
mod gather;
mod hand_over;
mod hearing;
mod host;
mod http_door;
mod known;
mod leading;
mod lease;
mod local;
mod log;
mod mark;
mod memory_log;
mod moving;
mod nats;
mod node;
mod opening;
mod overview;
mod own_pages;
mod peer;
mod peer_port;
mod peer_watch;
mod process;
mod proxy;
mod proxy_header;
mod reading;
mod rejoin;
mod requests;
mod restore;
mod route;
mod seat;
mod shards;
mod snapshot;
mod spreading;
mod status;
mod telling;
mod tenure;
#[cfg(test)]
mod tests;
mod threads;
mod tidying;
mod unusable;
mod vhost_copy;
mod watching;
mod way;
mod writes;

pub use adopting::{VhostMove, take_vhost};
pub use directory::{Claim, Directory, Member, MemoryDirectory, Told};
pub use engine::ReplicatedEngine;
pub use follower::{Follower, Progress, Stop};
pub use frame::{BadFrame, Frame, Kind};
pub use hand_over::NodeControl;
pub use hearing::{HandOverError, Retention};
pub use host::{Host, Led, Pieces};
pub use known::identities_in;
pub use lease::{Action, Lease, Seen};
pub use local::LocalEngine;
pub use log::{AppendError, Bounds, Contradiction, Log, Sequence, Unreachable};
pub use mark::Mark;
pub use memory_log::{Entry, Fault, MemoryLog, MemoryLogClient};
pub use moving::{Copying, copy_vhost};
pub use nats::{Nats, NatsDirectory, NatsError, NatsLog, NatsOptions, Opened};
pub use node::{Node, NodeError};
pub use overview::{HandOver, Overview};
pub use peer::{PeerPieces, serve_snapshots};
pub use process::{Common, Ended, Process, ProcessError};
pub use proxy_header::{BadHeader, ProxyHeader, Secret};
pub use reading::{Reading, Taken};
pub use restore::{Origin, adopt, mark_of};
pub use route::{Leader, Route};
pub use seat::Kept;
pub use seat::dir_of;
pub use snapshot::{BadPiece, FillError, Filling, PIECE_BYTES, PieceVisitor, read_snapshot};
pub use status::{Role, Status};
pub use tenure::Tenure;
pub use threads::{Started, ThreadHost};
pub use vhost_copy::read_vhost;
pub use writes::{decode_writes, encode_writes};
