//! The events of one queue, made from what its machine says it did.

use std::sync::Arc;

use super::event::{About, Client, Event, EventKind};
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::message::QueueId;
use crate::queue::{ConnectionId, DeadLetter, HeldBy};
use crate::time::Timestamp;

/// Makes the events of one queue.
#[derive(Debug, Default)]
pub struct QueueEvents {
    /// Whose doing the last event was: nearly always that of the next one.
    last_client: Option<(ConnectionId, Option<Arc<Client>>)>,
    /// Connections that are gone, until what became of their messages is noted.
    gone: Vec<Arc<Client>>,
    /// Where messages went last, and what those queues are called.
    last_targets: Option<(Vec<QueueId>, Arc<[Arc<str>]>)>,
}

/// Where the queue is.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Everything.
    pub shared: &'a Shared,
    /// Its vhost.
    pub vhost: &'a Vhost,
    /// The queue.
    pub record: &'a QueueRecord,
}

impl QueueEvents {
    /// A connection is gone, and nobody else will know it any more.
    pub fn note_gone(&mut self, client: Arc<Client>) {
        self.gone.push(client);
    }

    /// What became of their messages is noted.
    pub fn forget_gone(&mut self) {
        self.gone.clear();
    }

    /// A message left for the dead-letter exchange, and from there to these queues.
    pub fn dead_lettered(&mut self, at: &Surroundings<'_>, letter: &DeadLetter, to: &[QueueId]) -> Event {
        let attempts = letter.attempts.as_deref();
        let event = Event {
            why: Some(letter.reason.into()),
            queue: Some(Arc::clone(&at.record.label)),
            position: letter.position,
            about: Some(About::message(&letter.message)),
            attempt: attempts.map_or(0, |attempts| attempts.acquired),
            error: attempts.and_then(|attempts| attempts.error.clone()),
            to: self.names(at.vhost, to),
            ..Event::new(at.now(), EventKind::DeadLettered)
        };
        self.held(at.shared, event, letter.held_by.as_ref())
    }

    /// The event as the doing of whoever had the message.
    fn held(&mut self, shared: &Shared, event: Event, held_by: Option<&HeldBy>) -> Event {
        let Some(HeldBy { connection, channel, tag }) = held_by else { return event };
        let client = self.client(shared, *connection);
        Event { client, channel: *channel, consumer: tag.clone(), ..event }
    }

    fn client(&mut self, shared: &Shared, id: ConnectionId) -> Option<Arc<Client>> {
        if let Some((_, client)) =
            self.last_client.as_ref().filter(|(last, client)| *last == id && client.is_some())
        {
            return client.clone();
        }
        let gone = self.gone.iter().find(|client| client.id == id).cloned();
        let client = gone.or_else(|| shared.connections.get(&id)?.client());
        self.last_client = Some((id, client.clone()));
        client
    }

    /// What queues are called.
    fn names(&mut self, vhost: &Vhost, queues: &[QueueId]) -> Option<Arc<[Arc<str>]>> {
        if queues.is_empty() {
            return None;
        }
        if let Some((_, names)) = self.last_targets.as_ref().filter(|(last, _)| last == queues) {
            return Some(Arc::clone(names));
        }
        let labels = queues.iter().filter_map(|queue| vhost.queue(*queue));
        let names: Arc<[Arc<str>]> = labels.map(|record| Arc::clone(&record.label)).collect();
        self.last_targets = Some((queues.to_vec(), Arc::clone(&names)));
        Some(names)
    }
}

impl Surroundings<'_> {
    fn now(&self) -> Timestamp {
        self.shared.clock.timestamp()
    }
}
