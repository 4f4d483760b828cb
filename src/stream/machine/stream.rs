//! The stream's state machine: its state, and what a command and a batch lead to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foldhash::HashMap;
use slab::Slab;

use crate::queue::options::StreamOptions;
use crate::queue::{
    Command, ConsumerKey, Counts, DedupState, Disposition, Effects, Ended, Flow, LogNews, QueueOptions,
    RecoveredStream, Reply, Settlement,
};
use crate::stream::ahead::AheadBytes;
use crate::stream::cursor::Cursor;
use crate::stream::log::{Log, OpenSegment};
use crate::stream::pending::Pending;
use crate::stream::reader::Reader;
use crate::stream::tail::Tail;
use crate::time::{Time, Timestamp};

/// The newest messages that are kept in memory, in bytes, if the broker keeps no more of a queue.
const TAIL_BYTES: usize = 8 * 1024 * 1024;

/// One stream. See the [module](crate::stream) for its invariants.
#[derive(Debug)]
pub struct Stream {
    pub(super) options: QueueOptions,
    pub(super) epoch: Timestamp,
    pub(super) log: Log,
    pub(super) tail: Tail,
    /// Chunks that are on their way to the disk, by ticket.
    pub(super) pending: BTreeMap<u64, Pending>,
    pub(super) next_ticket: u64,
    /// Bytes and chunks that were given to the newest segment, and when its first was.
    pub(super) open: OpenSegment,
    pub(super) readers: Slab<Reader>,
    pub(super) next_turn: u32,
    pub(super) cursors: Slab<Cursor>,
    /// Those that the batch moved.
    pub(super) moved_cursors: Vec<usize>,
    /// Reads and seeks that are under way, by id: for which reader, by its place and turn.
    pub(super) requests: HashMap<u64, (usize, u32)>,
    /// Places that somebody asked for, or wants a cursor to go to.
    pub(super) asked_seeks: HashMap<u64, Option<usize>>,
    pub(super) next_request: u64,
    /// Readers that may be given something, by their places.
    pub(super) restless: Vec<usize>,
    /// Bytes that were read ahead for readers.
    pub(super) ahead_bytes: AheadBytes,
    /// Readers for which something has to be read when other reads are done, by their places.
    pub(super) reads_to_come: VecDeque<usize>,
    /// What it remembers of earlier messages, to recognise duplicates.
    pub(super) dedup: DedupState,
    pub(super) unreadable: Option<Arc<str>>,
    /// Whether a test wants nothing to be delivered.
    pub(super) is_paused: bool,
    pub(super) ended: bool,
}

impl Stream {
    /// What an earlier run left, or an empty one. `epoch` is what wall clocks show at [`Time::ZERO`]. What is `kept_here` is in memory alone: there
    /// is no disk.
    #[must_use]
    pub fn new(options: QueueOptions, recovered: RecoveredStream, epoch: Timestamp, kept_here: bool) -> Self {
        let log = Log::restored(recovered);
        let open = log.open_segment();
        let tail_bytes = if kept_here { usize::MAX } else { TAIL_BYTES.min(options.window.start_bytes) };
        Self {
            options,
            epoch,
            log,
            tail: Tail::new(tail_bytes),
            pending: BTreeMap::new(),
            next_ticket: 1,
            open,
            readers: Slab::new(),
            next_turn: 1,
            cursors: Slab::new(),
            moved_cursors: Vec::new(),
            requests: HashMap::default(),
            asked_seeks: HashMap::default(),
            next_request: 1,
            restless: Vec::new(),
            ahead_bytes: AheadBytes::default(),
            reads_to_come: VecDeque::new(),
            dedup: DedupState::default(),
            unreadable: None,
            is_paused: false,
            ended: false,
        }
    }

    /// Takes back what an earlier run remembered of messages that came.
    pub fn restore_dedup(&mut self, dedup: DedupState) {
        self.dedup = dedup;
    }

    /// The stream's settings.
    #[must_use]
    pub const fn options(&self) -> &QueueOptions {
        &self.options
    }

    pub(super) fn settings(&self) -> StreamOptions {
        self.options.stream.unwrap_or_default()
    }

    /// Numbers about the stream. All that can be read is ready.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            ready: usize::try_from(self.log.len()).unwrap_or(usize::MAX),
            unacked: self.readers.iter().map(|(_, reader)| reader.unacked() as usize).sum(),
            consumers: self.readers.iter().filter(|(_, reader)| reader.is_consumer()).count(),
            ready_bytes: usize::try_from(self.log.bytes()).unwrap_or(usize::MAX),
            ..Counts::default()
        }
    }

    /// A stream holds no publisher back: nothing has to be consumed to make room.
    #[must_use]
    pub const fn flow(&self) -> Flow {
        Flow { backlog: 0, taken: 0, consumers: 0 }
    }

    /// Does what a command says. [`settle_batch`](Self::settle_batch) has to follow when the batch is in.
    pub fn apply(&mut self, now: Time, command: Command, effects: &mut Effects) -> Reply {
        match command {
            Command::Publish(connection, publishes) => self.publish(now, connection, publishes, effects),
            Command::PublishDedup(connection, publishes) => {
                self.publish_dedup(now, connection, publishes, effects);
            }
            Command::PublishDue(publishes, from)
            | Command::PublishFed(publishes, from)
            | Command::PublishDeadLettered(publishes, from) => {
                self.take_in(now, publishes, from, effects);
            }
            Command::Settle(settlement, handles) => {
                handles.into_iter().for_each(|handle| self.settle(now, handle, settlement, effects));
            }
            Command::Dispose(_, Disposition::Progress, _) => {}
            Command::Dispose(handle, disposition, _) => {
                let is_done = matches!(disposition, Disposition::Park | Disposition::Terminate);
                let settlement = if is_done { Settlement::Ack } else { Settlement::Fail };
                self.settle(now, handle, settlement, effects);
            }
            // A stream is given what it had as publishes.
            Command::Restore(_) => {}
            Command::MoveOut(moves) => self.copy_out(now, moves, effects),
            Command::Written(key, bytes) => self.written(key, bytes),
            Command::Consume(consume) => return self.consume(now, *consume, effects),
            Command::Cancel(key) => drop(self.cancel(now, key, effects)),
            Command::Dismiss(key) => return self.dismiss(now, key, effects),
            Command::SetChannelPrefetch(..) => {}
            Command::InboxHasRoom(connection) => self.inbox_has_room(connection),
            Command::TakeTurn(connection, channel) => effects.turns_passed_on.push((connection, channel)),
            Command::ChannelGone(connection, channel, _) => {
                let is_gone =
                    |reader: &Reader| (reader.key.connection, reader.key.channel) == (connection, channel);
                self.remove_readers(now, is_gone, effects);
            }
            Command::ConnectionGone(connection) => {
                self.remove_readers(now, |reader| reader.key.connection == connection, effects);
            }
            Command::Configure(options) => self.configure(now, *options, effects),
            Command::Get { .. } | Command::Hold { .. } => return Reply::Empty,
            Command::ReleaseWaiting(_) | Command::ReleaseParked => return Reply::Released(0),
            Command::DropWaiting(_) | Command::DropParked => return Reply::Dropped(0),
            Command::Purge => return Reply::Purged(0),
            Command::Delete { .. } => return self.delete(effects),
            Command::Feed(request) => self.feed(now, *request, effects),
            Command::FeedGone(queue) => self.feed_gone(now, queue, effects),
            Command::SourceIsHere => {}
            Command::Locate(to) => return self.locate(now, None, to, effects),
            Command::Cursor(change) => return self.change_cursor(now, change, effects),
            Command::Inspect | Command::Count => return Reply::Counts(self.counts()),
            Command::Measure => return Reply::Measured(self.measures()),
            Command::Describe => return Reply::Described(Box::new(self.details())),
            Command::Peek(peek) => return Reply::Peeked(self.peek(peek)),
            Command::Log(news) => self.hear(now, news, effects),
            // What is in a stream is persistent.
            Command::Loaded(..) | Command::Crash => {}
            Command::Pause(is_paused) => self.is_paused = is_paused,
            Command::Unreadable(why) => self.become_unreadable(why, effects),
        }
        Reply::Done
    }

    /// Somebody else than its client cancels a reader.
    fn dismiss(&mut self, now: Time, key: ConsumerKey, effects: &mut Effects) -> Reply {
        if !self.cancel(now, key, effects) {
            return Reply::NoConsumer;
        }
        effects.dismissed.push(key);
        Reply::Done
    }

    fn hear(&mut self, now: Time, news: LogNews, effects: &mut Effects) {
        match news {
            LogNews::Committed { ticket, first } => self.committed(now, ticket, first, effects),
            LogNews::Read { id, chunks } => self.read(id, chunks, effects),
            LogNews::Found { id, offset } => self.found(now, id, offset, effects),
        }
    }

    /// Ends a batch: readers are given what there is for them.
    pub fn settle_batch(&mut self, now: Time, effects: &mut Effects) {
        if self.ended {
            return;
        }
        self.retain(now, effects);
        if !self.is_paused {
            self.serve(effects);
        }
        self.write_cursors(now, effects);
    }

    /// When [`settle_batch`](Self::settle_batch) has to be called again if no command comes before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let unfinished = (!self.restless.is_empty() && !self.is_paused).then_some(Time::ZERO);
        let too_old = self.log.next_too_old(&self.settings()).map(|at| self.on_the_clock(at));
        unfinished.or(too_old)
    }

    fn delete(&mut self, effects: &mut Effects) -> Reply {
        self.ended = true;
        effects.ended = Some(Ended::Deleted);
        effects.cancelled.extend(self.reading());
        // RabbitMQ gives no count either.
        Reply::Deleted(0)
    }

    pub(super) fn become_unreadable(&mut self, why: Arc<str>, effects: &mut Effects) {
        let asked = self.asked_seeks.drain().map(|(id, _)| (id, Reply::Unreadable(Arc::clone(&why))));
        effects.deferred_replies.extend(asked);
        if self.unreadable.is_none() {
            self.unreadable = Some(why);
            effects.cancelled.extend(self.reading());
            self.readers.clear();
            self.cursors.iter_mut().for_each(|(_, cursor)| cursor.forget_readers());
        }
    }

    /// The readers that were not cancelled.
    fn reading(&self) -> impl Iterator<Item = ConsumerKey> {
        self.readers.iter().filter(|(_, reader)| reader.is_consumer()).map(|(_, reader)| reader.key)
    }

    pub(super) fn wall_clock(&self, now: Time) -> Timestamp {
        self.epoch.at(now)
    }

    pub(super) const fn on_the_clock(&self, at: Timestamp) -> Time {
        Time::ZERO.plus_ms(at.as_millis().saturating_sub(self.epoch.as_millis()))
    }
}
