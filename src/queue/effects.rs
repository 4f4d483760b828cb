//! What a batch of commands asks the outside to do: gathered per batch, so that each kind leaves as one piece of work.

use std::collections::BTreeMap;

use super::attempts::Attempts;
use super::dead_letter::Reason;
use super::delivery::Deliveries;
use super::entry::Entry;
use super::happening::{Ended, Happening, HappeningKind, HeldBy};
use super::ids::{ConnectionId, ConsumerKey};
use super::log::{Fed, LogEffects, LogMissed};
use super::reply::Reply;
use crate::message::runs::Runs;
use crate::message::{Message, Position, QueueId};
use crate::statistics::QueueCounters;
use crate::time::Time;

/// Happenings of a batch of which each is noted by itself.
const SINGLE_MAX: usize = 64;

/// What a batch of commands asks the outside to do. Reused from batch to batch, of one queue or another, once it
/// [is clear](Self::is_clear): who adds an effect adds it there as well.
#[derive(Debug, Default)]
pub struct Effects {
    /// Deliveries, in the order in which each channel is to see them: one entry a consumer, more only where consumers share a
    /// channel.
    pub deliveries: Vec<Deliveries>,
    /// Confirms that wait for nothing.
    pub confirms: Vec<Range>,
    /// Publishes that were refused.
    pub refusals: Vec<Range>,
    /// Messages to store.
    pub appended: Vec<StoreAppend>,
    /// Confirms that wait for `appended` to be durable.
    pub append_confirms: Vec<Range>,
    /// Confirms of duplicates. Each waits until the first message with its keys, which came earlier, is durable.
    pub duplicate_confirms: Vec<Range>,
    /// Changes of the queue's deduplication records, to be written in the same batch as `appended`.
    pub records: DedupRecords,
    /// How many duplicates did not come in.
    pub duplicates: u64,
    /// How many messages of numbered publishers were refused: after a gap in the numbers, or with an epoch that is over.
    pub out_of_turn: u64,
    /// What a stream asks of the store.
    pub log: LogEffects,
    /// Messages of a stream for queues that are fed from it.
    pub fed: Vec<Fed>,
    /// What consumers of a stream missed.
    pub missed: Vec<LogMissed>,
    /// Stored messages that are done with.
    pub removed: Vec<Position>,
    /// All stored messages up to here were delivered at least once.
    pub delivered_up_to: Option<Position>,
    /// All stored messages before the position are gone, but for those listed.
    pub purged: Option<(Position, Vec<Position>)>,
    /// Messages to put out of memory.
    pub pages: Vec<Page>,
    /// Messages to get back, after all of the above is on its way.
    pub loads: Vec<Load>,
    /// Pages that nobody will ask for.
    pub pages_forgotten: Vec<u64>,
    /// No page that was made before this batch will be asked for.
    pub all_pages_forgotten: bool,
    /// How many messages the store should have given back and did not. It cannot be trusted then.
    pub missing: usize,
    /// Answers to commands that had to wait for messages to come back, by the ticket of their
    /// [`Reply::Deferred`].
    pub deferred_replies: Vec<(u64, Reply)>,
    /// Messages of a delayed exchange whose time has come.
    pub due: Vec<Due>,
    /// Messages to dead-letter.
    pub dead_letters: Vec<DeadLetter>,
    /// Messages that go to other queues.
    pub moved: Vec<Moved>,
    /// Messages dropped, with the reason, because the queue has no dead-letter exchange.
    pub dropped: Vec<(Reason, usize)>,
    /// Attempts to be noted in the store, for stored messages that came back.
    pub attempts: Vec<(Position, Attempts)>,
    /// Channels to be closed because of a message that was not acked in time.
    pub timed_out: Vec<TimedOut>,
    /// How many messages were not acked in time.
    pub timed_out_count: u64,
    /// What happened, in numbers.
    pub counted: QueueCounters,
    /// Whether what goes well is to be said, too: set by the caller.
    pub is_recording: bool,
    /// What happened, in words: see [`Happening`]. Dead letters and messages that move are in lists of their own.
    pub happened: Vec<Happening>,
    /// Channels whose prefetch has credit for another queue now. Their sessions have to tell that queue.
    pub turns_passed_on: Vec<(ConnectionId, u16)>,
    /// Consumers that lost their queue.
    pub cancelled: Vec<ConsumerKey>,
    /// Consumers that were cancelled by hand. Their connections are to be told after their deliveries.
    pub dismissed: Vec<ConsumerKey>,
    /// The queue is no more.
    pub ended: Option<Ended>,
}

impl Effects {
    /// Whether all of it has been carried out, so that another queue may have it for its batch.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.asks_nothing() && self.says_nothing()
    }

    fn asks_nothing(&self) -> bool {
        self.appended.is_empty()
            && self.append_confirms.is_empty()
            && self.duplicate_confirms.is_empty()
            && self.records.is_empty()
            && self.log.is_clear()
            && self.removed.is_empty()
            && self.delivered_up_to.is_none()
            && self.purged.is_none()
            && self.pages.is_empty()
            && self.loads.is_empty()
            && self.pages_forgotten.is_empty()
            && !self.all_pages_forgotten
            && self.attempts.is_empty()
            && self.fed.is_empty()
            && self.due.is_empty()
            && self.dead_letters.is_empty()
            && self.moved.is_empty()
            && self.ended.is_none()
    }

    fn says_nothing(&self) -> bool {
        self.deliveries.is_empty()
            && self.confirms.is_empty()
            && self.refusals.is_empty()
            && self.duplicates == 0
            && self.out_of_turn == 0
            && self.missed.is_empty()
            && self.missing == 0
            && self.deferred_replies.is_empty()
            && self.dropped.is_empty()
            && self.timed_out.is_empty()
            && self.timed_out_count == 0
            && self.counted == QueueCounters::default()
            && self.happened.is_empty()
            && self.turns_passed_on.is_empty()
            && self.cancelled.is_empty()
            && self.dismissed.is_empty()
    }

    pub(crate) fn confirm(ranges: &mut Vec<Range>, connection: ConnectionId, channel: u16, sequence: u64) {
        if let Some(last) = ranges.last_mut()
            && last.connection == connection
            && last.channel == channel
            && last.last + 1 == sequence
        {
            last.last = sequence;
            return;
        }
        ranges.push(Range { connection, channel, first: sequence, last: sequence });
    }

    pub(super) fn dead_letter(&mut self, letter: DeadLetter) {
        *match letter.reason {
            Reason::Rejected => &mut self.counted.dead_lettered_rejected,
            Reason::Expired => &mut self.counted.dead_lettered_expired,
            Reason::Maxlen => &mut self.counted.dead_lettered_maxlen,
            Reason::DeliveryLimit => &mut self.counted.dead_lettered_delivery_limit,
        } += 1;
        self.dead_letters.push(letter);
    }

    /// Notes what happened. Messages that are dropped one after the other are one run; so is what happens to many others at once,
    /// beyond the first of a batch: whoever looks for a message finds it, and a flood does not wash away what else there is to know.
    pub(crate) fn happen(&mut self, happening: Happening) {
        let may_be_run =
            self.happened.len() >= SINGLE_MAX || matches!(happening.kind, HappeningKind::Dropped(_));
        let is_run = may_be_run && self.happened.last_mut().is_some_and(|last| last.extend(&happening));
        if !is_run {
            self.happened.push(happening);
        }
    }

    pub(super) fn drop_message(&mut self, reason: Reason) {
        self.drop_messages(reason, 1);
    }

    pub(super) fn drop_messages(&mut self, reason: Reason, count: usize) {
        *match reason {
            Reason::Rejected => &mut self.counted.dropped_rejected,
            Reason::Expired => &mut self.counted.dropped_expired,
            Reason::Maxlen => &mut self.counted.dropped_maxlen,
            Reason::DeliveryLimit => &mut self.counted.dropped_delivery_limit,
        } += count as u64;
        match self.dropped.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, sum)) => *sum += count,
            None => self.dropped.push((reason, count)),
        }
    }
}

/// Publish sequence numbers of one channel, from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The publisher's connection.
    pub connection: ConnectionId,
    /// The publisher's channel.
    pub channel: u16,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
}

/// A message to be stored.
#[derive(Clone, Debug)]
pub struct StoreAppend {
    /// Its position.
    pub position: Position,
    /// The message.
    pub message: Message,
    /// Its priority, capped to those of the queue.
    pub level: u8,
    /// When it expires, or [`Time::NEVER`].
    pub expires: Time,
}

impl From<Entry> for StoreAppend {
    fn from(entry: Entry) -> Self {
        let Entry { position, message, priority, expires, .. } = entry;
        Self { position, message, level: priority, expires }
    }
}

/// Messages to be put out of memory, to be had back by a [`Load`].
#[derive(Debug)]
pub struct Page {
    /// Names it within the queue.
    pub id: u64,
    /// The messages, by ascending positions.
    pub entries: Vec<StoreAppend>,
}

/// Messages to be had back, with [`Command::Loaded`](super::Command::Loaded).
#[derive(Clone, Debug)]
pub struct Load {
    /// To be handed back with them.
    pub id: u64,
    /// The messages.
    pub positions: Runs,
    /// Whether any were stored when they came in.
    pub stored: bool,
    /// Whether any are in the page of this id.
    pub paged: bool,
    /// Whether that page is needed again.
    pub keeps_page: bool,
}

/// A message that leaves the queue for its dead-letter exchange.
#[derive(Debug)]
pub struct DeadLetter {
    /// The message as it was.
    pub message: Message,
    /// Why.
    pub reason: Reason,
    /// Its position; `None` if it never came in.
    pub position: Option<Position>,
    /// Its position if the store has it: it is removed there when its copies are stored, in the same batch.
    pub stored: Option<Position>,
    /// The deliveries before, if the queue counts them.
    pub attempts: Option<Box<Attempts>>,
    /// Who had it, if somebody did.
    pub held_by: Option<HeldBy>,
}

/// A message that goes to other queues.
#[derive(Debug)]
pub struct Moved {
    /// The message as it arrives there.
    pub message: Message,
    /// The queues.
    pub queues: Vec<QueueId>,
    /// Its position.
    pub position: Position,
    /// Its position if the store has it: it is removed there when its copies are stored, in the same batch.
    pub stored: Option<Position>,
}

/// A message whose time has come.
#[derive(Debug)]
pub struct Due {
    /// The message.
    pub message: Message,
    /// Its position.
    pub position: Position,
    /// Its position if the store has it: it is removed there when its copies are stored, in the same batch.
    pub stored: Option<Position>,
}

/// Changes of the queue's own records by key; `None` removes one.
pub type DedupRecords = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A message was not acked in time, and the queue is one that closes channels for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    /// The connection.
    pub connection: ConnectionId,
    /// The channel.
    pub channel: u16,
    /// How long the consumer had, in ms.
    pub timeout_ms: u32,
}

#[cfg(test)]
mod tests {
    use super::Effects;
    use crate::message::Position;
    use crate::queue::{Attempts, Ended};

    /// By name: whoever adds an effect is sent here, and to what tells whether it is clear.
    #[rustfmt::skip]
    const fn all_are_known(effects: Effects) -> Effects {
        let Effects {
            deliveries: _, confirms: _, refusals: _, appended: _, append_confirms: _, duplicate_confirms: _, records: _, duplicates: _,
            out_of_turn: _, log: _, fed: _, missed: _, removed: _, delivered_up_to: _, purged: _, pages: _, loads: _, pages_forgotten: _,
            all_pages_forgotten: _, missing: _, deferred_replies: _, due: _, dead_letters: _, moved: _, dropped: _, attempts: _,
            timed_out: _, timed_out_count: _, counted: _, is_recording: _, happened: _, turns_passed_on: _, cancelled: _,
            dismissed: _, ended: _,
        } = &effects;
        effects
    }

    #[test]
    fn one_effect_is_enough_not_to_be_clear() {
        assert!(all_are_known(Effects { is_recording: true, ..Effects::default() }).is_clear());
        let one: [fn(&mut Effects); 14] = [
            |effects| effects.duplicates = 1,
            |effects| effects.out_of_turn = 1,
            |effects| effects.timed_out_count = 1,
            |effects| effects.missing = 1,
            |effects| effects.log.trim = Some(1),
            |effects| effects.delivered_up_to = Some(Position(1)),
            |effects| effects.ended = Some(Ended::Expired),
            |effects| effects.purged = Some((Position(1), Vec::new())),
            |effects| effects.all_pages_forgotten = true,
            |effects| effects.removed.push(Position(1)),
            |effects| effects.pages_forgotten.push(1),
            |effects| effects.attempts.push((Position(1), Attempts::default())),
            |effects| effects.counted.delivered = 1,
            |effects| drop(effects.records.insert(Vec::new(), None)),
        ];
        for (number, cause) in one.into_iter().enumerate() {
            let mut effects = Effects::default();
            cause(&mut effects);
            assert!(!effects.is_clear(), "effect {number}");
        }
    }
}
