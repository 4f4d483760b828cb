//! Deduplication: what the machine does about duplicates, gaps in a publisher's numbers, and messages of an epoch that is over.

use super::publishing::each;
use super::queue::Queue;
use crate::dedup::DedupKeys;
use crate::queue::command::{DedupPublish, Publish};
use crate::queue::effects::Effects;
use crate::queue::entrance::{Entrance, NO_KEYS, NewMessage};
use crate::queue::happening::Provenance;
use crate::queue::ids::ConnectionId;
use crate::time::Time;

impl Queue {
    /// Publishes without keys to a queue that has deduplication itself.
    #[cold]
    pub(super) fn publish_once(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publishes: Vec<Publish>,
        effects: &mut Effects,
    ) {
        for publish in publishes {
            self.publish_unless_known(now, connection, publish, &NO_KEYS, effects);
        }
    }

    pub(super) fn publish_dedup(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publishes: Vec<DedupPublish>,
        effects: &mut Effects,
    ) {
        for DedupPublish { publish, keys } in publishes {
            self.publish_unless_known(now, connection, publish, &keys, effects);
        }
    }

    fn publish_unless_known(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publish: Publish,
        keys: &DedupKeys,
        effects: &mut Effects,
    ) {
        let new = self.entrance(now).check(connection, &publish, keys, effects);
        let Some(new) = new else { return };
        if self.makes_room(now, connection, &publish, effects) {
            self.remember(now, &publish, keys, new, effects);
            self.enqueue(now, connection, publish, effects);
            self.drop_overflow(now, effects);
        }
    }

    /// Delayed messages whose time has come. They have not been in this queue before, so only a publisher that repeated itself
    /// makes one a duplicate.
    pub(super) fn publish_due(
        &mut self,
        now: Time,
        publishes: Vec<Publish>,
        from: Provenance,
        effects: &mut Effects,
    ) {
        for (publish, from) in publishes.into_iter().zip(each(from)) {
            let nobody = ConnectionId(0);
            let new = self.entrance(now).check(nobody, &publish, &NO_KEYS, effects);
            let Some(new) = new else { continue };
            self.remember(now, &publish, &NO_KEYS, new, effects);
            self.publish_dead_lettered(now, vec![publish], vec![from], effects);
        }
    }

    fn remember(
        &mut self,
        now: Time,
        publish: &Publish,
        keys: &DedupKeys,
        new: NewMessage,
        effects: &mut Effects,
    ) {
        let stored = self.options.durable && publish.message.is_persistent();
        self.entrance(now).remember(keys, new, stored, effects);
    }

    /// The queue's own window goes when it is turned off.
    pub(super) fn forget_own_window(&mut self, now: Time, effects: &mut Effects) {
        self.entrance(now).forget_own_window(effects);
    }

    fn entrance(&mut self, now: Time) -> Entrance<'_> {
        let at = self.wall_clock(now);
        let (settings, durable) = (self.options.deduplication.as_ref(), self.options.durable);
        Entrance { dedup: &mut self.dedup, settings, durable, at }
    }
}
