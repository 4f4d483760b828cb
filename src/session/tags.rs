//! Delivery tags of one channel: which unacked message each stands for (spec section 1.8.3).

use std::collections::{BTreeMap, VecDeque};

use crate::message::QueueId;
use crate::queue::Handle;

/// An unacked message as its channel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The queue it is from.
    pub queue: QueueId,
    /// Its handle there.
    pub handle: Handle,
    /// Whether it went to a consumer, so that it counts for the channel's shared prefetch; basic.get's do not.
    pub consumed: bool,
    /// Number of its consumer if an ack from that one settles all that it got before, too (`x-ack-policy` = `all`); else 0.
    pub cumulative: u32,
}

/// Which tags a settlement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Just the one.
    One,
    /// It and all before it.
    UpTo,
    /// It and all before it that went to the consumer with this number.
    UpToOf(u32),
}

/// What a queue notes about a message that it delivered, in bytes of memory.
const QUEUE_NOTE_BYTES: usize = 192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Acked in a transaction that is not yet committed.
    InTransaction,
    Settled,
}

/// What one takes in [`DeliveryTags::older`], in bytes of memory; about.
const OLDER_BYTES: usize = 64;

/// When there are fewer entries than this, nobody asks how many of them are settled.
const CROWDED_FROM: usize = 256;
/// At most one entry in so many is not settled when they are said to be crowded with settled ones.
const CROWDED_SHARE: usize = 4;
/// Room for more entries than this is given up when there are none.
const ROOM_KEPT: usize = 4096;

/// Delivery tags given out by a channel.
#[derive(Debug)]
pub struct DeliveryTags {
    /// Tag of the first entry.
    first: u64,
    entries: VecDeque<Option<(Tagged, State)>>,
    /// What is not settled and has lower tags. So one message that is held for long does not keep the entries of all that came after it.
    older: BTreeMap<u64, (Tagged, State)>,
    open: usize,
    /// Tags that were settled in the transaction that is under way: its end looks at no others.
    in_transaction: Vec<u64>,
    /// No tag below this one is outstanding.
    open_from: u64,
    /// The same for deliveries of consumers whose acks are cumulative, by their numbers.
    open_from_of: BTreeMap<u32, u64>,
}

impl Default for DeliveryTags {
    fn default() -> Self {
        Self {
            first: 1,
            entries: VecDeque::new(),
            older: BTreeMap::new(),
            open: 0,
            in_transaction: Vec::new(),
            open_from: 1,
            open_from_of: BTreeMap::new(),
        }
    }
}

impl DeliveryTags {
    /// The tag for a delivery that needs no ack.
    pub fn next_without_ack(&mut self) -> u64 {
        if self.entries.is_empty() {
            self.first += 1;
            return self.first - 1;
        }
        self.push(None)
    }

    /// The tag for a delivery that waits for its ack.
    pub fn next(&mut self, tagged: Tagged) -> u64 {
        self.open += 1;
        self.push(Some((tagged, State::Open)))
    }

    fn push(&mut self, entry: Option<(Tagged, State)>) -> u64 {
        if self.entries.len() == self.entries.capacity() {
            self.make_room();
        }
        self.entries.push_back(entry);
        self.upcoming() - 1
    }

    /// The next entry would make the list grow: it does not, if most of what is in it is settled.
    #[cold]
    fn make_room(&mut self) {
        let held = self.open + self.in_transaction.len() - self.older.len();
        let count = self.entries.len();
        if count < CROWDED_FROM || held > count / CROWDED_SHARE {
            return;
        }
        let entries = self.entries.drain(..).zip(self.first..);
        self.older.extend(entries.filter_map(|(entry, tag)| Some((tag, entry?))).filter(is_held));
        self.first += count as u64;
    }

    /// Messages that the client has not settled, or only in a transaction that is not yet committed. Looks at all of them.
    #[must_use]
    pub fn held(&self) -> usize {
        self.all().filter(is_held).count()
    }

    /// Of each message that there is an entry of: its tag and that, in order.
    fn all(&self) -> impl Iterator<Item = (u64, (Tagged, State))> {
        let entries = self.entries.iter().zip(self.first..).filter_map(|(entry, tag)| Some((tag, (*entry)?)));
        self.older.iter().map(|(tag, entry)| (*tag, *entry)).chain(entries)
    }

    /// Bytes of memory that is taken by what is noted about messages that are not settled, here and by their queues; about.
    #[must_use]
    pub fn footprint(&self) -> usize {
        let entries = self.entries.len() * size_of::<Option<(Tagged, State)>>();
        entries + self.older.len() * OLDER_BYTES + self.open * QUEUE_NOTE_BYTES
    }

    /// Messages that are not settled.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.open
    }

    /// The message of a tag that is outstanding.
    #[must_use]
    pub fn open_one(&self, tag: u64) -> Option<Tagged> {
        self.entry(tag).filter(|(_, state)| *state == State::Open).map(|(tagged, _)| *tagged)
    }

    /// The tag that the next delivery will have.
    #[must_use]
    pub fn upcoming(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The messages that are outstanding in a span that ends with this tag, whether the tag itself is or not. Looks at all before it.
    #[must_use]
    pub fn covered(&self, tag: u64, span: Span) -> Vec<(u64, Tagged)> {
        let is_meant = |at: u64, tagged: &Tagged| match span {
            Span::One => at == tag,
            Span::UpTo => at <= tag || tag == 0,
            Span::UpToOf(consumer) => at <= tag && tagged.cumulative == consumer,
        };
        let open = self.all().filter(|(at, (tagged, state))| *state == State::Open && is_meant(*at, tagged));
        open.map(|(at, (tagged, _))| (at, tagged)).collect()
    }

    fn entry(&self, tag: u64) -> Option<&(Tagged, State)> {
        match tag.checked_sub(self.first) {
            Some(index) => self.entries.get(usize::try_from(index).ok()?)?.as_ref(),
            None => self.older.get(&tag),
        }
    }

    fn entry_mut(&mut self, tag: u64) -> Option<&mut (Tagged, State)> {
        match tag.checked_sub(self.first) {
            Some(index) => self.entries.get_mut(usize::try_from(index).ok()?)?.as_mut(),
            None => self.older.get_mut(&tag),
        }
    }

    /// Which tags an ack of this one is about.
    #[must_use]
    pub fn span_of_ack(&self, tag: u64, multiple: bool) -> Span {
        if multiple {
            return Span::UpTo;
        }
        match self.open_one(tag) {
            Some(tagged) if tagged.cumulative != 0 => Span::UpToOf(tagged.cumulative),
            _ => Span::One,
        }
    }

    /// Settles one tag, or all up to it; hands each message over. `false`, and nothing is settled, if the tag itself is not
    /// outstanding: never given out, settled before, or of a delivery that needs no ack. Tag 0 with [`Span::UpTo`] means all
    /// that is outstanding, even if nothing is.
    pub fn settle(&mut self, tag: u64, span: Span, hand_over: impl FnMut(Tagged)) -> bool {
        self.mark(tag, span, State::Settled, hand_over)
    }

    /// As [`settle`](Self::settle), within a transaction: [`commit`](Self::commit) or [`rollback`](Self::rollback)
    /// follows.
    pub fn settle_in_transaction(&mut self, tag: u64, span: Span, hand_over: impl FnMut(Tagged)) -> bool {
        self.mark(tag, span, State::InTransaction, hand_over)
    }

    /// The consumer is no more.
    pub fn forget_consumer(&mut self, consumer: u32) {
        self.open_from_of.remove(&consumer);
    }

    /// The transaction's acks count.
    pub fn commit(&mut self) {
        self.end_transaction(State::Settled);
        self.trim();
    }

    /// The transaction's acks never happened.
    pub fn rollback(&mut self) {
        let reopened = self.end_transaction(State::Open);
        self.open += reopened;
        self.open_from = 0;
        self.open_from_of.clear();
    }

    /// Settles everything; hands each message over in order.
    pub fn settle_all(&mut self, hand_over: impl FnMut(Tagged)) {
        self.mark(0, Span::UpTo, State::Settled, hand_over);
    }

    fn mark(&mut self, tag: u64, span: Span, state: State, mut hand_over: impl FnMut(Tagged)) -> bool {
        let is_open = self.open_one(tag).is_some();
        let last = match span {
            _ if is_open => tag,
            Span::UpTo if tag == 0 => self.upcoming() - 1,
            Span::One | Span::UpTo | Span::UpToOf(_) => return false,
        };
        let from = if span == Span::One { tag } else { self.begin(span, last) };
        let is_meant = |tagged: &Tagged| match span {
            Span::UpToOf(consumer) => tagged.cumulative == consumer,
            Span::One | Span::UpTo => true,
        };
        let (open, in_transaction) = (&mut self.open, &mut self.in_transaction);
        let mut mark = |tag: u64, (tagged, current): &mut (Tagged, State)| {
            if *current != State::Open || !is_meant(tagged) {
                return;
            }
            *current = state;
            *open -= 1;
            if state == State::InTransaction {
                in_transaction.push(tag);
            }
            hand_over(*tagged);
        };
        if from < self.first && from <= last && !self.older.is_empty() {
            let mut settled = Vec::new();
            for (tag, entry) in self.older.range_mut(from..=last) {
                mark(*tag, entry);
                if entry.1 == State::Settled {
                    settled.push(*tag);
                }
            }
            for tag in settled {
                self.older.remove(&tag);
            }
        }
        let index = |tag: u64| usize::try_from(tag.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let (range, first) = (index(from)..index(last + 1), from.max(self.first));
        for (entry, tag) in self.entries.range_mut(range).zip(first..) {
            if let Some(entry) = entry {
                mark(tag, entry);
            }
        }
        self.trim();
        true
    }

    /// The tag that a span begins with that ends with this one: what an earlier one has gone through is not looked at again.
    fn begin(&mut self, span: Span, last: u64) -> u64 {
        let of_all = self.open_from;
        let open_from = match span {
            Span::UpToOf(consumer) => self.open_from_of.entry(consumer).or_default(),
            Span::One | Span::UpTo => &mut self.open_from,
        };
        std::mem::replace(open_from, last + 1).max(of_all)
    }

    fn end_transaction(&mut self, state: State) -> usize {
        let tags = std::mem::take(&mut self.in_transaction);
        for tag in &tags {
            if state == State::Settled && self.older.remove(tag).is_some() {
                continue;
            }
            if let Some(entry) = self.entry_mut(*tag) {
                entry.1 = state;
            }
        }
        tags.len()
    }

    /// Entries at the front that are done with go.
    fn trim(&mut self) {
        while let Some(front) = self.entries.front()
            && front.is_none_or(|(_, state)| state == State::Settled)
        {
            self.entries.pop_front();
            self.first += 1;
        }
        if self.entries.is_empty() && self.entries.capacity() > ROOM_KEPT {
            self.entries = VecDeque::new();
        }
    }
}

/// Whether it is not settled, or only in a transaction that is not yet committed.
fn is_held((_, (_, state)): &(u64, (Tagged, State))) -> bool {
    *state != State::Settled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Position;

    fn tagged(position: u64) -> Tagged {
        let handle = Handle { slot: 0, turn: 0, position: Position(position) };
        Tagged { queue: QueueId(1), handle, consumed: true, cumulative: 0 }
    }

    fn tags(count: u64) -> DeliveryTags {
        let mut tags = DeliveryTags::default();
        for position in 1..=count {
            assert_eq!(tags.next(tagged(position)), position);
        }
        tags
    }

    fn settle(tags: &mut DeliveryTags, tag: u64, multiple: bool) -> (bool, Vec<u64>) {
        let mut settled = Vec::new();
        let span = if multiple { Span::UpTo } else { Span::One };
        let known = tags.settle(tag, span, |tagged| settled.push(tagged.handle.position.0));
        (known, settled)
    }

    #[test]
    fn a_tag_is_settled_once() {
        let mut tags = tags(3);
        assert_eq!(settle(&mut tags, 2, false), (true, vec![2]));
        assert_eq!(settle(&mut tags, 2, false), (false, vec![]));
        assert_eq!(settle(&mut tags, 1, false), (true, vec![1]));
        assert_eq!(settle(&mut tags, 1, false), (false, vec![]));
        assert_eq!(settle(&mut tags, 4, false), (false, vec![]));
        assert_eq!(tags.outstanding(), 1);
    }

    #[test]
    fn multiple_settles_all_up_to_the_tag() {
        let mut tags = tags(4);
        settle(&mut tags, 2, false);
        assert_eq!(settle(&mut tags, 2, true), (false, vec![]), "1 is outstanding, 2 is not");
        assert_eq!(settle(&mut tags, 3, true), (true, vec![1, 3]));
        for settled in 1..=3 {
            assert_eq!(settle(&mut tags, settled, true), (false, vec![]));
        }
        assert_eq!(settle(&mut tags, 9, true), (false, vec![]));
        assert_eq!(settle(&mut tags, 0, true), (true, vec![4]));
        assert_eq!(settle(&mut tags, 0, true), (true, vec![]));
        assert_eq!(settle(&mut tags, 0, false), (false, vec![]));
    }

    #[test]
    fn tags_without_ack_keep_the_count() {
        let mut tags = DeliveryTags::default();
        assert_eq!(tags.next_without_ack(), 1);
        assert_eq!(tags.next(tagged(1)), 2);
        assert_eq!(tags.next_without_ack(), 3);
        for multiple in [false, true] {
            assert_eq!(settle(&mut tags, 1, multiple), (false, vec![]));
            assert_eq!(settle(&mut tags, 3, multiple), (false, vec![]));
        }
        assert_eq!(settle(&mut tags, 2, true), (true, vec![1]));
        assert_eq!(tags.next_without_ack(), 4);
    }

    #[test]
    fn a_cumulative_consumers_ack_settles_what_it_got_before_and_nothing_else() {
        let mut tags = DeliveryTags::default();
        for (position, cumulative) in [(1, 7), (2, 0), (3, 7), (4, 8), (5, 7)] {
            tags.next(Tagged { cumulative, ..tagged(position) });
        }
        let ack = |tags: &mut DeliveryTags, tag| {
            let mut settled = Vec::new();
            let known = tags.settle(tag, tags.span_of_ack(tag, false), |t| settled.push(t.handle.position.0));
            (known, settled)
        };
        assert_eq!(ack(&mut tags, 3), (true, vec![1, 3]));
        assert_eq!(ack(&mut tags, 1), (false, vec![]));
        assert_eq!(ack(&mut tags, 2), (true, vec![2]));
        assert_eq!(ack(&mut tags, 5), (true, vec![5]));
        assert_eq!(ack(&mut tags, 4), (true, vec![4]));
    }

    /// Whatever was gone through before, a span has all that is outstanding in it.
    #[test]
    fn spans_find_what_a_look_at_all_would_find() {
        let mut seed = 1_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut tags = DeliveryTags::default();
        let (mut open, mut taken) = (Vec::<(u64, u32)>::new(), Vec::<(u64, u32)>::new());
        let (mut newest, mut steps_with_older, mut from_older) = (0, 0, 0);
        for step in 0..40_000 {
            steps_with_older += u32::from(!tags.older.is_empty());
            // Some are held for long, while what follows them is settled at once.
            if step / 2000 % 2 == 1 && random(50) > 0 {
                newest += 1;
                assert_eq!(tags.next(tagged(newest)), newest);
                if random(40) == 0 {
                    open.push((newest, 0));
                } else {
                    assert!(tags.settle(newest, Span::One, |_| ()));
                }
                continue;
            }
            let tag = open.get(random(open.len() as u64 + 1) as usize).map_or(0, |(tag, _)| *tag);
            from_older += u32::from(tags.older.contains_key(&tag));
            match random(8) {
                0..4 => {
                    newest += 1;
                    let cumulative = random(3) as u32;
                    assert_eq!(tags.next(Tagged { cumulative, ..tagged(newest) }), newest);
                    open.push((newest, cumulative));
                }
                4 => newest = tags.next_without_ack(),
                5 | 6 => {
                    let span = tags.span_of_ack(tag, random(4) == 0);
                    let is_meant = |&(other, of): &(u64, u32)| match span {
                        Span::One => other == tag,
                        Span::UpTo => other <= tag || tag == 0,
                        Span::UpToOf(consumer) => other <= tag && of == consumer,
                    };
                    let (meant, rest): (Vec<_>, Vec<_>) = open.iter().partition(|entry| is_meant(entry));
                    let mut found = Vec::new();
                    let note = |t: Tagged| found.push((t.handle.position.0, t.cumulative));
                    if random(2) == 0 {
                        tags.settle_in_transaction(tag, span, note);
                        taken.extend(&meant);
                    } else {
                        tags.settle(tag, span, note);
                    }
                    assert_eq!(found, meant, "{tag} {span:?}");
                    open = rest;
                }
                _ if random(2) == 0 => {
                    tags.commit();
                    taken.clear();
                }
                _ => {
                    tags.rollback();
                    open.append(&mut taken);
                    open.sort_unstable();
                }
            }
            assert_eq!((tags.outstanding(), tags.held()), (open.len(), open.len() + taken.len()));
        }
        assert!(steps_with_older > 2000 && from_older > 20, "{steps_with_older} {from_older}");
    }

    #[test]
    fn a_message_that_is_held_does_not_keep_what_follows_it() {
        for with_ack in [true, false] {
            let mut tags = tags(2);
            for tag in 3..100_000 {
                if with_ack {
                    tags.next(tagged(tag));
                    assert!(tags.settle(tag, Span::One, |_| ()));
                } else {
                    assert_eq!(tags.next_without_ack(), tag);
                }
            }
            assert!(tags.entries.capacity() <= 2 * CROWDED_FROM, "{}", tags.entries.capacity());
            assert_eq!(tags.open_one(2), Some(tagged(2)));
            assert_eq!(settle(&mut tags, 2, true), (true, vec![1, 2]));
            assert_eq!((tags.held(), tags.older.len(), tags.next(tagged(7))), (0, 0, 100_000));
        }
    }

    #[test]
    fn room_for_many_is_given_up() {
        let mut tags = tags(100_000);
        assert!(tags.entries.capacity() >= 100_000);
        tags.settle_all(|_| ());
        assert_eq!((tags.entries.capacity(), tags.next(tagged(7))), (0, 100_001));
    }

    #[test]
    fn a_rollback_reopens_and_a_commit_settles() {
        let mut tags = tags(2);
        assert!(tags.settle_in_transaction(1, Span::One, |_| ()));
        for span in [Span::One, Span::UpTo] {
            assert!(!tags.settle_in_transaction(1, span, |_| ()));
        }
        assert_eq!((tags.outstanding(), tags.held()), (1, 2), "not settled before the commit");
        tags.rollback();
        assert_eq!(tags.outstanding(), 2);
        assert!(tags.settle_in_transaction(2, Span::UpTo, |_| ()));
        assert_eq!((tags.outstanding(), tags.held()), (0, 2));
        tags.commit();
        assert_eq!(tags.held(), 0);
        assert!(tags.entries.is_empty(), "a long transactional channel does not grow");
        assert_eq!((tags.outstanding(), settle(&mut tags, 1, false).0), (0, false));
    }
}
