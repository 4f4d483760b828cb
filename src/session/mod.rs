//! A client's session: the connection's and its channels' state machines, without IO.
//!
//! The server feeds it bytes and what queues say, writes out what gathers in [`Session::out`], hands
//! [`Session::outgoing`] to the queues, and serves its [`Request`]s. Time is an argument.
//!
//! ```text
//! Header -> Start -> Tune -> Open -> Running -> Closing (we sent close) -----------------> Closed
//!                                      |             \ (the client's close crossed ours)    ^
//!                                      \-> Leaving (client sent close) -> Answered --------/
//! ```
//! Invariants: a channel exception closes one channel, a connection exception this connection; input never panics and
//! never makes the session hold more than its [`Limits`] allow; delivery tags are given out in wire order.

mod access;
mod channel;
mod confirms;
mod consumers;
pub mod direct_reply;
mod exception;
mod handshake;
mod headers;
mod link;
mod methods;
pub mod outgoing;
mod overview;
mod prefetch;
pub mod publication;
mod publish;
mod request;
mod running;
pub mod settle_exchange;
mod tags;
#[cfg(test)]
mod tests;

pub use channel::{TxPublish, TxWork};
pub use consumers::{AckPolicy, NewConsumer};
pub use exception::Exception;
pub use handshake::Tuned;
pub use headers::PropertySource;
pub use link::{Limits, Link, SessionCounters};
pub use overview::{ChannelMode, ChannelNumbers, ChannelReport};
pub use request::{ChannelRequest, Request};

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use crate::auth::Grant;
use crate::protocol::{Output, encode};
use crate::queue::ConnectionId;
use crate::time::Time;
use amq_protocol::types::FieldTable;

use channel::Channel;
use consumers::SessionConsumer;
use direct_reply::ReplyConsumers;

/// From connect to connection.open, as RabbitMQ's handshake_timeout.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Largest payload of a frame from a client that has yet to log in and to answer connection.tune: a stranger's start-ok gets no
/// more memory. RabbitMQ takes 4,096 bytes up to 4.0, and since 4.1 8,192, for the sake of large tokens.
const FRAME_BYTES_BEFORE_TUNE: u32 = 8192;
/// How long the client has to answer connection.close, or to close the socket when its own was answered, before the socket is
/// closed anyway: as long as RabbitMQ waits.
const CLOSING: Duration = Duration::from_secs(30);
/// The same when the broker stops, or an operator closes the connection.
const CLOSING_BY_FORCE: Duration = Duration::from_secs(5);

/// What a session is told about its broker.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// server-properties of connection.start.
    pub server_properties: FieldTable,
    /// Largest frame offered, in bytes.
    pub frame_bytes_max: u32,
    /// Channels open at a time.
    pub channels_max: u16,
    /// Heartbeat interval offered, in seconds; 0: none.
    pub heartbeat_s: u16,
    /// Largest message body, in bytes.
    pub message_bytes_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Header,
    Start,
    Tune,
    Open,
    Running,
    /// connection.close was sent; only close and close-ok count.
    Closing,
    /// The client said connection.close; what it holds is being given back.
    Leaving,
    /// The client's connection.close was answered. It is the one to close the socket: an end that comes before it expects one
    /// would look like a failure.
    Answered,
    Closed,
}

/// What became of input.
#[derive(Debug)]
pub struct Received {
    /// Bytes that are done with.
    pub consumed: usize,
    /// What the session needs before it goes on; nothing: more input.
    pub request: Option<Request>,
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    link: Link,
    channels: Vec<Option<Box<Channel>>>,
    channels_open: usize,
    /// Channels on which something was done since they were last reported.
    noted_channels: Vec<u16>,
    channels_max: u16,
    incarnations: u64,
    consumers: HashMap<u32, SessionConsumer>,
    consumer_numbers: u32,
    reply_consumers: ReplyConsumers,
    /// Deliveries encoded since the output was last drained: whose, and how many bytes.
    unwritten: Vec<(u32, usize)>,
    client_properties: FieldTable,
    capabilities: Capabilities,
    heartbeat: Option<Duration>,
    blocked: bool,
    accepted: Time,
    /// When a connection that is being closed ends in any case.
    ends: Time,
    last_read: Time,
    last_write: Time,
    frames_in: u64,
    /// Frames that went out up to the last report.
    frames_reported: u64,
}

/// What the client said it can take.
#[derive(Clone, Copy, Debug, Default)]
struct Capabilities {
    authentication_failure_close: bool,
    consumer_cancel_notify: bool,
    connection_blocked: bool,
}

impl Session {
    /// A session for a connection that was just accepted. `secret` goes into direct reply-to addresses.
    #[must_use]
    pub fn new(id: ConnectionId, secret: u64, config: SessionConfig, now: Time) -> Self {
        let limits = Limits { frame_bytes: FRAME_BYTES_BEFORE_TUNE, body_bytes: config.message_bytes_max };
        Self {
            channels_max: config.channels_max,
            config,
            phase: Phase::Header,
            link: Link::new(id, secret, limits),
            channels: Vec::new(),
            channels_open: 0,
            noted_channels: Vec::new(),
            incarnations: 0,
            consumers: HashMap::new(),
            consumer_numbers: 0,
            reply_consumers: ReplyConsumers::default(),
            unwritten: Vec::new(),
            client_properties: FieldTable::default(),
            capabilities: Capabilities::default(),
            heartbeat: None,
            blocked: false,
            accepted: now,
            ends: now + CLOSING,
            last_read: now,
            last_write: now,
            frames_in: 0,
            frames_reported: 0,
        }
    }

    /// The connection's id.
    #[must_use]
    pub const fn id(&self) -> ConnectionId {
        self.link.id
    }

    /// The secret that direct reply-to addresses of this connection carry.
    #[must_use]
    pub const fn secret(&self) -> u64 {
        self.link.secret
    }

    /// Its direct reply-to consumers, as they come and go.
    #[must_use]
    pub const fn reply_consumers(&self) -> &ReplyConsumers {
        &self.reply_consumers
    }

    /// What the client said about itself.
    #[must_use]
    pub const fn client_properties(&self) -> &FieldTable {
        &self.client_properties
    }

    /// The user who logged in, once there is one.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.link.user
    }

    /// What the user may do on the session's vhost.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.link.access.grant
    }

    /// Bytes for the socket. Whoever writes them calls [`wrote`](Self::wrote), and [`drained`](Self::drained) when all
    /// are written.
    pub const fn out(&mut self) -> &mut Output {
        &mut self.link.out
    }

    /// Work for queues.
    pub const fn outgoing(&mut self) -> &mut outgoing::Outgoing {
        &mut self.link.outgoing
    }

    /// Takes what was counted since the last call, up to the last report of each channel, and of channels that are gone.
    pub fn take_counters(&mut self) -> SessionCounters {
        std::mem::take(&mut self.link.counters)
    }

    /// Whether the socket is to be closed once the output is written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether connection.close was sent and its answer is waited for.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// Whether a connection.close was sent or came, or the connection has ended.
    #[must_use]
    pub const fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Leaving | Phase::Answered | Phase::Closed)
    }

    /// Whether the client's connection.close was answered: the socket is the client's to close.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.phase == Phase::Answered
    }

    /// Whether it is open, and not yet closing.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Whether publishes wait for their confirms.
    #[must_use]
    pub fn has_unconfirmed(&self) -> bool {
        self.channels.iter().flatten().any(|channel| match &channel.mode {
            channel::Mode::Confirm(confirms) => confirms.outstanding() > 0,
            _ => false,
        })
    }

    /// Takes input. A request that comes back has to be answered before the rest of the input is given.
    pub fn receive(&mut self, now: Time, input: &[u8]) -> Received {
        let mut consumed = 0;
        while let Some(rest) = input.get(consumed..).filter(|rest| !rest.is_empty()) {
            let Some((used, request)) = self.step(now, rest) else { break };
            consumed += used;
            if request.is_some() {
                return Received { consumed, request };
            }
        }
        self.tell_confirmed();
        Received { consumed, request: None }
    }

    /// Takes one protocol header or frame off the input; `None` if it is not all there.
    fn step(&mut self, now: Time, input: &[u8]) -> Option<(usize, Option<Request>)> {
        match self.phase {
            Phase::Header => self.protocol_header(now, input).map(|used| (used, None)),
            Phase::Closed | Phase::Leaving => Some((input.len(), None)),
            _ => self.frame(now, input),
        }
    }

    /// A queue's confirm or refusal of publishes came in; [`tell_confirmed`](Self::tell_confirmed) passes it on. In a
    /// transaction refusals count, until [`is_commit_whole`](Self::is_commit_whole) asks.
    pub fn confirmed(&mut self, channel: u16, first: u64, last: u64, refused: bool) {
        self.note_channel(channel);
        let Some(channel) = self.channel(channel) else { return };
        let number = channel.number;
        match &mut channel.mode {
            channel::Mode::Plain => return,
            channel::Mode::Transaction(work) => return work.refused |= refused,
            channel::Mode::Confirm(confirms) if refused => confirms.refused(first, last),
            channel::Mode::Confirm(confirms) => confirms.confirmed(first, last),
        }
        self.link.note_confirmed(number);
    }

    /// Whether no queue refused a publish of the channel's last commit.
    pub fn is_commit_whole(&mut self, channel: u16) -> bool {
        match self.channel(channel).map(|channel| &mut channel.mode) {
            Some(channel::Mode::Transaction(work)) => !std::mem::take(&mut work.refused),
            _ => true,
        }
    }

    /// Writes the acks and nacks of all that was confirmed, coalesced per channel.
    pub fn tell_confirmed(&mut self) {
        for number in std::mem::take(&mut self.link.confirmed_channels) {
            let Some(channel) = self.channels.get_mut(usize::from(number)).and_then(Option::as_mut) else {
                continue;
            };
            let channel::Mode::Confirm(confirms) = &mut channel.mode else { continue };
            let out = &mut self.link.out;
            let mut refused = 0;
            let confirmed = confirms.tell(|tell| match tell {
                confirms::Tell::Ack { tag, multiple } => encode::ack(out, number, tag, multiple),
                confirms::Tell::Nack { tag } => {
                    refused += 1;
                    encode::nack(out, number, tag, false, false);
                }
            });
            channel.counted.confirmed += confirmed;
            channel.counted.refused += refused;
        }
    }

    /// Something was read from the socket.
    pub const fn heard(&mut self, now: Time) {
        self.last_read = now;
    }

    /// Something was written to the socket.
    pub const fn wrote(&mut self, now: Time) {
        self.last_write = now;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Closed => None,
            Phase::Running => {
                let interval = self.heartbeat?;
                let send = self.last_write + interval / 2;
                Some(if self.blocked { send } else { send.min(self.last_read + interval * 2) })
            }
            Phase::Closing | Phase::Leaving | Phase::Answered => Some(self.ends),
            // The steps share the time: a client that takes one at a time gains none.
            _ => Some(self.accepted + HANDSHAKE),
        }
    }

    /// Sends a heartbeat, or gives up a client that is silent.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.phase != Phase::Running {
            if self.poll_timeout().is_some_and(|time| time <= now) {
                self.enter(Phase::Closed, now);
            }
            return;
        }
        let Some(interval) = self.heartbeat else { return };
        if !self.blocked && now >= self.last_read + interval * 2 {
            self.enter(Phase::Closed, now);
        } else if now >= self.last_write + interval / 2 {
            encode::heartbeat(&mut self.link.out);
            self.last_write = now;
        }
    }

    fn enter(&mut self, phase: Phase, now: Time) {
        self.phase = phase;
        self.ends = now + CLOSING;
    }

    fn channel(&mut self, number: u16) -> Option<&mut Channel> {
        let channel = self.channels.get_mut(usize::from(number))?.as_deref_mut()?;
        (!channel.closing).then_some(channel)
    }
}

/// Names lose CR and LF, as RabbitMQ strips them.
pub(crate) fn clean(name: &str) -> Cow<'_, str> {
    if name.contains(['\r', '\n']) { Cow::Owned(name.replace(['\r', '\n'], "")) } else { Cow::Borrowed(name) }
}

pub(crate) fn clean_bytes(name: &[u8]) -> Cow<'_, [u8]> {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    if name.iter().any(is_break) {
        return Cow::Owned(name.iter().copied().filter(|byte| !is_break(byte)).collect());
    }
    Cow::Borrowed(name)
}
