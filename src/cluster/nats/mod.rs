//! NATS JetStream as the cluster's log and directory. Nothing else names NATS.
//!
//! A frame is a message of a stream that has one subject. JetStream replicates it, numbers it from 1 without gaps, and refuses one that
//! does not name the last sequence (`Nats-Expected-Last-Sequence`). The lease, what nodes say of themselves, and what the cluster is are
//! buckets of its key-value store.
//!
//! A cluster named `c` has: the stream `coney-c` with the subject `coney.c.log`; the subject `coney.c.appended`, on which whoever
//! appends says so; the buckets `coney-c-lease`, `coney-c-members` and `coney-c-meta`. A user of NATS needs the right to publish to
//! `coney.c.>`, `$KV.coney-c-lease.>`, `$KV.coney-c-members.>`, `$KV.coney-c-meta.>`, `$JS.API.>` and `$SYS.REQ.SERVER.PING.CONNZ`, and to subscribe to
//! `coney.c.appended` and `_INBOX.>`. Nobody else may publish to `coney.c.log`: a message there that is no frame stops all nodes.
//!
//! Its shards for vhosts have all of this as clusters named `c-1`, `c-2` and so on would; how many there are `coney-c-meta` says.
//!
//! Invariants:
//! - Calls are bounded: those of the directory by a second, those of the log by two.
//! - All I/O is on a thread of its own, so that a broker that is busy is not in the lease's way.
//! - What decides is asked of a stream's leader: bounds, and who has the lease. Only frames, which are the same everywhere, and what
//!   members say may come from a replica that is behind.

mod client;
mod directory;
mod error;
mod init;
mod log;
mod names;
mod opening;
mod restore;
mod servers;
mod setup;
mod varz;

pub use directory::NatsDirectory;
pub use error::NatsError;
pub use log::NatsLog;
pub use names::NatsOptions;
pub use opening::{Nats, Opened};
