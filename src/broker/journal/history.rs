//! The way of a message: what the journal has of it, and of its copies before and after it in other queues.
//!
//! A copy is an edge between two places, which the event of its arrival has. So a message's relatives are those that can be reached from it
//! over edges, in both directions: dead letters, what was moved and replayed, what waited in a delayed exchange.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::event::{Event, EventKind};
use super::filter::Filter;
use super::sentence::sentence;
use super::vhost_journal::Journal;
use super::wording::Zone;
use crate::message::Position;
use crate::time::Timestamp;

/// Messages that one history has at most.
const MESSAGES_MAX: usize = 100;
/// Events of a client's that led to no place in a queue, at most.
const ELSEWHERE_MAX: usize = 100;

/// A message's place: its queue and the position there.
pub type Place = (Arc<str>, Position);

/// Which messages a history is about: those at `places`, and those of which an event is what the filter wants.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Places that are known.
    pub places: BTreeSet<Place>,
    /// What an event says of the message: its id, a text.
    pub filter: Option<Filter>,
}

/// A copy of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When it came.
    pub at: Timestamp,
    /// How: `dead-lettered`, `moved`; `copied` if the message stayed where it was.
    pub how: &'static str,
    /// Where the message was.
    pub from: Place,
    /// Where the copy came to.
    pub to: Place,
}

/// What the journal has.
#[derive(Debug, Default)]
pub struct Found {
    /// The events of each message, oldest first. Messages of which there are none are here, too.
    pub messages: BTreeMap<Place, Vec<Event>>,
    /// Events of publishes that came to no queue.
    pub elsewhere: Vec<Event>,
    /// The copies among these messages.
    pub edges: Vec<Edge>,
    /// When the oldest event of all happened that the journal still has.
    pub since: Option<Timestamp>,
    /// There are more messages than these.
    pub is_cut: bool,
}

/// Looks through the journal.
#[must_use]
pub fn find(journal: &Journal, wanted: &Wanted) -> Found {
    let survey = Survey::of(journal, wanted);
    let mut found = Found { since: survey.since, elsewhere: survey.elsewhere, ..Found::default() };
    let arrivals = survey.arrivals;
    (found.messages, found.is_cut) = relatives(survey.seeds, &arrivals);
    let links: HashMap<u64, Vec<Place>> =
        survey.links.into_iter().fold(HashMap::new(), |mut links, (link, place)| {
            if found.messages.contains_key(&place) {
                links.entry(link).or_default().push(place);
            }
            links
        });
    journal.each(|event| {
        for place in places_of(event, &found.messages, &links) {
            if let Some(events) = found.messages.get_mut(&place) {
                events.push(event.clone());
            }
        }
    });
    let is_here = |place: &Place| found.messages.contains_key(place);
    let inner = arrivals.into_iter().filter(|arrival| is_here(&arrival.from) && is_here(&arrival.to));
    found.edges = inner.map(|arrival| edge(arrival, &found.messages)).collect();
    found
}

/// A copy's arrival, as its event tells it.
struct Arrival {
    number: u64,
    at: Timestamp,
    from: Place,
    to: Place,
}

/// What a first look through the journal finds.
#[derive(Default)]
struct Survey {
    since: Option<Timestamp>,
    seeds: BTreeSet<Place>,
    arrivals: Vec<Arrival>,
    links: Vec<(u64, Place)>,
    /// Publishes that are wanted: their arrivals have the places.
    wanted_links: HashSet<u64>,
    elsewhere: Vec<Event>,
}

impl Survey {
    fn of(journal: &Journal, wanted: &Wanted) -> Self {
        let mut survey = Self { seeds: wanted.places.clone(), ..Self::default() };
        journal.each(|event| survey.see(event, wanted.filter.as_ref()));
        let arrived = survey.links.iter().filter(|(link, _)| survey.wanted_links.contains(link));
        survey.seeds.extend(arrived.map(|(_, place)| place.clone()).take(MESSAGES_MAX));
        survey
    }

    fn see(&mut self, event: &Event, filter: Option<&Filter>) {
        self.since.get_or_insert(event.at);
        let place = place_of(event);
        if filter.is_some_and(|filter| filter.admits(event)) {
            match &place {
                Some(place) if self.seeds.len() < MESSAGES_MAX => drop(self.seeds.insert(place.clone())),
                None if event.link != 0 => drop(self.wanted_links.insert(event.link)),
                None if is_of_message(event.kind) && self.elsewhere.len() < ELSEWHERE_MAX => {
                    self.elsewhere.push(event.clone());
                }
                _ => {}
            }
        }
        let Some(to) = place else { return };
        if event.link != 0 {
            self.links.push((event.link, to.clone()));
        }
        if let Some(from) = event.from.as_ref().filter(|_| event.kind == EventKind::Enqueued) {
            let from = (Arc::clone(&from.queue), from.position);
            self.arrivals.push(Arrival { number: event.number, at: event.at, from, to });
        }
    }
}

/// Whether such an event is about a message.
const fn is_of_message(kind: EventKind) -> bool {
    use EventKind as K;
    !matches!(
        kind,
        K::Connected
            | K::Closed
            | K::ConnectionLost
            | K::ChannelClosed
            | K::ConsumerCancelled
            | K::Blocked
            | K::Fault
            | K::Unblocked
            | K::Purged
            | K::QueueEnded
            | K::Unreadable
    )
}

fn place_of(event: &Event) -> Option<Place> {
    Some((Arc::clone(event.queue.as_ref()?), event.position?))
}

/// The places and all that can be reached from them; whether there are more than there is room for.
fn relatives(seeds: BTreeSet<Place>, arrivals: &[Arrival]) -> (BTreeMap<Place, Vec<Event>>, bool) {
    let mut next: HashMap<&Place, Vec<&Place>> = HashMap::new();
    for Arrival { from, to, .. } in arrivals {
        next.entry(from).or_default().push(to);
        next.entry(to).or_default().push(from);
    }
    let (mut found, mut waiting, mut is_cut) =
        (BTreeMap::new(), seeds.into_iter().collect::<Vec<_>>(), false);
    while let Some(place) = waiting.pop() {
        if found.contains_key(&place) {
            continue;
        }
        if found.len() == MESSAGES_MAX {
            is_cut = true;
            break;
        }
        waiting.extend(next.get(&place).into_iter().flatten().map(|place| (*place).clone()));
        found.insert(place, Vec::new());
    }
    (found, is_cut)
}

/// Those of the messages that an event is about.
fn places_of(
    event: &Event,
    messages: &BTreeMap<Place, Vec<Event>>,
    links: &HashMap<u64, Vec<Place>>,
) -> Vec<Place> {
    let Some((queue, first)) = place_of(event) else {
        return links.get(&event.link).cloned().unwrap_or_default();
    };
    let last = event.last.unwrap_or(first).max(first);
    messages.range((Arc::clone(&queue), first)..=(queue, last)).map(|(place, _)| place.clone()).collect()
}

/// How a message left is what its queue said last before the copy arrived.
fn edge(arrival: Arrival, messages: &BTreeMap<Place, Vec<Event>>) -> Edge {
    let Arrival { number, at, from, to } = arrival;
    let left = messages.get(&from).into_iter().flatten().rev().find(|event| {
        event.number < number && matches!(event.kind, EventKind::DeadLettered | EventKind::Moved)
    });
    Edge { at, how: left.map_or("copied", |event| event.kind.name()), from, to }
}

/// A step of a message's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What, by its name in JSON.
    pub what: &'static str,
    /// In a sentence.
    pub sentence: String,
    /// The events that it is made of, by their numbers; none if it is known from elsewhere.
    pub events: Vec<u64>,
    /// How it is known: `journal`, `x-death` or `attempts`.
    pub known_from: &'static str,
}

/// The events of a message as steps. How a delivery ended and what followed from that are one.
#[must_use]
pub fn steps(events: &[Event], zone: Zone) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = events.iter().peekable();
    while let Some(event) = rest.next() {
        let mut step = Step {
            at: event.at,
            what: event.kind.name(),
            sentence: sentence(event, zone),
            events: vec![event.number],
            known_from: "journal",
        };
        if is_ending(event.kind) {
            match rest.next_if(|next| is_outcome(next.kind)) {
                Some(outcome) => {
                    step.at = outcome.at;
                    step.what = outcome.kind.name();
                    step.sentence = format!("{}; {}", step.sentence, sentence(outcome, zone));
                    step.events.push(outcome.number);
                }
                None => step.sentence.push_str("; ready again"),
            }
        }
        steps.push(step);
    }
    steps
}

/// A delivery ended without an ack.
const fn is_ending(kind: EventKind) -> bool {
    use EventKind as K;
    matches!(kind, K::Requeued | K::Failed | K::TimedOut | K::ConsumerLost | K::ConnectionLost)
}

/// What a queue's failure policy makes of that.
const fn is_outcome(kind: EventKind) -> bool {
    use EventKind as K;
    matches!(kind, K::Delayed | K::Parked | K::DeadLettered | K::Dropped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::journal::event::{About, MessagePlace, Why};
    use crate::broker::journal::vhost_journal::JournalLimits;
    use crate::ledger::Ledger;

    fn at(queue: &str, position: u64, kind: EventKind) -> Event {
        Event {
            queue: Some(queue.into()),
            position: Some(Position(position)),
            ..Event::new(Timestamp::from_millis(1000), kind)
        }
    }

    fn copy(from: (&str, u64), to: (&str, u64)) -> Event {
        let from = MessagePlace { queue: from.0.into(), position: Position(from.1) };
        Event { from: Some(from), ..at(to.0, to.1, EventKind::Enqueued) }
    }

    fn place(queue: &str, position: u64) -> Place {
        (queue.into(), Position(position))
    }

    fn journal(events: Vec<Event>) -> Journal {
        let journal =
            Journal::new(JournalLimits { events: 100, bytes: 1 << 20 }, &Arc::new(Ledger::default()));
        journal.note(events);
        journal
    }

    /// work#1 dies, is replayed as work#2, dies again in a run of three, and is moved; other messages do the same.
    fn world() -> Journal {
        let dead =
            |position| Event { why: Some(Why::Rejected), ..at("work", position, EventKind::DeadLettered) };
        let published = Event {
            link: 7,
            about: Some(About::new(b"x", b"k", Some(b"42"))),
            ..Event::new(Timestamp::from_millis(1000), EventKind::Published)
        };
        journal(vec![
            published,
            Event { link: 7, ..at("work", 1, EventKind::Enqueued) },
            at("work", 1, EventKind::Failed),
            dead(1),
            copy(("work", 1), ("dead", 10)),
            at("dead", 10, EventKind::Moved),
            copy(("dead", 10), ("work", 2)),
            Event { last: Some(Position(4)), count: 3, ..dead(2) },
            copy(("work", 2), ("dead", 11)),
            copy(("work", 3), ("dead", 12)),
            copy(("dead", 11), ("copies", 1)),
            at("other", 1, EventKind::Failed),
        ])
    }

    fn numbers(found: &Found, queue: &str, position: u64) -> Vec<u64> {
        found.messages[&place(queue, position)].iter().map(|event| event.number).collect()
    }

    #[test]
    fn a_message_is_found_with_all_its_copies_from_any_of_them() {
        for seed in [place("work", 1), place("dead", 10), place("work", 2), place("copies", 1)] {
            let wanted = Wanted { places: [seed].into(), filter: None };
            let found = find(&world(), &wanted);
            assert_eq!(found.messages.len(), 5);
            assert_eq!(numbers(&found, "work", 1), [1, 2, 3, 4]);
            assert_eq!(numbers(&found, "dead", 10), [5, 6]);
            assert_eq!(numbers(&found, "work", 2), [7, 8]);
            assert_eq!(numbers(&found, "dead", 11), [9]);
            let how: Vec<&str> = found.edges.iter().map(|edge| edge.how).collect();
            assert_eq!(how, ["dead-lettered", "moved", "dead-lettered", "copied"]);
            assert!(!found.is_cut && found.since == Some(Timestamp::from_millis(1000)));
        }
    }

    #[test]
    fn a_message_is_found_by_its_id_and_one_that_nobody_knows_has_no_events() {
        let filter = Some(Filter { message_id: Some("42".to_owned()), ..Filter::default() });
        let found = find(&world(), &Wanted { filter, ..Wanted::default() });
        assert_eq!(found.messages.len(), 5, "the publish itself has no place, its arrival has one");
        let filter = Some(Filter { queue: Some("copies".to_owned()), ..Filter::default() });
        assert_eq!(find(&world(), &Wanted { filter, ..Wanted::default() }).messages.len(), 5);
        let found = find(&world(), &Wanted { places: [place("q", 1)].into(), filter: None });
        assert_eq!(found.messages.len(), 1);
        assert!(numbers(&found, "q", 1).is_empty());
    }

    #[test]
    fn one_message_among_too_many_is_cut() {
        let copies = (0..200).map(|position| copy(("work", 1), ("copies", position))).collect();
        let found = find(&journal(copies), &Wanted { places: [place("work", 1)].into(), filter: None });
        assert!(found.is_cut && found.messages.len() == MESSAGES_MAX);
    }

    #[test]
    fn how_a_delivery_ended_and_what_followed_are_one_step() {
        let events = [
            at("q", 1, EventKind::Requeued),
            Event { attempt: 2, ..at("q", 1, EventKind::Failed) },
            Event { until: Some(Timestamp::from_millis(6000)), attempt: 2, ..at("q", 1, EventKind::Delayed) },
            at("q", 1, EventKind::Released),
        ];
        let told: Vec<_> =
            steps(&events, Zone::Utc).into_iter().map(|step| (step.what, step.sentence)).collect();
        assert_eq!(told[0].1, "delivered to a consumer, which gave it back; ready again");
        let joined =
            "delivered to a consumer for the 2nd time, which failed; waits 5 s, until 00:00:06 UTC (retry 2)";
        assert_eq!(told[1], ("delayed", joined.to_owned()));
        assert_eq!(told.len(), 3);
    }
}
