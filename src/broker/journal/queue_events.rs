//! The events of one queue, made from what its machine says it did.

use std::collections::HashMap;
use std::sync::Arc;

use super::batch::Batch;
use super::event::{About, Client, Event, EventKind, Why};
use super::publish_events::link;
use super::recording::{Counted, Occasion, Rules, Stage};
use super::settings::{Configured, SettingsInForce};
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::message::{Message, Position, QueueId};
use crate::queue::{Cause, ConnectionId, DeadLetter, Ended, Happening, HappeningKind, HeldBy, MessagePlace};
use crate::time::Timestamp;

/// Connections that are remembered beyond those that the queue has to do with now.
const CLIENTS_SPARE: usize = 64;

/// What some queues are called.
type Names = Arc<[Arc<str>]>;

/// Makes the events of one queue.
#[derive(Debug, Default)]
pub struct QueueEvents {
    /// The connections that the queue has to do with.
    clients: HashMap<ConnectionId, Arc<Client>>,
    /// Those that are gone, until what became of their messages is noted.
    gone: Vec<ConnectionId>,
    /// Where messages went last, and what those queues are called.
    last_targets: Option<(Vec<QueueId>, Names)>,
    settings: SettingsInForce,
    /// The recordings of this batch.
    rules: Rules,
    /// What all of them have to be counted for.
    counted: Counted,
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
    /// How often a message of it may come back.
    pub delivery_limit: Option<u32>,
}

impl QueueEvents {
    /// Looks for recordings that concern the queue; whether there are any.
    pub fn begin_batch(&mut self, vhost: &Vhost, record: &QueueRecord) -> bool {
        let recordings = vhost.journal.recordings();
        if !recordings.is_any() && self.rules.is_empty() {
            return false;
        }
        self.rules = recordings.hold(vhost.clock.timestamp()).for_queue(&record.label);
        !self.rules.is_empty()
    }

    /// The queue has to do with a connection. `known` are those that it has to do with at all.
    pub fn note_client(&mut self, client: Arc<Client>, known: impl Fn(ConnectionId) -> bool, count: usize) {
        if self.clients.len() > count + CLIENTS_SPARE {
            self.clients.retain(|id, _| known(*id));
        }
        self.clients.insert(client.id, client);
    }

    /// A connection is gone: it is forgotten once what became of its messages is noted.
    pub fn note_gone(&mut self, id: ConnectionId) {
        self.gone.push(id);
    }

    /// What became of their messages is noted.
    pub fn forget_gone(&mut self) {
        for id in self.gone.drain(..) {
            self.clients.remove(&id);
        }
    }

    /// The queue is configured anew.
    pub fn forget_settings(&mut self) {
        self.settings.forget();
    }

    /// Notes what happened, as far as it is wanted.
    pub fn note(&mut self, at: &Surroundings<'_>, happened: &[Happening]) {
        let mut batch = Batch::default();
        for happening in happened {
            if !self.is_wanted(at, happening) {
                continue;
            }
            let is_arrival = matches!(happening.kind, HappeningKind::Enqueued(_));
            let link = happening.message.as_ref().filter(|_| is_arrival).map_or(0, link);
            if !batch.join(happening, at.attempts_max(), link) {
                batch.push(Event { link, ..self.happened(at, happening.clone()) }, happening.message.clone());
            }
        }
        self.rules.count_all(&mut self.counted);
        at.vhost.journal.note_runs(batch.into_runs());
    }

    /// The event of something that happened.
    fn happened(&mut self, at: &Surroundings<'_>, happening: Happening) -> Event {
        let Happening { kind, position, last, count, message, held_by, attempt, error } = happening;
        let setting = self.settings.of(at.configured(), &kind, message.as_ref());
        let (event_kind, why, until) = described(&kind);
        let from = match kind {
            HappeningKind::Enqueued(from) => from,
            _ => None,
        };
        let event = Event {
            why,
            queue: Some(Arc::clone(&at.record.label)),
            position,
            last,
            count,
            about: message.as_ref().map(About::message),
            attempt,
            attempts_max: at.attempts_max(),
            error,
            until,
            setting,
            from,
            ..Event::new(at.now(), event_kind)
        };
        self.held(at.shared, event, held_by)
    }

    /// Failures are always wanted, and so is the arrival of a message that another queue had before.
    fn is_wanted(&mut self, at: &Surroundings<'_>, happening: &Happening) -> bool {
        let stage = match &happening.kind {
            HappeningKind::Enqueued(from) => match from {
                Some(_) => return true,
                None => Stage::Arrives,
            },
            HappeningKind::Delivered | HappeningKind::PutBack => Stage::Stays,
            HappeningKind::Acked => Stage::Leaves,
            HappeningKind::Refused
            | HappeningKind::Duplicate
            | HappeningKind::Gap
            | HappeningKind::OldEpoch => {
                let Happening { message, count, .. } = happening;
                self.rules.note_turned_away(&at.record.label, message.as_ref(), *count);
                return true;
            }
            _ => return true,
        };
        let is_one = happening.position.is_some();
        if self.rules.take_all() && is_one {
            self.counted.add(stage);
            return true;
        }
        let place = happening.position.map(|position| (at.record.id, &*at.record.label, position));
        self.rules.want(&Occasion { place, message: happening.message.as_ref(), stage })
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
            attempts_max: at.attempts_max(),
            error: attempts.and_then(|attempts| attempts.error.clone()),
            setting: self.settings.of_death(at.configured(), letter.reason, Some(&letter.message)),
            to: self.names(at.vhost, to),
            ..Event::new(at.now(), EventKind::DeadLettered)
        };
        self.held(at.shared, event, letter.held_by.clone())
    }

    /// A message left for other queues.
    pub fn moved(
        &mut self,
        at: &Surroundings<'_>,
        message: &Message,
        position: Position,
        why: Why,
        to: &[QueueId],
    ) -> Event {
        Event {
            why: Some(why),
            queue: Some(Arc::clone(&at.record.label)),
            position: Some(position),
            about: Some(About::message(message)),
            to: self.names(at.vhost, to),
            ..Event::new(at.now(), EventKind::Moved)
        }
    }

    /// The event as the doing of whoever had the message.
    fn held(&self, shared: &Shared, event: Event, held_by: Option<HeldBy>) -> Event {
        let Some(HeldBy { connection, channel, tag }) = held_by else { return event };
        let known = self.clients.get(&connection).cloned();
        let client = known.or_else(|| shared.connections.get(&connection)?.client());
        Event { client, channel, consumer: tag, ..event }
    }

    /// What queues are called.
    fn names(&mut self, vhost: &Vhost, queues: &[QueueId]) -> Option<Names> {
        if queues.is_empty() {
            return None;
        }
        if let Some((_, names)) = self.last_targets.as_ref().filter(|(last, _)| last == queues) {
            return Some(Arc::clone(names));
        }
        let labels = queues.iter().filter_map(|queue| vhost.queue(*queue));
        let names: Names = labels.map(|record| Arc::clone(&record.label)).collect();
        self.last_targets = Some((queues.to_vec(), Arc::clone(&names)));
        Some(names)
    }
}

impl Surroundings<'_> {
    /// A place in the queue.
    pub fn place(&self, position: Position) -> MessagePlace {
        MessagePlace { queue: Arc::clone(&self.record.label), position }
    }

    const fn configured(&self) -> Configured<'_> {
        Configured { vhost: self.vhost, record: self.record, delivery_limit: self.delivery_limit }
    }

    fn now(&self) -> Timestamp {
        self.vhost.clock.timestamp()
    }

    /// It may come back so often, and is delivered once more than that.
    fn attempts_max(&self) -> Option<u32> {
        self.delivery_limit.map(|limit| limit.saturating_add(1))
    }
}

/// What it is called, why it happened, and until when it waits.
fn described(kind: &HappeningKind) -> (EventKind, Option<Why>, Option<Timestamp>) {
    match kind {
        HappeningKind::Enqueued(_) => (EventKind::Enqueued, None, None),
        HappeningKind::Delivered => (EventKind::Delivered, None, None),
        HappeningKind::Acked => (EventKind::Acked, None, None),
        HappeningKind::PutBack => (EventKind::PutBack, None, None),
        HappeningKind::CameBack(cause) => (came_back(*cause), None, None),
        HappeningKind::Delayed(until) => (EventKind::Delayed, None, Some(*until)),
        HappeningKind::Parked(until) => (EventKind::Parked, None, Some(*until)),
        HappeningKind::Released { by_hand: true } => (EventKind::Released, Some(Why::ByHand), None),
        HappeningKind::Released { by_hand: false } => (EventKind::Released, Some(Why::Due), None),
        HappeningKind::Dropped(reason) => (EventKind::Dropped, Some((*reason).into()), None),
        HappeningKind::Deleted => (EventKind::Dropped, Some(Why::ByHand), None),
        HappeningKind::Purged => (EventKind::Purged, Some(Why::ByHand), None),
        HappeningKind::Ended(ended) => (EventKind::QueueEnded, Some(ended_by(*ended)), None),
        HappeningKind::Refused => (EventKind::Refused, Some(Why::Maxlen), None),
        HappeningKind::Duplicate => (EventKind::Duplicate, None, None),
        HappeningKind::Gap => (EventKind::Refused, Some(Why::Gap), None),
        HappeningKind::OldEpoch => (EventKind::Refused, Some(Why::OldEpoch), None),
    }
}

const fn came_back(cause: Cause) -> EventKind {
    match cause {
        Cause::Requeued => EventKind::Requeued,
        Cause::Failed => EventKind::Failed,
        Cause::TimedOut(_) => EventKind::TimedOut,
        Cause::ConsumerLost => EventKind::ConsumerLost,
        Cause::ConnectionLost => EventKind::ConnectionLost,
    }
}

const fn ended_by(ended: Ended) -> Why {
    match ended {
        Ended::AutoDeleted => Why::AutoDelete,
        Ended::Expired => Why::Expired,
        Ended::Deleted => Why::ByHand,
    }
}
