//! Messages that are neither ready nor in memory, and their way back.
//!
//! An unacked message is needed again only if it comes back, one that waits for another attempt only when its time has come.
//! Beyond the queue's window they let go of their messages, in bundles: the oldest deliveries, and what waits longest. Stored
//! messages are in their chunks anyway, others go to a page.
//! What is decided about such an entry is decided without its message. One that returns, or that is dead and has somewhere
//! to go, then waits here until its message is read, one bundle at a time, so that memory stays bounded whatever returns.
//!
//! Invariants: what waits here is in no other place; nothing of the queue that stands behind one that returns is delivered
//! before it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use super::attempts::Attempts;
use super::dead_letter::Reason;
use super::machine::{Queue, Restored};
use super::ready::Entry;
use super::{DeadLetter, Effects, Load, Page};
use crate::message::runs::Runs;
use crate::message::{Message, Parts, Position};
use crate::time::Time;

/// Stands for a message that is not in memory.
static NOTHING: LazyLock<Message> = LazyLock::new(|| Message::new(Parts::default()));

/// Marks the ids of loads and pages of bundles: those of segments do not get there.
const IDS: u64 = 1 << 63;

/// Where an entry goes when its message is here.
#[derive(Debug)]
pub(super) enum Destination {
    /// To its place among the ready ones.
    Ready,
    /// To the dead-letter exchange.
    Dead(Reason, Option<Box<Attempts>>),
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
pub(super) struct Absent {
    bundles: HashMap<u32, Bundle>,
    last_bundle: u32,
    wanted: BTreeMap<u32, Vec<(Entry, Destination)>>,
    /// Asked for.
    coming: Option<Vec<(Entry, Destination)>>,
    /// Of those that become ready: whose turn is when, and in which bundle they are.
    returning: BTreeMap<Turn, u32>,
}

impl Absent {
    /// Whether nobody waits for a message.
    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.coming.is_none()
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
        self.wanted.values().chain(&self.coming).flatten()
    }

    /// Those that will be ready, and those that are dead.
    #[cfg(test)]
    pub(super) fn positions(&self) -> (Vec<(u8, Position)>, Vec<Position>) {
        let dead = self.waiting().filter(|(_, to)| matches!(to, Destination::Dead(..)));
        let returning = self.returning.keys().map(|(Reverse(level), position)| (*level, *position));
        (returning.collect(), dead.map(|(entry, _)| entry.position).collect())
    }

    const fn next_bundle(&self) -> u32 {
        self.last_bundle + 1
    }

    /// A bundle of these entries, which have their messages.
    fn add(&mut self, entries: Vec<Entry>, effects: &mut Effects) {
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

    fn want(&mut self, level: u8, entry: Entry, destination: Destination) {
        if matches!(destination, Destination::Ready) {
            self.returning.insert((Reverse(level), entry.position), entry.bundle);
        }
        self.wanted.entry(entry.bundle).or_default().push((entry, destination));
    }

    /// An entry needs its message no more, or has it: gives the page that nobody needs any more.
    fn release(&mut self, bundle: u32) -> Option<u64> {
        let of_entry = self.bundles.get_mut(&bundle)?;
        of_entry.left -= 1;
        if of_entry.left > 0 {
            return None;
        }
        let done = self.bundles.remove(&bundle)?;
        done.paged.then_some(id_of(bundle))
    }

    /// Asks for the bundle of the one that is to be delivered first, or else of any that is wanted.
    fn ask(&mut self) -> Option<Load> {
        if self.coming.is_some() {
            return None;
        }
        let next = self.returning.first_key_value().map(|(_, bundle)| *bundle);
        let number = next.or_else(|| self.wanted.keys().next().copied())?;
        let entries = self.wanted.remove(&number)?;
        let bundle = self.bundles.get(&number)?;
        let positions: BTreeSet<Position> = entries.iter().map(|(entry, _)| entry.position).collect();
        let positions: Runs = positions.into_iter().collect();
        self.coming = Some(entries);
        let Bundle { stored, paged, .. } = *bundle;
        Some(Load { id: id_of(number), positions, stored, paged, keeps_page: true })
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

impl Queue {
    /// Puts an entry among the ready ones, when its message is here.
    pub(super) fn put_back(&mut self, entry: Entry) {
        if entry.is_here() {
            self.ready.put_back(entry);
        } else {
            let level = self.ready.level_of(entry.priority);
            self.absent.want(level, entry, Destination::Ready);
        }
    }

    /// Whether the message at the head of the ready ones is next: none that returns stands before it.
    #[inline]
    pub(super) fn is_head_next(&self) -> bool {
        self.absent.is_idle()
            || self.ready.head().is_none_or(|(level, head)| !self.absent.is_before(level, head))
    }

    /// Keeps a dead entry until its message is here.
    pub(super) fn fetch_dead(&mut self, entry: Entry, reason: Reason, attempts: Option<Box<Attempts>>) {
        self.absent.want(0, entry, Destination::Dead(reason, attempts));
    }

    /// The message of this entry is not needed any more.
    #[inline]
    pub(super) fn forget_absent(&mut self, entry: &Entry, effects: &mut Effects) {
        if !entry.is_here() {
            effects.pages_forgotten.extend(self.absent.release(entry.bundle));
        }
    }

    /// Puts unacked messages, and those that wait for another attempt, out of memory if they are too many there, and asks for
    /// what is wanted.
    pub(super) fn keep_other_windows(&mut self, now: Time, effects: &mut Effects) {
        let window = self.options.window;
        while let Some(entries) = self.unacked.page_out(now, &window, self.absent.next_bundle()) {
            self.absent.add(entries, effects);
        }
        while let Some(entries) = self.paused.page_out(&window, self.absent.next_bundle()) {
            self.absent.add(entries, effects);
        }
        effects.loads.extend(self.absent.ask());
    }

    /// Messages of a bundle came: those that waited for them go on.
    pub(super) fn bundle_loaded(&mut self, now: Time, messages: Vec<Restored>, effects: &mut Effects) {
        // After an end nobody waits for it.
        let Some(waiting) = self.absent.coming.take() else { return };
        for (mut entry, destination) in waiting {
            let found = messages.binary_search_by_key(&entry.position, |restored| restored.position);
            let Some(restored) = found.ok().and_then(|at| messages.get(at)) else {
                effects.missing += 1;
                continue;
            };
            self.forget_absent(&entry, effects);
            entry.message = restored.message.clone();
            entry.bundle = 0;
            match destination {
                Destination::Ready => {
                    let level = self.ready.level_of(entry.priority);
                    self.absent.returning.remove(&(Reverse(level), entry.position));
                    self.ready.put_back(entry);
                }
                Destination::Dead(reason, attempts) => {
                    let stored = entry.stored.then_some(entry.position);
                    self.bury(DeadLetter { message: entry.message, reason, stored, attempts }, effects);
                }
            }
        }
        self.drop_overflow(now, effects);
    }
}

impl Entry {
    /// Whether its message is in memory.
    #[inline]
    pub(super) const fn is_here(&self) -> bool {
        self.bundle == 0
    }

    /// Lets go of the message; gives the entry with it.
    pub(super) fn put_out(&mut self, bundle: u32) -> Self {
        let with_message = self.clone();
        self.message = NOTHING.clone();
        self.bundle = bundle;
        with_message
    }
}
