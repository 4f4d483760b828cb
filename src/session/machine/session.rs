//! The session's state, and what becomes of its input.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::types::FieldTable;

use super::channel::{Channel, OpenFrame};
use super::connection::Connection;
use crate::auth::Grant;
use crate::message::QueueId;
use crate::protocol::Output;
use crate::queue::ConnectionId;
use crate::session::config::{Limits, SessionConfig};
use crate::session::consumer::SessionConsumer;
use crate::session::direct_reply::ReplyConsumers;
use crate::session::held::Held;
use crate::session::mismatch::Mismatch;
use crate::session::outgoing::Outgoing;
use crate::session::report::{ChannelChange, Raised, SessionCounters, Traced, Unrouted};
use crate::session::request::Request;
use crate::time::Time;

/// Largest payload of a frame from a client that has yet to log in and to answer connection.tune: a stranger's start-ok gets no
/// more memory. RabbitMQ takes 4,096 bytes up to 4.0, and since 4.1 8,192, for the sake of large tokens.
const FRAME_BYTES_BEFORE_TUNE: u32 = 8192;
/// How long the client has to answer connection.close, or to close the socket when its own was answered, before the socket is
/// closed anyway: as long as RabbitMQ waits.
const CLOSING: Duration = Duration::from_secs(30);

/// Where the connection stands, as the [module](crate::session) draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
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
    pub(super) config: SessionConfig,
    pub(super) phase: Phase,
    pub(super) connection: Connection,
    pub(super) channels: Vec<Option<Box<Channel>>>,
    pub(super) channels_open: usize,
    /// Channels on which something was done since they were last reported.
    pub(super) noted_channels: Vec<u16>,
    pub(super) channels_max: u16,
    pub(super) incarnations: u64,
    pub(super) consumers: HashMap<u32, SessionConsumer>,
    pub(super) consumer_numbers: u32,
    pub(super) reply_consumers: ReplyConsumers,
    /// Deliveries encoded since the output was last drained: whose, and how many bytes.
    pub(super) unwritten: Vec<(u32, usize)>,
    /// Consumers that get no credit for the time being.
    pub(super) without_credit: Vec<u32>,
    /// Exceptions since they were last taken.
    pub(super) raised: Vec<Raised>,
    /// Channels and consumers that came and went since they were last taken.
    pub(super) changes: Vec<ChannelChange>,
    pub(super) mismatch: Option<Mismatch>,
    pub(super) client_properties: Arc<FieldTable>,
    pub(super) capabilities: Capabilities,
    pub(super) heartbeat: Option<Duration>,
    pub(super) blocked: bool,
    pub(super) accepted: Time,
    /// When a connection that is being closed ends in any case.
    pub(super) ends: Time,
    pub(super) last_read: Time,
    pub(super) last_write: Time,
    pub(super) frames_in: u64,
    /// A frame of a large body that is not all there.
    pub(super) open_frame: Option<OpenFrame>,
    /// Frames that went out up to the last report.
    pub(super) frames_reported: u64,
    /// Whether a fault resets the socket.
    pub(super) is_reset: bool,
}

/// What the client said it can take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capabilities {
    pub(super) authentication_failure_close: bool,
    pub(super) consumer_cancel_notify: bool,
    pub(super) connection_blocked: bool,
}

impl Session {
    /// A session for a connection that was just accepted. `secret` goes into direct reply-to addresses.
    #[must_use]
    pub fn new(id: ConnectionId, secret: u64, config: SessionConfig, now: Time) -> Self {
        let limits = Limits::new(FRAME_BYTES_BEFORE_TUNE, config.message_bytes_max);
        let mut connection = Connection::new(id, secret, limits);
        connection.is_test = config.test;
        Self {
            channels_max: config.channels_max,
            config,
            phase: Phase::Header,
            connection,
            channels: Vec::new(),
            channels_open: 0,
            noted_channels: Vec::new(),
            incarnations: 0,
            consumers: HashMap::new(),
            consumer_numbers: 0,
            reply_consumers: ReplyConsumers::default(),
            unwritten: Vec::new(),
            without_credit: Vec::new(),
            raised: Vec::new(),
            changes: Vec::new(),
            mismatch: None,
            client_properties: Arc::default(),
            capabilities: Capabilities::default(),
            heartbeat: None,
            blocked: false,
            accepted: now,
            ends: now + CLOSING,
            last_read: now,
            last_write: now,
            frames_in: 0,
            open_frame: None,
            frames_reported: 0,
            is_reset: false,
        }
    }

    /// The connection's id.
    #[must_use]
    pub const fn id(&self) -> ConnectionId {
        self.connection.id
    }

    /// The secret that direct reply-to addresses of this connection carry.
    #[must_use]
    pub const fn secret(&self) -> u64 {
        self.connection.secret
    }

    /// Its direct reply-to consumers, as they come and go.
    #[must_use]
    pub const fn reply_consumers(&self) -> &ReplyConsumers {
        &self.reply_consumers
    }

    /// What the client said about itself.
    #[must_use]
    pub const fn client_properties(&self) -> &Arc<FieldTable> {
        &self.client_properties
    }

    /// The user who logged in, once there is one.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.connection.user
    }

    /// What the user may do on the session's vhost.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.connection.access.grant
    }

    /// Bytes for the socket. Whoever writes them calls [`wrote`](Self::wrote), and [`drained`](Self::drained) when all
    /// are written.
    pub const fn out(&mut self) -> &mut Output {
        &mut self.connection.out
    }

    /// Work for queues.
    pub const fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.connection.outgoing
    }

    /// What the client makes it hold now.
    #[must_use]
    pub const fn held(&self) -> Held {
        self.connection.held
    }

    /// Channels that are open, and consumers on them.
    #[must_use]
    pub fn channels_and_consumers(&self) -> (usize, usize) {
        (self.channels_open, self.consumers.len())
    }

    /// Whether the client ever began a publish.
    #[must_use]
    pub const fn has_published(&self) -> bool {
        self.connection.has_published
    }

    /// Takes the exceptions that closed channels or the connection since the last call.
    pub fn take_raised(&mut self) -> Vec<Raised> {
        std::mem::take(&mut self.raised)
    }

    /// Takes what became of channels and consumers since the last call, in its order.
    pub fn take_changes(&mut self) -> Vec<ChannelChange> {
        std::mem::take(&mut self.changes)
    }

    /// Takes the publishes that matched no queue since the last call.
    pub fn take_unrouted(&mut self) -> Vec<Unrouted> {
        std::mem::take(&mut self.connection.unrouted)
    }

    /// The same as messages, and publishes that wait for their commit, if the vhost is traced.
    pub fn take_traced(&mut self) -> Vec<Traced> {
        std::mem::take(&mut self.connection.traced)
    }

    /// Messages that the client has yet to settle.
    #[must_use]
    pub fn unacked(&self) -> usize {
        self.channels.iter().flatten().map(|channel| channel.tags.outstanding()).sum()
    }

    /// The tag of a consumer, its channel and its queue.
    #[must_use]
    pub fn consumer_numbered(&self, number: u32) -> Option<(&str, u16, Option<QueueId>)> {
        let consumer = self.consumers.get(&number)?;
        Some((consumer.tag.as_str(), consumer.channel, consumer.queue))
    }

    /// Whether the client is blocked by an alarm.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// What the client speaks, if it is not AMQP 0-9-1.
    #[must_use]
    pub const fn mismatch(&self) -> Option<Mismatch> {
        self.mismatch
    }

    /// Takes what was counted since the last call, up to the last report of each channel, and of channels that are gone.
    pub fn take_counters(&mut self) -> SessionCounters {
        std::mem::take(&mut self.connection.counters)
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

    /// Takes input. A request that comes back has to be answered before the rest of the input is given.
    pub fn receive(&mut self, now: Time, input: &[u8]) -> Received {
        if let Some(open) = self.open_frame {
            return self.receive_in_frame(now, open, input);
        }
        if self.connection.watch.is_some() {
            return self.receive_watched(now, input);
        }
        let received = self.take_in(now, input);
        if received.request.is_none() {
            self.send_confirms();
        }
        received
    }

    /// The same without what is to be sent when all is taken in. It is the one place that takes frames, so that all of it is one function.
    pub(super) fn take_in(&mut self, now: Time, input: &[u8]) -> Received {
        let mut consumed = 0;
        while let Some(rest) = input.get(consumed..).filter(|rest| !rest.is_empty()) {
            let acked = self.known_acks(rest).map(|used| (used, None));
            let known = acked.or_else(|| self.known_publishes(rest));
            let Some((used, request)) = known.or_else(|| self.step(now, rest)) else { break };
            consumed += used;
            // Taken apart, so that nothing is dropped where there is none: that is once a frame.
            if let Some(request) = request {
                return Received { consumed, request: Some(request) };
            }
        }
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

    pub(super) fn enter(&mut self, phase: Phase, now: Time) {
        self.phase = phase;
        self.ends = now + CLOSING;
    }

    pub(super) fn channel(&mut self, number: u16) -> Option<&mut Channel> {
        let channel = self.channels.get_mut(usize::from(number))?.as_deref_mut()?;
        (!channel.closing).then_some(channel)
    }
}
