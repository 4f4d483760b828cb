//! The events of publishers: what was routed where while it is recorded, and what was routed nowhere.

use std::sync::Arc;

use super::event::{About, Client, Event, EventKind};
use super::recording::{Occasion, Rules, Stage};
use crate::broker::outgoing::{Outgoing, outgoing};
use crate::broker::vhost::Vhost;
use crate::message::{Message, QueueId};
use crate::queue::Command;
use crate::session::Unrouted;
use crate::time::Timestamp;

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
    let wanted = outgoing(vhost, commands).filter(|Outgoing { publish, to }| {
        let occasion = Occasion { place: None, message: Some(&publish.message), stage: Stage::Arrives };
        !to.is_empty() && (rules.select_queue(to) || rules.want(&occasion))
    });
    let event = |Outgoing { publish, to }: Outgoing<'_>| Event {
        about: Some(About::message(&publish.message)),
        client: client.map(Arc::clone),
        channel: publish.channel,
        to: Some(to.into()),
        link: link(&publish.message),
        ..Event::new(at, EventKind::Published)
    };
    wanted.map(event).collect()
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
