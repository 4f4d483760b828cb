//! The server's side of a session: it answers requests, delivers, confirms, and watches that the session keeps its promises.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic, exchange, queue, tx};
use amq_protocol::types::FieldTable;
use arbitrary::Arbitrary;
use coney::auth::{Grant, Rights};
use coney::message::{Message, Parts, Position, QueueId};
use coney::protocol::frame::{FrameKind, decode_frame};
use coney::protocol::method::{MethodError, decode_method};
use coney::queue::{
    Command, ConnectionId, ConsumerKey, Delivery, Disposition, Ending, Handle, Publish, Settlement,
};
use coney::session::{
    AckPolicy, ChannelRequest, Exception, Request, Session, SessionConfig, Source, TxWork, direct_reply,
};
use coney::time::Time;
use coney::topology::{Binding, Destination, SharedTopology};

use crate::client::{CHANNELS_MAX, FRAME_BYTES_MAX};

/// The largest message body, in bytes.
const MESSAGE_BYTES_MAX: u64 = 100_000;
/// Before it logs in, a client may send frames of 8,192 bytes of payload.
const FRAME_OVERHEAD: usize = 8;
/// What a session may hold for each byte that it was sent: a message in a transaction has some notes beside it.
const HELD_PER_BYTE: usize = 32;
/// What it may hold in any case.
const HELD_BYTES: usize = 1 << 20;
const QUEUES: [(&str, QueueId); 2] = [("q", QueueId(1)), ("r", QueueId(2))];

/// What happens on the server's side, whatever the client says.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Event {
    /// A consumer gets messages.
    Deliver { consumer: u8, count: u8, bytes: u16 },
    /// The oldest publishes, or others, are confirmed.
    Confirm { skipped: u8, refused: bool },
    /// A queue is gone.
    Cancel { consumer: u8 },
    /// A reply to a direct reply-to consumer.
    Reply { consumer: u8 },
    /// All is written to the socket.
    Written { withhold: bool },
    /// There is room for notes again.
    Resume,
    /// Time passes.
    Wait { ms: u16 },
    /// An alarm begins or ends.
    Alarm(bool),
    /// A queue passes the turn on.
    Turn { channel: u8 },
    /// An operator closes a channel.
    CloseChannel { channel: u8 },
    /// An operator closes the connection.
    Close,
    /// Requests fail from now on, or are answered again.
    Refuse(bool),
}

/// A session, and all that a broker does for it.
pub struct Server {
    session: Session,
    now: Time,
    topology: Arc<SharedTopology>,
    grant: Arc<Grant>,
    refuses: bool,
    /// Input that was not taken yet.
    input: Vec<u8>,
    /// How much was ever sent.
    received: usize,
    consumers: Vec<ConsumerKey>,
    /// Channel and number of publishes that wait for their confirm.
    unconfirmed: VecDeque<(u16, u64)>,
    /// Messages that were delivered and neither settled nor given back, by channel and position.
    unacked: BTreeSet<(u16, u64)>,
    /// Consumers that ack nothing.
    no_acks: BTreeSet<u32>,
    positions: u64,
    tags: u64,
    /// What was written since it was last looked at.
    output: Vec<u8>,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A client was accepted just now.
    #[must_use]
    pub fn new() -> Self {
        let config = SessionConfig {
            external: None,
            server_properties: Arc::default(),
            frame_bytes_max: FRAME_BYTES_MAX,
            channels_max: CHANNELS_MAX,
            heartbeat_s: 10,
            message_bytes_max: MESSAGE_BYTES_MAX,
            test: true,
        };
        Self {
            session: Session::new(ConnectionId(7), 0xABCD, config, Time::ZERO),
            now: Time::ZERO,
            topology: topology(),
            grant: Arc::new(Grant::new(Rights::ALL)),
            refuses: false,
            input: Vec::new(),
            received: 0,
            consumers: Vec::new(),
            unconfirmed: VecDeque::new(),
            unacked: BTreeSet::new(),
            no_acks: BTreeSet::new(),
            positions: 0,
            tags: 0,
            output: Vec::new(),
        }
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// All that was written since the last look.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// The client sends bytes.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.received += bytes.len();
        loop {
            let received = self.session.receive(self.now, &self.input);
            assert!(received.consumed <= self.input.len(), "it took more than there was");
            self.input.drain(..received.consumed);
            let Some(request) = received.request else { break };
            self.answer(request);
            self.look();
        }
        let rest = self.input.len();
        assert!(rest < FRAME_BYTES_MAX as usize + FRAME_OVERHEAD, "{rest} bytes are no part of one frame");
        self.look();
    }

    /// Something happens.
    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { consumer, count, bytes } => self.deliver(consumer, count % 8, bytes),
            Event::Confirm { skipped, refused } => self.confirm(skipped, refused),
            Event::Cancel { consumer } => {
                if let Some(key) = self.pick(consumer) {
                    self.consumers.retain(|other| *other != key);
                    self.session.consumer_cancelled(key.number);
                }
            }
            Event::Reply { consumer } => {
                if let Some(key) = self.pick(consumer).filter(|key| self.session.has_reply_consumer(key.number)) {
                    self.session.deliver_direct(key.number, message(&[1; 10]));
                }
            }
            Event::Written { withhold } => {
                self.session.wrote(self.now);
                self.session.drained(withhold);
            }
            Event::Resume => self.session.resume(),
            Event::Wait { ms } => {
                self.now = self.now.plus_ms(u64::from(ms));
                self.session.handle_timeout(self.now);
            }
            Event::Alarm(is_on) => self.session.set_blocked(self.now, is_on.then_some("low on memory")),
            Event::Turn { channel } => self.session.turn_passed_on(u16::from(channel) % CHANNELS_MAX),
            Event::CloseChannel { channel } => {
                let reason = Exception::precondition_failed("closed by the operator");
                self.session.fail(self.now, u16::from(channel) % CHANNELS_MAX, reason);
            }
            Event::Close => self.session.close_by_force(self.now, "maintenance"),
            Event::Refuse(refuses) => self.refuses = refuses,
        }
        self.session.send_confirms();
        self.look();
    }

    /// The socket is gone.
    pub fn end(&mut self) {
        self.session.release_all(Ending::Failed);
        self.look();
        assert_eq!(self.session.channels_and_consumers(), (0, 0));
        assert!(self.unacked.is_empty(), "nobody gives back {:?}", self.unacked);
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Authenticate(_) if self.refuses => {
                self.session.refused(self.now, &Exception::access_refused("no"));
            }
            Request::Authenticate(credentials) => {
                self.session.authenticated(self.now, &credentials.user, credentials.user == "root");
            }
            Request::OpenVhost(_) if self.refuses => {
                self.session.open_refused(self.now, Exception::not_found("no"));
            }
            Request::OpenVhost(name) => {
                self.session.opened(self.now, &name, Arc::clone(&self.topology), Arc::clone(&self.grant));
            }
            Request::Pause | Request::Wait(_) => {}
            Request::Close => {
                self.session.release_all(Ending::Returned);
                self.session.closed(self.now);
            }
            Request::Channel(channel, request) => self.serve(channel, request),
        }
    }

    fn serve(&mut self, channel: u16, request: ChannelRequest) {
        let id = request.method_id();
        if self.refuses {
            let error = Exception::not_found("no such thing").caused_by(Some(id));
            return self.session.fail(self.now, channel, error);
        }
        let answer = match request {
            ChannelRequest::QueueDeclare(declare) => Some(self.declare(channel, &declare)),
            ChannelRequest::Consume(consume) => self.consume(channel, consume),
            ChannelRequest::Cancel(cancel) => {
                let tag = cancel.consumer_tag.as_str();
                if let Some((key, _)) = self.session.consumer(channel, tag) {
                    self.consumers.retain(|other| *other != key);
                    self.session.remove_consumer(channel, tag);
                }
                let ok = basic::CancelOk { consumer_tag: cancel.consumer_tag };
                Some(AMQPClass::Basic(basic::AMQPMethod::CancelOk(ok)))
            }
            ChannelRequest::Get { queue, no_ack } => self.get(channel, &queue, no_ack),
            ChannelRequest::TxCommit(work) => self.commit(channel, work),
            other => ok_of(&other),
        };
        self.session.reply(channel, answer);
    }

    fn declare(&mut self, channel: u16, declare: &queue::Declare) -> AMQPClass {
        let name = if declare.queue.as_str().is_empty() { "amq.gen-1" } else { declare.queue.as_str() };
        self.session.declared(channel, name);
        let ok = queue::DeclareOk { queue: name.into(), message_count: 0, consumer_count: 0 };
        AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok))
    }

    fn consume(&mut self, channel: u16, consume: basic::Consume) -> Option<AMQPClass> {
        self.tags += 1;
        let tag = match consume.consumer_tag.as_str() {
            "" => format!("amq.ctag-{}", self.tags),
            tag => tag.to_owned(),
        };
        let key = self.session.new_consumer(channel).key;
        let is_reply = consume.queue.as_str() == direct_reply::NAME;
        let queue = if is_reply { None } else { Some(QueueId(1)) };
        let acks = match consume.no_ack || is_reply {
            true => AckPolicy::None,
            false if consume.nowait => AckPolicy::All,
            false => AckPolicy::Explicit,
        };
        let source = queue.map(|queue| Source { queue, is_stream: false });
        self.session.add_consumer(key, &tag, source, acks);
        self.consumers.push(key);
        if acks == AckPolicy::None {
            self.no_acks.insert(key.number);
        }
        let ok = basic::ConsumeOk { consumer_tag: tag.into() };
        Some(AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok)))
    }

    fn get(&mut self, channel: u16, queue: &str, no_ack: bool) -> Option<AMQPClass> {
        let Some((_, id)) = QUEUES.iter().find(|(name, _)| *name == queue) else {
            self.session.count_empty_get(channel);
            return Some(AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {})));
        };
        let delivery = self.next_delivery(&[2; 20]);
        self.session.get_ok(channel, *id, no_ack, &delivery, 3);
        if !no_ack {
            self.unacked.insert((channel, delivery.handle.position.0));
        }
        None
    }

    fn commit(&mut self, channel: u16, work: TxWork) -> Option<AMQPClass> {
        for (_, verb, handle) in work.settles {
            self.settled(verb, &[handle]);
        }
        if !work.publishes.is_empty() {
            self.session.confirmed(channel, 1, work.publishes.len() as u64, false);
        }
        let is_whole = self.session.is_commit_whole(channel);
        is_whole.then_some(AMQPClass::Tx(tx::AMQPMethod::CommitOk(tx::CommitOk {})))
    }

    fn deliver(&mut self, consumer: u8, count: u8, bytes: u16) {
        let Some(key) = self.pick(consumer) else { return };
        // A queue delivers to a direct reply-to consumer as little as to one that is gone.
        let is_there = !self.session.has_reply_consumer(key.number);
        let body = vec![3; usize::from(bytes)];
        let deliveries: Vec<Delivery> = (0..count).map(|_| self.next_delivery(&body)).collect();
        let before = self.session.out().len();
        if is_there {
            self.session.deliver(key.number, &deliveries);
        }
        let is_written = self.session.out().len() > before;
        // What a consumer gets that acks nothing is acked at once.
        if is_written && !self.no_acks.contains(&key.number) {
            let positions = deliveries.iter().map(|delivery| (key.channel, delivery.handle.position.0));
            self.unacked.extend(positions);
        }
    }

    fn next_delivery(&mut self, body: &[u8]) -> Delivery {
        self.positions += 1;
        let position = Position(self.positions);
        let handle = Handle { slot: self.positions as u32, turn: 0, position };
        Delivery { handle, message: message(body), redelivered: false, counted_by: 0 }
    }

    fn confirm(&mut self, skipped: u8, refused: bool) {
        let index = usize::from(skipped) % self.unconfirmed.len().max(1);
        if let Some((channel, number)) = self.unconfirmed.remove(index) {
            self.session.confirmed(channel, number, number, refused);
        }
    }

    fn pick(&self, consumer: u8) -> Option<ConsumerKey> {
        self.consumers.get(usize::from(consumer) % self.consumers.len().max(1)).copied()
    }

    /// What the session wants written and done is as it may be.
    fn look(&mut self) {
        let bytes = self.session.out().take();
        check_output(&bytes);
        self.output.extend_from_slice(&bytes);
        let id = self.session.id();
        for (_, command) in self.session.outgoing().take(id) {
            self.take(command);
        }
        drop(self.session.outgoing().take_direct());
        let held = self.session.held();
        let allowed = HELD_BYTES + self.received * HELD_PER_BYTE;
        assert!(held.sent() <= allowed, "{held:?} after {} bytes", self.received);
        self.session.report_channels(|_| ());
        self.session.report_exchanges(self.now);
        let _ = self.session.take_counters();
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Publish(_, publishes) => self.published(publishes.iter()),
            Command::PublishDedup(_, publishes) => {
                self.published(publishes.iter().map(|publish| &publish.publish));
            }
            Command::Settle(verb, handles) => self.settled(verb, &handles),
            Command::Dispose(_, Disposition::Progress, _) => {}
            Command::Dispose(handle, _, _) => self.settled(Settlement::Reject, &[handle]),
            Command::ChannelGone(_, channel, _) => {
                self.unacked.retain(|(of, _)| *of != channel);
                self.unconfirmed.retain(|(of, _)| *of != channel);
                self.consumers.retain(|key| key.channel != channel);
            }
            Command::Written(..) | Command::SetChannelPrefetch(..) | Command::TakeTurn(..) => {}
            other => panic!("a session does not say {other:?}"),
        }
    }

    fn published<'a>(&mut self, publishes: impl Iterator<Item = &'a Publish>) {
        for publish in publishes {
            assert!(publish.message.body_len() as u64 <= MESSAGE_BYTES_MAX);
            if publish.sequence > 0 {
                self.unconfirmed.push_back((publish.channel, publish.sequence));
            }
        }
    }

    /// A message is settled once.
    fn settled(&mut self, verb: Settlement, handles: &[Handle]) {
        for handle in handles {
            let position = handle.position.0;
            let found = self.unacked.iter().copied().find(|(_, of)| *of == position);
            let found = found.unwrap_or_else(|| panic!("{verb:?} of {position}, which is not unacked"));
            self.unacked.remove(&found);
        }
    }
}

/// The answer to what needs nothing but an answer.
fn ok_of(request: &ChannelRequest) -> Option<AMQPClass> {
    use exchange::AMQPMethod as E;
    use queue::AMQPMethod as Q;
    Some(match request {
        ChannelRequest::ExchangeDeclare(_) => AMQPClass::Exchange(E::DeclareOk(exchange::DeclareOk {})),
        ChannelRequest::ExchangeDelete(_) => AMQPClass::Exchange(E::DeleteOk(exchange::DeleteOk {})),
        ChannelRequest::ExchangeBind(_) => AMQPClass::Exchange(E::BindOk(exchange::BindOk {})),
        ChannelRequest::ExchangeUnbind(_) => AMQPClass::Exchange(E::UnbindOk(exchange::UnbindOk {})),
        ChannelRequest::QueueBind(_) => AMQPClass::Queue(Q::BindOk(queue::BindOk {})),
        ChannelRequest::QueueUnbind(_) => AMQPClass::Queue(Q::UnbindOk(queue::UnbindOk {})),
        ChannelRequest::QueuePurge(_) => AMQPClass::Queue(Q::PurgeOk(queue::PurgeOk { message_count: 1 })),
        ChannelRequest::QueueDelete(_) => AMQPClass::Queue(Q::DeleteOk(queue::DeleteOk { message_count: 1 })),
        _ => return None,
    })
}

/// basic.return, deliver and get-ok.
const WITH_MESSAGE: [(u16, u16); 3] = [(60, 50), (60, 60), (60, 71)];

/// Whole frames, and methods that AMQP has.
fn check_output(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((frame, used))) = decode_frame(rest, u32::MAX) {
        assert!(used <= FRAME_BYTES_MAX as usize + FRAME_OVERHEAD, "a frame of {used} bytes");
        match decode_method(frame.payload) {
            _ if frame.kind != FrameKind::Method => {}
            // The names that a message was published with are the client's own bytes.
            Err(MethodError::BadUtf8(id)) => assert!(WITH_MESSAGE.contains(&(id.class, id.method)), "{id}"),
            method => drop(method.unwrap_or_else(|error| panic!("{error}"))),
        }
        rest = &rest[used..];
    }
    assert!(rest.is_empty() || rest == b"AMQP\0\0\x09\x01", "no frame: {rest:?}");
}

fn message(body: &[u8]) -> Message {
    Message::new(Parts { routing_key: b"q", properties: &[0, 0], body, ..Parts::default() })
}

fn topology() -> Arc<SharedTopology> {
    let topology = SharedTopology::default();
    topology.change(|topology| {
        for (name, id) in QUEUES {
            topology.add_queue(name, id);
            for (source, key) in [("amq.fanout", ""), ("amq.topic", "*.b.#")] {
                let destination = Destination::Queue(name.to_owned());
                let (source, routing_key) = (source.to_owned(), key.to_owned());
                topology.bind(Binding { source, destination, routing_key, arguments: FieldTable::default() });
            }
        }
    });
    Arc::new(topology)
}
