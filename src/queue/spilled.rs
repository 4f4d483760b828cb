//! Messages that are neither ready nor in memory, and their way back.
//!
//! An unacked message is needed again only if it comes back. One that waits for another attempt is needed only when its time has
//! come. When there are more of them than fit the queue's window, the oldest deliveries and the longest waits let go of their
//! messages, in bundles. Stored messages are in their chunks anyway; others are written to a page.
//!
//! The queue decides what becomes of such an entry without its message. If the entry returns, or is to be dead-lettered, it then
//! waits here until its message is read. One bundle is read at a time, so that memory stays bounded however many return.
//!
//! Invariants: an entry that waits here is in no other place; while one returns, nothing that stands behind it in the queue is
//! delivered.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::attempts::Attempts;
use super::dead_letter::Reason;
use super::effects::{Effects, Load, Page};
use super::entry::Entry;
use super::happening::HeldBy;
use super::peek::OnDisk;
use crate::message::Position;
use crate::message::runs::Runs;

/// This bit marks ids of bundles, in loads and pages. Ids of segments are counted from 0 and never reach it.
const IDS: u64 = 1 << 63;

/// Where an entry goes when its message is here.
#[derive(Debug)]
pub(super) enum Destination {
    /// To its place among the ready ones.
    Ready,
    /// To the dead-letter exchange.
    Dead(Box<Dead>),
}

/// What is known of a dead message beside its entry.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) reason: Reason,
    pub(super) attempts: Option<Box<Attempts>>,
    pub(super) held_by: Option<HeldBy>,
}

/// Messages that were put out together.
#[derive(Debug)]
struct Bundle {
    /// Entries that still need it.
    left: usize,
    /// Whether the store has any of them as records of their own.
    stored: bool,
    /// Whether any of them are in a page.
    paged: bool,
    first: Position,
    last: Position,
}

/// The order of delivery.
type Turn = (Reverse<u8>, Position);

/// All bundles, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Spilled {
    bundles: HashMap<u32, Bundle>,
    last_bundle: u32,
    wanted: BTreeMap<u32, Vec<(Entry, Destination)>>,
    /// Entries whose bundle was asked for.
    loading: Option<Vec<(Entry, Destination)>>,
    /// Entries that will be ready, in the order of their delivery, with their bundles.
    returning: BTreeMap<Turn, u32>,
}

impl Spilled {
    /// Whether nobody waits for a message.
    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.loading.is_none()
    }

    /// How many will be ready.
    pub(super) fn returning(&self) -> usize {
        self.returning.len()
    }

    /// Whether a message with this turn has to wait for one that returns.
    pub(super) fn is_before(&self, level: u8, position: Position) -> bool {
        self.returning.first_key_value().is_some_and(|(first, _)| *first < (Reverse(level), position))
    }

    /// Whether any may return to a place between two positions.
    pub(super) fn any_between(&self, after: Position, before: Position) -> bool {
        self.bundles.values().any(|bundle| bundle.first < before && after < bundle.last)
    }

    /// Whether any messages are in pages.
    pub(super) fn has_pages(&self) -> bool {
        self.bundles.values().any(|bundle| bundle.paged)
    }

    /// Positions of those that wait and that the store has.
    pub(super) fn stored(&self) -> impl Iterator<Item = Position> {
        self.waiting().filter(|(entry, _)| entry.stored).map(|(entry, _)| entry.position)
    }

    fn waiting(&self) -> impl Iterator<Item = &(Entry, Destination)> {
        self.wanted.values().chain(&self.loading).flatten()
    }

    /// Those that will be ready, in the order in which they would be delivered: their levels, positions and bundles.
    pub(super) fn returning_turns(&self) -> impl Iterator<Item = (u8, Position, u32)> {
        self.returning.iter().map(|((Reverse(level), position), bundle)| (*level, *position, *bundle))
    }

    /// One that waits for its message.
    pub(super) fn waiting_entry(&self, bundle: u32, position: Position) -> Option<&Entry> {
        let of_bundle = self.wanted.get(&bundle).into_iter().chain(&self.loading).flatten();
        of_bundle.map(|(entry, _)| entry).find(|entry| entry.position == position)
    }

    /// Where the messages of a bundle lie.
    pub(super) fn on_disk(&self, bundle: u32) -> Option<OnDisk> {
        let Bundle { stored, paged, .. } = *self.bundles.get(&bundle)?;
        Some(OnDisk { id: id_of(bundle), stored, paged })
    }

    /// Those that will be ready, and those that are dead.
    #[cfg(test)]
    pub(super) fn positions(&self) -> (Vec<(u8, Position)>, Vec<Position>) {
        let dead = self.waiting().filter(|(_, to)| matches!(to, Destination::Dead(..)));
        let returning = self.returning.keys().map(|(Reverse(level), position)| (*level, *position));
        (returning.collect(), dead.map(|(entry, _)| entry.position).collect())
    }

    pub(super) const fn next_bundle(&self) -> u32 {
        self.last_bundle + 1
    }

    /// A bundle of these entries, which have their messages.
    pub(super) fn add(&mut self, entries: Vec<Entry>, effects: &mut Effects) {
        let positions = || entries.iter().map(|entry| entry.position);
        let Some((first, last)) = positions().min().zip(positions().max()) else { return };
        self.last_bundle = self.next_bundle();
        let stored = entries.iter().any(|entry| entry.stored);
        let left = entries.len();
        let mut page: Vec<Entry> = entries.into_iter().filter(|entry| !entry.stored).collect();
        page.sort_unstable_by_key(|entry| entry.position);
        let paged = !page.is_empty();
        if paged {
            let entries = page.into_iter().map(Into::into).collect();
            effects.pages.push(Page { id: id_of(self.last_bundle), entries });
        }
        self.bundles.insert(self.last_bundle, Bundle { left, stored, paged, first, last });
    }

    pub(super) fn want(&mut self, level: u8, entry: Entry, destination: Destination) {
        if matches!(destination, Destination::Ready) {
            self.returning.insert((Reverse(level), entry.position), entry.bundle);
        }
        self.wanted.entry(entry.bundle).or_default().push((entry, destination));
    }

    /// An entry needs its message no more, or has it: gives the page that nobody needs any more.
    pub(super) fn release(&mut self, bundle: u32) -> Option<u64> {
        let of_entry = self.bundles.get_mut(&bundle)?;
        of_entry.left -= 1;
        if of_entry.left > 0 {
            return None;
        }
        let done = self.bundles.remove(&bundle)?;
        done.paged.then_some(id_of(bundle))
    }

    /// Asks for the bundle of the one that is to be delivered first, or else of any that is wanted.
    pub(super) fn ask(&mut self) -> Option<Load> {
        if self.loading.is_some() {
            return None;
        }
        let next = self.returning.first_key_value().map(|(_, bundle)| *bundle);
        let number = next.or_else(|| self.wanted.keys().next().copied())?;
        let entries = self.wanted.remove(&number)?;
        let bundle = self.bundles.get(&number)?;
        let positions: BTreeSet<Position> = entries.iter().map(|(entry, _)| entry.position).collect();
        let positions: Runs = positions.into_iter().collect();
        self.loading = Some(entries);
        let Bundle { stored, paged, .. } = *bundle;
        Some(Load { id: id_of(number), positions, stored, paged, keeps_page: true })
    }

    /// Takes those whose bundle was asked for.
    pub(super) const fn take_loading(&mut self) -> Option<Vec<(Entry, Destination)>> {
        self.loading.take()
    }

    /// Takes all that wait for their messages: these will not come.
    pub(super) fn give_up(&mut self) -> Vec<Entry> {
        self.returning.clear();
        let waiting = std::mem::take(&mut self.wanted).into_values().chain(self.loading.take());
        waiting.flatten().map(|(entry, _)| entry).collect()
    }

    /// One that was to be ready is.
    pub(super) fn returned(&mut self, level: u8, position: Position) {
        self.returning.remove(&(Reverse(level), position));
    }

    /// The queue is no more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn id_of(bundle: u32) -> u64 {
    IDS | u64::from(bundle)
}

/// Whether a load is of a bundle.
pub(super) const fn is_bundle(id: u64) -> bool {
    id & IDS != 0
}
