//! The two machines that a queue's task can run: a queue, or a stream. An enum, because there are two, both ours, and each call is for a batch.

use crate::queue::{Command, Effects, Flow, Queue, QueueOptions, Reply};
use crate::stream::Stream;
use crate::time::Time;

/// What a queue's task runs.
#[derive(Debug)]
pub(super) enum Machine {
    Queue(Box<Queue>),
    Stream(Box<Stream>),
}

impl Machine {
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
