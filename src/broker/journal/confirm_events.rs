//! The confirms of recorded publishes: noted when they are sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{Confirm, Detail, Event, EventKind};
use super::recording::Rules;
use super::vhost_journal::Journal;
use crate::broker::clock::Clock;
use crate::session::{SentConfirm, delivery_tag};
use crate::time::Time;

/// Publishes of one connection that are remembered until they are confirmed. Of more, the confirms are not noted.
const WAITING_MAX: usize = 10_000;

/// Recorded publishes whose confirms are to come.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed {
    /// By channel and sequence number.
    waiting: BTreeMap<(u16, u64), Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// What the event of its publish says of it.
    published: Event,
    since: Time,
    /// The recordings that it counts for.
    rules: Rules,
}

impl Unconfirmed {
    /// Whether there are none: as long as nothing is recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A publish was noted. Without a sequence number nobody will confirm it.
    pub(super) fn add(&mut self, published: &Event, sequence: u64, since: Time, rules: Rules) {
        if sequence == 0 {
            return;
        }
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_first();
        }
        let waiting = Waiting { published: published.clone(), since, rules };
        self.waiting.insert((published.channel, sequence), waiting);
    }

    /// Notes those that were confirmed to their publisher. What was refused is told by the queue that refused it.
    pub(crate) fn note_sent(&mut self, journal: &Journal, clock: Clock, sent: &[SentConfirm]) {
        let mut events = Vec::new();
        for SentConfirm { channel, first, last, is_ack } in sent {
            // Before a run there is only what an earlier channel of this number left.
            let from = if first < last { 0 } else { *first };
            let keys: Vec<_> =
                self.waiting.range((*channel, from)..=(*channel, *last)).map(|(key, _)| *key).collect();
            for key in keys {
                let waiting = self.waiting.remove(&key).filter(|_| *is_ack && key.1 >= *first);
                events.extend(waiting.map(|waiting| waiting.confirmed(clock, Some(delivery_tag(key.1)))));
            }
        }
        journal.note(events);
    }

    /// Notes them all: their publisher, who waits for them alone, was told.
    pub(crate) fn note_all(self, journal: &Journal, clock: Clock) {
        let waiting = self.waiting.into_iter();
        let events =
            waiting.map(|((_, sequence), waiting)| waiting.confirmed(clock, Some(delivery_tag(sequence))));
        journal.note(events);
    }

    /// Notes them all: the transaction that they belong to is committed.
    pub(crate) fn note_committed(self, journal: &Journal, clock: Clock) {
        journal.note(self.waiting.into_values().map(|waiting| waiting.confirmed(clock, None)));
    }
}

impl Waiting {
    fn confirmed(self, clock: Clock, delivery_tag: Option<u64>) -> Event {
        let Self { published: Event { about, client, channel, to, link, .. }, since, rules } = self;
        rules.count();
        let after_us = u64::try_from(clock.now().since(since).as_micros()).unwrap_or(u64::MAX);
        let detail = Some(Arc::new(Detail::Confirm(Confirm { delivery_tag, after_us })));
        Event {
            about,
            client,
            channel,
            to,
            link,
            detail,
            ..Event::new(clock.timestamp(), EventKind::Confirmed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::journal::filter::Filter;
    use crate::broker::journal::vhost_journal::JournalLimits;
    use crate::ledger::Ledger;
    use crate::time::Timestamp;

    /// Sequence numbers of the channel's incarnation.
    const fn sequence(incarnation: u64, tag: u64) -> u64 {
        (incarnation << 40) + tag
    }

    fn published(channel: u16, link: u64) -> Event {
        Event { channel, link, ..Event::new(Timestamp::default(), EventKind::Published) }
    }

    fn sent(channel: u16, first: u64, last: u64, is_ack: bool) -> SentConfirm {
        SentConfirm { channel, first: sequence(2, first), last: sequence(2, last), is_ack }
    }

    /// Link, and number on the channel, of those that were noted.
    fn noted(journal: &Journal, after: u64) -> Vec<(u64, Option<u64>)> {
        let events = journal.after(after, &Filter::default(), usize::MAX).events;
        events.iter().map(|event| (event.link, event.confirm().unwrap().delivery_tag)).collect()
    }

    #[test]
    fn what_is_sent_is_noted_once_and_what_is_refused_is_not() {
        let clock = Clock::system();
        let journal =
            Journal::new(JournalLimits { events: 100, bytes: 1 << 20 }, &Arc::new(Ledger::default()));
        let mut unconfirmed = Unconfirmed::default();
        let mut add = |channel, incarnation, tag, link| {
            let number = sequence(incarnation, tag);
            unconfirmed.add(&published(channel, link), number, clock.now(), Rules::default());
        };
        // An earlier channel of that number, which was closed before it had its confirm.
        add(1, 1, 3, 9);
        for tag in 1..=5 {
            add(1, 2, tag, 10 + tag);
        }
        add(2, 2, 1, 21);
        unconfirmed.note_sent(&journal, clock, &[sent(1, 4, 4, true)]);
        assert_eq!(noted(&journal, 0), [(14, Some(4))]);
        unconfirmed.note_sent(&journal, clock, &[sent(1, 3, 3, false), sent(1, 1, 4, true)]);
        assert_eq!(noted(&journal, 1), [(11, Some(1)), (12, Some(2))]);
        let left: Vec<_> = unconfirmed.waiting.keys().copied().collect();
        assert_eq!(left, [(1, sequence(2, 5)), (2, sequence(2, 1))]);
        unconfirmed.note_committed(&journal, clock);
        assert_eq!(noted(&journal, 3), [(15, None), (21, None)]);
    }

    #[test]
    fn too_many_are_not_remembered_and_those_without_a_number_not_at_all() {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.add(&published(1, 1), 0, Time::ZERO, Rules::default());
        assert!(unconfirmed.is_empty());
        for tag in 1..=WAITING_MAX as u64 + 5 {
            unconfirmed.add(&published(1, tag), tag, Time::ZERO, Rules::default());
        }
        assert_eq!(unconfirmed.waiting.len(), WAITING_MAX);
    }
}
