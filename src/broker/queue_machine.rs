//! The two machines that a queue's task can run: a queue, or a stream. An enum, because there are two, both ours, and each call is for a batch.

use crate::message::Position;
use crate::queue::{
    Attempts, Command, DedupState, Effects, Flow, Queue, QueueOptions, RecoveredSegment, Reply,
};
use crate::stream::Stream;
use crate::time::Time;

/// What a queue's task runs.
#[derive(Debug)]
pub(super) enum Machine {
    Queue(Box<Queue>),
    Stream(Box<Stream>),
}

/// What the store has of a queue, for one that was [emptied](Machine::empty).
#[derive(Debug, Default)]
pub struct LeftInStore {
    /// Its messages.
    pub segments: Vec<RecoveredSegment>,
    /// Everything at or below this may have been delivered before.
    pub delivered: Position,
    /// What was noted on those of them that had come back.
    pub attempts: Vec<(Position, Attempts)>,
    /// What it remembered of messages that came.
    pub dedup: DedupState,
}

impl Machine {
    /// Forgets all that a crash would take from memory. `false` for a stream: it has the same in the store.
    pub(super) fn empty(&mut self, now: Time) -> bool {
        let Self::Queue(queue) = self else { return false };
        **queue = queue.emptied(now);
        true
    }

    /// Takes back what the store has.
    pub(super) fn restore(&mut self, left: LeftInStore) {
        if let Self::Queue(queue) = self {
            queue.restore(left.segments, left.delivered);
            queue.restore_attempts(left.attempts);
            queue.restore_dedup(left.dedup);
        }
    }

    pub(super) const fn options(&self) -> &QueueOptions {
        match self {
            Self::Queue(queue) => queue.options(),
            Self::Stream(stream) => stream.options(),
        }
    }

    pub(super) fn apply(&mut self, now: Time, command: Command, effects: &mut Effects) -> Reply {
        match self {
            Self::Queue(queue) => queue.apply(now, command, effects),
            Self::Stream(stream) => stream.apply(now, command, effects),
        }
    }

    pub(super) fn settle_batch(&mut self, now: Time, effects: &mut Effects) {
        match self {
            Self::Queue(queue) => queue.settle_batch(now, effects),
            Self::Stream(stream) => stream.settle_batch(now, effects),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Queue(queue) => queue.poll_timeout(),
            Self::Stream(stream) => stream.poll_timeout(),
        }
    }

    pub(super) fn flow(&self) -> Flow {
        match self {
            Self::Queue(queue) => queue.flow(),
            Self::Stream(stream) => stream.flow(),
        }
    }

    pub(super) fn footprint(&self) -> usize {
        match self {
            Self::Queue(queue) => queue.footprint(),
            Self::Stream(stream) => stream.footprint(),
        }
    }
}
