//! AMQP 0-9-1 as bytes, the part a load generator needs: frames of the methods it sends and the numbers of those it
//! reads. Only encodes; what comes in is walked by [`crate::scan`].

/// What a client says first.
pub const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";
/// Frame type of a method.
pub const METHOD: u8 = 1;
/// Frame type of a content header.
pub const HEADER: u8 = 2;
/// Frame type of a piece of a body.
pub const BODY: u8 = 3;
/// Frame type of a heartbeat.
pub const HEARTBEAT: u8 = 8;
/// The octet each frame ends with.
pub const FRAME_END: u8 = 0xCE;
/// Octets before a frame's payload: type, channel, size.
pub const FRAME_HEADER_BYTES: usize = 7;
/// The channel everything but the connection's own methods goes over: each thread has a connection to itself.
pub const CHANNEL: u16 = 1;

/// A method's class and number, as they stand next to each other on the wire.
pub const fn id(class: u16, method: u16) -> u32 {
    (class as u32) << 16 | method as u32
}

/// `connection.start`
pub const START: u32 = id(10, 10);
/// `connection.start-ok`
pub const START_OK: u32 = id(10, 11);
/// `connection.tune`
pub const TUNE: u32 = id(10, 30);
/// `connection.tune-ok`
pub const TUNE_OK: u32 = id(10, 31);
/// `connection.open`
pub const OPEN: u32 = id(10, 40);
/// `connection.open-ok`
pub const OPEN_OK: u32 = id(10, 41);
/// `connection.close`
pub const CLOSE: u32 = id(10, 50);
/// `connection.close-ok`
pub const CLOSE_OK: u32 = id(10, 51);
/// `channel.open`
pub const CHANNEL_OPEN: u32 = id(20, 10);
/// `channel.open-ok`
pub const CHANNEL_OPEN_OK: u32 = id(20, 11);
/// `channel.close`
pub const CHANNEL_CLOSE: u32 = id(20, 40);
/// `exchange.declare`
pub const EXCHANGE_DECLARE: u32 = id(40, 10);
/// `exchange.declare-ok`
pub const EXCHANGE_DECLARE_OK: u32 = id(40, 11);
/// `exchange.delete`
pub const EXCHANGE_DELETE: u32 = id(40, 20);
/// `exchange.delete-ok`
pub const EXCHANGE_DELETE_OK: u32 = id(40, 21);
/// `queue.declare`
pub const QUEUE_DECLARE: u32 = id(50, 10);
/// `queue.declare-ok`
pub const QUEUE_DECLARE_OK: u32 = id(50, 11);
/// `queue.bind`
pub const QUEUE_BIND: u32 = id(50, 20);
/// `queue.bind-ok`
pub const QUEUE_BIND_OK: u32 = id(50, 21);
/// `queue.delete`
pub const QUEUE_DELETE: u32 = id(50, 40);
/// `queue.delete-ok`
pub const QUEUE_DELETE_OK: u32 = id(50, 41);
/// `basic.qos`
pub const QOS: u32 = id(60, 10);
/// `basic.qos-ok`
pub const QOS_OK: u32 = id(60, 11);
/// `basic.consume`
pub const CONSUME: u32 = id(60, 20);
/// `basic.consume-ok`
pub const CONSUME_OK: u32 = id(60, 21);
/// `basic.cancel`
pub const CANCEL: u32 = id(60, 30);
/// `basic.publish`
pub const PUBLISH: u32 = id(60, 40);
/// `basic.deliver`
pub const DELIVER: u32 = id(60, 60);
/// `basic.ack`
pub const ACK: u32 = id(60, 80);
/// `basic.nack`
pub const NACK: u32 = id(60, 120);
/// `confirm.select`
pub const CONFIRM_SELECT: u32 = id(85, 10);
/// `confirm.select-ok`
pub const CONFIRM_SELECT_OK: u32 = id(85, 11);

/// An empty field table.
pub const NO_TABLE: [u8; 4] = [0; 4];

/// A value of a field table.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// A long string.
    Text(&'a str),
    /// A signed number of 64 bits.
    Number(i64),
}

/// A field table with its length.
pub fn table(fields: &[(&str, Value<'_>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        short(&mut bytes, name);
        match value {
            Value::Text(text) => {
                bytes.push(b'S');
                long(&mut bytes, text.as_bytes());
            }
            Value::Number(number) => {
                bytes.push(b'l');
                bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
    }
    let mut out = Vec::new();
    long(&mut out, &bytes);
    out
}

/// Appends a frame whose payload `fill` writes.
pub fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    let size_at = out.len();
    out.extend_from_slice(&[0; 4]);
    fill(out);
    let size = (out.len() - size_at - 4) as u32;
    out[size_at..size_at + 4].copy_from_slice(&size.to_be_bytes());
    out.push(FRAME_END);
}

/// A method frame by itself.
pub fn method(channel: u16, id: u32, arguments: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, METHOD, channel, |out| {
        out.extend_from_slice(&id.to_be_bytes());
        arguments(out);
    });
    out
}

/// Appends a short string. Names here are made by the generator and short; a longer one is cut to 255 bytes.
pub fn short(out: &mut Vec<u8>, text: &str) {
    let bytes = &text.as_bytes()[..text.len().min(255)];
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

/// Appends a long string (also the shape of a table whose bytes are ready).
pub fn long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Where a message goes and how.
#[derive(Clone, Debug)]
pub struct Route {
    /// The exchange's name; empty for the default exchange.
    pub exchange: String,
    /// The routing key.
    pub key: String,
    /// Delivery mode 2; otherwise the property is left out.
    pub persistent: bool,
}

/// Appends the frames of one publish: method, header, body in pieces that fit `frame_bytes_max`.
pub fn publish(out: &mut Vec<u8>, route: &Route, body: &[u8], frame_bytes_max: usize) {
    frame(out, METHOD, CHANNEL, |out| {
        out.extend_from_slice(&PUBLISH.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        short(out, &route.exchange);
        short(out, &route.key);
        out.push(0);
    });
    content(out, route.persistent, body, frame_bytes_max);
}

/// Appends the frames of one delivery, as a broker would send them: to measure what the consumer side can count.
pub fn deliver(out: &mut Vec<u8>, tag: u64, route: &Route, body: &[u8], frame_bytes_max: usize) {
    frame(out, METHOD, CHANNEL, |out| {
        out.extend_from_slice(&DELIVER.to_be_bytes());
        short(out, "c0");
        out.extend_from_slice(&tag.to_be_bytes());
        out.push(0);
        short(out, &route.exchange);
        short(out, &route.key);
    });
    content(out, route.persistent, body, frame_bytes_max);
}

fn content(out: &mut Vec<u8>, persistent: bool, body: &[u8], frame_bytes_max: usize) {
    frame(out, HEADER, CHANNEL, |out| {
        out.extend_from_slice(&60u16.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&(body.len() as u64).to_be_bytes());
        // Bit 12 announces the delivery mode.
        out.extend_from_slice(if persistent { &[0x10, 0, 2] } else { &[0, 0] });
    });
    for piece in body.chunks(frame_bytes_max - FRAME_HEADER_BYTES - 1) {
        frame(out, BODY, CHANNEL, |out| out.extend_from_slice(piece));
    }
}

/// Appends a `basic.ack`: 21 bytes.
pub fn ack(out: &mut Vec<u8>, tag: u64, multiple: bool) {
    const PREFIX: [u8; 11] = [METHOD, 0, CHANNEL as u8, 0, 0, 0, 13, 0, 60, 0, 80];
    out.extend_from_slice(&PREFIX);
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&[u8::from(multiple), FRAME_END]);
}
