//! What a client says: methods, headers and bodies that are well formed, or nearly so.
//!
//! It is written from the specification and shares no code with the broker, so a mistake in one shows in the other.

use arbitrary::{Arbitrary, Unstructured};

/// The largest frame that both sides agree on, in bytes.
pub const FRAME_BYTES_MAX: u32 = 8192;
/// Channels that both sides agree on.
pub const CHANNELS_MAX: u16 = 8;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
const FRAME_END: u8 = 0xCE;
const BASIC: u16 = 60;

/// One thing that a client sends.
#[derive(Arbitrary, Clone, Debug)]
pub enum Step {
    /// A method that a client may send.
    Method(Channel, Method),
    /// A whole message, as most clients send it.
    Publish { channel: Channel, exchange: Name, routing_key: Name, bits: u8, properties: Properties, body: Body },
    /// A content header where none may be expected.
    Header { channel: Channel, class: u16, body_bytes: u64, properties: Properties },
    /// A body where none may be expected.
    Body(Channel, Body),
    /// Nothing but a sign of life.
    Heartbeat,
    /// A frame of any kind.
    Frame { kind: u8, channel: u16, payload: Vec<u8> },
    /// Bytes.
    Raw(Vec<u8>),
    /// Something with a bit that is wrong.
    Flipped { step: Box<Step>, bit: u16 },
    /// Something with an end that is missing.
    Cut { step: Box<Step>, bytes: u8 },
}

impl Step {
    /// Appends the frames.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Method(channel, method) => frame(out, METHOD, channel.0, &method.payload()),
            Self::Publish { channel, exchange, routing_key, bits, properties, body } => {
                let mut payload = vec![0, 60, 0, 40, 0, 0];
                exchange.write(&mut payload);
                routing_key.write(&mut payload);
                payload.push(bits & 0b11);
                frame(out, METHOD, channel.0, &payload);
                frame(out, HEADER, channel.0, &header(BASIC, body.0.len() as u64, properties));
                for piece in body.0.chunks(FRAME_BYTES_MAX as usize) {
                    frame(out, BODY, channel.0, piece);
                }
            }
            Self::Header { channel, class, body_bytes, properties } => {
                frame(out, HEADER, channel.0, &header(*class, *body_bytes, properties));
            }
            Self::Body(channel, body) => frame(out, BODY, channel.0, &body.0),
            Self::Heartbeat => frame(out, HEARTBEAT, 0, &[]),
            Self::Frame { kind, channel, payload } => frame(out, *kind, *channel, payload),
            Self::Raw(bytes) => out.extend_from_slice(bytes),
            Self::Flipped { step, bit } => {
                let from = out.len();
                step.write(out);
                let bits = (out.len() - from) * 8;
                if bits > 0 {
                    let bit = usize::from(*bit) % bits;
                    out[from + bit / 8] ^= 1 << (bit % 8);
                }
            }
            Self::Cut { step, bytes } => {
                let from = out.len();
                step.write(out);
                out.truncate(out.len().saturating_sub(usize::from(*bytes)).max(from));
            }
        }
    }
}

/// Appends a frame that is well formed on the outside.
pub fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(payload);
    out.push(FRAME_END);
}

fn header(class: u16, body_bytes: u64, properties: &Properties) -> Vec<u8> {
    let mut payload = class.to_be_bytes().to_vec();
    payload.extend_from_slice(&[0, 0]);
    payload.extend_from_slice(&body_bytes.to_be_bytes());
    properties.write(&mut payload);
    payload
}

/// All that a client says before it has a channel.
#[must_use]
pub fn handshake() -> Vec<u8> {
    let mut out = b"AMQP\0\0\x09\x01".to_vec();
    let mut start_ok = vec![0, 10, 0, 11];
    let mut capabilities = Vec::new();
    for name in ["authentication_failure_close", "consumer_cancel_notify", "connection.blocked"] {
        short(&mut capabilities, name.as_bytes());
        capabilities.extend_from_slice(&[b't', 1]);
    }
    let mut properties = Vec::new();
    short(&mut properties, b"capabilities");
    properties.push(b'F');
    long(&mut properties, &capabilities);
    long(&mut start_ok, &properties);
    short(&mut start_ok, b"PLAIN");
    long(&mut start_ok, b"\0guest\0guest");
    short(&mut start_ok, b"en_US");
    frame(&mut out, METHOD, 0, &start_ok);
    let mut tune_ok = vec![0, 10, 0, 31];
    tune_ok.extend_from_slice(&CHANNELS_MAX.to_be_bytes());
    tune_ok.extend_from_slice(&FRAME_BYTES_MAX.to_be_bytes());
    tune_ok.extend_from_slice(&10_u16.to_be_bytes());
    frame(&mut out, METHOD, 0, &tune_ok);
    frame(&mut out, METHOD, 0, b"\0\x0a\0\x28\x01/\0\0");
    for channel in 1..=3 {
        frame(&mut out, METHOD, channel, &[0, 20, 0, 10, 0]);
    }
    out
}

/// The number of a channel: mostly one that is open.
#[derive(Clone, Copy, Debug)]
pub struct Channel(pub u16);

impl<'a> Arbitrary<'a> for Channel {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(match u8::arbitrary(u)? {
            0..=199 => 1,
            200..=229 => 2,
            230..=239 => 3,
            240..=245 => 0,
            246..=249 => CHANNELS_MAX,
            250..=253 => CHANNELS_MAX + 1,
            _ => u.arbitrary()?,
        }))
    }
}

/// The name of a queue, an exchange or anything else: mostly one of a few.
#[derive(Clone, Debug)]
pub struct Name(Vec<u8>);

const NAMES: [&str; 15] = [
    "",
    "q",
    "r",
    "e",
    "amq.fanout",
    "amq.topic",
    "amq.headers",
    "amq.settle",
    "amq.rabbitmq.reply-to",
    "a.b.c",
    "a.#",
    "*.b.#",
    "tag",
    "direct",
    "x-consistent-hash",
];

const KINDS: [&str; 7] =
    ["direct", "fanout", "topic", "headers", "x-consistent-hash", "x-random", "x-delayed-message"];

impl<'a> Arbitrary<'a> for Name {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let choice = usize::from(u8::arbitrary(u)?);
        if let Some(name) = NAMES.get(choice % 20) {
            return Ok(Self(name.as_bytes().to_vec()));
        }
        let mut bytes = Vec::<u8>::arbitrary(u)?;
        bytes.truncate(255);
        Ok(Self(bytes))
    }
}

impl Name {
    fn write(&self, out: &mut Vec<u8>) {
        short(out, &self.0);
    }
}

/// A body of up to some frames; long ones are repetitions, so that they need few bytes of input.
#[derive(Clone, Debug)]
pub struct Body(Vec<u8>);

impl<'a> Arbitrary<'a> for Body {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = u16::arbitrary(u)?;
        let len = if len & 1 == 0 { len % 64 } else { len % 40_000 };
        Ok(Self(vec![u.arbitrary()?; usize::from(len)]))
    }
}

/// A method that a client may send, with arguments of the right types.
#[derive(Clone, Debug)]
pub struct Method(Vec<u8>);

impl Method {
    fn payload(&self) -> Vec<u8> {
        self.0.clone()
    }
}

#[derive(Clone, Copy)]
enum Field {
    Octet,
    Short,
    Long,
    LongLong,
    Name,
    Kind,
    LongString,
    Table,
    /// A reserved short, always 0.
    Ticket,
}

use Field::{Kind, Long, LongLong, LongString, Name as Text, Octet, Short, Table, Ticket};

/// Class, method, arguments.
const METHODS: [(u8, u8, &[Field]); 33] = [
    (10, 50, &[Short, Text, Short, Short]),
    (10, 51, &[]),
    (10, 70, &[LongString, Text]),
    (20, 10, &[Text]),
    (20, 20, &[Octet]),
    (20, 21, &[Octet]),
    (20, 40, &[Short, Text, Short, Short]),
    (20, 41, &[]),
    (40, 10, &[Ticket, Text, Kind, Octet, Table]),
    (40, 20, &[Ticket, Text, Octet]),
    (40, 30, &[Ticket, Text, Text, Text, Octet, Table]),
    (40, 40, &[Ticket, Text, Text, Text, Octet, Table]),
    (50, 10, &[Ticket, Text, Octet, Table]),
    (50, 20, &[Ticket, Text, Text, Text, Octet, Table]),
    (50, 30, &[Ticket, Text, Octet]),
    (50, 40, &[Ticket, Text, Octet]),
    (50, 50, &[Ticket, Text, Text, Text, Table]),
    (60, 10, &[Long, Short, Octet]),
    (60, 20, &[Ticket, Text, Text, Octet, Table]),
    (60, 30, &[Text, Octet]),
    (60, 40, &[Ticket, Text, Text, Octet]),
    (60, 70, &[Ticket, Text, Octet]),
    (60, 80, &[LongLong, Octet]),
    (60, 90, &[LongLong, Octet]),
    (60, 100, &[Octet]),
    (60, 110, &[Octet]),
    (60, 120, &[LongLong, Octet]),
    (85, 10, &[Octet]),
    (90, 10, &[]),
    (90, 20, &[]),
    (90, 30, &[]),
    (10, 11, &[Table, Text, LongString, Text]),
    (10, 31, &[Short, Long, Short]),
];

impl<'a> Arbitrary<'a> for Method {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let (class, method, fields) = *u.choose(&METHODS)?;
        let mut payload = vec![0, class, 0, method];
        for field in fields {
            field.arbitrary(u, &mut payload)?;
        }
        Ok(Self(payload))
    }
}

impl Field {
    fn arbitrary(self, u: &mut Unstructured<'_>, out: &mut Vec<u8>) -> arbitrary::Result<()> {
        match self {
            Octet => out.push(u.arbitrary::<u8>()? & 0b11111),
            Short => out.extend_from_slice(&u16::from(u.arbitrary::<u8>()?).to_be_bytes()),
            Ticket => out.extend_from_slice(&[0, 0]),
            Long => out.extend_from_slice(&u32::from(u.arbitrary::<u8>()? & 1).to_be_bytes()),
            LongLong => {
                let tag = match u8::arbitrary(u)? {
                    small @ 0..=249 => u64::from(small % 32),
                    _ => u.arbitrary()?,
                };
                out.extend_from_slice(&tag.to_be_bytes());
            }
            Text => Name::arbitrary(u)?.write(out),
            Kind => short(out, u.choose(&KINDS)?.as_bytes()),
            LongString => long(out, &Vec::<u8>::arbitrary(u)?),
            Table => Arguments::arbitrary(u)?.write(out),
        }
        Ok(())
    }
}

/// A table of arguments that mean something, with values of all types.
#[derive(Arbitrary, Clone, Debug)]
pub struct Arguments(Vec<(Key, Value)>);

impl Arguments {
    fn write(&self, out: &mut Vec<u8>) {
        let mut content = Vec::new();
        for (key, value) in &self.0 {
            short(&mut content, key.0.as_bytes());
            value.write(&mut content);
        }
        long(out, &content);
    }
}

/// A key of a table: mostly one that is known.
#[derive(Clone, Debug)]
pub struct Key(String);

const KEYS: [&str; 49] = [
    "x-publisher-id",
    "x-publisher-epoch",
    "x-publishing-id",
    "x-message-ttl",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-priority",
    "x-queue-type",
    "x-single-active-consumer",
    "x-delivery-limit",
    "x-delivery-count-mode",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
    "x-delayed-retry-multiplier",
    "x-delayed-retry-steps",
    "x-delayed-retry-jitter",
    "x-parking-after",
    "x-parking-ttl",
    "x-parking-limit",
    "x-consumer-timeout",
    "x-consumer-timeout-action",
    "x-ack-policy",
    "x-priority",
    "x-cancel-on-ha-failover",
    "x-message-deduplication",
    "x-deduplication-header",
    "x-cache-size",
    "x-cache-ttl",
    "x-match",
    "x-delay",
    "x-delayed-type",
    "x-death",
    "x-last-death-reason",
    "hash-header",
    "hash-property",
    "alternate-exchange",
    "CC",
    "BCC",
    "verb",
    "delivery-tag",
    "delay",
    "error",
    "capabilities",
    "",
];

impl<'a> Arbitrary<'a> for Key {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        if let Some(key) = KEYS.get(usize::from(u8::arbitrary(u)? % 54)) {
            return Ok(Self((*key).to_owned()));
        }
        let mut text = String::arbitrary(u)?;
        let end = (0..=text.len().min(255)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        Ok(Self(text))
    }
}

/// A value of any type that RabbitMQ knows.
#[derive(Arbitrary, Clone, Debug)]
pub enum Value {
    Small(u8),
    Word(u8),
    Bool(u8),
    I8(i8),
    U8(u8),
    I16(i16),
    OtherI16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    OtherI64(i64),
    F32(f32),
    F64(f64),
    Decimal(u8, u32),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Table(Arguments),
    Timestamp(u64),
    Void,
    /// A value in so many arrays or tables.
    Deep { depth: u8, in_table: bool },
}

const WORDS: [&str; 22] = [
    "q",
    "e",
    "drop-head",
    "reject-publish",
    "reject-publish-dlx",
    "quorum",
    "classic",
    "all",
    "any",
    "any-with-x",
    "failed",
    "returned",
    "disabled",
    "requeue",
    "cancel",
    "close",
    "explicit",
    "ack",
    "nack",
    "term",
    "park",
    "progress",
];

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Small(value) => tagged(out, b'I', &i32::from(value % 16).to_be_bytes()),
            Self::Word(word) => {
                out.push(b'S');
                long(out, WORDS[usize::from(*word) % WORDS.len()].as_bytes());
            }
            Self::Bool(value) => tagged(out, b't', &[*value]),
            Self::I8(value) => tagged(out, b'b', &value.to_be_bytes()),
            Self::U8(value) => tagged(out, b'B', &[*value]),
            Self::I16(value) => tagged(out, b's', &value.to_be_bytes()),
            Self::OtherI16(value) => tagged(out, b'U', &value.to_be_bytes()),
            Self::U16(value) => tagged(out, b'u', &value.to_be_bytes()),
            Self::I32(value) => tagged(out, b'I', &value.to_be_bytes()),
            Self::U32(value) => tagged(out, b'i', &value.to_be_bytes()),
            Self::I64(value) => tagged(out, b'l', &value.to_be_bytes()),
            Self::OtherI64(value) => tagged(out, b'L', &value.to_be_bytes()),
            Self::F32(value) => tagged(out, b'f', &value.to_be_bytes()),
            Self::F64(value) => tagged(out, b'd', &value.to_be_bytes()),
            Self::Decimal(scale, value) => {
                tagged(out, b'D', &[*scale]);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Text(bytes) => {
                out.push(b'S');
                long(out, bytes);
            }
            Self::Bytes(bytes) => {
                out.push(b'x');
                long(out, bytes);
            }
            Self::Array(values) => {
                let mut content = Vec::new();
                values.iter().for_each(|value| value.write(&mut content));
                out.push(b'A');
                long(out, &content);
            }
            Self::Table(table) => {
                out.push(b'F');
                table.write(out);
            }
            Self::Timestamp(value) => tagged(out, b'T', &value.to_be_bytes()),
            Self::Void => out.push(b'V'),
            Self::Deep { depth, in_table } => out.extend_from_slice(&deep(*depth, *in_table)),
        }
    }
}

fn deep(depth: u8, in_table: bool) -> Vec<u8> {
    let mut value = vec![b'V'];
    for _ in 0..depth {
        let content = if in_table { [&[1, b'k'], value.as_slice()].concat() } else { value };
        value = vec![if in_table { b'F' } else { b'A' }];
        long(&mut value, &content);
    }
    value
}

/// The properties of a message.
#[derive(Arbitrary, Clone, Debug, Default)]
pub struct Properties {
    content_type: Option<Name>,
    content_encoding: Option<Name>,
    headers: Option<Arguments>,
    delivery_mode: Option<u8>,
    priority: Option<u8>,
    correlation_id: Option<Name>,
    reply_to: Option<Name>,
    expiration: Option<u16>,
    message_id: Option<Name>,
    timestamp: Option<u64>,
    kind: Option<Name>,
    user_id: Option<Name>,
    app_id: Option<Name>,
    cluster_id: Option<Name>,
}

impl Properties {
    fn write(&self, out: &mut Vec<u8>) {
        let expiration = self.expiration.map(|ms| Name(ms.to_string().into_bytes()));
        let mut writer = PropertyWriter { flags: 0, bit: 1 << 15, values: Vec::new() };
        writer.put(self.content_type.as_ref(), Name::write);
        writer.put(self.content_encoding.as_ref(), Name::write);
        writer.put(self.headers.as_ref(), Arguments::write);
        writer.put(self.delivery_mode.as_ref(), |value, out| out.push(*value));
        writer.put(self.priority.as_ref(), |value, out| out.push(*value));
        writer.put(self.correlation_id.as_ref(), Name::write);
        writer.put(self.reply_to.as_ref(), Name::write);
        writer.put(expiration.as_ref(), Name::write);
        writer.put(self.message_id.as_ref(), Name::write);
        writer.put(self.timestamp.as_ref(), |value, out| out.extend_from_slice(&value.to_be_bytes()));
        writer.put(self.kind.as_ref(), Name::write);
        writer.put(self.user_id.as_ref(), Name::write);
        writer.put(self.app_id.as_ref(), Name::write);
        writer.put(self.cluster_id.as_ref(), Name::write);
        out.extend_from_slice(&writer.flags.to_be_bytes());
        out.extend_from_slice(&writer.values);
    }
}

struct PropertyWriter {
    flags: u16,
    bit: u16,
    values: Vec<u8>,
}

impl PropertyWriter {
    fn put<T>(&mut self, value: Option<&T>, write: impl FnOnce(&T, &mut Vec<u8>)) {
        if let Some(value) = value {
            self.flags |= self.bit;
            write(value, &mut self.values);
        }
        self.bit >>= 1;
    }
}

fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn short(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(255)];
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

fn long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}
