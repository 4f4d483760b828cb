//! What the store found at a start.

use super::logs::RecoveredLog;
use crate::message::runs::Runs;
use crate::message::{Position, QueueId};
use std::collections::{BTreeMap, HashMap};

/// What was found at start.
#[derive(Debug, Default)]
pub struct Recovered {
    /// All definitions.
    pub definitions: BTreeMap<String, Vec<u8>>,
    /// The queues and streams that have messages or records. Some may have no definition any more: delete those.
    pub queues: HashMap<QueueId, RecoveredQueue>,
    /// Queue ids from here on were never used.
    pub first_queue_id: u64,
    /// Where queues without messages go on.
    pub next_position: Position,
    /// What was cut off a journal, for the log.
    pub healed: Option<String>,
}

/// What was found of a queue. The messages themselves are not read at a start.
#[derive(Clone, Debug, Default)]
pub struct RecoveredQueue {
    /// Its messages, by ascending first position; two segments can interleave.
    pub segments: Vec<StoredSegment>,
    /// Everything at or below this may have been delivered before.
    pub delivered: Position,
    /// What was noted on some of them, ascending.
    pub notes: Vec<(Position, Vec<u8>)>,
    /// Its own records, by ascending keys.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where it stands, if it is a stream.
    pub log: Option<RecoveredLog>,
    /// Positions from here on were never used.
    pub next_position: Position,
}

/// Messages of one level of a queue that are stored together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredSegment {
    /// The level.
    pub level: u8,
    /// The messages.
    pub positions: Runs,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// Bytes of their encoded forms.
    pub encoded_bytes: u64,
    /// Whether any of them has a TTL.
    pub may_expire: bool,
}
