//! Messages that were delivered and are not yet settled.
//!
//! Each stands in a list of those with the same ack timeout, oldest delivery first, so that finding the ones that are
//! overdue looks at no other, however many there are.

use std::iter;

use slab::Slab;

use crate::queue::entry::{Entry, cost};
use crate::queue::ids::{ConnectionId, ConsumerKey, Handle};
use crate::queue::options::AckTimeout;
use crate::queue::window::Window;
use crate::time::Time;

/// Different timeouts on one queue: consumers rarely have their own, and each look goes through all.
const TIMEOUTS_MAX: usize = 32;
/// No slot: the end of a list.
const NONE: u32 = u32::MAX;

/// A message that is not stored is written to a page only when it has been unacked for so long: most are acked before.
const PAGE_AFTER_MS: u64 = 1000;
/// Or when so many windows are full of them: a fast consumer that acks nothing has a gigabyte within a second.
const WINDOWS_MAX: usize = 8;

/// A delivered message and who has it.
#[derive(Debug)]
pub(in crate::queue) struct Unacked {
    pub(in crate::queue) entry: Entry,
    pub(in crate::queue) connection: ConnectionId,
    pub(in crate::queue) channel: u16,
    /// Number of the consumer it went to; `None` for basic.get.
    pub(in crate::queue) consumer: Option<u32>,
    /// Somebody looks at it, or moves it: that was not counted, and what becomes of it is not either.
    pub(in crate::queue) by_hand: bool,
}

impl Unacked {
    /// The consumer it went to.
    pub(in crate::queue) fn key(&self) -> Option<ConsumerKey> {
        let (connection, channel) = (self.connection, self.channel);
        self.consumer.map(|number| ConsumerKey { connection, channel, number })
    }
}

/// Names a timeout that messages of this queue have; 0 is the queue's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::queue) struct TimeoutId(u16);

#[derive(Debug)]
struct Slot {
    unacked: Unacked,
    turn: u32,
    delivered: Time,
    timeout: TimeoutId,
    before: u32,
    after: u32,
}

/// Messages with the same timeout, in order of their delivery.
#[derive(Clone, Copy, Debug)]
struct List {
    timeout: Option<AckTimeout>,
    first: u32,
    last: u32,
    /// The first whose message is in memory, or one before it.
    here: u32,
}

impl List {
    const fn new(timeout: Option<AckTimeout>) -> Self {
        Self { timeout, first: NONE, last: NONE, here: NONE }
    }
}

/// Unacked messages by slot: constant time whatever order they are acked in.
#[derive(Debug)]
pub(in crate::queue) struct UnackedSet {
    slots: Slab<Slot>,
    /// Grows with each delivery.
    turn: u32,
    lists: Vec<List>,
    /// What those in memory cost there.
    cost: usize,
    /// When the next bundle may be old enough.
    look_at: Time,
}

impl UnackedSet {
    /// With the queue's own timeout.
    pub(in crate::queue) fn new(timeout: Option<AckTimeout>) -> Self {
        let lists = vec![List::new(timeout)];
        Self { slots: Slab::new(), turn: 0, lists, cost: 0, look_at: Time::ZERO }
    }

    /// Changes the queue's own timeout, also for messages that were delivered under the former.
    pub(in crate::queue) fn set_own_timeout(&mut self, timeout: Option<AckTimeout>) {
        if let Some(own) = self.lists.first_mut() {
            own.timeout = timeout;
        }
    }

    /// The name of a timeout; the queue's own when there are too many different ones. One that equals the queue's gets a
    /// name of its own all the same, for the queue's may change.
    pub(in crate::queue) fn timeout_id(&mut self, timeout: Option<AckTimeout>) -> TimeoutId {
        let own = self.lists.iter().skip(1).position(|list| list.timeout == timeout);
        let known = own.map(|index| index + 1);
        let index = known.unwrap_or(if self.lists.len() < TIMEOUTS_MAX { self.lists.len() } else { 0 });
        if index == self.lists.len() {
            self.lists.push(List::new(timeout));
        }
        TimeoutId(u16::try_from(index).unwrap_or_default())
    }

    /// What a timeout's name stands for.
    pub(in crate::queue) fn timeout(&self, id: TimeoutId) -> Option<AckTimeout> {
        self.lists.get(usize::from(id.0)).and_then(|list| list.timeout)
    }

    pub(in crate::queue) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(in crate::queue) fn insert(&mut self, unacked: Unacked, now: Time, timeout: TimeoutId) -> Handle {
        let position = unacked.entry.position;
        self.turn = self.turn.wrapping_add(1);
        self.cost += cost(&unacked.entry);
        let turn = self.turn;
        let slot = Slot { unacked, turn, delivered: now, timeout, before: NONE, after: NONE };
        let index = self.slots.insert(slot) as u32;
        self.link(index, timeout);
        Handle { slot: index, turn, position }
    }

    pub(in crate::queue) fn get(&self, handle: Handle) -> Option<&Unacked> {
        let slot = self.slots.get(handle.slot as usize)?;
        let is_it = slot.turn == handle.turn && slot.unacked.entry.position == handle.position;
        is_it.then_some(&slot.unacked)
    }

    /// Takes a message out; `None` if the handle is of a message that is gone.
    pub(in crate::queue) fn remove(&mut self, handle: Handle) -> Option<Unacked> {
        self.get(handle)?;
        self.take(handle.slot)
    }

    /// Takes out what a connection has, or just one of its channels, oldest first.
    pub(in crate::queue) fn remove_of(
        &mut self,
        connection: ConnectionId,
        channel: Option<u16>,
    ) -> Vec<Unacked> {
        self.remove_if(|unacked| {
            unacked.connection == connection && channel.is_none_or(|channel| channel == unacked.channel)
        })
    }

    /// Takes out what a consumer has, oldest first.
    pub(in crate::queue) fn remove_of_consumer(&mut self, key: ConsumerKey) -> Vec<Unacked> {
        self.remove_if(|unacked| unacked.key() == Some(key))
    }

    fn remove_if(&mut self, wanted: impl Fn(&Unacked) -> bool) -> Vec<Unacked> {
        let slots: Vec<usize> =
            self.slots.iter().filter(|(_, slot)| wanted(&slot.unacked)).map(|(index, _)| index).collect();
        let mut taken: Vec<Unacked> = slots.into_iter().filter_map(|index| self.take(index as u32)).collect();
        taken.sort_unstable_by_key(|unacked| unacked.entry.position);
        if self.slots.is_empty() {
            self.slots.shrink_to_fit();
        }
        taken
    }

    /// The time for its ack starts anew; `false` if it is gone.
    pub(in crate::queue) fn renew(&mut self, handle: Handle, now: Time) -> bool {
        if self.get(handle).is_none() {
            return false;
        }
        let timeout = self.unlink(handle.slot).unwrap_or_default();
        if let Some(slot) = self.slots.get_mut(handle.slot as usize) {
            slot.delivered = now;
        }
        self.link(handle.slot, timeout);
        true
    }

    /// A message whose time is over, with its timeout. It stays.
    pub(in crate::queue) fn overdue(&self, now: Time) -> Option<(Handle, AckTimeout)> {
        self.lists.iter().find_map(|list| {
            let slot = self.slots.get(list.first as usize)?;
            let position = slot.unacked.entry.position;
            let handle = Handle { slot: list.first, turn: slot.turn, position };
            let timeout = list.timeout?;
            (slot.delivered.plus_ms(u64::from(timeout.ms)) <= now).then_some((handle, timeout))
        })
    }

    /// When the next message is overdue.
    pub(in crate::queue) fn next_overdue(&self) -> Option<Time> {
        let first = |list: &List| {
            let slot = self.slots.get(list.first as usize)?;
            Some(slot.delivered.plus_ms(u64::from(list.timeout?.ms)))
        };
        self.lists.iter().filter_map(first).min()
    }

    pub(in crate::queue) fn iter(&self) -> impl Iterator<Item = &Unacked> {
        self.slots.iter().map(|(_, slot)| &slot.unacked)
    }

    /// All, those that are held longest first, with the time since when.
    pub(in crate::queue) fn by_age(&self) -> impl Iterator<Item = (Time, &Unacked)> {
        let mut heads: Vec<u32> = self.lists.iter().map(|list| list.first).collect();
        iter::from_fn(move || {
            let slot_at = |head: &mut u32| self.slots.get(*head as usize);
            let slots = heads.iter_mut().filter_map(|head| slot_at(head).map(|slot| (head, slot)));
            let (head, oldest) = slots.min_by_key(|(_, slot)| slot.delivered)?;
            *head = oldest.after;
            Some((oldest.delivered, &oldest.unacked))
        })
    }

    /// Takes about a segment's worth of messages out of memory, with the bundle that they are in from now on, if there are
    /// too many: the oldest deliveries of one timeout. Gives the entries with their messages.
    pub(in crate::queue) fn page_out(
        &mut self,
        now: Time,
        window: &Window,
        bundle: u32,
    ) -> Option<Vec<Entry>> {
        let at_once = self.cost >= window.start_bytes.saturating_mul(WINDOWS_MAX);
        if !self.is_too_large(window) || (now < self.look_at && !at_once) {
            return None;
        }
        let mut look_at = now.plus_ms(PAGE_AFTER_MS);
        for list in 0..self.lists.len() {
            match self.candidates(if at_once { Time::NEVER } else { now }, window, list) {
                Ok(slots) => return Some(self.spill(list, &slots, bundle)),
                Err(time) => look_at = look_at.min(time),
            }
        }
        self.look_at = look_at;
        None
    }

    /// When [`page_out`](Self::page_out) may find something.
    pub(in crate::queue) fn next_page_out(&self, window: &Window) -> Option<Time> {
        self.is_too_large(window).then_some(self.look_at)
    }

    const fn is_too_large(&self, window: &Window) -> bool {
        self.cost >= window.start_bytes.saturating_add(window.segment_bytes)
    }

    /// The slots of a list that fill a segment, or when there may be enough of them.
    fn candidates(&self, now: Time, window: &Window, list: usize) -> Result<Vec<u32>, Time> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        let mut next = self.lists.get(list).map_or(NONE, |list| list.here);
        while let Some(slot) = self.slots.get(next as usize) {
            let entry = &slot.unacked.entry;
            let old_at = slot.delivered.plus_ms(PAGE_AFTER_MS);
            if entry.is_in_memory() {
                if !entry.stored && now < old_at {
                    return Err(old_at);
                }
                bytes += cost(entry);
                found.push(next);
            }
            if bytes >= window.segment_bytes.max(1) {
                return Ok(found);
            }
            next = slot.after;
        }
        Err(now.plus_ms(PAGE_AFTER_MS))
    }

    fn spill(&mut self, list: usize, found: &[u32], bundle: u32) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(found.len());
        let mut after = NONE;
        for index in found {
            let Some(slot) = self.slots.get_mut(*index as usize) else { continue };
            let entry = &mut slot.unacked.entry;
            self.cost -= cost(entry);
            entries.push(entry.spill(bundle));
            after = slot.after;
        }
        if let Some(list) = self.lists.get_mut(list) {
            list.here = after;
        }
        entries
    }

    #[cfg(test)]
    pub(in crate::queue) fn in_memory(&self) -> usize {
        let here = self.iter().map(|unacked| &unacked.entry).filter(|entry| entry.is_in_memory());
        let sum = here.map(cost).sum();
        assert_eq!(self.cost, sum);
        sum
    }

    fn take(&mut self, index: u32) -> Option<Unacked> {
        self.unlink(index);
        let unacked = self.slots.try_remove(index as usize)?.unacked;
        if unacked.entry.is_in_memory() {
            self.cost -= cost(&unacked.entry);
        }
        Some(unacked)
    }

    /// Puts a slot at the end of its list.
    fn link(&mut self, index: u32, timeout: TimeoutId) {
        let Some(list) = self.lists.get_mut(usize::from(timeout.0)) else { return };
        let before = std::mem::replace(&mut list.last, index);
        if list.here == NONE {
            list.here = index;
        }
        if before == NONE {
            list.first = index;
        } else if let Some(slot) = self.slots.get_mut(before as usize) {
            slot.after = index;
        }
        if let Some(slot) = self.slots.get_mut(index as usize) {
            (slot.before, slot.after) = (before, NONE);
        }
    }

    /// Takes a slot out of its list.
    fn unlink(&mut self, index: u32) -> Option<TimeoutId> {
        let slot = self.slots.get(index as usize)?;
        let (timeout, before, after) = (slot.timeout, slot.before, slot.after);
        let list = self.lists.get_mut(usize::from(timeout.0))?;
        if list.here == index {
            list.here = after;
        }
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.after = after,
            None => list.first = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(slot) => slot.before = before,
            None => list.last = before,
        }
        Some(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, Parts, Position};
    use crate::queue::options::TimeoutAction;

    fn unacked(position: u64) -> Unacked {
        let entry = Entry {
            message: Message::new(Parts::default()),
            position: Position(position),
            expires: Time::NEVER,
            priority: 0,
            redelivered: false,
            stored: false,
            bundle: 0,
        };
        Unacked { entry, connection: ConnectionId(1), channel: 1, consumer: None, by_hand: false }
    }

    const QUEUE: AckTimeout = AckTimeout { ms: 100, action: TimeoutAction::Close };
    const OWN: AckTimeout = AckTimeout { ms: 50, action: TimeoutAction::Requeue };

    fn overdue(set: &mut UnackedSet, now: Time) -> Vec<u64> {
        let mut positions = Vec::new();
        while let Some((handle, _)) = set.overdue(now) {
            positions.push(handle.position.0);
            assert!(set.remove(handle).is_some());
        }
        positions
    }

    #[test]
    fn each_is_overdue_after_its_own_time_whatever_was_settled_between() {
        let mut set = UnackedSet::new(Some(QUEUE));
        let own = set.timeout_id(Some(OWN));
        let at = |ms| Time::ZERO.plus_ms(ms);
        let handles: Vec<Handle> = (0..10)
            .map(|n| set.insert(unacked(n), at(n), if n % 2 == 0 { TimeoutId::default() } else { own }))
            .collect();
        assert_eq!(set.next_overdue(), Some(at(51)));
        for gone in [0, 1, 4, 8, 9] {
            assert!(set.remove(handles[gone]).is_some());
        }
        assert!(set.renew(handles[3], at(40)));
        assert_eq!(set.next_overdue(), Some(at(55)));
        assert_eq!(overdue(&mut set, at(57)), [5, 7]);
        assert_eq!(overdue(&mut set, at(102)), [2, 3]);
        assert_eq!(overdue(&mut set, at(105)), Vec::<u64>::new());
        assert_eq!(overdue(&mut set, at(106)), [6]);
        assert_eq!((set.len(), set.next_overdue()), (0, None));
        assert!(!set.renew(handles[3], at(200)));
    }

    #[test]
    fn a_slot_that_is_used_again_is_no_longer_the_old_message() {
        let mut set = UnackedSet::new(Some(QUEUE));
        let old = set.insert(unacked(1), Time::ZERO, TimeoutId::default());
        assert!(set.remove(old).is_some());
        let new = set.insert(unacked(2), Time::ZERO, TimeoutId::default());
        assert_eq!(old.slot, new.slot);
        assert!(set.remove(old).is_none());
        assert!(set.remove(new).is_some());
    }

    #[test]
    fn with_too_many_timeouts_the_queues_own_holds() {
        let mut set = UnackedSet::new(Some(QUEUE));
        let ids: Vec<TimeoutId> = (0..100).map(|ms| set.timeout_id(Some(AckTimeout { ms, ..OWN }))).collect();
        assert_eq!(ids[99], TimeoutId::default());
        assert_eq!(ids[0], set.timeout_id(Some(AckTimeout { ms: 0, ..OWN })));
    }
}
