//! What a connection publishes, message by message: commands tell it queue by queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::vhost::Vhost;
use crate::message::QueueId;
use crate::queue::{Command, Publish};

/// A message on its way to its queues.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    /// The message, as the first of its queues gets it.
    pub(super) publish: &'a Publish,
    /// What its queues are called, but for those that just went.
    pub(super) to: Vec<Arc<str>>,
}

/// The messages that these commands bring to queues, in the order of publishing.
pub(super) fn outgoing<'a>(
    vhost: &Vhost,
    commands: &'a [(QueueId, Command)],
) -> impl Iterator<Item = Outgoing<'a>> + use<'a> {
    // By what is the same in all copies of a message, and ascends in the order of publishing.
    let mut messages: BTreeMap<u64, Outgoing<'_>> = BTreeMap::new();
    for (queue, command) in commands {
        let label = vhost.queue(*queue).map(|record| Arc::clone(&record.label));
        for publish in command.publishes() {
            let message = messages.entry(publish.message.identity().number());
            message.or_insert(Outgoing { publish, to: Vec::new() }).to.extend(label.clone());
        }
    }
    messages.into_values()
}
