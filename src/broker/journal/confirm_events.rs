//! The confirms of recorded publishes: noted when they are sent.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::event::{About, Confirm, Detail, Event, EventKind};
use super::recording::Rules;
use super::run::{Another, Run};
use super::vhost_journal::Journal;
use crate::broker::world::VhostClock;
use crate::session::{SentConfirm, delivery_tag};
use crate::time::Time;

/// Publishes of one connection that are remembered until they are confirmed. Of more, the confirms are not noted.
const WAITING_MAX: usize = 10_000;

/// Recorded publishes whose confirms are to come.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed {
    /// By channel, in the order of their sequence numbers. The first of none is empty.
    waiting: BTreeMap<u16, VecDeque<Waiting>>,
    len: usize,
}

/// Publishes that differ by their message alone.
#[derive(Debug)]
struct Waiting {
    /// What the event of the first says of them.
    published: Event,
    since: Time,
    /// The recordings that they count for.
    rules: Rules,
    /// The sequence number of the first that was added, and of the last.
    first: u64,
    last: u64,
    /// In the order of their sequence numbers.
    messages: VecDeque<Unsent>,
}

/// A publish whose confirm was not sent yet.
#[derive(Debug)]
struct Unsent {
    sequence: u64,
    link: u64,
    /// What its message is known by; `None`: by the same as the first.
    about: Option<Box<About>>,
}

impl Unconfirmed {
    /// Whether there are none: as long as nothing is recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A publish was noted. Without a sequence number nobody will confirm it.
    pub(super) fn add(&mut self, published: &Event, sequence: u64, since: Time, rules: &Rules) {
        if sequence == 0 {
            return;
        }
        let (published, rules) = (published.clone(), rules.clone());
        let messages = [Unsent { sequence, link: published.link, about: None }].into();
        let channel = self.waiting.entry(published.channel).or_default();
        if channel.back().is_none_or(|before| before.last < sequence) {
            channel.push_back(Waiting { published, since, rules, first: sequence, last: sequence, messages });
            self.count_one();
        }
    }

    /// Another publish was noted that is like the one which was added last, but for this.
    pub(super) fn add_another(&mut self, channel: u16, sequence: u64, another: &Another) {
        let last = self.waiting.get_mut(&channel).and_then(VecDeque::back_mut);
        if let Some(last) = last.filter(|last| last.last < sequence) {
            let Another { link, about, .. } = another;
            last.last = sequence;
            last.messages.push_back(Unsent { sequence, link: *link, about: about.clone() });
            self.count_one();
        }
    }

    /// There is one more; the oldest makes room.
    fn count_one(&mut self) {
        self.len += 1;
        if self.len > WAITING_MAX
            && let Some((channel, waiting)) = self.waiting.iter_mut().next()
        {
            self.len -=
                usize::from(waiting.front_mut().is_some_and(|first| first.messages.pop_front().is_some()));
            let channel = *channel;
            self.forget_empty(channel);
        }
    }

    /// What is first on a channel is not empty.
    fn forget_empty(&mut self, channel: u16) {
        let Some(waiting) = self.waiting.get_mut(&channel) else { return };
        while waiting.front().is_some_and(|first| first.messages.is_empty()) {
            waiting.pop_front();
        }
        if waiting.is_empty() {
            self.waiting.remove(&channel);
        }
    }

    /// Notes those that were confirmed to their publisher. What was refused is told by the queue that refused it.
    pub(crate) fn note_sent(&mut self, journal: &Journal, clock: &VhostClock, sent: &[SentConfirm]) {
        let mut runs = Vec::new();
        for confirm in sent {
            self.take(confirm, clock, &mut runs);
        }
        journal.note_runs(runs);
    }

    fn take(&mut self, confirm: &SentConfirm, clock: &VhostClock, runs: &mut Vec<Run>) {
        let SentConfirm { channel, first, last, is_ack } = *confirm;
        let Some(waiting) = self.waiting.get_mut(&channel) else { return };
        // Before a run there is only what an earlier channel of this number left.
        let from = if first < last { 0 } else { first };
        let begin = waiting.partition_point(|publishes| publishes.last < from);
        for publishes in waiting.range_mut(begin..) {
            if publishes.first > last {
                break;
            }
            let start = publishes.messages.partition_point(|unsent| unsent.sequence < from);
            let end = publishes.messages.partition_point(|unsent| unsent.sequence <= last);
            self.len -= end - start;
            let taken: Vec<_> = publishes.messages.drain(start..end).collect();
            let confirmed = taken.into_iter().filter(|unsent| is_ack && unsent.sequence >= first);
            runs.extend(publishes.confirmed(confirmed, clock, |sequence| Some(delivery_tag(sequence))));
        }
        self.forget_empty(channel);
    }

    /// Notes them all: their publisher, who waits for them alone, was told.
    pub(crate) fn note_all(self, journal: &Journal, clock: &VhostClock) {
        self.note_rest(journal, clock, |sequence| Some(delivery_tag(sequence)));
    }

    /// Notes them all: the transaction that they belong to is committed.
    pub(crate) fn note_committed(self, journal: &Journal, clock: &VhostClock) {
        self.note_rest(journal, clock, |_| None);
    }

    fn note_rest(self, journal: &Journal, clock: &VhostClock, tag: impl Fn(u64) -> Option<u64>) {
        let mut runs = Vec::new();
        for mut publishes in self.waiting.into_values().flatten() {
            let messages = std::mem::take(&mut publishes.messages);
            runs.extend(publishes.confirmed(messages, clock, &tag));
        }
        journal.note_runs(runs);
    }
}

impl Waiting {
    /// The events of the confirms of these, if there are any.
    fn confirmed(
        &self,
        sent: impl IntoIterator<Item = Unsent>,
        clock: &VhostClock,
        tag: impl Fn(u64) -> Option<u64>,
    ) -> Option<Run> {
        let after_us = u64::try_from(clock.now().since(self.since).as_micros()).unwrap_or(u64::MAX);
        let mut sent = sent.into_iter();
        let Unsent { sequence, link, about } = sent.next()?;
        // What the others of the run are compared with is the first of those that were published.
        let same = about.as_ref().and(self.published.about.as_ref());
        let confirm = Confirm { delivery_tag: tag(sequence), after_us };
        let mut run = Run::from(self.event(link, about.as_deref().cloned(), confirm, clock));
        for Unsent { sequence, link, about } in sent {
            let about = about.or_else(|| same.cloned().map(Box::new));
            let delivery_tag = tag(sequence).unwrap_or_default();
            run.push(Another { link, about, delivery_tag, ..Another::default() });
        }
        self.rules.count(run.len() as u64);
        Some(run)
    }

    fn event(&self, link: u64, about: Option<About>, confirm: Confirm, clock: &VhostClock) -> Event {
        let Event { about: same, client, channel, to, .. } = &self.published;
        Event {
            about: about.or_else(|| same.clone()),
            client: client.clone(),
            channel: *channel,
            to: to.clone(),
            link,
            detail: Some(Arc::new(Detail::Confirm(confirm))),
            ..Event::new(clock.timestamp(), EventKind::Confirmed)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::broker::clock::Clock;
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
        let clock = &VhostClock::System(Clock::system());
        let journal =
            Journal::new(JournalLimits { events: 100, bytes: 1 << 20 }, &Arc::new(Ledger::default()));
        let mut unconfirmed = Unconfirmed::default();
        let mut add = |channel, incarnation, tag, link| {
            let number = sequence(incarnation, tag);
            unconfirmed.add(&published(channel, link), number, clock.now(), &Rules::default());
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
        let waiting = unconfirmed.waiting.iter();
        let left: Vec<_> = waiting
            .flat_map(|(channel, all)| {
                all.iter().flat_map(|run| &run.messages).map(|unsent| (*channel, unsent.sequence))
            })
            .collect();
        assert_eq!(left, [(1, sequence(2, 5)), (2, sequence(2, 1))]);
        unconfirmed.note_committed(&journal, clock);
        assert_eq!(noted(&journal, 3), [(15, None), (21, None)]);
    }

    #[test]
    fn too_many_are_not_remembered_and_those_without_a_number_not_at_all() {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.add(&published(1, 1), 0, Time::ZERO, &Rules::default());
        assert!(unconfirmed.is_empty());
        for tag in 1..=WAITING_MAX as u64 + 5 {
            unconfirmed.add(&published(1, tag), tag, Time::ZERO, &Rules::default());
        }
        assert_eq!(unconfirmed.len, WAITING_MAX);
        assert_eq!(unconfirmed.waiting[&1].front().unwrap().first, 6);
    }

    proptest! {
        /// In whatever order publishes of some runs and channels are confirmed: each is noted once, with what it is known by.
        #[test]
        fn each_is_noted_once_under_its_own_name(
            publishes in prop::collection::vec((1..3_u16, any::<bool>(), any::<bool>()), 1..60),
            confirms in prop::collection::vec((1..3_u16, 1..60_u64, any::<bool>()), 0..40),
        ) {
            let clock = &VhostClock::System(Clock::system());
            let limits = JournalLimits { events: 1000, bytes: 1 << 20 };
            let journal = Journal::new(limits, &Arc::new(Ledger::default()));
            let (mut unconfirmed, mut waiting) = (Unconfirmed::default(), BTreeMap::new());
            let (mut tags, mut last): (_, Option<(u16, String)>) = ([0_u64; 3], None);
            for (channel, is_alike, has_name) in publishes {
                let tag = &mut tags[usize::from(channel)];
                *tag += 1;
                let name = |name: &str| About::new(b"", name.as_bytes(), None);
                let (number, link) = (sequence(1, *tag), u64::from(channel) * 1000 + *tag);
                let own = format!("own {link}");
                let known = match last.as_ref().filter(|(before, _)| is_alike && *before == channel) {
                    Some((_, first)) => {
                        let about = has_name.then(|| name(&own));
                        let known = about.clone().unwrap_or_else(|| name(first));
                        let about = about.map(Box::new);
                        unconfirmed.add_another(channel, number, &Another { link, about, ..Another::default() });
                        known
                    }
                    None => {
                        let about = Some(name(&own));
                        let first = Event { about, ..published(channel, link) };
                        unconfirmed.add(&first, number, clock.now(), &Rules::default());
                        last = Some((channel, own.clone()));
                        name(&own)
                    }
                };
                waiting.insert((channel, *tag), (link, known));
            }
            let mut wanted = Vec::new();
            for (channel, tag, is_run) in confirms {
                let first = if is_run { 1 } else { tag };
                // Of a run the first has to be before the last.
                let first = first.min(tag);
                unconfirmed.note_sent(&journal, clock, &[SentConfirm {
                    channel,
                    first: sequence(1, first),
                    last: sequence(1, tag),
                    is_ack: true,
                }]);
                let taken: Vec<_> = waiting.range((channel, first)..=(channel, tag)).map(|(key, _)| *key).collect();
                wanted.extend(taken.into_iter().map(|key| (key, waiting.remove(&key).unwrap())));
            }
            prop_assert_eq!(unconfirmed.len, waiting.len());
            unconfirmed.note_all(&journal, clock);
            wanted.extend(waiting);
            let events = journal.after(0, &Filter::default(), usize::MAX).events;
            let noted: Vec<_> = events.into_iter().map(|event| {
                let tag = event.confirm().unwrap().delivery_tag.unwrap();
                ((event.channel, tag), (event.link, event.about.unwrap()))
            }).collect();
            prop_assert_eq!(noted, wanted);
        }
    }
}
