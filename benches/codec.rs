//! What the codec costs: prints nanoseconds per message for each direction. Run with `cargo bench --bench codec`.
#![allow(missing_docs, clippy::print_stdout, clippy::disallowed_methods, clippy::expect_used)]

use std::hint::black_box;
use std::time::Instant;

use coney::message::{Message, Parts};
use coney::protocol::Output;
use coney::protocol::content::{Properties, decode_content_header};
use coney::protocol::encode;
use coney::protocol::frame::{FrameKind, decode_frame};
use coney::protocol::method::{Method, decode_method};
use coney::protocol::table::{FieldValue, TableWriter};

const FRAME_MAX: u32 = 131_072;
/// Messages in a buffer: about what one socket read brings.
const MESSAGES: usize = 1_000;
const ROUNDS: usize = 2_000;

/// Prints the best of five, as the machine is shared.
fn measure(name: &str, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..ROUNDS / 5 {
            work();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (ROUNDS / 5 * MESSAGES) as f64);
    }
    println!("{name:<44} {best:>8.1} ns");
}

fn frame(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("payloads here are small");
    [&[kind as u8, 0, 1][..], &length.to_be_bytes(), payload, &[0xCE]].concat()
}

fn publish(properties: &[u8], body: &[u8]) -> Vec<u8> {
    let method = frame(FrameKind::Method, b"\x00\x3c\x00\x28\x00\x00\x08exchange\x0brouting.key\x00");
    let size = (body.len() as u64).to_be_bytes();
    let header = frame(FrameKind::Header, &[&[0, 60, 0, 0][..], &size, properties].concat());
    [method, header, frame(FrameKind::Body, body)].concat()
}

/// content-type, delivery-mode and message-id: what clients commonly send.
fn common_properties() -> Vec<u8> {
    b"\x90\x80\x10application/json\x02\x05id-42".to_vec()
}

fn properties_with_headers() -> Vec<u8> {
    let mut table = Vec::new();
    let mut writer = TableWriter::new(&mut table);
    for key in ["trace-id", "span-id", "tenant"] {
        writer.entry(key.as_bytes(), FieldValue::LongString(b"0123456789abcdef"));
    }
    writer.entry(b"attempt", FieldValue::I32(3));
    let length = u32::try_from(table.len()).expect("a small table");
    [&[0x30, 0][..], &length.to_be_bytes(), &table, &[2]].concat()
}

fn decode_all(mut buffer: &[u8]) -> usize {
    let mut bytes = 0;
    while let Ok(Some((frame, used))) = decode_frame(buffer, FRAME_MAX) {
        bytes += match frame.kind {
            FrameKind::Method => match decode_method(frame.payload) {
                Ok(Method::Publish { exchange, routing_key, .. }) => exchange.len() + routing_key.len(),
                _ => 0,
            },
            FrameKind::Header => {
                let header = decode_content_header(frame.payload).expect("a header");
                let properties = Properties::parse(header.properties).expect("properties");
                usize::from(properties.delivery_mode().unwrap_or(1))
            }
            _ => frame.payload.len(),
        };
        buffer = buffer.get(used..).unwrap_or_default();
    }
    bytes
}

fn main() {
    for (name, properties) in
        [("none", vec![0, 0]), ("common", common_properties()), ("headers", properties_with_headers())]
    {
        for length in [16, 1024] {
            let body = vec![b'x'; length];
            let buffer = publish(&properties, &body).repeat(MESSAGES);
            measure(&format!("decode publish, {length} B, properties {name}"), || {
                black_box(decode_all(black_box(&buffer)));
            });
            encode_deliveries(name, &properties, &body);
        }
        measure(&format!("parse properties {name}"), || {
            for _ in 0..MESSAGES {
                black_box(Properties::parse(black_box(&properties)).is_ok());
            }
        });
    }
    acks();
}

fn encode_deliveries(name: &str, properties: &[u8], body: &[u8]) {
    let parts =
        Parts { exchange: b"exchange", routing_key: b"routing.key", properties, body, persistent: true };
    let message = Message::new(parts);
    let mut out = Output::default();
    measure(&format!("encode deliver, {} B, properties {name}", body.len()), || {
        out.clear();
        for tag in 0..MESSAGES as u64 {
            encode::deliver(&mut out, FRAME_MAX, 1, b"ctag-1", tag, false, black_box(&message));
        }
        black_box(&out);
    });
}

fn acks() {
    let ack = frame(FrameKind::Method, &[&[0, 60, 0, 80][..], &7_u64.to_be_bytes(), &[0]].concat());
    let buffer = ack.repeat(MESSAGES);
    measure("decode ack", || {
        black_box(decode_all(black_box(&buffer)));
    });
    measure("decode a frame", || {
        let mut rest = black_box(&buffer[..]);
        while let Ok(Some((frame, used))) = decode_frame(rest, FRAME_MAX) {
            black_box(frame);
            rest = rest.get(used..).unwrap_or_default();
        }
    });
    measure("decode a method", || {
        let payload = ack.get(7..20).unwrap_or_default();
        for _ in 0..MESSAGES {
            let tag = match decode_method(black_box(payload)) {
                Ok(Method::Ack { delivery_tag, .. }) => delivery_tag,
                _ => 0,
            };
            black_box(tag);
        }
    });
    let mut out = Output::default();
    measure("encode ack", || {
        out.clear();
        for tag in 0..MESSAGES as u64 {
            encode::ack(&mut out, 1, black_box(tag), false);
        }
        black_box(&out);
    });
}
