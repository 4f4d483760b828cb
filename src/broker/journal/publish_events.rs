//! The events of publishers: what was routed where while it is recorded, and what was routed nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{About, Client, Event, EventKind};
use super::recording::{Occasion, Rules, Stage};
use crate::broker::vhost::Vhost;
use crate::message::{Message, QueueId};
use crate::queue::{Command, Publish};
use crate::session::Unrouted;
use crate::time::Timestamp;

/// What is known of a message by the time it goes out to its queues.
struct Outgoing<'a> {
    publish: &'a Publish,
    to: Vec<Arc<str>>,
}

/// Notes what a connection publishes with these commands, as far as it is recorded.
pub fn note_published(
    vhost: &Vhost,
    client: Option<&Arc<Client>>,
    commands: &[(QueueId, Command)],
    at: Timestamp,
) {
    let rules = vhost.journal.recordings().hold(at);
    vhost.journal.note(published(vhost, &rules, client, commands, at));
}

fn published(
    vhost: &Vhost,
    rules: &Rules,
    client: Option<&Arc<Client>>,
    commands: &[(QueueId, Command)],
    at: Timestamp,
) -> Vec<Event> {
    // By their links, which ascend in the order of publishing.
    let mut messages: BTreeMap<u64, Outgoing<'_>> = BTreeMap::new();
    for (queue, command) in commands {
        let Some(label) = vhost.queue(*queue).map(|record| Arc::clone(&record.label)) else { continue };
        for publish in publishes(command) {
            let outgoing = messages.entry(link(&publish.message));
            outgoing.or_insert(Outgoing { publish, to: Vec::new() }).to.push(Arc::clone(&label));
        }
    }
    let wanted = messages.into_iter().filter(|(_, outgoing)| {
        let occasion =
            Occasion { place: None, message: Some(&outgoing.publish.message), stage: Stage::Arrives };
        rules.select_queue(&outgoing.to) || rules.want(&occasion)
    });
    let event = |(link, Outgoing { publish, to }): (u64, Outgoing<'_>)| Event {
        about: Some(About::message(&publish.message)),
        client: client.map(Arc::clone),
        channel: publish.channel,
        to: Some(to.into()),
        link,
        ..Event::new(at, EventKind::Published)
    };
    wanted.map(event).collect()
}

fn publishes(command: &Command) -> Vec<&Publish> {
    match command {
        Command::Publish(_, publishes) => publishes.iter().collect(),
        Command::PublishDedup(_, publishes) => publishes.iter().map(|dedup| &dedup.publish).collect(),
        _ => Vec::new(),
    }
}

/// The event of publishes that matched no queue.
pub fn unrouted(unrouted: &Unrouted, client: Option<&Arc<Client>>, at: Timestamp) -> Event {
    let Unrouted { channel, exchange, routing_key, message_id, is_returned, count } = unrouted;
    let kind = if *is_returned { EventKind::Returned } else { EventKind::Unroutable };
    Event {
        count: *count,
        about: Some(About::new(exchange, routing_key, message_id.as_deref())),
        client: client.map(Arc::clone),
        channel: *channel,
        ..Event::new(at, kind)
    }
}

/// What the events of one message have in common as long as it is in memory; never 0.
pub(super) fn link(message: &Message) -> u64 {
    message.identity().number()
}
