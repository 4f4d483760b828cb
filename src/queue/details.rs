//! What there is to know about a queue at a moment, for operators.

use std::sync::Arc;

use amq_protocol::types::FieldTable;

use super::counts::Measures;
use super::ids::{ConsumerKey, ConsumerName};
use super::log::LogDetails;

/// A queue as it is.
#[derive(Clone, Debug)]
pub struct Details {
    /// What is known without a look at its messages.
    pub measures: Measures,
    /// Messages and bytes by where they are.
    pub tally: Tally,
    /// The property `timestamp` of the next message to be delivered, if it is in memory and has one; in seconds since the Unix
    /// epoch.
    pub head_timestamp_s: Option<u64>,
    /// Its consumers, in the order in which they came.
    pub consumers: Vec<ConsumerDetails>,
    /// Whether some consumer could be given a message now.
    pub has_credit: bool,
    /// How often a message may come back before it is dead, arguments and policies together.
    pub delivery_limit: Option<u32>,
    /// Why its messages cannot be read, if so.
    pub unreadable: Option<Arc<str>>,
    /// If it is a stream.
    pub log: Option<LogDetails>,
}

/// Messages and bytes by where they are. Bytes are those of bodies; the bodies of unacked and waiting messages that are not in memory are
/// not counted in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ready messages in memory.
    pub ready_in_memory: usize,
    /// Bytes of those.
    pub ready_in_memory_bytes: usize,
    /// Unacked messages in memory.
    pub unacked_in_memory: usize,
    /// Bytes of unacked messages in memory.
    pub unacked_bytes: usize,
    /// Bytes of messages that wait, delayed or parked.
    pub waiting_bytes: usize,
    /// Messages that the store has, or will have when they are out of memory.
    pub persistent: usize,
    /// Bytes of those.
    pub persistent_bytes: usize,
}

/// A consumer of a queue.
#[derive(Clone, Debug)]
pub struct ConsumerDetails {
    /// Who it is.
    pub key: ConsumerKey,
    /// Its tag and its client's address.
    pub name: ConsumerName,
    /// Deliveries count as acked at once.
    pub no_ack: bool,
    /// No other consumer may be on the queue.
    pub exclusive: bool,
    /// Unacked messages that it may have at a time; 0: no limit.
    pub prefetch: u32,
    /// Those that it has.
    pub unacked: u32,
    /// Messages of a stream that were gone before it came to them.
    pub missed: u64,
    /// Its priority.
    pub priority: i32,
    /// It is given messages: of a queue with a single active consumer only one is.
    pub is_active: bool,
    /// It may keep a message for so long; `None`: for ever.
    pub ack_timeout_ms: Option<u64>,
    /// The arguments that it came with.
    pub arguments: Arc<FieldTable>,
}
