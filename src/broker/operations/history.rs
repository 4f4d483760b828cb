//! The way of a message, from the journal, from the message itself and from its queue as it is now.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::peeking::{MessageHolder, PeekedMessage, peek, peek_and_read};
use super::scope::Scope;
use crate::broker::error::OperationError;
use crate::broker::journal::{
    Edge, Event, EventKind, Filter, Found, Now, Place, Step, Wanted, Zone, find, remembered, steps,
};
use crate::broker::selection::Selection;
use crate::message::Position;
use crate::queue::attempts::WaitKind;
use crate::queue::{PEEK_MAX, PeekState};
use crate::time::Timestamp;

/// Messages of one queue and state that are looked at for a text or an id.
const LOOKED_AT_MAX: usize = 1000;
/// Messages that are found that way, at most.
const FOUND_MAX: usize = 20;

/// Which messages a history is asked for.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// The one at this place.
    pub place: Option<(String, Position)>,
    /// Those with this id, in queues or in the journal.
    pub message_id: Option<String>,
    /// Those with this text in their bodies, or in events about them.
    pub contains: Option<String>,
}

/// The ways of some messages.
#[derive(Debug)]
pub struct History {
    /// Oldest first.
    pub messages: Vec<MessageHistory>,
    /// When the oldest event happened that the journal still has.
    pub since: Option<Timestamp>,
    /// How many events before that had to make room.
    pub lost: u64,
    /// There are more messages than these.
    pub is_cut: bool,
}

/// The way of a message through one queue.
#[derive(Debug)]
pub struct MessageHistory {
    /// Where it is or was; `None`: it came to no queue.
    pub place: Option<Place>,
    /// `ready`, `unacked`, `delayed`, `parked`; `gone`; `unknown` to who may not read the queue.
    pub state: &'static str,
    /// The same in a sentence.
    pub now: String,
    /// The message, if it is there and may be read.
    pub peeked: Option<PeekedMessage>,
    /// What happened, oldest first.
    pub steps: Vec<Step>,
    /// The events that the steps are made of.
    pub events: Vec<Event>,
    /// Copies that came from it or that it came from.
    pub edges: Vec<Edge>,
}

/// Tells the way of messages. Whoever may not read a queue is not told what its messages are like now.
///
/// # Errors
/// `NotFound`: there is no such queue, and the journal has never heard of it.
pub async fn history(scope: Scope<'_>, query: &HistoryQuery, zone: Zone) -> Result<History, OperationError> {
    let journal = &scope.vhost.journal;
    let found = find(journal, &wanted(scope, query).await);
    if let Some((queue, _)) = &query.place
        && scope.vhost.queue_named(queue).is_none()
        && found.messages.values().all(Vec::is_empty)
    {
        return Err(scope.no_queue(queue));
    }
    let Found { messages, elsewhere, edges, since, is_cut } = found;
    let known: BTreeSet<(String, &'static str)> = messages.values().flatten().filter_map(death).collect();
    let mut told = Vec::new();
    for (place, events) in messages {
        let mut message = Telling { scope, zone, known: &known }.message(place, events).await;
        message.edges = edges_of(&edges, message.place.as_ref());
        told.push(message);
    }
    told.sort_by_key(|message| {
        // What happened in the same millisecond is told in the journal's order.
        let number = message.events.first().map(|event| event.number);
        (message.steps.first().map(|step| step.at), number, message.place.clone())
    });
    told.extend(elsewhere.into_iter().map(|event| nowhere(event, zone)));
    Ok(History { messages: told, since, lost: journal.lost(), is_cut })
}

/// What to look for in the journal: also what is in the queues now.
async fn wanted(scope: Scope<'_>, query: &HistoryQuery) -> Wanted {
    let HistoryQuery { place, message_id, contains } = query;
    let place = place.as_ref().map(|(queue, position)| (Arc::from(&**queue), *position));
    let mut wanted = Wanted { places: place.into_iter().collect(), filter: None };
    if message_id.is_none() && contains.is_none() {
        return wanted;
    }
    let filter = Filter { message_id: message_id.clone(), contains: contains.clone(), ..Filter::default() };
    wanted.filter = Some(filter);
    let id = message_id.iter().map(|id| ("message_id".to_owned(), id.clone())).collect();
    let selection = Selection { properties: id, body: contains.clone(), ..Selection::default() };
    for record in scope.vhost.declared_queues() {
        let label: Arc<str> = Arc::from(&*record.name);
        for position in search(scope, &record.name, &selection).await {
            if wanted.places.len() < FOUND_MAX {
                wanted.places.insert((Arc::clone(&label), position));
            }
        }
    }
    wanted
}

/// Messages in memory that are meant. A queue that may not be read has none.
async fn search(scope: Scope<'_>, queue: &str, selection: &Selection) -> Vec<Position> {
    let mut positions = Vec::new();
    for state in [PeekState::Ready, PeekState::Unacked, PeekState::Delayed, PeekState::Parked] {
        let mut offset = 0;
        while offset < LOOKED_AT_MAX {
            let Ok(found) = peek(scope, queue, state, offset, PEEK_MAX).await else { return positions };
            offset += PEEK_MAX;
            let is_last = found.len() < PEEK_MAX;
            let meant = found.iter().filter(|peeked| {
                peeked.message.as_ref().is_some_and(|message| selection.covers(peeked.position, message))
            });
            positions.extend(meant.map(|peeked| peeked.position));
            if is_last {
                break;
            }
        }
    }
    positions
}

/// A death that the journal has, as `x-death` names it.
fn death(event: &Event) -> Option<(String, &'static str)> {
    let why = event.why.filter(|_| event.kind == EventKind::DeadLettered)?;
    Some((event.queue.as_deref()?.to_owned(), why.name()))
}

fn edges_of(edges: &[Edge], place: Option<&Place>) -> Vec<Edge> {
    let mine =
        edges.iter().filter(|edge| place.is_some_and(|place| edge.from == *place || edge.to == *place));
    mine.cloned().collect()
}

fn nowhere(event: Event, zone: Zone) -> MessageHistory {
    MessageHistory {
        place: None,
        state: "gone",
        now: "in no queue".to_owned(),
        peeked: None,
        steps: steps(std::slice::from_ref(&event), zone),
        events: vec![event],
        edges: Vec::new(),
    }
}

/// Tells of one message after the other.
struct Telling<'a> {
    scope: Scope<'a>,
    zone: Zone,
    /// Deaths that the journal has.
    known: &'a BTreeSet<(String, &'static str)>,
}

impl Telling<'_> {
    async fn message(&self, place: Place, events: Vec<Event>) -> MessageHistory {
        let (queue, position) = &place;
        let found = peek_and_read(self.scope, queue, PeekState::At(*position), 0, 1).await;
        let may_read =
            !matches!(found, Err(OperationError::AccessRefused { .. } | OperationError::Locked { .. }));
        let peeked = found.unwrap_or_default().into_iter().next();
        let (state, now) = match &peeked {
            Some(peeked) => self.state(queue, peeked),
            None if may_read => ("gone", gone(&events)),
            None => ("unknown", format!("you may not read '{queue}'")),
        };
        let journal = steps(&events, self.zone);
        let mut all = peeked.as_ref().map(|peeked| self.before(peeked, &events)).unwrap_or_default();
        all.extend(journal);
        MessageHistory { place: Some(place), state, now, peeked, steps: all, events, edges: Vec::new() }
    }

    /// What happened before the journal begins.
    fn before(&self, peeked: &PeekedMessage, events: &[Event]) -> Vec<Step> {
        let now = Now { message: peeked.message.as_ref(), attempts: peeked.attempts.as_ref() };
        let is_known = |queue: &str, reason: &str| {
            self.known.iter().any(|(known, why)| (&**known, *why) == (queue, reason))
        };
        let knows_deliveries = events.iter().any(|event| event.attempt > 0);
        remembered(now, is_known, knows_deliveries)
    }

    fn is_stream(&self, queue: &str) -> bool {
        self.scope.vhost.queue_named(queue).is_some_and(|record| record.is_stream())
    }

    fn state(&self, queue: &str, peeked: &PeekedMessage) -> (&'static str, String) {
        let now = self.scope.vhost.clock.timestamp();
        let until = peeked.due.map(|due| format!(" until {}", self.zone.clock(due, now))).unwrap_or_default();
        match (&peeked.holder, peeked.wait) {
            (Some(holder), _) => {
                let since = self.zone.clock(holder.since, now);
                ("unacked", format!("in '{queue}', with {} since {since}; not acked yet", who(holder)))
            }
            (None, Some(WaitKind::Delayed)) => {
                ("delayed", format!("in '{queue}', waiting for its next attempt{until}"))
            }
            (None, Some(WaitKind::Parked)) => ("parked", format!("in '{queue}', parked{until}")),
            (None, None) if self.is_stream(queue) => {
                ("ready", format!("in the stream '{queue}', for all who read it"))
            }
            (None, None) => ("ready", format!("in '{queue}', ready for a consumer")),
        }
    }
}

fn who(holder: &MessageHolder) -> String {
    match (&holder.consumer_tag, &holder.connection_name) {
        (Some(tag), Some(connection)) => format!("consumer '{tag}' at {connection}"),
        (Some(tag), None) => format!("consumer '{tag}'"),
        (None, Some(connection)) => connection.clone(),
        (None, None) => "a client".to_owned(),
    }
}

/// Failures are always noted, so a message of which none is the last thing that was noted was acked.
fn gone(events: &[Event]) -> String {
    let last = events.last().map(|event| event.kind);
    let is_told = matches!(
        last,
        Some(EventKind::Acked | EventKind::DeadLettered | EventKind::Dropped | EventKind::Moved)
    );
    if is_told {
        "not in this queue any more".to_owned()
    } else {
        "not in this queue; the journal tells of no failure, so it was acked or purged, or was never here"
            .to_owned()
    }
}
