//! A small AMQP client that sends many requests before it waits for their answers: what it costs itself is little, and does not
//! depend on how much there is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use coney::BrokerHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::wire::{self, NO_TABLE, Value};

/// Requests that are sent before their answers are waited for.
const TOGETHER: u64 = 100;
/// Bytes of a stream in memory, each way.
const STREAM_BYTES: usize = 16 << 10;

/// What came in and was not looked at.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    at: usize,
}

impl Input {
    /// How many methods of this kind are in what is there; all of it is taken.
    fn take(&mut self, id: u32) -> u64 {
        let mut found = 0;
        while let Some(&[kind, _, _, a, b, c, d]) = self.bytes.get(self.at..self.at + 7) {
            let size = u32::from_be_bytes([a, b, c, d]) as usize;
            let Some(payload) = self.bytes.get(self.at + 7..self.at + 7 + size) else { break };
            if self.bytes.len() < self.at + size + 8 {
                break;
            }
            if kind == wire::METHOD {
                let method = u32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]]);
                let is_end = matches!(method, wire::CLOSE | wire::CHANNEL_CLOSE | wire::CANCEL);
                assert!(!is_end, "closed: {}", String::from_utf8_lossy(payload));
                found += u64::from(method == id);
            }
            self.at += size + 8;
        }
        self.bytes.drain(..self.at);
        self.at = 0;
        found
    }
}

/// A connection with channel 1 open.
pub struct Client {
    stream: TcpStream,
    input: Input,
}

impl Client {
    pub fn open(address: SocketAddr, user: &str, vhost: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream, input: Input::default() };
        client.send(&hello(user, vhost));
        client.wait(wire::CHANNEL_OPEN_OK, 1);
        client
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Waits for so many methods of a kind; others are passed over.
    pub fn wait(&mut self, id: u32, count: u64) {
        let mut left = count;
        let mut some = [0; 1 << 16];
        while left > 0 {
            let read = self.stream.read(&mut some).unwrap();
            assert!(read > 0, "the broker closed the connection");
            self.input.bytes.extend_from_slice(&some[..read]);
            left = left.saturating_sub(self.input.take(id));
        }
    }

    /// So many requests, each with an answer.
    pub fn calls(&mut self, numbers: std::ops::Range<u64>, reply: u32, request: impl Fn(u64) -> Vec<u8>) {
        let mut begin = numbers.start;
        while begin < numbers.end {
            let end = numbers.end.min(begin + TOGETHER);
            let bytes: Vec<u8> = (begin..end).flat_map(&request).collect();
            self.send(&bytes);
            self.wait(reply, end - begin);
            begin = end;
        }
    }

    /// Waits until the broker has done all that it was sent on channel 1.
    pub fn sync(&mut self) {
        self.calls(0..1, wire::QOS_OK, |_| qos(0, false));
    }

    pub fn close(mut self) {
        self.send(&wire::method(0, wire::CLOSE, |out| out.extend_from_slice(&[0; 7])));
        self.wait(wire::CLOSE_OK, 1);
    }
}

/// The whole handshake, and channel 1.
fn hello(user: &str, vhost: &str) -> Vec<u8> {
    let mut out = wire::PROTOCOL_HEADER.to_vec();
    out.extend(wire::method(0, wire::START_OK, |out| {
        out.extend_from_slice(&NO_TABLE);
        wire::short(out, "PLAIN");
        wire::long(out, format!("\0{user}\0{user}").as_bytes());
        wire::short(out, "en_US");
    }));
    out.extend(wire::method(0, wire::TUNE_OK, |out| out.extend_from_slice(&[0xff, 0xff, 0, 2, 0, 0, 0, 0])));
    out.extend(wire::method(0, wire::OPEN, |out| {
        wire::short(out, vhost);
        out.extend_from_slice(&[0; 2]);
    }));
    out.extend(open_channel(1));
    out
}

/// A connection of a client that does no more than it did first; gone with this.
pub struct Idle(#[expect(dead_code, reason = "held open")] DuplexStream);

impl Idle {
    /// With channel 1 open, what was sent there, and as many answers of this kind.
    pub async fn open(broker: &BrokerHandle, more: &[u8], reply: u32) -> Self {
        let (mut stream, other) = tokio::io::duplex(STREAM_BYTES);
        drop(broker.attach(other));
        let mut bytes = hello("guest", "/");
        bytes.extend_from_slice(more);
        stream.write_all(&bytes).await.unwrap();
        let mut input = Input::default();
        while input.take(reply) == 0 {
            assert!(stream.read_buf(&mut input.bytes).await.unwrap() > 0);
        }
        Self(stream)
    }
}

pub fn open_channel(channel: u16) -> Vec<u8> {
    wire::method(channel, wire::CHANNEL_OPEN, |out| out.push(0))
}

pub fn close_channel(channel: u16) -> Vec<u8> {
    wire::method(channel, wire::CHANNEL_CLOSE, |out| out.extend_from_slice(&[0; 7]))
}

/// The answer to [`close_channel`].
pub const CHANNEL_CLOSE_OK: u32 = wire::id(20, 41);
/// The answers to requests of this file.
pub const QUEUE_UNBIND_OK: u32 = wire::id(50, 51);
pub const QUEUE_PURGE_OK: u32 = wire::id(50, 31);
pub const CANCEL_OK: u32 = wire::id(60, 31);
pub const GET_OK: u32 = wire::id(60, 71);
pub const GET_EMPTY: u32 = wire::id(60, 72);

pub fn declare(queue: &str, is_exclusive: bool, arguments: &[(&str, Value<'_>)]) -> Vec<u8> {
    wire::method(1, wire::QUEUE_DECLARE, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, queue);
        out.push(if is_exclusive { 4 } else { 2 });
        out.extend_from_slice(&wire::table(arguments));
    })
}

pub fn exchange(name: &str, kind: &str, arguments: &[(&str, Value<'_>)]) -> Vec<u8> {
    wire::method(1, wire::EXCHANGE_DECLARE, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, name);
        wire::short(out, kind);
        out.push(2);
        out.extend_from_slice(&wire::table(arguments));
    })
}

/// A method with a queue, and nothing set.
fn of_queue(id: u32, queue: &str) -> Vec<u8> {
    wire::method(1, id, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, queue);
        out.push(0);
    })
}

pub fn delete(queue: &str) -> Vec<u8> {
    of_queue(wire::QUEUE_DELETE, queue)
}

pub fn purge(queue: &str) -> Vec<u8> {
    of_queue(wire::id(50, 30), queue)
}

fn binding(id: u32, queue: &str, exchange: &str, key: &str) -> Vec<u8> {
    wire::method(1, id, |out| {
        out.extend_from_slice(&[0; 2]);
        [queue, exchange, key].iter().for_each(|name| wire::short(out, name));
        if id == wire::QUEUE_BIND {
            out.push(0);
        }
        out.extend_from_slice(&NO_TABLE);
    })
}

pub fn bind(queue: &str, exchange: &str, key: &str) -> Vec<u8> {
    binding(wire::QUEUE_BIND, queue, exchange, key)
}

pub fn unbind(queue: &str, exchange: &str, key: &str) -> Vec<u8> {
    binding(wire::id(50, 50), queue, exchange, key)
}

pub fn qos(prefetch: u16, is_global: bool) -> Vec<u8> {
    wire::method(1, wire::QOS, |out| {
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&prefetch.to_be_bytes());
        out.push(is_global.into());
    })
}

pub fn consume(
    channel: u16,
    queue: &str,
    tag: &str,
    is_no_ack: bool,
    arguments: &[(&str, Value<'_>)],
) -> Vec<u8> {
    wire::method(channel, wire::CONSUME, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, queue);
        wire::short(out, tag);
        out.push(if is_no_ack { 2 } else { 0 });
        out.extend_from_slice(&wire::table(arguments));
    })
}

pub fn cancel(tag: &str) -> Vec<u8> {
    wire::method(1, wire::CANCEL, |out| {
        wire::short(out, tag);
        out.push(0);
    })
}

pub fn get(queue: &str) -> Vec<u8> {
    of_queue(wire::id(60, 70), queue)
}

pub fn ack(tag: u64, is_multiple: bool) -> Vec<u8> {
    let mut out = Vec::new();
    wire::ack(&mut out, tag, is_multiple);
    out
}

/// Flags: 1 multiple, 2 requeue.
pub fn nack(tag: u64, flags: u8) -> Vec<u8> {
    wire::method(1, wire::NACK, |out| {
        out.extend_from_slice(&tag.to_be_bytes());
        out.push(flags);
    })
}

/// What a message has beside its body.
#[derive(Clone, Copy, Default)]
pub struct Properties<'a> {
    pub is_persistent: bool,
    pub headers: &'a [(&'a str, Value<'a>)],
    pub priority: Option<u8>,
}

/// A message of 16 bytes on channel 1.
pub fn publish(exchange: &str, key: &str, properties: Properties<'_>) -> Vec<u8> {
    let mut out = wire::method(1, wire::PUBLISH, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, exchange);
        wire::short(out, key);
        out.push(0);
    });
    wire::frame(&mut out, wire::HEADER, 1, |out| {
        out.extend_from_slice(&[0, 60, 0, 0]);
        out.extend_from_slice(&16_u64.to_be_bytes());
        let (has_headers, has_priority) = (!properties.headers.is_empty(), properties.priority.is_some());
        out.extend_from_slice(&[0x10 | u8::from(has_headers) << 5 | u8::from(has_priority) << 3, 0]);
        if has_headers {
            out.extend_from_slice(&wire::table(properties.headers));
        }
        out.push(1 + u8::from(properties.is_persistent));
        out.extend(properties.priority);
    });
    wire::frame(&mut out, wire::BODY, 1, |out| out.extend_from_slice(&[7; 16]));
    out
}
