//! What others may know of a session and its channels, as plain numbers.

use crate::statistics::ChannelCounters;

/// How publishes on a channel are confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum ChannelMode {
    /// Not at all.
    #[default]
    Plain,
    /// By publisher confirms (confirm.select).
    Confirm,
    /// In transactions (tx.select).
    Transaction,
}

/// A channel's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelNumbers {
    /// How its publishes are confirmed.
    pub mode: ChannelMode,
    /// Unacked messages that each of its next consumers may have; 0: no limit.
    pub prefetch: u16,
    /// Unacked messages that the channel may have; 0: no limit.
    pub global_prefetch: u16,
    /// Consumers.
    pub consumers: u32,
    /// Messages delivered and not yet settled.
    pub unacked: u32,
    /// Publishes that wait for their confirm.
    pub unconfirmed: u32,
    /// Publishes that wait for a commit.
    pub uncommitted_publishes: u32,
    /// Settlements that wait for a commit.
    pub uncommitted_acks: u32,
}

/// A channel on which something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelReport {
    /// Its number on the connection.
    pub number: u16,
    /// Tells it from earlier channels of that number.
    pub incarnation: u64,
    /// Its numbers; `None` once it is closed.
    pub numbers: Option<ChannelNumbers>,
    /// What happened on it since the last report.
    pub counted: ChannelCounters,
}

/// What a session counts: of its channels' counters what the broker's totals need, and its channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounters {
    /// Messages published.
    pub published: u64,
    /// Messages delivered, by basic.deliver or basic.get-ok.
    pub delivered: u64,
    /// Messages acked by the client.
    pub acked: u64,
    /// Messages returned to their publisher.
    pub returned: u64,
    /// Channels opened.
    pub channels_opened: u64,
    /// Channels closed, also by the connection's end.
    pub channels_closed: u64,
}

impl SessionCounters {
    pub(super) const fn add(&mut self, counted: &ChannelCounters) {
        self.published += counted.published;
        self.delivered += counted.delivered + counted.delivered_no_ack + counted.got + counted.got_no_ack;
        self.acked += counted.acked;
        self.returned += counted.returned;
    }
}
