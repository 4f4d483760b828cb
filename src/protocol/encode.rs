//! What the broker sends, appended to an output buffer.

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame};
use amq_protocol::protocol::AMQPClass;

use super::frame::{FRAME_END, FRAME_OVERHEAD, FrameKind};
use super::reply::ReplyCode;
use crate::message::Message;

const BASIC: u16 = 60;
const DELIVER: u16 = 60;
const GET_OK: u16 = 71;
const RETURN: u16 = 50;
const ACK: u16 = 80;
const NACK: u16 = 120;

/// basic.deliver with its content. `frame_max` counts whole frames; 0: no limit.
pub fn deliver(
    out: &mut Vec<u8>,
    frame_max: u32,
    channel: u16,
    consumer_tag: &[u8],
    delivery_tag: u64,
    redelivered: bool,
    message: &Message,
) {
    let keys = message.encoded_keys();
    let size = 4 + 1 + consumer_tag.len() + 8 + 1 + keys.len();
    begin(out, FrameKind::Method, channel, size);
    put_id(out, DELIVER);
    out.push(consumer_tag.len() as u8);
    out.extend_from_slice(consumer_tag);
    out.extend_from_slice(&delivery_tag.to_be_bytes());
    out.push(u8::from(redelivered));
    out.extend_from_slice(keys);
    out.push(FRAME_END);
    content(out, frame_max, channel, message);
}

/// basic.get-ok with its content.
pub fn get_ok(
    out: &mut Vec<u8>,
    frame_max: u32,
    channel: u16,
    delivery_tag: u64,
    redelivered: bool,
    message_count: u32,
    message: &Message,
) {
    let keys = message.encoded_keys();
    begin(out, FrameKind::Method, channel, 4 + 8 + 1 + keys.len() + 4);
    put_id(out, GET_OK);
    out.extend_from_slice(&delivery_tag.to_be_bytes());
    out.push(u8::from(redelivered));
    out.extend_from_slice(keys);
    out.extend_from_slice(&message_count.to_be_bytes());
    out.push(FRAME_END);
    content(out, frame_max, channel, message);
}

/// basic.return with its content. `text` is at most 255 bytes.
pub fn basic_return(
    out: &mut Vec<u8>,
    frame_max: u32,
    channel: u16,
    code: ReplyCode,
    text: &str,
    message: &Message,
) {
    let keys = message.encoded_keys();
    begin(out, FrameKind::Method, channel, 4 + 2 + 1 + text.len() + keys.len());
    put_id(out, RETURN);
    out.extend_from_slice(&(code as u16).to_be_bytes());
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(keys);
    out.push(FRAME_END);
    content(out, frame_max, channel, message);
}

/// basic.ack: a publisher confirm.
pub fn ack(out: &mut Vec<u8>, channel: u16, delivery_tag: u64, multiple: bool) {
    settle(out, channel, ACK, delivery_tag, u8::from(multiple));
}

/// basic.nack: a publish that was refused.
pub fn nack(out: &mut Vec<u8>, channel: u16, delivery_tag: u64, multiple: bool, requeue: bool) {
    settle(out, channel, NACK, delivery_tag, u8::from(multiple) | u8::from(requeue) << 1);
}

fn settle(out: &mut Vec<u8>, channel: u16, method: u16, delivery_tag: u64, bits: u8) {
    begin(out, FrameKind::Method, channel, 4 + 8 + 1);
    put_id(out, method);
    out.extend_from_slice(&delivery_tag.to_be_bytes());
    out.push(bits);
    out.push(FRAME_END);
}

/// A heartbeat.
pub fn heartbeat(out: &mut Vec<u8>) {
    begin(out, FrameKind::Heartbeat, 0, 0);
    out.push(FRAME_END);
}

/// Any other method.
pub fn method(out: &mut Vec<u8>, channel: u16, method: AMQPClass) {
    let frame = AMQPFrame::Method(channel, method);
    // Writing to memory does not fail.
    if let Ok(written) = gen_frame(&frame)(WriteContext::from(Vec::new())) {
        out.append(&mut written.into_inner().0);
    }
}

/// Content header and body frames.
fn content(out: &mut Vec<u8>, frame_max: u32, channel: u16, message: &Message) {
    let parts = message.parts();
    begin(out, FrameKind::Header, channel, 2 + 2 + 8 + parts.properties.len());
    out.extend_from_slice(&BASIC.to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&(parts.body.len() as u64).to_be_bytes());
    out.extend_from_slice(parts.properties);
    out.push(FRAME_END);
    let piece =
        if frame_max == 0 { usize::MAX } else { frame_max as usize - FRAME_OVERHEAD.min(frame_max as usize) };
    for piece in parts.body.chunks(piece.max(1)) {
        begin(out, FrameKind::Body, channel, piece.len());
        out.extend_from_slice(piece);
        out.push(FRAME_END);
    }
}

fn begin(out: &mut Vec<u8>, kind: FrameKind, channel: u16, size: usize) {
    let [high, low] = channel.to_be_bytes();
    let [a, b, c, d] = (size as u32).to_be_bytes();
    out.extend_from_slice(&[kind as u8, high, low, a, b, c, d]);
}

fn put_id(out: &mut Vec<u8>, method: u16) {
    let [a, b] = BASIC.to_be_bytes();
    let [c, d] = method.to_be_bytes();
    out.extend_from_slice(&[a, b, c, d]);
}
