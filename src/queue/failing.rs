//! What becomes of messages whose delivery ended without an ack: the queue's failure policy at work.
//!
//! Attempts are kept by position, beside the messages, and only for messages that came back: a queue without a failure
//! policy, and a message that is acked at once, pay nothing.

use super::attempts::{Attempts, Ending, Pause};
use super::dead_letter::Reason;
use super::failure_options::{OwnTimeout, TimeoutAction};
use super::machine::Queue;
use super::ready::Entry;
use super::retry::Fate;
use super::unacked::{TimeoutId, Unacked};
use super::{Effects, Handle, Reply, TimedOut};
use crate::message::{Message, Position};
use crate::time::{Time, Timestamp};

/// What a consumer asks for a message that it has, beyond what basic.ack and basic.nack can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Its time for the ack begins anew.
    Progress,
    /// It comes back as a failed attempt: after that many milliseconds, or when the queue's failure policy says.
    Retry(Option<u32>),
    /// It is set aside now, for the queue's parking time.
    Park,
    /// It is dead now.
    Terminate,
}

impl Queue {
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

    pub(super) fn wall(&self, now: Time) -> Timestamp {
        self.epoch.plus_ms(now.as_micros() / 1000)
    }

    fn on_the_clock(&self, at: Timestamp) -> Time {
        Time::ZERO.plus_ms(at.as_millis().saturating_sub(self.epoch.as_millis()))
    }

    /// Deliveries ended without an ack: each message comes back, waits, or is dead, as the queue says.
    pub(super) fn come_back(
        &mut self,
        now: Time,
        unacked: Vec<Unacked>,
        ending: Ending,
        effects: &mut Effects,
    ) {
        if !self.options.failure.is_any() {
            self.requeue(unacked.into_iter().map(|unacked| unacked.entry).collect());
            return;
        }
        let mut again = Vec::new();
        for unacked in unacked {
            let position = unacked.entry.position;
            let mut attempts = self.note_ending(now, &unacked, ending);
            let fate = self.options.failure.fate(position, ending, &mut attempts);
            self.carry_out_fate(now, unacked.entry, attempts, fate, &mut again, effects);
        }
        self.requeue(again);
    }

    fn note_ending(&mut self, now: Time, unacked: &Unacked, ending: Ending) -> Attempts {
        let mut attempts = self.attempts.remove(&unacked.entry.position).unwrap_or_default();
        attempts.ended(self.wall(now), self.options.failure.counts(ending));
        attempts.pause = None;
        let name = unacked.key().and_then(|key| self.consumers.name(key));
        attempts.consumer = name.map(|name| name.tag.clone());
        attempts.peer = name.map(|name| name.peer.clone());
        attempts
    }

    fn carry_out_fate(
        &mut self,
        now: Time,
        mut entry: Entry,
        mut attempts: Attempts,
        fate: Fate,
        again: &mut Vec<Entry>,
        effects: &mut Effects,
    ) {
        let position = entry.position;
        if fate == Fate::Dead {
            self.attempts.insert(position, attempts);
            self.end_of_life(entry, Reason::DeliveryLimit, effects);
            return;
        }
        if let Fate::Wait(pause, ms) = fate {
            attempts.pause = Some((pause, self.wall(now).plus_ms(u64::from(ms))));
        }
        if entry.stored {
            effects.noted.push((position, attempts.clone()));
        }
        self.attempts.insert(position, attempts);
        match fate {
            Fate::Wait(pause, ms) => {
                entry.redelivered = true;
                entry.message = entry.message.detached();
                self.set_aside(now.plus_ms(u64::from(ms)), pause, entry);
            }
            Fate::Again | Fate::Dead => again.push(entry),
        }
    }

    /// What expires while it waits is looked at then.
    fn set_aside(&mut self, due: Time, pause: Pause, entry: Entry) {
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

    /// The next message to deliver. After a restart those that were waiting stand among the ready ones, and wait on when
    /// their turn comes. A message that expired while it stood behind a live one dies when it comes to the head.
    pub(super) fn next_ready(&mut self, now: Time, effects: &mut Effects) -> Option<Entry> {
        while self.is_head_next()
            && let Some(entry) = self.ready.pop_front()
        {
            if entry.expires < now {
                self.end_of_life(entry, Reason::Expired, effects);
                continue;
            }
            let pause = self.attempts.get(&entry.position).and_then(|attempts| attempts.pause);
            match pause.map(|(pause, until)| (pause, self.on_the_clock(until))) {
                Some((pause, until)) if until > now && entry.expires > now => {
                    self.set_aside(until, pause, entry);
                }
                _ => return Some(entry),
            }
        }
        None
    }

    /// The message as its consumer gets it.
    pub(super) fn as_delivered(&self, entry: &Entry) -> Message {
        // Nearly always empty: looked at first.
        let attempts = if self.attempts.is_empty() { None } else { self.attempts.get(&entry.position) };
        attempts.map_or_else(|| entry.message.clone(), |attempts| attempts.mark(&entry.message))
    }

    /// Nothing more has to be known of it.
    pub(super) fn forget_attempts(&mut self, position: Position) -> Option<Attempts> {
        if self.attempts.is_empty() { None } else { self.attempts.remove(&position) }
    }

    /// Ends the deliveries that were not acked in time.
    pub(super) fn time_out(&mut self, now: Time, effects: &mut Effects) {
        while let Some((handle, timeout)) = self.unacked.overdue(now) {
            let Some(unacked) = self.unacked.remove(handle) else { return };
            self.give_credit_back(&unacked);
            let (connection, channel, key) = (unacked.connection, unacked.channel, unacked.key());
            self.come_back(now, vec![unacked], Ending::Failed, effects);
            effects.timed_out_count += 1;
            match (timeout.action, key) {
                (TimeoutAction::Close, _) => {
                    let overdue = TimedOut { connection, channel, timeout_ms: timeout.ms };
                    if effects.timed_out.last() != Some(&overdue) {
                        effects.timed_out.push(overdue);
                    }
                }
                (TimeoutAction::Cancel, Some(key)) => {
                    let rest = self.unacked.remove_of_consumer(key);
                    self.come_back(now, rest, Ending::Returned, effects);
                    if self.consumers.remove(key).is_some() {
                        effects.cancelled.push(key);
                        self.consumer_left(now, effects);
                    }
                }
                (TimeoutAction::Requeue, _) | (TimeoutAction::Cancel, None) => {}
            }
        }
    }

    /// Does what a consumer wishes for a message it has. One that is gone is left alone.
    pub(super) fn grant(
        &mut self,
        now: Time,
        handle: Handle,
        wish: Wish,
        error: Option<std::sync::Arc<str>>,
        effects: &mut Effects,
    ) {
        if wish == Wish::Progress {
            self.unacked.renew(handle, now);
            return;
        }
        let Some(unacked) = self.unacked.remove(handle) else { return };
        self.give_credit_back(&unacked);
        let mut attempts = self.note_ending(now, &unacked, Ending::Failed);
        attempts.error = error.or(attempts.error);
        let position = unacked.entry.position;
        let fate = match wish {
            Wish::Terminate => {
                self.attempts.insert(position, attempts);
                self.end_of_life(unacked.entry, Reason::Rejected, effects);
                return;
            }
            Wish::Retry(None) => self.options.failure.fate(position, Ending::Failed, &mut attempts),
            Wish::Retry(_) if self.options.failure.is_exhausted(&attempts) => Fate::Dead,
            Wish::Retry(Some(0)) => Fate::Again,
            Wish::Retry(Some(ms)) => Fate::Wait(Pause::Delayed, ms),
            Wish::Park | Wish::Progress => Fate::Wait(Pause::Parked, self.options.failure.parking_ms()),
        };
        let mut again = Vec::new();
        self.carry_out_fate(now, unacked.entry, attempts, fate, &mut again, effects);
        self.requeue(again);
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

    /// A rejected message's last delivery, for its dead letter.
    pub(super) fn note_last_attempt(&mut self, now: Time, unacked: &Unacked) {
        if self.options.failure.is_any() {
            let attempts = self.note_ending(now, unacked, Ending::Failed);
            self.attempts.insert(unacked.entry.position, attempts);
        }
    }

    /// The timeout of a new consumer's messages.
    pub(super) fn consumer_timeout(&mut self, timeout: OwnTimeout) -> TimeoutId {
        match timeout {
            OwnTimeout::TheQueues => TimeoutId::default(),
            OwnTimeout::Own(own) => self.unacked.timeout_id(own),
        }
    }
}
