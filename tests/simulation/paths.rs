//! The way of each message by the journal of one life, step by step, against what clients saw and said.

use std::collections::{BTreeMap, BTreeSet};

use coney::broker::journal::{Event, EventKind, Filter, Journal, MessagePlace, Why};

use super::ledger::Now;
use super::streams::topology::STREAMS;

/// A queue's name and a position there.
type Place = (String, u64);

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// From an earlier life: ready or waiting.
    Unheard,
    Ready,
    Unacked,
    Waiting,
    Gone,
}

/// What the journal says.
#[derive(Debug, Default)]
struct Paths {
    states: BTreeMap<Place, State>,
    /// Message ids, as far as an event told them.
    ids: BTreeMap<Place, u64>,
    /// Places that messages left for other queues, with those that they have not been seen to arrive in.
    left: BTreeMap<Place, Vec<String>>,
    /// Offsets of streams, with the queues that they were put into.
    fed: BTreeSet<(Place, String)>,
    steps: BTreeMap<EventKind, BTreeMap<(String, u64), usize>>,
    seen: BTreeSet<u64>,
    /// Those that died of the delivery limit: no client said anything.
    limit: BTreeSet<u64>,
}

fn is_stream(queue: &str) -> bool {
    STREAMS.iter().any(|(name, ..)| *name == queue)
}

/// Goes through the events of a life.
pub fn check(journal: &Journal, now: &Now, queues: &[&str]) {
    let slice = journal.after(0, &Filter::default(), usize::MAX);
    assert_eq!(slice.lost, 0, "the ring is large enough for a life");
    let mut paths = Paths::default();
    for event in &slice.events {
        paths.step(event);
    }
    paths.compare(now, queues);
}

impl Paths {
    fn step(&mut self, event: &Event) {
        let id = event.about.as_ref().and_then(|about| about.message_id()).and_then(|id| id.parse().ok());
        self.seen.extend(id);
        if event.why == Some(Why::DeliveryLimit) {
            self.limit.extend(id);
        }
        let (Some(queue), Some(first)) = (&event.queue, event.position) else { return };
        let last = event.last.unwrap_or(first);
        assert_eq!(event.count, last.0 - first.0 + 1, "a run without holes: {event:?}");
        for position in first.0..=last.0 {
            let place = (queue.to_string(), position);
            if let Some(id) = id.filter(|_| position == first.0) {
                let before = self.ids.insert(place.clone(), id);
                assert!(before.is_none_or(|before| before == id), "two messages at a place: {event:?}");
            }
            self.go(event, &place);
            if let Some(id) = self.ids.get(&place) {
                let steps = self.steps.entry(event.kind).or_default();
                *steps.entry((place.0.clone(), *id)).or_default() += 1;
            }
        }
    }

    fn go(&mut self, event: &Event, place: &Place) {
        use State::{Gone, Ready, Unacked, Unheard, Waiting};
        if is_stream(&place.0) {
            return self.go_in_stream(event, place);
        }
        let state = self.states.get(place).copied().unwrap_or(Unheard);
        let (may_be, becomes): (&[State], State) = match event.kind {
            EventKind::Enqueued => {
                event.from.iter().for_each(|from| self.arrive(from, &place.0));
                (&[Unheard], Ready)
            }
            EventKind::Delivered => (&[Unheard, Ready], Unacked),
            EventKind::Acked => (&[Unacked], Gone),
            EventKind::Requeued | EventKind::Failed | EventKind::ConsumerLost | EventKind::ConnectionLost => {
                (&[Unacked], Ready)
            }
            EventKind::Delayed | EventKind::Parked => (&[Ready], Waiting),
            EventKind::Released => (&[Unheard, Waiting], Ready),
            EventKind::DeadLettered if event.why == Some(Why::Rejected) => {
                self.leave(event, place);
                (&[Unacked], Gone)
            }
            EventKind::DeadLettered | EventKind::Moved => {
                self.leave(event, place);
                (&[Unheard, Ready], Gone)
            }
            EventKind::Dropped => (&[Unacked], Gone),
            kind => panic!("{kind:?} does not happen here: {event:?}"),
        };
        assert!(may_be.contains(&state), "{state:?} before {event:?}");
        self.states.insert(place.clone(), becomes);
    }

    /// A message comes to a stream once, and may be read and settled again and again, those of earlier lives too.
    fn go_in_stream(&mut self, event: &Event, place: &Place) {
        let is_here = self.states.contains_key(place);
        match event.kind {
            EventKind::Enqueued => {
                assert!(!is_here, "an offset is given once: {event:?}");
                event.from.iter().for_each(|from| self.arrive(from, &place.0));
                self.states.insert(place.clone(), State::Ready);
            }
            EventKind::Delivered | EventKind::Acked | EventKind::Requeued | EventKind::Failed => {}
            kind => panic!("{kind:?} does not happen in a stream: {event:?}"),
        }
    }

    fn leave(&mut self, event: &Event, place: &Place) {
        let targets = event.targets().map(str::to_owned).collect();
        self.left.insert(place.clone(), targets);
    }

    /// Each arrival is one that was announced, and only once.
    fn arrive(&mut self, from: &MessagePlace, queue: &str) {
        let place = (from.queue.to_string(), from.position.0);
        if is_stream(&place.0) {
            let is_new = self.fed.insert((place.clone(), queue.to_owned()));
            assert!(is_new, "{place:?} was put into {queue} twice");
            return;
        }
        let targets = self.left.get_mut(&place).unwrap_or_else(|| panic!("nothing left {place:?}"));
        let target = targets.iter().position(|target| target == queue);
        targets.remove(target.unwrap_or_else(|| panic!("nothing went from {place:?} to {queue}")));
        let before = self.ids.get(&place).copied();
        if let Some(id) = before {
            self.seen.insert(id);
        }
    }

    /// What clients saw had happened before, and what was taken of them they had said.
    fn compare(&self, now: &Now, queues: &[&str]) {
        let count = |kind: EventKind, queue: usize, id: u64| {
            let steps = self.steps.get(&kind);
            steps.and_then(|steps| steps.get(&(queues[queue].to_owned(), id))).copied().unwrap_or(0)
        };
        for ((queue, id), times) in &now.delivered {
            let said = count(EventKind::Delivered, *queue, *id);
            assert!(said >= *times, "message {id} was delivered {times} times, the journal says {said}");
        }
        for id in &now.confirmed {
            assert!(self.seen.contains(id), "message {id} was confirmed, and the journal does not know it");
        }
        let said_by_clients = [
            (EventKind::Acked, &now.acked),
            (EventKind::Requeued, &now.requeued),
            (EventKind::DeadLettered, &now.rejected),
            (EventKind::Dropped, &now.rejected),
        ];
        for (kind, said) in said_by_clients {
            for ((queue, id), times) in self.steps.get(&kind).into_iter().flatten() {
                let Some(index) = queues.iter().position(|name| name == queue) else { continue };
                if kind == EventKind::DeadLettered && self.limit.contains(id) {
                    continue;
                }
                let known = said.get(&(index, *id)).copied().unwrap_or(0);
                assert!(
                    known >= *times,
                    "message {id} of {queue}: {times} times {kind:?}, clients say {known}"
                );
            }
        }
    }
}
