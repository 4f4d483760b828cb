//! What somebody does who wants the broker to fail. Each was found by attacking it, and is kept.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic};

use crate::support::raw::{self, raw_frame};

mod descriptors;
mod disk;
mod guessing;
mod memory;

const MIB: usize = 1024 * 1024;
/// A body frame of the default size.
const FRAME_BYTES: usize = 128 * 1024 - 8;

fn get(queue: &str) -> basic::Get {
    basic::Get { queue: queue.into(), no_ack: true }
}

/// A whole publish in frames of the default size.
fn publish(channel: u16, exchange: &str, key: &str, mandatory: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = begin(channel, exchange, key, mandatory, body.len());
    for piece in body.chunks(FRAME_BYTES) {
        bytes.extend(raw_frame(3, channel, piece));
    }
    bytes
}

/// A publish without its body.
fn begin(channel: u16, exchange: &str, key: &str, mandatory: bool, body_bytes: usize) -> Vec<u8> {
    begin_with(channel, exchange, key, mandatory, &[0, 0], body_bytes)
}

/// The same with these properties.
fn begin_with(
    channel: u16,
    exchange: &str,
    key: &str,
    mandatory: bool,
    properties: &[u8],
    body_bytes: usize,
) -> Vec<u8> {
    let publish =
        basic::Publish { exchange: exchange.into(), routing_key: key.into(), mandatory, immediate: false };
    let method = AMQPClass::Basic(basic::AMQPMethod::Publish(publish));
    let mut bytes = raw::encode(&AMQPFrame::Method(channel, method));
    let size = (body_bytes as u64).to_be_bytes();
    bytes.extend(raw_frame(2, channel, &[&[0, 60, 0, 0][..], &size, properties].concat()));
    bytes
}
