//! What a connection publishes, message by message: commands tell it queue by queue.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::vhost::Vhost;
use crate::message::{Message, QueueId};
use crate::queue::{Command, Publish};
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
    pub(super) queues: Cow<'a, [QueueId]>,
}

impl<'a> Outgoing<'a> {
    /// A publish of a transaction that is committed, and its number there.
    pub(crate) fn committed((publish, sequence): (&'a TxPublish, u64)) -> Self {
        let mut queues = publish.queues.clone();
        queues.sort_unstable();
        let queues = Cow::Owned(queues);
        Self { message: &publish.message, channel: publish.envelope.channel, sequence, queues }
    }

    fn to(queues: &'a [QueueId], publish: &'a Publish) -> Self {
        let Publish { message, channel, sequence, .. } = publish;
        Self { message, channel: *channel, sequence: *sequence, queues: Cow::Borrowed(queues) }
    }
}

/// The messages that these commands bring to queues, in the order of publishing.
pub(crate) fn outgoing(commands: &[(QueueId, Command)]) -> Box<dyn Iterator<Item = Outgoing<'_>> + '_> {
    // Most often all go to one queue, and are in order.
    if let [(queue, command)] = commands {
        let queues = std::slice::from_ref(queue);
        return Box::new(command.publishes().map(move |publish| Outgoing::to(queues, publish)));
    }
    // By what is the same in all copies of a message, and ascends in the order of publishing.
    let mut messages: BTreeMap<u64, Outgoing<'_>> = BTreeMap::new();
    for (queue, command) in commands {
        for publish in command.publishes() {
            let message = messages.entry(publish.message.identity().number());
            message.or_insert_with(|| Outgoing::to(&[], publish)).queues.to_mut().push(*queue);
        }
    }
    Box::new(messages.into_values().map(|mut message| {
        message.queues.to_mut().sort_unstable();
        message
    }))
}

/// What queues are called, but for those that just went.
pub(crate) fn names(vhost: &Vhost, queues: &[QueueId]) -> Arc<[Arc<str>]> {
    let records = queues.iter().filter_map(|queue| vhost.queue(*queue));
    records.map(|record| Arc::clone(&record.label)).collect()
}
