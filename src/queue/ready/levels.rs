//! Ready messages, in order of position within each priority, and what of them is in memory.

use super::level::{Level, MayReturnBetween};
use super::ready_message::ReadyMessage;
use crate::message::Position;
use crate::queue::details::Tally;
use crate::queue::effects::{Load, Page};
use crate::queue::entry::{ENTRY_BYTES, Entry};
use crate::queue::segment::{RecoveredSegment, Segment};
use crate::queue::window::Window;
use crate::time::Time;

/// Ready messages: a level per priority.
#[derive(Debug)]
pub(in crate::queue) struct Ready {
    levels: Vec<Level>,
    len: usize,
    bytes: usize,
    /// What all messages that were ever taken out one by one cost.
    taken: u64,
    window: Window,
    /// The window of one level.
    share: Window,
    next_segment: u64,
}

impl Ready {
    /// Levels 0 to `priority_max`.
    pub(in crate::queue) fn new(priority_max: u8, window: Window) -> Self {
        let levels: Vec<Level> = (0..=priority_max).map(|_| Level::default()).collect();
        let share = window.share(levels.len());
        Self { levels, len: 0, bytes: 0, taken: 0, window, share, next_segment: 0 }
    }

    pub(in crate::queue) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that it takes, without those of its messages.
    pub(in crate::queue) fn footprint(&self) -> usize {
        self.levels.iter().map(Level::footprint).sum()
    }

    pub(in crate::queue) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of bodies: what x-max-length-bytes counts.
    pub(in crate::queue) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What its messages cost, in memory or not.
    pub(in crate::queue) const fn cost(&self) -> usize {
        self.bytes + self.len * ENTRY_BYTES
    }

    /// What all messages that were ever taken out one by one cost in memory: it only grows.
    pub(in crate::queue) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Adds a message whose position is above all others.
    pub(in crate::queue) fn push_back(&mut self, entry: Entry) {
        self.count_in(&entry);
        self.level(entry.priority).push_back(entry);
    }

    /// Puts a message back to its position.
    pub(in crate::queue) fn put_back(&mut self, entry: Entry) {
        self.count_in(&entry);
        self.level(entry.priority).put_back(entry);
    }

    /// The level that messages of a priority are in: those above the highest count as the highest.
    pub(in crate::queue) fn level_of(&self, priority: u8) -> u8 {
        priority.min(self.levels.len().saturating_sub(1) as u8)
    }

    /// When the next message to deliver expires, if it is in memory.
    pub(in crate::queue) fn next_expires(&self) -> Option<Time> {
        self.levels.iter().rev().find(|level| !level.is_empty())?.head_expiry()
    }

    /// Level and position of the next message to deliver, if it is here.
    pub(in crate::queue) fn head(&self) -> Option<(u8, Position)> {
        let (level, found) = self.levels.iter().enumerate().rev().find(|(_, level)| !level.is_empty())?;
        Some((level as u8, found.head()?.position))
    }

    /// The position of the oldest message, in memory or not.
    pub(in crate::queue) fn oldest(&self) -> Option<Position> {
        self.levels.iter().filter_map(Level::oldest).min()
    }

    /// Takes the next message to deliver, if it is here: the oldest of the highest priority.
    pub(in crate::queue) fn pop_front(&mut self) -> Option<Entry> {
        let entry = self.levels.iter_mut().rev().find(|level| !level.is_empty())?.pop_front()?;
        self.count_out(&entry);
        Some(entry)
    }

    /// Takes the message that gives way when the queue is too long, if it is here: the oldest of the lowest priority.
    pub(in crate::queue) fn pop_overflow(&mut self) -> Option<Entry> {
        let entry = self.levels.iter_mut().find(|level| !level.is_empty())?.pop_front()?;
        self.count_out(&entry);
        Some(entry)
    }

    /// Takes the next segment to give way whole, if nothing of it is in memory and it has no more than so many messages.
    pub(in crate::queue) fn take_overflow_segment(&mut self, count_max: usize) -> Option<Segment> {
        let segment = self.levels.iter_mut().find(|level| !level.is_empty())?.take_segment(count_max)?;
        self.len -= segment.count;
        self.bytes -= segment.body_bytes;
        Some(segment)
    }

    /// Takes a message at the head of a level that has expired. Messages expire at the head only, as RabbitMQ's do
    /// (its TTL guide, 'Caveats').
    pub(in crate::queue) fn pop_expired(&mut self, is_due: impl Fn(Time) -> bool) -> Option<Entry> {
        let expired = |level: &&mut Level| level.head_expiry().is_some_and(&is_due);
        let entry = self.levels.iter_mut().find(expired)?.pop_front()?;
        self.count_out(&entry);
        Some(entry)
    }

    /// When the first message at a head expires.
    pub(in crate::queue) fn next_expiry(&self) -> Option<Time> {
        let heads = self.levels.iter().filter_map(Level::head_expiry);
        heads.min().filter(|time| *time != Time::NEVER)
    }

    /// Whether there may be expired messages at a head that is not in memory.
    pub(in crate::queue) fn may_expire_unseen(&self) -> bool {
        self.levels.iter().any(Level::may_expire_unseen)
    }

    /// The next message to deliver, if it is in memory.
    pub(in crate::queue) fn first_entry(&self) -> Option<&Entry> {
        self.levels.iter().rev().find(|level| !level.is_empty())?.head()
    }

    /// Counts what is in memory, and what the store has.
    pub(in crate::queue) fn tally(&self, tally: &mut Tally) {
        self.levels.iter().for_each(|level| level.tally(tally));
    }

    /// All messages with their levels, in the order in which they would be delivered.
    pub(in crate::queue) fn iter(&self) -> impl Iterator<Item = (u8, ReadyMessage<'_>)> {
        let levels = (0..=u8::MAX).zip(&self.levels).collect::<Vec<_>>().into_iter().rev();
        levels.flat_map(|(number, level)| level.iter().map(move |seen| (number, seen)))
    }

    /// The pages of all segments.
    pub(in crate::queue) fn pages(&self) -> Vec<u64> {
        self.levels.iter().flat_map(Level::pages).collect()
    }

    /// Forgets everything; says whether the store had records of any of it.
    pub(in crate::queue) fn clear(&mut self) -> bool {
        self.len = 0;
        self.bytes = 0;
        let cleared = self.levels.iter_mut().map(Level::clear);
        cleared.fold(false, |any, stored| any | stored)
    }

    /// Takes over what an earlier run left of a durable queue, delivered up to a position.
    pub(in crate::queue) fn restore(&mut self, segments: Vec<RecoveredSegment>, delivered: Position) {
        let mut open: Vec<Option<RecoveredSegment>> = self.levels.iter().map(|_| None).collect();
        for recovered in segments {
            let Some(slot) = open.get_mut(usize::from(self.level_of(recovered.level))) else { continue };
            match slot {
                Some(before) if !before.ends_before(&recovered, self.share.segment_bytes) => {
                    before.merge(&recovered)
                }
                _ => {
                    let full = slot.replace(recovered);
                    self.restore_segment(full, delivered);
                }
            }
        }
        open.into_iter().for_each(|rest| self.restore_segment(rest, delivered));
    }

    fn restore_segment(&mut self, recovered: Option<RecoveredSegment>, delivered: Position) {
        let Some(recovered) = recovered else { return };
        let id = self.next_segment;
        let Some(segment) = Segment::restored(id, &recovered, delivered) else { return };
        self.next_segment += 1;
        self.len += segment.count;
        self.bytes += segment.body_bytes;
        self.level(recovered.level).restore(segment);
    }

    /// Puts out of memory what is beyond the window.
    pub(in crate::queue) fn page_out(&mut self, may_return: &MayReturnBetween<'_>, pages: &mut Vec<Page>) {
        let sum: usize = self.levels.iter().map(Level::cost).sum();
        let over = sum > self.window.start_bytes;
        let next_segment = &mut self.next_segment;
        for level in self.levels.iter_mut().filter(|level| over || level.has_segments()) {
            level.page_out(&self.share, may_return, &mut |entries| {
                let segment = Segment::of(*next_segment, entries.iter())?;
                *next_segment += 1;
                if segment.paged {
                    let entries = entries.into_iter().filter(|entry| !entry.stored).map(Into::into).collect();
                    pages.push(Page { id: segment.id, entries });
                }
                Some(segment)
            });
        }
    }

    /// Asks for segments; `prefetch`: also for those that are not needed yet but soon will be.
    pub(in crate::queue) fn load(&mut self, prefetch: bool, loads: &mut Vec<Load>) {
        for level in self.levels.iter_mut().filter(|level| level.has_segments()) {
            level.load(&self.share, prefetch, |segment| {
                let (id, positions) = (segment.id, segment.positions());
                loads.push(Load {
                    id,
                    positions,
                    stored: segment.stored,
                    paged: segment.paged,
                    keeps_page: false,
                });
            });
        }
    }

    /// Whether any messages are not in memory.
    pub(in crate::queue) fn has_segments(&self) -> bool {
        self.levels.iter().any(Level::has_segments)
    }

    /// The messages of a segment came; returns how many are missing.
    pub(in crate::queue) fn loaded(&mut self, id: u64, mut entries: Vec<Entry>) -> usize {
        for level in &mut self.levels {
            match level.loaded(id, std::mem::take(&mut entries)) {
                Ok(missing) => return missing,
                Err(back) => entries = back,
            }
        }
        // It was purged while it was on its way.
        0
    }

    #[cfg(test)]
    pub(in crate::queue) fn positions(&self) -> Vec<(u8, Position)> {
        let levels = (0..).zip(&self.levels);
        levels.flat_map(|(number, level)| level.positions().into_iter().map(move |p| (number, p))).collect()
    }

    #[cfg(test)]
    pub(in crate::queue) fn check(&self) {
        self.levels.iter().for_each(Level::check);
    }

    #[cfg(test)]
    pub(in crate::queue) fn in_memory(&self) -> usize {
        self.levels.iter().map(Level::cost).sum()
    }

    fn level(&mut self, priority: u8) -> &mut Level {
        let index = usize::from(self.level_of(priority));
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "there is a level, and the index is capped to the highest"
        )]
        &mut self.levels[index]
    }

    fn count_in(&mut self, entry: &Entry) {
        self.len += 1;
        self.bytes += entry.message.body_len();
    }

    fn count_out(&mut self, entry: &Entry) {
        let bytes = entry.message.body_len();
        self.len -= 1;
        self.bytes -= bytes;
        self.taken += (bytes + ENTRY_BYTES) as u64;
    }
}
