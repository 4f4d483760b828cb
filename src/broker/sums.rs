//! What happened in the whole broker since it started. It only grows: what is deleted takes nothing of it along.

use std::sync::Arc;

use crate::queue::options::QueueType;
use crate::session::SessionCounters;
use crate::statistics::{ChannelSum, ConnectionCounters, ConnectionSum, QueueSum, SizeHistogram};

/// Sums over all there is and was.
#[derive(Debug, Default)]
pub struct Sums {
    /// Over all channels.
    pub channels: ChannelSum,
    /// Over all connections.
    pub connections: ConnectionSum,
    /// Sizes of all messages published.
    pub sizes: SizeHistogram,
    /// Over all classic queues, and those in which messages of delayed exchanges wait.
    pub classic_queues: Arc<QueueSum>,
    /// Over all quorum queues.
    pub quorum_queues: Arc<QueueSum>,
    /// Over all streams.
    pub streams: Arc<QueueSum>,
}

impl Sums {
    /// Those that a queue of this kind adds to.
    pub(super) const fn of_queues(&self, queue: QueueType) -> &Arc<QueueSum> {
        match queue {
            QueueType::Classic => &self.classic_queues,
            QueueType::Quorum => &self.quorum_queues,
            QueueType::Stream => &self.streams,
        }
    }

    /// Adds what a connection counted in a batch.
    pub(crate) fn add(&self, session: &SessionCounters, socket: &ConnectionCounters) {
        if !session.messages.is_zero() {
            self.channels.add(&session.messages);
        }
        self.connections.add(socket);
        self.sizes.add(&session.sizes);
    }
}
