//! What a queue says it did with its messages, for the journal.
//!
//! Failures are always said. What goes well is said only while [`Effects::is_recording`](super::Effects::is_recording).

use std::sync::Arc;

use super::attempts::Ending;
use super::dead_letter::Reason;
use super::ids::ConnectionId;
use crate::message::{Message, Position};
use crate::time::Timestamp;

/// Who had a message when something happened to it, or who published it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBy {
    /// The connection.
    pub connection: ConnectionId,
    /// The channel.
    pub channel: u16,
    /// The consumer's tag; `None` after basic.get, for a consumer that is gone, and for publishers.
    pub tag: Option<Arc<str>>,
}

/// A message's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePlace {
    /// What the journal calls the queue: its name.
    pub queue: Arc<str>,
    /// The position there.
    pub position: Position,
}

/// Where messages come from that the broker moves from queue to queue: one for each, in their order, or none at all. A message
/// that was never in the queue that dead-lettered it has `None`.
pub type Provenance = Vec<Option<MessagePlace>>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HappeningKind {
    /// It came in; from there, if another queue had it before.
    Enqueued(Option<MessagePlace>),
    /// It was delivered or got.
    Delivered,
    /// It was acked, or needed no ack.
    Acked,
    /// It was only looked at.
    PutBack,
    /// A delivery ended without an ack.
    CameBack(Cause),
    /// It waits for its next attempt.
    Delayed(Timestamp),
    /// It is set aside.
    Parked(Timestamp),
    /// Its wait is over: because it was so long, or by hand.
    Released {
        /// By hand.
        by_hand: bool,
    },
    /// It is gone for this reason, without a dead-letter exchange.
    Dropped(Reason),
    /// It was dropped by hand.
    Deleted,
    /// All that were ready or waiting were dropped by hand.
    Purged,
    /// The queue came to its end with everything in it.
    Ended(Ended),
    /// It did not come in: the queue is full.
    Refused,
    /// It did not come in: it was here before.
    Duplicate,
    /// It did not come in: its publisher's numbers have a gap before it.
    Gap,
    /// It did not come in: its publisher's epoch is over.
    OldEpoch,
}

/// Why a queue came to its end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// auto-delete: its last consumer left.
    AutoDeleted,
    /// `x-expires`: nobody used it for that long.
    Expired,
    /// It was deleted by command.
    Deleted,
}

/// How a delivery ended without an ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// basic.nack with requeue, recover.
    Requeued,
    /// basic.reject with requeue, or the consumer said that it failed.
    Failed,
    /// It was not acked for so many milliseconds.
    TimedOut(u32),
    /// The consumer's channel or connection was closed in order, or the consumer was cancelled.
    ConsumerLost,
    /// The consumer's connection was lost.
    ConnectionLost,
}

impl Cause {
    /// Of the end of a channel.
    pub(super) const fn channel_gone(ending: Ending) -> Self {
        match ending {
            Ending::Returned => Self::ConsumerLost,
            Ending::Failed => Self::ConnectionLost,
        }
    }

    /// Whether it counts as a failure of the consumer.
    pub(super) const fn ending(self) -> Ending {
        match self {
            Self::Requeued | Self::ConsumerLost => Ending::Returned,
            Self::Failed | Self::TimedOut(_) | Self::ConnectionLost => Ending::Failed,
        }
    }
}

/// Something that happened to a message, or to a run of them.
#[derive(Clone, Debug)]
pub struct Happening {
    /// What.
    pub kind: HappeningKind,
    /// Its position, or that of the first; `None` if it never came in.
    pub position: Option<Position>,
    /// The position of the last, if it may be several.
    pub last: Option<Position>,
    /// How many they were.
    pub count: u64,
    /// The message, if it is in memory: the first.
    pub message: Option<Message>,
    /// Who had it, or published it.
    pub held_by: Option<HeldBy>,
    /// Which delivery it was, counted from 1; 0 where that is not counted.
    pub attempt: u32,
    /// What the consumer said was wrong.
    pub error: Option<Arc<str>>,
}

impl Happening {
    /// It happened to one message, of which nothing is known.
    pub(crate) const fn new(kind: HappeningKind) -> Self {
        Self {
            kind,
            position: None,
            last: None,
            count: 1,
            message: None,
            held_by: None,
            attempt: 0,
            error: None,
        }
    }

    /// It happened to so many, the first and the last of which have these positions.
    pub(super) fn run(kind: HappeningKind, count: usize, ends: Option<(Position, Position)>) -> Self {
        let (position, last) = ends.unzip();
        Self { position, last, count: count as u64, ..Self::new(kind) }
    }

    /// Takes in what happened next, if it is the same to the next message, or to another that did not come in.
    pub(super) fn extend(&mut self, next: &Self) -> bool {
        let is_next = self.last.or(self.position).map(Position::next) == next.position;
        let is_same = self.kind == next.kind
            && (&self.held_by, self.attempt, &self.error) == (&next.held_by, next.attempt, &next.error);
        if is_next && is_same && next.last.is_none() {
            (self.last, self.count) = (next.position, self.count + next.count);
            return true;
        }
        false
    }
}
