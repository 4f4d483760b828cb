//! What the broker sends, appended to a buffer.
//!
//! Messages, acks and heartbeats are written by hand, a message with one copy of each of its pieces; all else goes
//! through amq-protocol. Nothing here fails: a text too long for its field is cut.

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame};
use amq_protocol::protocol::AMQPClass;
use amq_protocol::protocol::basic::{AMQPProperties, gen_properties};

use super::frame::{FRAME_END, FRAME_OVERHEAD, FrameKind};
use super::output::{LARGE_BODY_BYTES, Output, body_frame_head};
use super::reply::ReplyCode;
use crate::message::Message;

const BASIC: u8 = 60;
const RETURN: u8 = 50;
const DELIVER: u8 = 60;
const GET_OK: u8 = 71;
const ACK: u8 = 80;
const NACK: u8 = 120;

/// Class and method, in bytes.
const METHOD_ID: usize = 4;
/// Class, weight and body size, in bytes.
const CONTENT_HEAD: usize = 12;
/// What most replies and cold methods fit in, in bytes.
const COLD_METHOD_BYTES: usize = 128;

/// A message's pieces as they go over the wire.
struct Wire<'a> {
    /// Exchange and routing key, both as short strings.
    names: &'a [u8],
    properties: &'a [u8],
    body: &'a [u8],
}

impl<'a> Wire<'a> {
    /// What nobody will see: a message is well formed.
    const EMPTY: Self = Self { names: &[0, 0], properties: &[0, 0], body: &[] };

    #[inline]
    fn of(message: &'a Message) -> Self {
        Self::split(message.encoded()).unwrap_or(Self::EMPTY)
    }

    #[inline]
    fn split(encoded: &'a [u8]) -> Option<Self> {
        let exchange = usize::from(*encoded.first()?);
        let routing_key = usize::from(*encoded.get(exchange + 1)?);
        let (names, rest) = encoded.split_at_checked(exchange + routing_key + 2)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (properties, body) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        Some(Self { names, properties, body })
    }
}

/// Appends basic.deliver with its content. A consumer tag is cut to 255 bytes.
///
/// Here and below `frame_max` is the largest frame in bytes, overhead included; 0 is no limit. It bounds body frames:
/// AMQP cannot split the others.
pub fn deliver(
    out: &mut Output,
    frame_max: u32,
    channel: u16,
    consumer_tag: &[u8],
    delivery_tag: u64,
    redelivered: bool,
    message: &Message,
) {
    let bits = tag_and_bits(delivery_tag, u8::from(redelivered));
    deliver_wire(out, frame_max, channel, consumer_tag, bits, &Wire::of(message), message);
}

#[inline]
fn deliver_wire(
    out: &mut Output,
    frame_max: u32,
    channel: u16,
    consumer_tag: &[u8],
    tag_and_bits: [u8; 9],
    wire: &Wire<'_>,
    message: &Message,
) {
    let tag = short(consumer_tag);
    let method_bytes = METHOD_ID + 1 + tag.len() + 9 + wire.names.len();
    reserve(out, method_bytes, wire);
    let [k, c1, c0, s3, s2, s1, s0] = frame_head(FrameKind::Method, channel, method_bytes);
    out.extend_from_slice(&[k, c1, c0, s3, s2, s1, s0, 0, BASIC, 0, DELIVER, tag.len() as u8]);
    out.extend_from_slice(tag);
    out.extend_from_slice(&tag_and_bits);
    out.extend_from_slice(wire.names);
    content(out, frame_max, channel, wire, message);
}

/// A message with other properties than its own.
#[derive(Clone, Copy, Debug)]
pub struct Edited<'a> {
    /// The message.
    pub message: &'a Message,
    /// Its properties.
    pub properties: &'a [u8],
}

/// The same of a message with other properties.
pub fn deliver_edited(
    out: &mut Output,
    frame_max: u32,
    channel: u16,
    consumer_tag: &[u8],
    delivery_tag: u64,
    redelivered: bool,
    Edited { message, properties }: Edited<'_>,
) {
    let wire = Wire { properties, ..Wire::of(message) };
    let bits = tag_and_bits(delivery_tag, u8::from(redelivered));
    deliver_wire(out, frame_max, channel, consumer_tag, bits, &wire, message);
}

/// Appends basic.get-ok with its content; `message_count` is how many are left in the queue.
pub fn get_ok(
    out: &mut Output,
    frame_max: u32,
    channel: u16,
    delivery_tag: u64,
    redelivered: bool,
    message_count: u32,
    message: &Message,
) {
    let wire = Wire::of(message);
    let method_bytes = METHOD_ID + 9 + wire.names.len() + 4;
    reserve(out, method_bytes, &wire);
    method_head(out, channel, GET_OK, method_bytes);
    out.extend_from_slice(&tag_and_bits(delivery_tag, u8::from(redelivered)));
    out.extend_from_slice(wire.names);
    out.extend_from_slice(&message_count.to_be_bytes());
    content(out, frame_max, channel, &wire, message);
}

/// Appends basic.return with its content. The text goes out as it is, cut to 255 bytes.
pub fn basic_return(
    out: &mut Output,
    frame_max: u32,
    channel: u16,
    code: ReplyCode,
    text: &str,
    message: &Message,
) {
    let wire = Wire::of(message);
    let text = short(text.as_bytes());
    let method_bytes = METHOD_ID + 3 + text.len() + wire.names.len();
    reserve(out, method_bytes, &wire);
    method_head(out, channel, RETURN, method_bytes);
    let [code1, code0] = (code as u16).to_be_bytes();
    out.extend_from_slice(&[code1, code0, text.len() as u8]);
    out.extend_from_slice(text);
    out.extend_from_slice(wire.names);
    content(out, frame_max, channel, &wire, message);
}

/// Appends basic.ack: a publisher confirm.
pub fn ack(out: &mut Output, channel: u16, delivery_tag: u64, multiple: bool) {
    settle(out, channel, ACK, delivery_tag, u8::from(multiple));
}

/// Appends basic.nack: a publisher confirm in the negative, where `requeue` means nothing and is false.
pub fn nack(out: &mut Output, channel: u16, delivery_tag: u64, multiple: bool, requeue: bool) {
    settle(out, channel, NACK, delivery_tag, u8::from(multiple) | u8::from(requeue) << 1);
}

/// Appends a heartbeat.
pub fn heartbeat(out: &mut Output) {
    let [k, c1, c0, s3, s2, s1, s0] = frame_head(FrameKind::Heartbeat, 0, 0);
    out.extend_from_slice(&[k, c1, c0, s3, s2, s1, s0, FRAME_END]);
    out.frames += 1;
}

/// Appends a method that comes too seldom to be written by hand.
pub fn method(out: &mut Output, channel: u16, method: AMQPClass) {
    out.frames += 1;
    let frame = AMQPFrame::Method(channel, method);
    let buffer = WriteContext::from(Vec::with_capacity(COLD_METHOD_BYTES));
    match gen_frame(&frame)(buffer) {
        Ok(written) => out.extend_from_slice(&written.into_inner().0),
        Err(error) => debug_assert!(false, "writing to memory fails: {error:?}"),
    }
}

/// Properties as a content header has them: flags and values.
#[must_use]
pub fn properties(properties: &AMQPProperties) -> Vec<u8> {
    match gen_properties(properties)(WriteContext::from(Vec::with_capacity(COLD_METHOD_BYTES))) {
        Ok(written) => written.into_inner().0,
        Err(error) => {
            debug_assert!(false, "writing to memory fails: {error:?}");
            Vec::new()
        }
    }
}

fn settle(out: &mut Output, channel: u16, method: u8, delivery_tag: u64, bits: u8) {
    let method_bytes = METHOD_ID + 9;
    out.frames += 1;
    out.reserve(method_bytes + FRAME_OVERHEAD);
    method_head(out, channel, method, method_bytes);
    out.extend_from_slice(&tag_and_bits(delivery_tag, bits));
    out.push(FRAME_END);
}

/// Makes room for a method with its content; a body in several frames may need a little more.
#[inline]
fn reserve(out: &mut Output, method_bytes: usize, wire: &Wire<'_>) {
    let body_bytes = if wire.body.len() < LARGE_BODY_BYTES { wire.body.len() } else { 0 };
    let content_bytes = CONTENT_HEAD + wire.properties.len() + body_bytes;
    out.reserve(method_bytes + content_bytes + 3 * FRAME_OVERHEAD);
}

/// Appends what ends a method frame, the content's header and its body.
#[inline]
fn content(out: &mut Output, frame_max: u32, channel: u16, wire: &Wire<'_>, message: &Message) {
    let header_bytes = CONTENT_HEAD + wire.properties.len();
    let [k, c1, c0, s3, s2, s1, s0] = frame_head(FrameKind::Header, channel, header_bytes);
    out.extend_from_slice(&[FRAME_END, k, c1, c0, s3, s2, s1, s0, 0, BASIC, 0, 0]);
    out.extend_from_slice(&(wire.body.len() as u64).to_be_bytes());
    out.extend_from_slice(wire.properties);
    // The method's and this one.
    out.frames += 2;
    if wire.body.len() >= LARGE_BODY_BYTES {
        out.push(FRAME_END);
        out.push_body(channel, body_bytes_max(frame_max), message.clone());
        return;
    }
    for piece in wire.body.chunks(body_bytes_max(frame_max)) {
        out.frames += 1;
        let [k, c1, c0, s3, s2, s1, s0] = body_frame_head(channel, piece.len());
        out.extend_from_slice(&[FRAME_END, k, c1, c0, s3, s2, s1, s0]);
        out.extend_from_slice(piece);
    }
    out.push(FRAME_END);
}

/// The most bytes of body in a frame; never 0.
#[inline]
pub(super) const fn body_bytes_max(frame_max: u32) -> usize {
    match frame_max as usize {
        0 => u32::MAX as usize,
        small if small <= FRAME_OVERHEAD => 1,
        frame_max => frame_max - FRAME_OVERHEAD,
    }
}

#[inline]
const fn frame_head(kind: FrameKind, channel: u16, payload_bytes: usize) -> [u8; 7] {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = (payload_bytes as u32).to_be_bytes();
    [kind as u8, c1, c0, s3, s2, s1, s0]
}

#[inline]
fn method_head(out: &mut Output, channel: u16, method: u8, payload_bytes: usize) {
    let [k, c1, c0, s3, s2, s1, s0] = frame_head(FrameKind::Method, channel, payload_bytes);
    out.extend_from_slice(&[k, c1, c0, s3, s2, s1, s0, 0, BASIC, 0, method]);
}

#[inline]
pub(super) const fn tag_and_bits(delivery_tag: u64, bits: u8) -> [u8; 9] {
    let [t7, t6, t5, t4, t3, t2, t1, t0] = delivery_tag.to_be_bytes();
    [t7, t6, t5, t4, t3, t2, t1, t0, bits]
}

/// What of it fits a short string.
#[inline]
fn short(bytes: &[u8]) -> &[u8] {
    bytes.get(..255).unwrap_or(bytes)
}
