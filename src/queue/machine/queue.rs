//! The queue's state machine: its state, and what a command and a batch lead to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::message::Position;
use crate::queue::arrivals::Arrivals;
use crate::queue::attempts::Attempts;
use crate::queue::command::Command;
use crate::queue::consumers::{Consumers, Takeover};
use crate::queue::counts::{Counts, Flow};
use crate::queue::dedup::DedupState;
use crate::queue::deferred::{DeferredRequests, Getting, Request};
use crate::queue::effects::Effects;
use crate::queue::happening::Cause;
use crate::queue::options::QueueOptions;
use crate::queue::ready::Ready;
use crate::queue::reply::Reply;
use crate::queue::segment::RecoveredSegment;
use crate::queue::spilled::{Spilled, is_bundle};
use crate::queue::unacked::UnackedSet;
use crate::queue::waiting::{Schedule, WaitingSet};
use crate::time::{Time, Timestamp};

/// One queue. See the [module](crate::queue) for its invariants.
#[derive(Debug)]
pub struct Queue {
    pub(super) options: QueueOptions,
    pub(super) ready: Ready,
    pub(super) unacked: UnackedSet,
    /// Unacked and waiting messages that are not in memory.
    pub(super) spilled: Spilled,
    pub(super) consumers: Consumers,
    /// Messages that came back and wait.
    pub(super) waiting: WaitingSet,
    /// Earlier deliveries of messages that came back: see [`returning`](super::returning).
    pub(super) attempts: BTreeMap<Position, Attempts>,
    /// When messages came.
    pub(super) arrivals: Arrivals,
    pub(super) epoch: Timestamp,
    pub(super) next_position: Position,
    /// An auto-delete queue goes when its last consumer goes, not before it had one.
    pub(super) had_consumer: bool,
    /// When it was last used: for x-expires.
    pub(super) last_used: Time,
    pub(super) ended: bool,
    /// Commands that wait for messages to come back.
    pub(super) deferred: DeferredRequests,
    /// Messages of a delayed exchange that wait for their time.
    pub(super) schedule: Schedule,
    /// What it remembers of earlier messages, to recognise duplicates.
    pub(super) dedup: DedupState,
    /// The queue is above its length limit, but the message to be dropped has to be read first.
    pub(super) overflow_waits: bool,
    /// Why messages of it cannot be read, if so: nothing is delivered until they are purged.
    pub(super) unreadable: Option<Arc<str>>,
    /// Whether a test wants nothing to be delivered.
    pub(super) is_paused: bool,
}

impl Queue {
    /// An empty queue whose first message will have the position given.
    #[must_use]
    pub fn new(options: QueueOptions, first_position: Position, now: Time) -> Self {
        Self {
            ready: Ready::new(options.priority_max.unwrap_or(0), options.window),
            unacked: UnackedSet::new(options.ack_timeout),
            spilled: Spilled::default(),
            consumers: Consumers::new(takeover(&options)),
            schedule: Schedule::new(options.window),
            waiting: WaitingSet::default(),
            attempts: BTreeMap::new(),
            arrivals: Arrivals::new(first_position, now),
            epoch: Timestamp::default(),
            options,
            next_position: first_position,
            had_consumer: false,
            last_used: now,
            ended: false,
            deferred: DeferredRequests::default(),
            dedup: DedupState::default(),
            overflow_waits: false,
            unreadable: None,
            is_paused: false,
        }
    }

    /// Takes over what an earlier run left of a durable queue, by ascending first positions and before any command; what
    /// lies at or below `delivered` may have been delivered before.
    pub fn restore(&mut self, segments: Vec<RecoveredSegment>, delivered: Position) {
        if self.options.delays {
            self.schedule.restore(segments);
        } else {
            self.ready.restore(segments, delivered);
        }
    }

    /// What a crash leaves before anything is [restored](Self::restore): an empty queue that goes on with its positions.
    #[must_use]
    pub fn emptied(&self, now: Time) -> Self {
        let emptied = Self::new(self.options.clone(), self.next_position, now).with_epoch(self.epoch);
        Self { is_paused: self.is_paused, ..emptied }
    }

    /// The queue's settings.
    #[must_use]
    pub const fn options(&self) -> &QueueOptions {
        &self.options
    }

    /// Numbers about the queue.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            ready: self.ready.len() + self.spilled.returning() + self.schedule.len(),
            unacked: self.unacked.len(),
            consumers: self.consumers.len(),
            ready_bytes: self.ready.bytes(),
            delayed: self.waiting.delayed(),
            parked: self.waiting.parked(),
        }
    }

    /// What waits, and how fast it goes.
    #[must_use]
    pub fn flow(&self) -> Flow {
        Flow { backlog: self.ready.cost(), taken: self.ready.taken(), consumers: self.consumers.len() }
    }

    /// Does what a command says. [`settle_batch`](Self::settle_batch) has to follow when the batch is in.
    pub fn apply(&mut self, now: Time, command: Command, effects: &mut Effects) -> Reply {
        if command.has_reply() {
            self.catch_up(now, effects);
        }
        match command {
            Command::Publish(connection, publishes) => self.publish(now, connection, publishes, effects),
            Command::PublishDedup(connection, publishes) => {
                self.publish_dedup(now, connection, publishes, effects);
            }
            Command::PublishDeadLettered(publishes, from) => {
                self.publish_dead_lettered(now, publishes, from, effects);
            }
            Command::PublishDue(publishes, from) | Command::PublishFed(publishes, from) => {
                self.publish_due(now, publishes, from, effects);
            }
            Command::Settle(settlement, handles) => self.settle(now, settlement, handles, effects),
            Command::Dispose(handle, disposition, error) => {
                self.dispose(now, handle, disposition, error, effects)
            }
            Command::Restore(restored) => self.take_restored(restored, effects),
            Command::MoveOut(moves) => self.move_out(moves, effects),
            Command::Written(consumer, bytes) => self.consumers.written(consumer, bytes),
            Command::Consume(consume) => return self.consume(now, *consume),
            Command::Cancel(consumer) => self.cancel(now, consumer, effects),
            Command::Dismiss(consumer) => return self.dismiss(now, consumer, effects),
            Command::SetChannelPrefetch(connection, channel, share) => {
                self.consumers.set_channel_prefetch(connection, channel, share.as_ref());
            }
            Command::InboxHasRoom(connection) => self.consumers.inbox_has_room(connection),
            Command::TakeTurn(connection, channel) => self.consumers.take_turn(connection, channel),
            Command::ChannelGone(connection, channel, ending) => {
                let cause = Cause::channel_gone(ending);
                self.release_channels(now, connection, Some(channel), cause, effects);
            }
            Command::ConnectionGone(connection) => {
                self.release_channels(now, connection, None, Cause::ConnectionLost, effects);
            }
            Command::Get { connection, channel, no_ack } => {
                let how = if no_ack { Getting::NoAck } else { Getting::WithAck };
                return self.ask(now, Request::Get { connection, channel, how }, effects);
            }
            Command::Hold { connection, channel } => {
                let how = Getting::ByHand;
                return self.ask(now, Request::Get { connection, channel, how }, effects);
            }
            Command::Configure(options) => self.configure(now, *options, effects),
            Command::ReleaseWaiting(positions) => return self.release_waiting(&positions, effects),
            Command::DropWaiting(positions) => return self.drop_waiting(&positions, effects),
            Command::ReleaseParked => return self.release_parked(effects),
            Command::DropParked => return self.drop_parked(effects),
            Command::Purge => return self.ask(now, Request::Purge, effects),
            Command::Delete { if_unused, if_empty } => {
                return self.ask(now, Request::Delete { if_unused, if_empty }, effects);
            }
            Command::Inspect => return self.ask(now, Request::Inspect, effects),
            Command::Count => return self.deferred.add(Request::Count),
            Command::Measure => return self.deferred.add(Request::Measure),
            Command::Describe => return self.deferred.add(Request::Describe),
            Command::Peek(peek) => return self.deferred.add(Request::Peek(peek)),
            Command::Loaded(id, messages) if is_bundle(id) => self.bundle_loaded(now, messages, effects),
            Command::Loaded(id, messages) => self.loaded(id, messages, effects),
            Command::Cursor(_) | Command::Locate(_) => return Reply::NoCursor,
            Command::Log(_) | Command::Feed(_) | Command::FeedGone(_) | Command::SourceIsHere => {}
            Command::Pause(is_paused) => self.is_paused = is_paused,
            Command::Crash => self.forget_transient(),
            Command::Unreadable(why) => self.become_unreadable(why, effects),
        }
        Reply::Done
    }

    /// Ends a batch: expires what is due, delivers what can be delivered, and hands the deliveries over.
    pub fn settle_batch(&mut self, now: Time, effects: &mut Effects) {
        if self.ended {
            return;
        }
        self.arrivals.note(now, self.next_position, || self.ready.oldest());
        self.time_out(now, effects);
        if self.ended {
            return;
        }
        self.catch_up(now, effects);
        self.answer_deferred(now, effects);
        if self.ended {
            return;
        }
        // What stood behind a message that was just handed out.
        self.expire(|expires| expires <= now, effects);
        self.hand_over(effects);
        self.expire_queue(now, effects);
        if self.options.delays {
            self.release_due(now, effects);
        }
        self.keep_window(effects);
        self.keep_other_windows(now, effects);
    }

    /// Ends waits, expires what is due and delivers what consumers can take. Whoever asks finds what the commands before
    /// led to, whether they came in the same batch or not.
    fn catch_up(&mut self, now: Time, effects: &mut Effects) {
        self.resume(now, effects);
        if self.overflow_waits {
            self.drop_overflow(now, effects);
        }
        self.expire(|expires| expires < now, effects);
        self.dispatch(now, effects);
        // What is due now and found no consumer: a TTL of 0 means 'deliver now or die'.
        self.expire(|expires| expires <= now, effects);
    }

    /// When [`settle_batch`](Self::settle_batch) has to be called again if no command comes before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let next_expiry = self.ready.next_expiry().filter(|_| !self.is_expiry_held());
        let times = [
            next_expiry,
            self.unacked.next_page_out(&self.options.window),
            self.queue_expiry(),
            self.waiting.next_due(),
            self.unacked.next_overdue(),
            self.schedule.next_due(),
        ];
        times.into_iter().flatten().min()
    }

    /// What wall clocks show at [`Time::ZERO`]: attempts are noted in wall time, which means something after a restart.
    #[must_use]
    pub const fn with_epoch(mut self, epoch: Timestamp) -> Self {
        self.epoch = epoch;
        self
    }

    /// Puts back what an earlier run noted of messages that had come back.
    pub fn restore_attempts(&mut self, attempts: impl IntoIterator<Item = (Position, Attempts)>) {
        self.attempts.extend(attempts);
    }

    /// Takes back what an earlier run remembered of messages that came.
    pub fn restore_dedup(&mut self, dedup: DedupState) {
        self.dedup = dedup;
    }

    pub(super) fn wall_clock(&self, now: Time) -> Timestamp {
        self.epoch.at(now)
    }

    pub(super) fn on_the_clock(&self, at: Timestamp) -> Time {
        Time::ZERO.plus_ms(at.as_millis().saturating_sub(self.epoch.as_millis()))
    }
}

fn takeover(options: &QueueOptions) -> Option<Takeover> {
    let takeover = if options.is_quorum { Takeover::WhenSettled } else { Takeover::Never };
    options.single_active_consumer.then_some(takeover)
}
