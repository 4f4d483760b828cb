//! Messages that must come in once: what the machine does about duplicates, gaps and leftovers of numbered publishers.

use super::queue::Queue;
use crate::protocol::content::Properties;
use crate::queue::command::{Marked, Publish};
use crate::queue::dedup::{Found, Verdict};
use crate::queue::effects::Effects;
use crate::queue::ids::ConnectionId;
use crate::time::Time;
use crate::unique::{Fingerprint, Mark};

/// The name of the queue's own window; no exchange with a window has it.
const OWN: &str = "";

/// What a message is marked with that is not.
const UNMARKED: Mark = Mark { publisher: None, exchange: None };

/// A message that may come in, with what is to be remembered of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Novelty {
    own: Option<Fingerprint>,
}

impl Queue {
    /// Messages of a queue that wants each once.
    #[cold]
    pub(super) fn publish_once(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publishes: Vec<Publish>,
        effects: &mut Effects,
    ) {
        for publish in publishes {
            self.take_in_once(now, connection, publish, &UNMARKED, effects);
        }
    }

    pub(super) fn publish_marked(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publishes: Vec<Marked>,
        effects: &mut Effects,
    ) {
        for Marked { publish, mark } in publishes {
            self.take_in_once(now, connection, publish, &mark, effects);
        }
    }

    fn take_in_once(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publish: Publish,
        mark: &Mark,
        effects: &mut Effects,
    ) {
        let Some(novelty) = self.recognise(now, connection, &publish, mark, effects) else { return };
        if self.makes_room(now, connection, &publish, effects) {
            self.remember(now, &publish, mark, novelty, effects);
            self.enqueue(now, connection, publish, effects);
            self.drop_overflow(now, effects);
        }
    }

    /// A queue that wants each once has never seen them, unless their publisher repeated itself.
    pub(super) fn adopt_new(&mut self, now: Time, publishes: Vec<Publish>, effects: &mut Effects) {
        for publish in publishes {
            let nobody = ConnectionId(0);
            let Some(novelty) = self.recognise(now, nobody, &publish, &UNMARKED, effects) else { continue };
            self.remember(now, &publish, &UNMARKED, novelty, effects);
            self.adopt(now, vec![publish], effects);
        }
    }

    /// Answers for a message that was here before, or that must not come in now; `None` if it was such a one.
    ///
    /// A duplicate is confirmed, as the first was or will be: RabbitMQ's plugin nacks it, and a client that publishes again
    /// what is nacked would never stop.
    fn recognise(
        &mut self,
        now: Time,
        connection: ConnectionId,
        publish: &Publish,
        mark: &Mark,
        effects: &mut Effects,
    ) -> Option<Novelty> {
        let novelty = Novelty { own: self.own_fingerprint(publish) };
        let publisher = mark.publisher.as_ref();
        let verdict = publisher.map_or(Verdict::New, |mark| self.seen.judge(mark));
        match verdict {
            Verdict::New if self.is_in_a_window(now, mark, novelty, effects) => {
                if let Some(mark) = publisher {
                    self.seen.advance(mark, self.options.durable, &mut effects.records);
                }
                self.confirm_duplicate(connection, publish, effects);
            }
            Verdict::New => return Some(novelty),
            Verdict::Duplicate => self.confirm_duplicate(connection, publish, effects),
            Verdict::Gap | Verdict::OldEpoch => {
                effects.out_of_turn += 1;
                if publish.sequence != 0 {
                    let (channel, sequence) = (publish.channel, publish.sequence);
                    Effects::confirm(&mut effects.refusals, connection, channel, sequence);
                }
            }
        }
        None
    }

    /// A message comes in: whoever brings it again finds it known.
    fn remember(
        &mut self,
        now: Time,
        publish: &Publish,
        mark: &Mark,
        novelty: Novelty,
        effects: &mut Effects,
    ) {
        let (durable, at) = (self.options.durable, self.wall(now));
        let stored = durable && publish.message.is_persistent();
        if let (Some(settings), Some(fingerprint)) = (&self.options.deduplication, novelty.own) {
            let found = Found { fingerprint, settings, at, stored };
            self.seen.remember(OWN, &found, &mut effects.records);
        }
        if let Some((scope, fingerprint)) = &mark.exchange {
            let found = Found { fingerprint: *fingerprint, settings: &scope.settings, at, stored };
            self.seen.remember(&scope.exchange, &found, &mut effects.records);
        }
        if let Some(mark) = &mark.publisher {
            self.seen.advance(mark, durable, &mut effects.records);
        }
    }

    /// The queue's own window goes when it is turned off.
    pub(super) fn forget_own_window(&mut self, effects: &mut Effects) {
        self.seen.forget_window(OWN, &mut effects.records);
    }

    fn own_fingerprint(&self, publish: &Publish) -> Option<Fingerprint> {
        let settings = self.options.deduplication.as_ref()?;
        let properties = Properties::parse(publish.message.properties()).ok()?;
        Fingerprint::of(&properties, &settings.header)
    }

    fn is_in_a_window(&mut self, now: Time, mark: &Mark, novelty: Novelty, effects: &mut Effects) -> bool {
        let (at, stored) = (self.wall(now), false);
        let own = match (&self.options.deduplication, novelty.own) {
            (Some(settings), Some(fingerprint)) => {
                let found = Found { fingerprint, settings, at, stored };
                self.seen.has(OWN, &found, &mut effects.records)
            }
            _ => false,
        };
        own || mark.exchange.as_ref().is_some_and(|(scope, fingerprint)| {
            let found = Found { fingerprint: *fingerprint, settings: &scope.settings, at, stored };
            self.seen.has(&scope.exchange, &found, &mut effects.records)
        })
    }

    fn confirm_duplicate(&self, connection: ConnectionId, publish: &Publish, effects: &mut Effects) {
        effects.duplicates += 1;
        if publish.sequence != 0 {
            // The first may still be on its way to the disk.
            let late = self.options.durable;
            let ranges = if late { &mut effects.duplicate_confirms } else { &mut effects.confirms };
            Effects::confirm(ranges, connection, publish.channel, publish.sequence);
        }
    }
}
