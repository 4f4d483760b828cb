//! What a transaction holds back until its commit.

use std::sync::Arc;

use super::outgoing::Envelope;
use crate::dedup::DedupKeys;
use crate::message::{Message, QueueId};
use crate::queue::{Handle, Settlement};

/// What a message takes in memory beside its bytes and its place here: a block of its own.
const BLOCK_BYTES: usize = 128;

/// The work of one transaction.
#[derive(Debug, Default)]
pub struct TxWork {
    /// Routed publishes.
    pub publishes: Vec<TxPublish>,
    /// Settled messages.
    pub settles: Vec<(QueueId, Settlement, Handle)>,
    /// How many of the settled ones count for the channel's shared prefetch.
    pub consumed: usize,
    /// A queue refused a publish of the commit that is under way.
    pub refused: bool,
    /// What all of it takes, in bytes.
    bytes: usize,
}

impl TxWork {
    /// Adds a publish; tells how many bytes it takes.
    pub fn publish(&mut self, publish: TxPublish) -> usize {
        let queues = size_of_val(publish.queues.as_slice());
        let bytes = size_of::<TxPublish>() + BLOCK_BYTES + queues + publish.message.encoded_len();
        self.bytes += bytes;
        self.publishes.push(publish);
        bytes
    }

    /// Adds a settled message; tells how many bytes it takes.
    pub fn settle(&mut self, queue: QueueId, verb: Settlement, handle: Handle) -> usize {
        let settle = (queue, verb, handle);
        let bytes = size_of_val(&settle);
        self.bytes += bytes;
        self.settles.push(settle);
        bytes
    }

    /// What all of it takes, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A publish within a transaction.
#[derive(Debug)]
pub struct TxPublish {
    /// Where it goes; nowhere, and it is returned at commit.
    pub queues: Vec<QueueId>,
    /// The message.
    pub message: Message,
    /// What its queues need to know.
    pub envelope: Envelope,
    /// Its deduplication keys, if it has any.
    pub dedup_keys: Option<Arc<DedupKeys>>,
    /// Whether it is to be returned if it goes nowhere.
    pub mandatory: bool,
}
