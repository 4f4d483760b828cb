//! What the generator believes about the state of a broker. It does not run a program, so it may be wrong.

use std::collections::BTreeMap;

use crate::codec::Table;
use crate::differential::program::Actor;

/// Queues, exchanges and channels.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Flags and arguments of a queue as it was declared last, by name.
    pub(super) queues: BTreeMap<String, (u8, Table)>,
    /// The same of an exchange, with its kind.
    pub(super) exchanges: BTreeMap<String, (String, u8, Table)>,
    /// By channel.
    pub(super) channels: BTreeMap<Actor, ChannelModel>,
    /// The bindings that were made: whether from a queue, its ends, key and arguments.
    pub(super) bindings: Vec<BindingModel>,
}

/// A binding.
#[derive(Clone, Debug)]
pub(super) struct BindingModel {
    pub(super) queue: bool,
    pub(super) destination: String,
    pub(super) source: String,
    pub(super) key: String,
    pub(super) arguments: Table,
}

/// What a channel is thought to be doing.
#[derive(Debug, Default)]
pub(super) struct ChannelModel {
    /// Tag and queue of its consumers.
    pub(super) consumers: Vec<(String, String)>,
    /// Whether confirms were asked for.
    pub(super) confirming: bool,
    /// Whether it is transactional.
    pub(super) transactional: bool,
    /// Whether it has, or had, a prefetch of its own.
    pub(super) limited: bool,
}

impl Model {
    /// A channel.
    pub(super) fn channel(&mut self, actor: Actor) -> &mut ChannelModel {
        self.channels.entry(actor).or_default()
    }

    /// A connection ends, with all its channels.
    pub(super) fn end_connection(&mut self, connection: char) {
        self.channels.retain(|actor, _| actor.connection != connection);
    }

    /// A queue goes, with its consumers.
    pub(super) fn delete_queue(&mut self, name: &str) {
        self.queues.remove(name);
        for channel in self.channels.values_mut() {
            channel.consumers.retain(|(_, queue)| queue != name);
        }
    }
}

impl ChannelModel {
    /// Whether one more queue may be consumed here. Which of several queues gets a channel's free place, RabbitMQ draws by
    /// lot; programs leave that to `shares`.
    pub(super) fn may_consume(&self, queue: &str) -> bool {
        !self.limited || self.consumers.iter().all(|(_, other)| other == queue)
    }

    /// Whether a prefetch of the channel may be set here, for the same reason. Not in a transaction: RabbitMQ does not count
    /// what was settled there and not committed, and gets its credit back all the same.
    pub(super) fn may_limit(&self) -> bool {
        if self.transactional {
            return false;
        }
        let mut queues = self.consumers.iter().map(|(_, queue)| queue);
        let first = queues.next();
        queues.all(|queue| Some(queue) == first)
    }
}
