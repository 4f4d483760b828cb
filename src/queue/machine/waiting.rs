//! Messages that wait for their next attempt, or are parked.

use super::queue::Queue;
use crate::message::Position;
use crate::queue::attempts::Pause;
use crate::queue::effects::Effects;
use crate::queue::entry::Entry;
use crate::queue::reply::Reply;
use crate::time::Time;

impl Queue {
    /// What expires while it waits is looked at then.
    pub(super) fn set_aside(&mut self, due: Time, pause: Pause, entry: Entry) {
        self.paused.insert(due.min(entry.expires), pause, entry);
    }

    /// Puts back what has waited long enough.
    pub(super) fn resume(&mut self, now: Time) {
        while let Some(entry) = self.paused.pop_due(now) {
            self.resume_one(entry);
        }
    }

    fn resume_one(&mut self, entry: Entry) {
        if let Some(attempts) = self.attempts.get_mut(&entry.position) {
            attempts.pause = None;
        }
        self.put_back(entry);
    }

    /// Ends the wait of all parked messages: they are ready.
    pub(super) fn release_parked(&mut self) -> Reply {
        let parked = self.paused.take(Pause::Parked);
        let count = parked.len();
        parked.into_iter().for_each(|entry| self.resume_one(entry));
        Reply::Released(count)
    }

    /// Drops all parked messages.
    pub(super) fn drop_parked(&mut self, effects: &mut Effects) -> Reply {
        let parked = self.paused.take(Pause::Parked);
        let count = parked.len();
        for entry in parked {
            self.forget_attempts(entry.position);
            self.forget_absent(&entry, effects);
            effects.removed.extend(entry.stored.then_some(entry.position));
        }
        Reply::Dropped(count)
    }

    /// All that wait go with a purge; their store records are those of the purge.
    pub(super) fn purge_paused(&mut self, effects: &mut Effects) -> usize {
        let paused = [Pause::Delayed, Pause::Parked].map(|pause| self.paused.take(pause));
        paused.iter().flatten().for_each(|entry| self.forget_absent(entry, effects));
        let unacked: std::collections::BTreeSet<Position> =
            self.unacked.iter().map(|unacked| unacked.entry.position).collect();
        self.attempts.retain(|position, _| unacked.contains(position));
        paused.iter().map(Vec::len).sum()
    }
}
