//! Deduplication: what the machine does about duplicates, gaps in a publisher's numbers, and messages of an epoch that is over.

use super::publishing::{each, not_taken};
use super::queue::Queue;
use crate::dedup::{DedupKeys, Fingerprint};
use crate::protocol::content::Properties;
use crate::queue::command::{DedupPublish, Publish};
use crate::queue::dedup::{Arrival, Verdict};
use crate::queue::effects::Effects;
use crate::queue::happening::{HappeningKind, Provenance};
use crate::queue::ids::ConnectionId;
use crate::time::Time;

/// The name of the queue's own window; no exchange with a window has it.
const OWN: &str = "";

/// The keys of a message without any.
const NO_KEYS: DedupKeys = DedupKeys { publisher: None, exchange: None };

/// A message that may come in, with what is to be remembered of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NewMessage {
    own: Option<Fingerprint>,
}

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
        let Some(new) = self.check_known(now, connection, &publish, keys, effects) else { return };
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
            let Some(new) = self.check_known(now, nobody, &publish, &NO_KEYS, effects) else { continue };
            self.remember(now, &publish, &NO_KEYS, new, effects);
            self.publish_dead_lettered(now, vec![publish], vec![from], effects);
        }
    }

    /// Answers for a message that was here before, or that must not come in now; `None` if it was such a one.
    ///
    /// A duplicate is confirmed, as the first was or will be: RabbitMQ's plugin nacks it, and a client that publishes again
    /// what is nacked would never stop.
    fn check_known(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publish: &Publish,
        keys: &DedupKeys,
        effects: &mut Effects,
    ) -> Option<NewMessage> {
        let new = NewMessage { own: self.own_fingerprint(publish) };
        let publisher = keys.publisher.as_ref();
        let verdict = publisher.map_or(Verdict::New, |sequence| self.dedup.judge(sequence));
        match verdict {
            Verdict::New if self.is_in_a_window(now, keys, new, effects) => {
                if let Some(sequence) = publisher {
                    self.dedup.advance(sequence, self.options.durable, &mut effects.records);
                }
                self.confirm_duplicate(connection, publish, effects);
            }
            Verdict::New => return Some(new),
            Verdict::Duplicate => self.confirm_duplicate(connection, publish, effects),
            Verdict::Gap | Verdict::OldEpoch => {
                effects.out_of_turn += 1;
                let kind = match verdict {
                    Verdict::Gap => HappeningKind::Gap,
                    _ => HappeningKind::OldEpoch,
                };
                effects.happen(not_taken(kind, connection, publish));
                if publish.sequence != 0 {
                    let (channel, sequence) = (publish.channel, publish.sequence);
                    Effects::confirm(&mut effects.refusals, connection, channel, sequence);
                }
            }
        }
        None
    }

    /// Remembers the keys of a message that comes in.
    fn remember(
        &mut self,
        now: Time,
        publish: &Publish,
        keys: &DedupKeys,
        new: NewMessage,
        effects: &mut Effects,
    ) {
        let (durable, at) = (self.options.durable, self.wall_clock(now));
        let stored = durable && publish.message.is_persistent();
        if let (Some(settings), Some(fingerprint)) = (&self.options.deduplication, new.own) {
            let arrival = Arrival { fingerprint, settings, at, stored };
            self.dedup.remember(OWN, &arrival, &mut effects.records);
        }
        if let Some((scope, fingerprint)) = &keys.exchange {
            let arrival = Arrival { fingerprint: *fingerprint, settings: &scope.settings, at, stored };
            self.dedup.remember(&scope.exchange, &arrival, &mut effects.records);
        }
        if let Some(sequence) = &keys.publisher {
            self.dedup.advance(sequence, durable, &mut effects.records);
        }
    }

    /// The queue's own window goes when it is turned off.
    pub(super) fn forget_own_window(&mut self, effects: &mut Effects) {
        self.dedup.forget_window(OWN, &mut effects.records);
    }

    fn own_fingerprint(&self, publish: &Publish) -> Option<Fingerprint> {
        let settings = self.options.deduplication.as_ref()?;
        let properties = Properties::parse(publish.message.properties()).ok()?;
        Fingerprint::of(&properties, &settings.header)
    }

    fn is_in_a_window(
        &mut self,
        now: Time,
        keys: &DedupKeys,
        new: NewMessage,
        effects: &mut Effects,
    ) -> bool {
        let (at, stored) = (self.wall_clock(now), false);
        let own = match (&self.options.deduplication, new.own) {
            (Some(settings), Some(fingerprint)) => {
                let arrival = Arrival { fingerprint, settings, at, stored };
                self.dedup.has(OWN, &arrival, &mut effects.records)
            }
            _ => false,
        };
        own || keys.exchange.as_ref().is_some_and(|(scope, fingerprint)| {
            let arrival = Arrival { fingerprint: *fingerprint, settings: &scope.settings, at, stored };
            self.dedup.has(&scope.exchange, &arrival, &mut effects.records)
        })
    }

    fn confirm_duplicate(&self, connection: ConnectionId, publish: &Publish, effects: &mut Effects) {
        effects.duplicates += 1;
        effects.happen(not_taken(HappeningKind::Duplicate, connection, publish));
        if publish.sequence != 0 {
            // The first may still be on its way to the disk.
            let late = self.options.durable;
            let ranges = if late { &mut effects.duplicate_confirms } else { &mut effects.confirms };
            Effects::confirm(ranges, connection, publish.channel, publish.sequence);
        }
    }
}
