//! The ready messages of one priority: head and tail in memory, and between them what is not.
//!
//! Invariants:
//! - `front` and `back` are sorted by position, and so are `segments`, whose spans are disjoint;
//! - everything in `back` lies behind all segments and all of `front`; without segments it is empty;
//! - `front` may hold requeued messages whose positions lie within or behind a segment: those are delivered only after the
//!   segment has come back.

use std::collections::VecDeque;

use super::ready_message::ReadyMessage;
use crate::message::Position;
use crate::queue::details::Tally;
use crate::queue::entry::{Entry, cost};
use crate::queue::merge::merge_by_key;
use crate::queue::segment::{Segment, State};
use crate::queue::window::Window;

/// A tail whose buffer is this many times as large as need be is given a smaller one.
const SPARE_MAX: usize = 64;

/// Whether messages that are not ready now may return to a place between two positions: a segment must not span them, for
/// what lies within a segment's span cannot leave memory.
pub(in crate::queue) type MayReturnBetween<'a> = dyn Fn(Position, Position) -> bool + 'a;

#[derive(Debug, Default)]
pub(in crate::queue) struct Level {
    front: VecDeque<Entry>,
    segments: VecDeque<Segment>,
    back: VecDeque<Entry>,
    /// What `front`, and what is loading or has come out of turn, costs in memory.
    head_cost: usize,
    back_cost: usize,
}

impl Level {
    pub(in crate::queue) fn is_empty(&self) -> bool {
        self.front.is_empty() && self.segments.is_empty()
    }

    /// Bytes of memory that it takes, without those of its messages.
    pub(in crate::queue) fn footprint(&self) -> usize {
        let entries = self.front.capacity() + self.back.capacity();
        entries * size_of::<Entry>() + self.segments.capacity() * size_of::<Segment>()
    }

    pub(in crate::queue) fn has_segments(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Counts what is in memory, and what the store has: all messages of a segment, if it has some of them.
    pub(in crate::queue) fn tally(&self, tally: &mut Tally) {
        let loaded = self.segments.iter().filter_map(|segment| match &segment.state {
            State::Here(entries) => Some(entries),
            _ => None,
        });
        for entry in self.front.iter().chain(&self.back).chain(loaded.flatten()) {
            tally.ready_in_memory += 1;
            tally.ready_in_memory_bytes += entry.message.body_len();
            tally.count_persistent(entry);
        }
        let away = self.segments.iter().filter(|segment| !matches!(segment.state, State::Here(_)));
        for segment in away.filter(|segment| segment.stored) {
            tally.persistent += segment.count;
            tally.persistent_bytes += segment.body_bytes;
        }
    }

    /// What it costs in memory.
    pub(in crate::queue) const fn cost(&self) -> usize {
        self.head_cost + self.back_cost
    }

    /// Adds a message whose position is above all others.
    pub(in crate::queue) fn push_back(&mut self, entry: Entry) {
        if self.segments.is_empty() {
            self.head_cost += cost(&entry);
            self.front.push_back(entry);
        } else {
            self.back_cost += cost(&entry);
            self.back.push_back(entry);
        }
    }

    /// Puts a message back to its position.
    pub(in crate::queue) fn put_back(&mut self, entry: Entry) {
        let is_behind = self.back.front().is_some_and(|first| first.position < entry.position);
        let (entries, sum) = if is_behind {
            (&mut self.back, &mut self.back_cost)
        } else {
            (&mut self.front, &mut self.head_cost)
        };
        *sum += cost(&entry);
        let at = entries.partition_point(|other| other.position < entry.position);
        entries.insert(at, entry);
    }

    /// The next message, if it is here.
    pub(in crate::queue) fn head(&self) -> Option<&Entry> {
        let head = self.front.front()?;
        self.segments.front().is_none_or(|segment| head.position < segment.first).then_some(head)
    }

    /// The position of the oldest message, in memory or not.
    pub(in crate::queue) fn oldest(&self) -> Option<Position> {
        let head = self.front.front().map(|entry| entry.position);
        let segment = self.segments.front().map(|segment| segment.first);
        head.into_iter().chain(segment).min()
    }

    /// Whether the next message has to be loaded first.
    pub(in crate::queue) fn is_waiting(&self) -> bool {
        !self.segments.is_empty() && self.head().is_none()
    }

    /// Takes the next message, if it is here.
    pub(in crate::queue) fn pop_front(&mut self) -> Option<Entry> {
        if !self.segments.is_empty() {
            self.head()?;
        }
        let entry = self.front.pop_front()?;
        self.head_cost -= cost(&entry);
        Some(entry)
    }

    /// Whether the next message is not in memory and may have expired.
    pub(in crate::queue) fn may_expire_unseen(&self) -> bool {
        self.is_waiting() && self.segments.front().is_some_and(|segment| segment.may_expire)
    }

    /// Takes the first segment as a whole, if its messages are next, none of them is in memory, and they are at most so many.
    pub(in crate::queue) fn take_segment(&mut self, count_max: usize) -> Option<Segment> {
        let next = self.segments.front()?;
        // Requeued messages within its span have their turn among its own.
        let alone = self.front.front().is_none_or(|head| head.position > next.last);
        if !alone || !matches!(next.state, State::Out) || next.count > count_max {
            return None;
        }
        let taken = self.segments.pop_front();
        self.settle();
        taken
    }

    /// Adds a segment of an earlier run, behind all others.
    pub(in crate::queue) fn restore(&mut self, segment: Segment) {
        self.segments.push_back(segment);
    }

    /// Marks segments to be loaded until the head is as large as it should be, and hands each to `show`. Without `prefetch` it
    /// marks the first segment only, and only if the next message is in it.
    pub(in crate::queue) fn load(&mut self, window: &Window, prefetch: bool, mut show: impl FnMut(&Segment)) {
        let nothing_here = self.is_waiting();
        for (index, segment) in self.segments.iter_mut().enumerate() {
            let missing = index == 0 && nothing_here;
            if !missing && (!prefetch || self.head_cost >= window.head_bytes) {
                return;
            }
            if matches!(segment.state, State::Out) {
                segment.state = State::Loading;
                self.head_cost += segment.cost;
                show(segment);
            }
        }
    }

    /// The messages of a segment came: how many are missing, or the messages if it is none of this level's.
    pub(in crate::queue) fn loaded(&mut self, id: u64, entries: Vec<Entry>) -> Result<usize, Vec<Entry>> {
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.id == id) else {
            return Err(entries);
        };
        let missing = segment.count.saturating_sub(entries.len());
        let entries = entries.into_iter().map(|entry| Entry {
            redelivered: entry.redelivered || segment.is_redelivered(entry.position),
            ..entry
        });
        segment.state = State::Here(entries.collect());
        self.settle();
        Ok(missing)
    }

    /// Takes in the segments that have come and are next.
    fn settle(&mut self) {
        while let Some(Segment { state: State::Here(entries), cost: expected, .. }) =
            self.segments.front_mut()
        {
            let entries = std::mem::take(entries);
            self.head_cost -= *expected;
            self.head_cost += entries.iter().map(cost).sum::<usize>();
            Segment::merge_into(&mut self.front, entries);
            self.segments.pop_front();
        }
        if self.segments.is_empty() {
            self.front.append(&mut self.back);
            self.head_cost += std::mem::take(&mut self.back_cost);
        }
    }

    /// Puts out of memory what is beyond the window. `page` gets each segment's entries and makes a segment of them.
    pub(in crate::queue) fn page_out(
        &mut self,
        window: &Window,
        may_return: &MayReturnBetween<'_>,
        page: &mut impl FnMut(Vec<Entry>) -> Option<Segment>,
    ) {
        if self.segments.is_empty() {
            if self.head_cost < window.head_bytes + 2 * window.segment_bytes {
                return;
            }
            self.open_middle(window);
        } else if self.head_cost >= window.head_bytes.saturating_add(window.start_bytes) {
            self.shorten_head(window, may_return, page);
        }
        while self.back_cost >= 2 * window.segment_bytes && self.back.len() > 1 {
            let (entries, costs) = cut(&mut self.back, window.segment_bytes, may_return);
            self.back_cost -= costs;
            let Some(segment) = page(entries) else { return };
            self.segments.push_back(segment);
        }
        if self.segments.is_empty() {
            self.settle();
        }
        if self.back.capacity() > SPARE_MAX * (self.back.len() + 1) {
            self.back.shrink_to_fit();
        }
    }

    /// Splits the messages in memory into head and tail.
    fn open_middle(&mut self, window: &Window) {
        if let Some(at) = self.head_end(window, self.front.len()) {
            self.back = self.front.split_off(at);
            self.back_cost = self.back.iter().map(cost).sum();
            self.head_cost -= self.back_cost;
            self.front.shrink_to_fit();
        }
    }

    /// The first of so many entries that is beyond the head. What lies before it makes the head long enough: nothing has
    /// to be loaded again at once.
    fn head_end(&self, window: &Window, entries: usize) -> Option<usize> {
        let mut kept = 0;
        self.front.iter().take(entries).position(|entry| {
            let beyond = kept > 0 && kept >= window.head_bytes;
            kept += cost(entry);
            beyond
        })
    }

    /// Requeued messages have made the head too long: what is beyond it goes, but for messages that lie within the span of a
    /// segment.
    fn shorten_head(
        &mut self,
        window: &Window,
        may_return: &MayReturnBetween<'_>,
        page: &mut impl FnMut(Vec<Entry>) -> Option<Segment>,
    ) {
        let Some(limit) = self.segments.front().map(|segment| segment.first) else { return };
        let before = self.front.partition_point(|entry| entry.position < limit);
        let mut rest = self.front.split_off(self.head_end(window, before).unwrap_or(before));
        let head_cost = &mut self.head_cost;
        let mut page_all = |mut entries: VecDeque<Entry>, segments: &mut VecDeque<Segment>| {
            while !entries.is_empty() {
                let (entries, costs) = cut(&mut entries, window.segment_bytes, may_return);
                *head_cost -= costs;
                segments.extend(page(entries));
            }
        };
        let mut segments = VecDeque::new();
        for segment in std::mem::take(&mut self.segments) {
            let (first, last) = (segment.first, segment.last);
            page_all(take_while(&mut rest, |position| position < first), &mut segments);
            segments.push_back(segment);
            self.front.extend(take_while(&mut rest, |position| position <= last));
        }
        page_all(rest, &mut segments);
        self.segments = segments;
    }

    /// All messages, in order of position.
    pub(in crate::queue) fn iter(&self) -> impl Iterator<Item = ReadyMessage<'_>> {
        let front = self.front.iter().map(ReadyMessage::InMemory);
        let out = self.segments.iter().flat_map(ReadyMessage::all_of);
        merge_by_key(front, out, ReadyMessage::position).chain(self.back.iter().map(ReadyMessage::InMemory))
    }

    /// When the next message expires.
    pub(in crate::queue) fn head_expiry(&self) -> Option<crate::time::Time> {
        self.head().map(|entry| entry.expires)
    }

    /// The pages of its segments.
    pub(in crate::queue) fn pages(&self) -> impl Iterator<Item = u64> {
        let out = self.segments.iter().filter(|segment| matches!(segment.state, State::Out));
        out.filter(|segment| segment.paged).map(|segment| segment.id)
    }

    /// Forgets everything; says whether the store had records of any of it.
    pub(in crate::queue) fn clear(&mut self) -> bool {
        let level = std::mem::take(self);
        level.segments.iter().any(|segment| segment.stored)
            || level.front.iter().chain(&level.back).any(|entry| entry.stored)
    }
}

/// Takes entries off the front up to a position.
fn take_while(entries: &mut VecDeque<Entry>, wanted: impl Fn(Position) -> bool) -> VecDeque<Entry> {
    let end = entries.partition_point(|entry| wanted(entry.position));
    let rest = entries.split_off(end);
    std::mem::replace(entries, rest)
}

/// Takes entries worth so many bytes, at least one, off the front; none behind a place to which messages may return.
fn cut(
    entries: &mut VecDeque<Entry>,
    bytes: usize,
    may_return: &MayReturnBetween<'_>,
) -> (Vec<Entry>, usize) {
    let (mut taken, mut costs) = (Vec::new(), 0);
    while let Some(entry) = entries.pop_front() {
        let last = entry.position;
        costs += cost(&entry);
        taken.push(entry);
        let next = entries.front().map(|next| next.position);
        if costs >= bytes || next.is_some_and(|next| next != last.next() && may_return(last, next)) {
            break;
        }
    }
    (taken, costs)
}

#[cfg(test)]
impl Level {
    pub(in crate::queue) fn positions(&self) -> Vec<Position> {
        let mut all: Vec<Position> =
            self.front.iter().chain(&self.back).map(|entry| entry.position).collect();
        all.extend(self.segments.iter().flat_map(|segment| segment.positions().iter().collect::<Vec<_>>()));
        all.sort_unstable();
        all
    }

    pub(in crate::queue) fn check(&self) {
        let spans: Vec<Position> = self.segments.iter().flat_map(|s| [s.first, s.last]).collect();
        assert!(spans.is_sorted(), "spans overlap");
        assert!(self.front.iter().is_sorted_by_key(|e| e.position), "the front is not sorted");
        assert!(self.back.iter().is_sorted_by_key(|e| e.position), "the back is not sorted");
        let highest = self.front.iter().map(|e| e.position).chain(spans).max();
        assert!(
            self.back.front().is_none_or(|first| Some(first.position) > highest),
            "the back is not behind"
        );
        assert!(!self.segments.is_empty() || self.back.is_empty());
        let out = self.segments.iter().filter(|s| !matches!(s.state, State::Out)).map(|s| s.cost);
        assert_eq!(self.head_cost, self.front.iter().map(cost).sum::<usize>() + out.sum::<usize>());
        assert_eq!(self.back_cost, self.back.iter().map(cost).sum::<usize>());
    }
}
