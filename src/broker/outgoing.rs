//! What a connection publishes, message by message: commands tell it queue by queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::vhost::Vhost;
use crate::message::{Message, QueueId};
use crate::queue::Command;
use crate::session::TxPublish;

/// A message on its way to its queues.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    /// The message, as the first of its queues gets it.
    pub(super) message: &'a Message,
    /// The publisher's channel.
    pub(super) channel: u16,
    /// Its sequence number there; 0: it is not confirmed by itself.
    pub(super) sequence: u64,
    /// Its queues, in the order of their ids.
    pub(super) queues: Vec<QueueId>,
}

impl<'a> Outgoing<'a> {
    /// A publish of a transaction that is committed, and its number there.
    pub(crate) fn committed((publish, sequence): (&'a TxPublish, u64)) -> Self {
        let mut queues = publish.queues.clone();
        queues.sort_unstable();
        Self { message: &publish.message, channel: publish.envelope.channel, sequence, queues }
    }
}

/// The messages that these commands bring to queues, in the order of publishing.
pub(crate) fn outgoing(commands: &[(QueueId, Command)]) -> impl Iterator<Item = Outgoing<'_>> {
    // By what is the same in all copies of a message, and ascends in the order of publishing.
    let mut messages: BTreeMap<u64, Outgoing<'_>> = BTreeMap::new();
    for (queue, command) in commands {
        for publish in command.publishes() {
            let message = messages.entry(publish.message.identity().number());
            let message = message.or_insert_with(|| Outgoing {
                message: &publish.message,
                channel: publish.channel,
                sequence: publish.sequence,
                queues: Vec::new(),
            });
            message.queues.push(*queue);
        }
    }
    messages.into_values().map(|mut message| {
        message.queues.sort_unstable();
        message
    })
}

/// What queues are called, but for those that just went.
pub(crate) fn names(vhost: &Vhost, queues: &[QueueId]) -> Arc<[Arc<str>]> {
    let records = queues.iter().filter_map(|queue| vhost.queue(*queue));
    records.map(|record| Arc::clone(&record.label)).collect()
}
