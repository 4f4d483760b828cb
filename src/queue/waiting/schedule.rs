//! Messages that wait for their time: those of a delayed exchange, in the order in which they are due.
//!
//! What is due first is in memory. What does not fit the window is in pages, each with the time of its first message. A page is
//! read a little before that time. Pages may overlap in time: messages that come in with a page but are due too late to have room
//! go out again, in a page that spans less time. So memory never holds much more than the window.

use std::collections::BTreeMap;

use crate::message::Position;
use crate::queue::effects::{Effects, Load, Page};
use crate::queue::entry::{Entry, cost};
use crate::queue::segment::{RecoveredSegment, Segment};
use crate::queue::window::Window;
use crate::time::Time;

/// Pages are asked for so long before their time, in ms: longer than reading a few hundred of them takes.
const AHEAD_MS: u64 = 2000;

/// Messages by when they are due.
#[derive(Debug, Default)]
pub(in crate::queue) struct Schedule {
    near: BTreeMap<(Time, Position), Entry>,
    /// By when the first of each is due, or earlier, and their names.
    far: BTreeMap<(Time, u64), Segment>,
    /// The one that is on its way back.
    loading: Option<Segment>,
    len: usize,
    /// Bytes of what is in memory.
    cost: usize,
    next_page: u64,
    window: Window,
    looked_at: Time,
}

impl Schedule {
    pub(in crate::queue) fn new(window: Window) -> Self {
        Self { window, ..Self::default() }
    }

    pub(in crate::queue) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that it takes, without those of its messages.
    pub(in crate::queue) fn footprint(&self) -> usize {
        self.near.len() * size_of::<((Time, Position), Entry)>() + self.far.len() * size_of::<Segment>()
    }

    /// Takes over the messages that an earlier run left. When each is due is known only once it is read.
    pub(in crate::queue) fn restore(&mut self, segments: Vec<RecoveredSegment>) {
        let mut merged: Vec<RecoveredSegment> = Vec::new();
        for recovered in segments {
            match merged.last_mut() {
                Some(last) if !last.ends_before(&recovered, self.window.segment_bytes) => {
                    last.merge(&recovered)
                }
                _ => merged.push(recovered),
            }
        }
        for recovered in merged {
            let id = self.next_id();
            let Some(segment) = Segment::restored(id, &recovered, Position::default()) else { continue };
            self.len += segment.count;
            self.far.insert((Time::ZERO, id), segment);
        }
    }

    pub(in crate::queue) fn insert(&mut self, entry: Entry) {
        self.len += 1;
        self.add(entry);
    }

    fn add(&mut self, entry: Entry) {
        self.cost += cost(&entry);
        self.near.insert((entry.expires, entry.position), entry);
    }

    /// Those in memory, by when they are due.
    pub(in crate::queue) fn near(&self) -> impl Iterator<Item = &Entry> {
        self.near.values()
    }

    /// Takes one whose time has come.
    pub(in crate::queue) fn pop_due(&mut self, now: Time) -> Option<Entry> {
        let first = self.near.first_entry().filter(|first| first.key().0 <= now)?;
        let entry = first.remove();
        self.len -= 1;
        self.cost -= cost(&entry);
        Some(entry)
    }

    /// What came back; gives the number of messages that should have and did not.
    pub(in crate::queue) fn loaded(&mut self, id: u64, entries: Vec<Entry>) -> usize {
        // After an end nobody waits for it.
        let Some(segment) = self.loading.take_if(|segment| segment.id == id) else { return 0 };
        let missing = segment.count.saturating_sub(entries.len());
        self.len -= missing;
        entries.into_iter().for_each(|entry| self.add(entry));
        missing
    }

    /// Forgets what the store does not have, of what is in memory.
    pub(in crate::queue) fn forget_transient(&mut self) {
        let gone: Vec<Entry> =
            self.near.extract_if(.., |_, entry| !entry.stored).map(|(_, entry)| entry).collect();
        self.len -= gone.len();
        self.cost -= gone.iter().map(cost).sum::<usize>();
    }

    pub(in crate::queue) fn clear(&mut self) {
        *self = Self::new(self.window);
    }

    /// When there is something to do, if nothing comes in before.
    pub(in crate::queue) fn next_due(&self) -> Option<Time> {
        let near = self.near.first_key_value().map(|((due, _), _)| *due);
        // One that is wanted already waits for room, or for the one before it.
        let far = self.far.first_key_value().map(|((due, _), _)| *due);
        let far = far.filter(|due| !self.is_soon(*due)).map(|due| due.minus_ms(AHEAD_MS));
        near.into_iter().chain(far).min().filter(|due| *due != Time::NEVER)
    }

    fn is_soon(&self, due: Time) -> bool {
        due <= self.looked_at.plus_ms(AHEAD_MS)
    }

    /// Puts out of memory what is too much, the last first, and asks for the page that is wanted next.
    pub(in crate::queue) fn keep_window(&mut self, now: Time, effects: &mut Effects) {
        self.looked_at = now;
        while self.cost > self.window.start_bytes && self.near.len() > 1 {
            effects.pages.extend(self.page_out());
        }
        if self.loading.is_none()
            && let Some((key, segment)) = self.far.first_key_value()
            && self.is_soon(key.0)
            && self.has_room_for(key.0, segment)
        {
            self.loading = self.far.pop_first().map(|(_, segment)| segment);
            effects.loads.extend(self.loading.as_ref().map(load));
        }
    }

    #[cfg(test)]
    pub(in crate::queue) const fn cost(&self) -> usize {
        self.cost
    }

    /// Whether a page may come in: it fits, or messages that are due later can go out for it.
    fn has_room_for(&self, due: Time, segment: &Segment) -> bool {
        let fits = self.cost + segment.cost <= self.window.start_bytes;
        fits || self.near.last_key_value().is_none_or(|((last, _), _)| *last > due)
    }

    fn page_out(&mut self) -> Option<Page> {
        let (mut entries, mut bytes, mut first_due) = (Vec::new(), 0, Time::NEVER);
        while bytes < self.window.segment_bytes
            && self.near.len() > 1
            && let Some(((due, _), entry)) = self.near.pop_last()
        {
            bytes += cost(&entry);
            first_due = due;
            entries.push(entry);
        }
        self.cost -= bytes;
        entries.sort_unstable_by_key(|entry| entry.position);
        let id = self.next_id();
        let mut segment = Segment::of(id, entries.iter())?;
        // All of it is in the page, stored or not: in the store it lies among others that are due at other times.
        (segment.stored, segment.paged) = (false, true);
        self.far.insert((first_due, id), segment);
        Some(Page { id, entries: entries.into_iter().map(Into::into).collect() })
    }

    const fn next_id(&mut self) -> u64 {
        self.next_page += 1;
        self.next_page
    }
}

fn load(segment: &Segment) -> Load {
    let Segment { id, stored, paged, .. } = *segment;
    Load { id, positions: segment.positions(), stored, paged, keeps_page: false }
}
