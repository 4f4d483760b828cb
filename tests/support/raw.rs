//! A client that sends what no good client sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, connection, queue};
use amq_protocol::types::{AMQPValue, FieldTable};

/// Far longer than any answer takes: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A raw connection.
pub struct Raw {
    stream: TcpStream,
    input: Vec<u8>,
}

/// A broker that takes nothing for so long has stopped reading.
const STUCK: Duration = Duration::from_secs(2);

/// What became of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    All,
    /// The broker does not read.
    Stuck,
    /// The broker has closed the connection.
    Closed,
}

/// How the broker ends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    Connection(u16, String, (u16, u16)),
    Channel(u16, String, (u16, u16)),
    /// The socket was closed without a word.
    Socket,
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, input: Vec::new() }
    }

    /// Connected, logged in, with the vhost open.
    pub fn open(address: SocketAddr) -> Self {
        let mut raw = Self::logged_in(address);
        raw.tune_and_open(0, 131_072, 0);
        raw
    }

    fn logged_in(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address);
        raw.send(b"AMQP\x00\x00\x09\x01");
        raw.expect_start();
        raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
        raw
    }

    /// In that vhost, with channel 1 open.
    #[cfg(feature = "management")]
    pub fn in_vhost(address: SocketAddr, vhost: &str) -> Self {
        let mut raw = Self::logged_in(address);
        raw.tune_and_enter(0, 131_072, 0, vhost);
        raw.open_channel(1);
        raw
    }

    /// The rest of the handshake, once logged in.
    pub fn tune_and_open(&mut self, channel_max: u16, frame_max: u32, heartbeat: u16) {
        self.tune_and_enter(channel_max, frame_max, heartbeat, "/");
    }

    fn tune_and_enter(&mut self, channel_max: u16, frame_max: u32, heartbeat: u16, vhost: &str) {
        let channel_max = if channel_max == 0 { 2047 } else { channel_max };
        self.expect_tune();
        self.method(0, tune_ok(channel_max, frame_max, heartbeat));
        self.method(0, open(vhost));
        let opened = self.next();
        let ok = AMQPClass::Connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}));
        assert_eq!(opened, Some(AMQPFrame::Method(0, ok)));
    }

    /// As [`open`](Self::open), with channel 1 open.
    pub fn with_channel(address: SocketAddr) -> Self {
        let mut raw = Self::open(address);
        raw.open_channel(1);
        raw
    }

    pub fn open_channel(&mut self, number: u16) {
        self.method(number, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
        let opened = self.next();
        let ok = AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}));
        assert_eq!(opened, Some(AMQPFrame::Method(number, ok)));
    }

    pub fn expect_start(&mut self) -> connection::Start {
        match self.next() {
            Some(AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Start(start)))) => start,
            other => panic!("not connection.start: {other:?}"),
        }
    }

    pub fn expect_tune(&mut self) -> connection::Tune {
        match self.next() {
            Some(AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Tune(tune)))) => tune,
            other => panic!("not connection.tune: {other:?}"),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // The broker may have closed already: what it said before is what counts.
        let _ = self.stream.write_all(bytes);
    }

    /// Writes for as long as the broker takes any of it.
    pub fn write(&mut self, mut bytes: &[u8]) -> Written {
        self.stream.set_write_timeout(Some(STUCK)).unwrap();
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Written::Stuck,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Written::Closed,
            }
        }
        Written::All
    }

    /// Frames that have come, without waiting for any. At the end of the socket there are none.
    pub fn waiting_frames(&mut self) -> Vec<AMQPFrame> {
        self.read_waiting();
        std::iter::from_fn(|| self.take_frame()).collect()
    }

    /// Takes a frame of what was read, if one is all there.
    fn take_frame(&mut self) -> Option<AMQPFrame> {
        let (rest, frame) = parse_frame(&self.input[..]).ok()?;
        let used = self.input.len() - rest.len();
        self.input.drain(..used);
        Some(frame)
    }

    /// Whether the broker has closed the connection, as far as that has come.
    pub fn is_closed(&mut self) -> bool {
        let ended = self.read_waiting();
        let close = |frame: &AMQPFrame| {
            let AMQPFrame::Method(0, method) = frame else { return false };
            matches!(method, AMQPClass::Connection(connection::AMQPMethod::Close(_)))
        };
        self.waiting_frames().iter().any(close) || ended
    }

    /// Reads what has come; whether that was the end.
    fn read_waiting(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4096];
        let ended = loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
            }
        };
        self.stream.set_nonblocking(false).unwrap();
        ended
    }

    /// Ends this side of the socket.
    pub fn finish(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    pub fn method(&mut self, channel: u16, method: AMQPClass) {
        self.send(&encode(&AMQPFrame::Method(channel, method)));
    }

    pub fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        self.send(&raw_frame(kind, channel, payload));
    }

    /// A method frame with arguments as bytes.
    pub fn raw_method(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
        self.frame(1, channel, &payload);
    }

    /// The next frame; `None` when the socket is closed.
    pub fn next(&mut self) -> Option<AMQPFrame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                // A read with a timeout does not go on by itself after a signal.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Bytes as they come, until the socket is closed.
    pub fn rest(&mut self) -> Vec<u8> {
        let _ = self.stream.read_to_end(&mut self.input);
        std::mem::take(&mut self.input)
    }

    /// Writes all of this and reads until the socket is closed.
    ///
    /// # Errors
    /// The socket was reset.
    pub fn exchange(&mut self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        self.stream.write_all(bytes)?;
        self.stream.shutdown(std::net::Shutdown::Write)?;
        self.stream.read_to_end(&mut self.input)?;
        Ok(std::mem::take(&mut self.input))
    }

    /// Reads until something is closed.
    pub fn closed(&mut self) -> Closed {
        loop {
            match self.next() {
                None => return Closed::Socket,
                Some(AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::Close(close)))) => {
                    let ids = (close.class_id, close.method_id);
                    return Closed::Connection(close.reply_code, close.reply_text.to_string(), ids);
                }
                Some(AMQPFrame::Method(_, AMQPClass::Channel(channel::AMQPMethod::Close(close)))) => {
                    let ids = (close.class_id, close.method_id);
                    return Closed::Channel(close.reply_code, close.reply_text.to_string(), ids);
                }
                Some(_) => {}
            }
        }
    }

    /// Declares a queue on channel 1 and waits for the answer.
    pub fn declare(&mut self, name: &str, change: impl FnOnce(&mut queue::Declare)) {
        let mut method = declare(name);
        change(&mut method);
        self.method(1, AMQPClass::Queue(queue::AMQPMethod::Declare(method)));
        match self.next() {
            Some(AMQPFrame::Method(1, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(_)))) => {}
            other => panic!("not declared: {other:?}"),
        }
    }

    /// Proves that the connection works: a round trip on a fresh channel.
    /// How many ready messages a queue has.
    pub fn count(&mut self, queue: &str) -> u32 {
        let declare = queue::Declare { passive: true, ..declare(queue) };
        self.method(1, AMQPClass::Queue(queue::AMQPMethod::Declare(declare)));
        match self.next() {
            Some(AMQPFrame::Method(1, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok)))) => {
                ok.message_count
            }
            other => panic!("not queue.declare-ok: {other:?}"),
        }
    }

    pub fn assert_alive(&mut self) {
        self.open_channel(900);
    }
}

pub fn encode(frame: &AMQPFrame) -> Vec<u8> {
    gen_frame(frame)(WriteContext::from(Vec::new())).unwrap().into_inner().0
}

pub fn raw_frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend_from_slice(&channel.to_be_bytes());
    frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(payload);
    frame.push(0xCE);
    frame
}

pub fn start_ok(mechanism: &str, response: &[u8], announce: bool) -> AMQPClass {
    let mut client_properties = FieldTable::default();
    if announce {
        let mut capabilities = FieldTable::default();
        for name in ["authentication_failure_close", "consumer_cancel_notify", "connection.blocked"] {
            capabilities.insert(name.into(), AMQPValue::Boolean(true));
        }
        client_properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    }
    AMQPClass::Connection(connection::AMQPMethod::StartOk(connection::StartOk {
        client_properties,
        mechanism: mechanism.into(),
        response: response.into(),
        locale: "en_US".into(),
    }))
}

pub fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::TuneOk(connection::TuneOk {
        channel_max,
        frame_max,
        heartbeat,
    }))
}

pub fn open(vhost: &str) -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::Open(connection::Open { virtual_host: vhost.into() }))
}

pub fn declare(name: &str) -> queue::Declare {
    queue::Declare {
        queue: name.into(),
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: FieldTable::default(),
    }
}

/// A body frame of the default size.
pub const BODY_FRAME_BYTES: usize = 128 * 1024 - 8;

/// A publish with its content, as frames.
#[derive(Clone, Copy)]
pub struct Publish<'a> {
    pub channel: u16,
    pub exchange: &'a str,
    pub key: &'a str,
    pub mandatory: bool,
    /// Flags and values.
    pub properties: &'a [u8],
}

impl Default for Publish<'_> {
    fn default() -> Self {
        Self { channel: 1, exchange: "", key: "", mandatory: false, properties: &[0, 0] }
    }
}

impl Publish<'_> {
    /// All of it.
    pub fn with_body(&self, body: &[u8]) -> Vec<u8> {
        let mut bytes = self.begin(body.len());
        for piece in body.chunks(BODY_FRAME_BYTES) {
            bytes.extend(raw_frame(3, self.channel, piece));
        }
        bytes
    }

    /// All but its body.
    pub fn begin(&self, body_bytes: usize) -> Vec<u8> {
        let Self { channel, exchange, key, mandatory, properties } = *self;
        let publish = basic::Publish {
            exchange: exchange.into(),
            routing_key: key.into(),
            mandatory,
            immediate: false,
        };
        let method = AMQPClass::Basic(basic::AMQPMethod::Publish(publish));
        let mut bytes = encode(&AMQPFrame::Method(channel, method));
        let size = (body_bytes as u64).to_be_bytes();
        bytes.extend(raw_frame(2, channel, &[&[0, 60, 0, 0][..], &size, properties].concat()));
        bytes
    }
}

pub fn publish(exchange: &str, key: &str) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Publish(basic::Publish {
        exchange: exchange.into(),
        routing_key: key.into(),
        mandatory: false,
        immediate: false,
    }))
}
