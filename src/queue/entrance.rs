//! Who may come in: what is known by its keys does not.

use crate::dedup::{DedupKeys, Deduplication, Fingerprint};
use crate::protocol::content::Properties;
use crate::queue::command::Publish;
use crate::queue::dedup::{Arrival, DedupState, Verdict};
use crate::queue::effects::Effects;
use crate::queue::happening::{Happening, HappeningKind, HeldBy};
use crate::queue::ids::ConnectionId;
use crate::time::Timestamp;

/// The name of the queue's own window; no exchange with a window has it.
const OWN: &str = "";

/// The keys of a message without any.
pub(crate) const NO_KEYS: DedupKeys = DedupKeys { publisher: None, exchange: None };

/// A message that may come in, with what is to be remembered of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewMessage {
    own: Option<Fingerprint>,
}

/// What is looked at when a message comes.
#[derive(Debug)]
pub(crate) struct Entrance<'a> {
    /// What is remembered.
    pub(crate) dedup: &'a mut DedupState,
    /// The queue's own settings.
    pub(crate) settings: Option<&'a Deduplication>,
    /// Whether the queue survives a restart.
    pub(crate) durable: bool,
    /// Now.
    pub(crate) at: Timestamp,
}

impl Entrance<'_> {
    /// Answers for a message that was here before, or that must not come in now; `None` if it was such a one.
    ///
    /// A duplicate is confirmed, as the first was or will be: RabbitMQ's plugin nacks it, and a client that publishes again
    /// what is nacked would never stop.
    pub(crate) fn check(
        &mut self,
        connection: ConnectionId,
        publish: &Publish,
        keys: &DedupKeys,
        effects: &mut Effects,
    ) -> Option<NewMessage> {
        let new = NewMessage { own: self.own_fingerprint(publish) };
        let publisher = keys.publisher.as_ref();
        let verdict = publisher.map_or(Verdict::New, |sequence| self.dedup.judge(sequence));
        match verdict {
            Verdict::New if self.is_in_a_window(keys, new, effects) => {
                if let Some(sequence) = publisher {
                    self.dedup.advance(sequence, self.durable, &mut effects.records);
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

    /// Remembers the keys of a message that comes in; `stored` with it.
    pub(crate) fn remember(
        &mut self,
        keys: &DedupKeys,
        new: NewMessage,
        stored: bool,
        effects: &mut Effects,
    ) {
        let at = self.at;
        if let (Some(settings), Some(fingerprint)) = (self.settings, new.own) {
            let arrival = Arrival { fingerprint, settings, at, stored };
            self.dedup.remember(OWN, &arrival, &mut effects.records);
        }
        if let Some((scope, fingerprint)) = &keys.exchange {
            let arrival = Arrival { fingerprint: *fingerprint, settings: &scope.settings, at, stored };
            self.dedup.remember(&scope.exchange, &arrival, &mut effects.records);
        }
        if let Some(sequence) = &keys.publisher {
            self.dedup.advance(sequence, self.durable, &mut effects.records);
        }
    }

    /// The queue's own window goes when it is turned off.
    pub(crate) fn forget_own_window(&mut self, effects: &mut Effects) {
        self.dedup.forget_window(OWN, &mut effects.records);
    }

    fn own_fingerprint(&self, publish: &Publish) -> Option<Fingerprint> {
        let settings = self.settings?;
        let properties = Properties::parse(publish.message.properties()).ok()?;
        Fingerprint::of(&properties, &settings.header)
    }

    fn is_in_a_window(&mut self, keys: &DedupKeys, new: NewMessage, effects: &mut Effects) -> bool {
        let (at, stored) = (self.at, false);
        let own = match (self.settings, new.own) {
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
            let late = self.durable;
            let ranges = if late { &mut effects.duplicate_confirms } else { &mut effects.confirms };
            Effects::confirm(ranges, connection, publish.channel, publish.sequence);
        }
    }
}

/// What happened to a message that did not come in.
#[cold]
pub(super) fn not_taken(kind: HappeningKind, connection: ConnectionId, publish: &Publish) -> Happening {
    let (message, held_by) = (Some(publish.message.clone()), publisher(connection, publish));
    Happening { message, held_by, ..Happening::new(kind) }
}

/// Who published it; nobody if the broker moved it.
pub(super) fn publisher(connection: ConnectionId, publish: &Publish) -> Option<HeldBy> {
    let is_client = connection != ConnectionId(0);
    is_client.then_some(HeldBy { connection, channel: publish.channel, tag: None })
}
