//! Reports, by which others know a session's channels without asking its task.
//!
//! A channel is noted when something is done on it; once per batch the session's owner takes the numbers of those that were.

use super::channel::{Channel, Mode};
use super::connection::Connection;
use super::session::Session;
use crate::session::report::{ChannelMode, ChannelNumbers, ChannelReport, Unusual};
use crate::statistics::ChannelCounters;
use crate::time::Time;

impl Session {
    /// Something is done on this channel.
    pub(super) fn note_channel(&mut self, number: u16) {
        let channel = self.channels.get_mut(usize::from(number)).and_then(Option::as_deref_mut);
        if let Some(channel) = channel {
            channel.note(&mut self.noted_channels);
        }
    }

    /// Reports the channels on which something was done since the last call, each as it is now.
    pub fn report_channels(&mut self, mut report: impl FnMut(ChannelReport)) {
        for number in self.noted_channels.drain(..) {
            let channel = self.channels.get_mut(usize::from(number)).and_then(Option::as_deref_mut);
            let open = channel.filter(|channel| !channel.closing).map(|channel| {
                channel.is_noted = false;
                channel.hold_deliveries(&mut self.connection.held);
                let counted = channel.take_counted(&mut self.connection);
                ChannelReport {
                    number,
                    incarnation: channel.incarnation,
                    numbers: Some(numbers(channel)),
                    counted,
                }
            });
            let closed =
                ChannelReport { number, incarnation: 0, numbers: None, counted: ChannelCounters::default() };
            report(open.unwrap_or(closed));
        }
    }

    /// Frames that came in and went out since the last call.
    pub const fn take_frames(&mut self) -> (u64, u64) {
        let sent = self.connection.out.frames - self.frames_reported;
        self.frames_reported = self.connection.out.frames;
        (std::mem::replace(&mut self.frames_in, 0), sent)
    }

    /// What was published since the last call that is not as most is.
    pub const fn take_unusual(&mut self) -> Option<Unusual> {
        match self.connection.unusual {
            Unusual { large_body: None, settles: false, short_channels: 0 } => None,
            unusual => {
                self.connection.unusual = Unusual { large_body: None, settles: false, short_channels: 0 };
                Some(unusual)
            }
        }
    }

    /// How many messages it published up to the last report, and on channels that are gone.
    #[must_use]
    pub const fn published(&self) -> u64 {
        self.connection.published
    }

    /// Whether publishes on that channel are confirmed, or go with a transaction.
    #[must_use]
    pub fn confirms_publishes(&self, channel: u16) -> bool {
        let channel = self.channels.get(usize::from(channel)).and_then(Option::as_ref);
        channel.is_some_and(|channel| !matches!(channel.mode, Mode::Plain))
    }

    /// Adds what passed through exchanges to their statistics, after [`report_channels`](Self::report_channels).
    pub fn report_exchanges(&mut self, now: Time) {
        for (statistics, counted) in self.connection.exchanges_counted.drain(..) {
            statistics.add(now, &counted);
        }
    }
}

impl Channel {
    /// Takes what was counted since the last call, and leaves with the session what belongs there.
    pub(super) fn take_counted(&mut self, connection: &mut Connection) -> ChannelCounters {
        self.counted.routed += self.target.report(connection);
        let before_confirm = std::mem::take(&mut self.published_before_confirm);
        if matches!(self.mode, Mode::Confirm(_)) {
            self.counted.published_confirm = self.counted.published - before_confirm;
        }
        let counted = std::mem::take(&mut self.counted);
        self.published += counted.published;
        connection.published += counted.published;
        connection.counters.messages.add(&counted);
        counted
    }
}

fn numbers(channel: &Channel) -> ChannelNumbers {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut numbers = ChannelNumbers {
        prefetch: channel.prefetch,
        global_prefetch: channel.channel_prefetch.as_ref().map_or(0, |prefetch| prefetch.limit()),
        consumers: count(channel.consumers.len()),
        unacked: count(channel.tags.outstanding()),
        ..ChannelNumbers::default()
    };
    match &channel.mode {
        Mode::Plain => {}
        Mode::Confirm(confirms) => {
            numbers.mode = ChannelMode::Confirm;
            numbers.unconfirmed = count(confirms.outstanding());
        }
        Mode::Transaction(work) => {
            numbers.mode = ChannelMode::Transaction;
            numbers.uncommitted_publishes = count(work.publishes.len());
            numbers.uncommitted_acks = count(work.settles.len());
        }
    }
    numbers
}
