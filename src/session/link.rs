//! What all channels of a session share: its output, its work for queues, its limits.

use std::sync::Arc;

use super::access::Access;
use super::exception::Exception;
use super::outgoing::Outgoing;
use super::publish::Scratch;
use crate::protocol::Output;
use crate::protocol::reply::ReplyCode;
use crate::queue::ConnectionId;
use crate::statistics::{ChannelCounters, ExchangeCounters, ExchangeStatistics};
use crate::topology::SharedTopology;

/// Limits that a session holds its client to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest frame, in bytes, as negotiated.
    pub frame_bytes: u32,
    /// Largest message body, in bytes.
    pub body_bytes: u64,
}

impl Limits {
    /// 311 for a body above the limit: refused when it is announced, before it is sent.
    pub(super) fn check_body(&self, bytes: u64) -> Result<(), Exception> {
        if bytes <= self.body_bytes {
            return Ok(());
        }
        let max = self.body_bytes;
        let text = format!("message size {bytes} is larger than configured max size {max}");
        Err(Exception::new(ReplyCode::ContentTooLarge, text).caused_by(Some(super::publish::PUBLISH)))
    }
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

/// What all channels of a session share.
#[derive(Debug)]
pub struct Link {
    pub(super) id: ConnectionId,
    pub(super) secret: u64,
    pub(super) user: String,
    pub(super) access: Access,
    pub(super) vhost: String,
    pub(super) topology: Arc<SharedTopology>,
    pub(super) limits: Limits,
    pub(super) out: Output,
    pub(super) outgoing: Outgoing,
    pub(super) scratch: Scratch,
    pub(super) counters: SessionCounters,
    /// What passed through exchanges since the last report.
    pub(super) exchanges_counted: Vec<(Arc<ExchangeStatistics>, ExchangeCounters)>,
    /// Channels that have something to tell their publisher.
    pub(super) confirmed_channels: Vec<u16>,
}

impl Link {
    pub(super) fn new(id: ConnectionId, secret: u64, limits: Limits) -> Self {
        Self {
            id,
            secret,
            user: String::new(),
            access: Access::default(),
            vhost: String::new(),
            topology: Arc::default(),
            limits,
            out: Output::default(),
            outgoing: Outgoing::default(),
            scratch: Scratch::default(),
            counters: SessionCounters::default(),
            exchanges_counted: Vec::new(),
            confirmed_channels: Vec::new(),
        }
    }

    pub(super) fn note_confirmed(&mut self, channel: u16) {
        if !self.confirmed_channels.contains(&channel) {
            self.confirmed_channels.push(channel);
        }
    }
}
