//! What a transaction holds back until its commit.

use std::sync::Arc;

use super::outgoing::Envelope;
use crate::dedup::DedupKeys;
use crate::message::{Message, QueueId};
use crate::queue::{Handle, Settlement};

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
