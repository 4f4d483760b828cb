//! Sessions without a socket: bytes in, bytes and commands out, times as plain values.

mod credit;
mod errors;
mod handshake;
mod large_bodies;
mod publishing;
mod repeating;
mod watching;

use amq_protocol::frame::{AMQPFrame, parse_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, confirm, connection, tx};
use amq_protocol::types::{AMQPValue, FieldTable};
use std::sync::Arc;

use super::*;
use crate::auth::{Grant, Rights};
use crate::message::{Message, Parts, Position, QueueId};
use crate::protocol::encode;
use crate::protocol::reply::ReplyCode;
use crate::queue::{
    Command, ConnectionId, ConsumerKey, Delivery, Handle, PrefetchShare, Settlement, WINDOW_BYTES,
};
use crate::time::Time;
use crate::topology::{Binding, Destination, SharedTopology};

const FRAME_MAX: u32 = 8192;
const BODY_MAX: u64 = 1_000_000;
/// `q` and `r` are bound to amq.fanout, and both known to the default exchange.
const Q: QueueId = QueueId(1);
const R: QueueId = QueueId(2);

fn config() -> SessionConfig {
    SessionConfig {
        external: None,
        server_properties: std::sync::Arc::default(),
        frame_bytes_max: FRAME_MAX,
        channels_max: 20,
        heartbeat_s: 60,
        message_bytes_max: BODY_MAX,
        test: false,
    }
}

fn topology() -> Arc<SharedTopology> {
    let topology = SharedTopology::default();
    topology.change(|topology| {
        for (name, id) in [("q", Q), ("r", R)] {
            topology.add_queue(name, id);
            let destination = Destination::Queue(name.to_owned());
            let (routing_key, arguments) = (String::new(), FieldTable::default());
            topology.bind(Binding { source: "amq.fanout".to_owned(), destination, routing_key, arguments });
        }
    });
    Arc::new(topology)
}

fn seconds(seconds: u64) -> Time {
    Time::ZERO.plus_ms(seconds * 1000)
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&[kind][..], &channel.to_be_bytes(), &length, payload, &[0xCE]].concat()
}

fn encoded(channel: u16, method: AMQPClass) -> Vec<u8> {
    let mut out = crate::protocol::Output::default();
    encode::method(&mut out, channel, method);
    out.take()
}

fn header(channel: u16, properties: &[u8], body_bytes: usize) -> Vec<u8> {
    let size = (body_bytes as u64).to_be_bytes();
    frame(2, channel, &[&[0, 60, 0, 0][..], &size, properties].concat())
}

/// A publish as one client would send it, its body in frames of at most `piece` bytes.
fn publish(
    channel: u16,
    target: (&str, &str),
    mandatory: bool,
    properties: &[u8],
    body: &[u8],
    piece: usize,
) -> Vec<u8> {
    let (exchange, routing_key) = (target.0.into(), target.1.into());
    let publish = basic::Publish { exchange, routing_key, mandatory, immediate: false };
    let mut bytes = encoded(channel, AMQPClass::Basic(basic::AMQPMethod::Publish(publish)));
    bytes.extend(header(channel, properties, body.len()));
    bytes.extend(body.chunks(piece).flat_map(|piece| frame(3, channel, piece)));
    bytes
}

fn start_ok(capabilities: &[&str]) -> connection::AMQPMethod {
    let mut announced = FieldTable::default();
    for name in capabilities {
        announced.insert((*name).into(), AMQPValue::Boolean(true));
    }
    let mut client_properties = FieldTable::default();
    client_properties.insert("capabilities".into(), AMQPValue::FieldTable(announced));
    let (mechanism, response, locale) = ("PLAIN".into(), "\0ann\0pw".into(), "en_US".into());
    connection::AMQPMethod::StartOk(connection::StartOk { client_properties, mechanism, response, locale })
}

fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> connection::AMQPMethod {
    connection::AMQPMethod::TuneOk(connection::TuneOk { channel_max, frame_max, heartbeat })
}

fn open() -> connection::AMQPMethod {
    connection::AMQPMethod::Open(connection::Open { virtual_host: "/".into() })
}

/// A session and its client's side of it.
struct Client {
    session: Session,
    now: Time,
    topology: Arc<SharedTopology>,
}

/// The right to everything.
fn everything() -> Arc<Grant> {
    Arc::new(Grant::new(Rights::ALL))
}

impl Client {
    /// Accepted just now.
    fn new() -> Self {
        Self::with(config())
    }

    /// The same on a broker that is told something else.
    fn with(config: SessionConfig) -> Self {
        let session = Session::new(ConnectionId(7), 0xABCD, config, Time::ZERO);
        Self { session, now: Time::ZERO, topology: topology() }
    }

    /// Through its handshake, with channels 1 and 2 open.
    fn running(capabilities: &[&str], heartbeat_s: u16) -> Self {
        let mut client = Self::new();
        client.log_in(capabilities);
        client.connection(tune_ok(20, FRAME_MAX, heartbeat_s));
        client.connection(open());
        client.session.opened(client.now, "/", Arc::clone(&client.topology), everything());
        [1, 2].into_iter().for_each(|channel| client.open_channel(channel));
        client.methods();
        client
    }

    fn log_in(&mut self, capabilities: &[&str]) {
        self.bytes(b"AMQP\0\0\x09\x01");
        self.connection(start_ok(capabilities));
        self.session.authenticated(self.now, "ann", false);
    }

    /// Hands bytes over that are whole frames; gives the request they lead to.
    fn bytes(&mut self, bytes: &[u8]) -> Option<Request> {
        let received = self.session.receive(self.now, bytes);
        assert_eq!(received.consumed, bytes.len(), "not all of it was taken");
        received.request
    }

    fn send(&mut self, channel: u16, method: AMQPClass) -> Option<Request> {
        self.bytes(&encoded(channel, method))
    }

    fn connection(&mut self, method: connection::AMQPMethod) -> Option<Request> {
        self.send(0, AMQPClass::Connection(method))
    }

    fn channel(&mut self, channel: u16, method: channel::AMQPMethod) {
        let request = self.send(channel, AMQPClass::Channel(method));
        assert!(request.is_none(), "{request:?}");
    }

    fn basic(&mut self, channel: u16, method: basic::AMQPMethod) {
        let request = self.send(channel, AMQPClass::Basic(method));
        assert!(request.is_none(), "{request:?}");
    }

    fn open_channel(&mut self, channel: u16) {
        self.channel(channel, channel::AMQPMethod::Open(channel::Open {}));
    }

    fn close_channel(&mut self, channel: u16) {
        let close = channel::Close { reply_code: 200, reply_text: "".into(), class_id: 0, method_id: 0 };
        self.channel(channel, channel::AMQPMethod::Close(close));
    }

    fn confirm_select(&mut self, channel: u16) {
        let select = confirm::AMQPMethod::Select(confirm::Select { nowait: true });
        assert!(self.send(channel, AMQPClass::Confirm(select)).is_none());
    }

    fn publish(&mut self, channel: u16, key: &str, body: &str) {
        let bytes = publish(channel, ("", key), false, &[0, 0], body.as_bytes(), 4096);
        assert!(self.bytes(&bytes).is_none());
    }

    /// A consumer of `q`, as the server adds it.
    fn consumer(&mut self, channel: u16, tag: &str, no_ack: bool) -> ConsumerKey {
        let key = self.session.new_consumer(channel).key;
        self.session.add_consumer(
            key,
            tag,
            Some(crate::session::Source { queue: Q, is_stream: false }),
            if no_ack { AckPolicy::None } else { AckPolicy::Explicit },
        );
        key
    }

    fn deliver(&mut self, key: ConsumerKey, positions: &[u64]) {
        let deliveries: Vec<_> = positions.iter().map(|position| delivery(*position, b"body")).collect();
        self.session.deliver(key.number, &deliveries);
    }

    fn ack(&mut self, channel: u16, delivery_tag: u64, multiple: bool) {
        self.basic(channel, basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple }));
    }

    /// What was counted since the last look.
    fn counted(&mut self) -> SessionCounters {
        self.session.report_channels(|_| ());
        self.session.take_counters()
    }

    /// All frames written since the last look.
    fn frames(&mut self) -> Vec<AMQPFrame> {
        let bytes = self.session.out().take();
        let mut rest = &bytes[..];
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let (after, frame) = parse_frame(rest).unwrap();
            frames.push(frame);
            rest = after;
        }
        frames
    }

    /// Methods among them.
    fn methods(&mut self) -> Vec<(u16, AMQPClass)> {
        let method = |frame| {
            if let AMQPFrame::Method(channel, method) = frame { Some((channel, method)) } else { None }
        };
        self.frames().into_iter().filter_map(method).collect()
    }

    /// Acks and nacks of publishes: tag and multiple, `None` for a nack.
    fn confirms(&mut self) -> Vec<(u64, Option<bool>)> {
        let confirm = |(_, method)| match method {
            AMQPClass::Basic(basic::AMQPMethod::Ack(ack)) => (ack.delivery_tag, Some(ack.multiple)),
            AMQPClass::Basic(basic::AMQPMethod::Nack(nack)) => (nack.delivery_tag, None),
            other => panic!("{other:?}"),
        };
        self.methods().into_iter().map(confirm).collect()
    }

    /// The one close that was sent: channel, code, text, and the method that caused it.
    fn exception(&mut self) -> (u16, u16, String, (u16, u16)) {
        let methods = self.methods();
        match &methods[..] {
            [(0, AMQPClass::Connection(connection::AMQPMethod::Close(close)))] => {
                (0, close.reply_code, close.reply_text.to_string(), (close.class_id, close.method_id))
            }
            [(channel, AMQPClass::Channel(channel::AMQPMethod::Close(close)))] => {
                (*channel, close.reply_code, close.reply_text.to_string(), (close.class_id, close.method_id))
            }
            other => panic!("{other:?}"),
        }
    }

    fn commands(&mut self) -> Vec<(QueueId, Command)> {
        let connection = self.session.id();
        self.session.outgoing().take(connection)
    }

    /// Queue, body and sequence number of what was published; there must be nothing else.
    fn published(&mut self) -> Vec<(QueueId, String, u64)> {
        let mut published = Vec::new();
        for (queue, command) in self.commands() {
            let Command::Publish(_, publishes) = command else { panic!("{command:?}") };
            let body = |message: &Message| String::from_utf8_lossy(message.body()).into_owned();
            published.extend(publishes.iter().map(|p| (queue, body(&p.message), p.sequence)));
        }
        published
    }

    /// What was settled: verb and positions; there must be nothing else but limits that have room again.
    fn settled(&mut self) -> Vec<(Settlement, Vec<u64>)> {
        let mut settled = Vec::new();
        for (_, command) in self.commands() {
            match command {
                Command::Settle(verb, handles) => {
                    settled.push((verb, handles.iter().map(|h| h.position.0).collect()))
                }
                Command::SetChannelPrefetch(..) | Command::TakeTurn(_, _) => {}
                other => panic!("{other:?}"),
            }
        }
        settled
    }
}

fn delivery(position: u64, body: &[u8]) -> Delivery {
    let parts = Parts { routing_key: b"q", properties: &[0, 0], body, ..Parts::default() };
    let handle = Handle { slot: position as u32, turn: 0, position: Position(position) };
    Delivery { handle, message: Message::new(parts), redelivered: false, counted_by: 0 }
}

/// Channel, consumer tag and delivery tag of each basic.deliver.
fn delivered(methods: Vec<(u16, AMQPClass)>) -> Vec<(u16, String, u64)> {
    let deliver = |(channel, method)| match method {
        AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver)) => {
            (channel, deliver.consumer_tag.to_string(), deliver.delivery_tag)
        }
        other => panic!("{other:?}"),
    };
    methods.into_iter().map(deliver).collect()
}
