//! Messages that wait for their next attempt, or are parked.

use super::queue::Queue;
use super::returning::in_memory;
use crate::message::Position;
use crate::queue::attempts::WaitKind;
use crate::queue::effects::Effects;
use crate::queue::entry::Entry;
use crate::queue::happening::{Happening, HappeningKind};
use crate::queue::reply::Reply;
use crate::time::Time;

impl Queue {
    /// What expires while it waits is looked at then.
    pub(super) fn set_aside(&mut self, due: Time, wait: WaitKind, entry: Entry) {
        self.waiting.insert(due.min(entry.expires), wait, entry);
    }

    /// Puts back what has waited long enough.
    pub(super) fn resume(&mut self, now: Time, effects: &mut Effects) {
        while let Some(entry) = self.waiting.pop_due(now) {
            self.resume_one(entry, false, effects);
        }
    }

    fn resume_one(&mut self, entry: Entry, by_hand: bool, effects: &mut Effects) {
        let (position, message) = (Some(entry.position), in_memory(&entry));
        let kind = HappeningKind::Released { by_hand };
        effects.happen(Happening { position, message, ..Happening::new(kind) });
        if let Some(attempts) = self.attempts.get_mut(&entry.position) {
            attempts.wait = None;
        }
        self.put_back(entry);
    }

    /// Ends the wait of all parked messages: they are ready.
    pub(super) fn release_parked(&mut self, effects: &mut Effects) -> Reply {
        let parked = self.waiting.take(WaitKind::Parked);
        let count = parked.len();
        parked.into_iter().for_each(|entry| self.resume_one(entry, true, effects));
        Reply::Released(count)
    }

    /// Drops all parked messages.
    pub(super) fn drop_parked(&mut self, effects: &mut Effects) -> Reply {
        let parked = self.waiting.take(WaitKind::Parked);
        let count = parked.len();
        parked.into_iter().for_each(|entry| self.drop_one(entry, effects));
        Reply::Dropped(count)
    }

    /// Ends the wait of the messages at these positions: they are ready.
    pub(super) fn release_waiting(&mut self, positions: &[Position], effects: &mut Effects) -> Reply {
        let released = self.waiting.take_at(positions);
        let count = released.len();
        released.into_iter().for_each(|entry| self.resume_one(entry, true, effects));
        Reply::Released(count)
    }

    /// Drops the messages at these positions that wait.
    pub(super) fn drop_waiting(&mut self, positions: &[Position], effects: &mut Effects) -> Reply {
        let dropped = self.waiting.take_at(positions);
        let count = dropped.len();
        dropped.into_iter().for_each(|entry| self.drop_one(entry, effects));
        Reply::Dropped(count)
    }

    fn drop_one(&mut self, entry: Entry, effects: &mut Effects) {
        let (position, message) = (Some(entry.position), in_memory(&entry));
        effects.happen(Happening { position, message, ..Happening::new(HappeningKind::Deleted) });
        self.forget_attempts(entry.position);
        self.forget_spilled(&entry, effects);
        effects.removed.extend(entry.stored.then_some(entry.position));
    }

    /// All that wait go with a purge; their store records are those of the purge.
    pub(super) fn purge_waiting(&mut self, effects: &mut Effects) -> usize {
        let waiting = [WaitKind::Delayed, WaitKind::Parked].map(|wait| self.waiting.take(wait));
        waiting.iter().flatten().for_each(|entry| self.forget_spilled(entry, effects));
        let unacked: std::collections::BTreeSet<Position> =
            self.unacked.iter().map(|unacked| unacked.entry.position).collect();
        self.attempts.retain(|position, _| unacked.contains(position));
        waiting.iter().map(Vec::len).sum()
    }
}
