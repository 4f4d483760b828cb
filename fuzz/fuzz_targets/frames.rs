//! Bytes from the socket. Whether they come at once or in pieces makes no difference.
#![no_main]

use coney::protocol::frame::decode_frame;
use coney_fuzz::client::{frame, handshake};
use coney_fuzz::server::Server;
use libfuzzer_sys::fuzz_target;

/// The first byte of the input: the client is through its handshake.
const IS_LOGGED_IN: u8 = 1;
/// The first byte of the input: what follows are the payloads of frames that are whole.
const IS_FRAMED: u8 = 2;
/// Where the reply code of connection.close ends.
const CLOSE_CODE_END: usize = 6;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (how, piece_bytes, bytes) = input;
    let bytes = if how & IS_FRAMED != 0 { framed(bytes) } else { bytes.to_vec() };
    let whole = run(how, &bytes, bytes.len());
    let in_pieces = run(how, &bytes, usize::from(piece_bytes));
    assert_eq!(whole, in_pieces);
});

/// What came of it: what the client was told, whether the connection still lives, what it has.
fn run(how: u8, bytes: &[u8], piece_bytes: usize) -> (Vec<u8>, bool, (usize, usize), usize) {
    let mut server = Server::new();
    if how & IS_LOGGED_IN != 0 {
        server.receive(&handshake());
        assert!(server.session().is_running());
        server.take_output();
    }
    for piece in bytes.chunks(piece_bytes.max(1)) {
        server.receive(piece);
    }
    let session = server.session();
    let (ending, held) = (session.is_ending(), session.held().sent());
    let channels_and_consumers = session.channels_and_consumers();
    let output = comparable(&server.take_output());
    server.end();
    (output, ending, channels_and_consumers, held)
}

/// What does not depend on how much has come: an ack confirms the publishes that have, a close quotes the bytes, and a client that closes
/// after it has been told to may be read or not.
fn comparable(output: &[u8]) -> Vec<u8> {
    const ACK: &[u8] = &[0, 60, 0, 80];
    const CLOSE: &[u8] = &[0, 10, 0, 50];
    const CLOSE_OK: &[u8] = &[0, 10, 0, 51];
    let (mut kept, mut rest) = (Vec::new(), output);
    while let Ok(Some((frame, used))) = decode_frame(rest, u32::MAX) {
        if frame.payload.starts_with(CLOSE) {
            kept.extend_from_slice(&frame.payload[..CLOSE_CODE_END]);
        } else if !frame.payload.starts_with(ACK) && !frame.payload.starts_with(CLOSE_OK) {
            kept.extend_from_slice(&rest[..used]);
        }
        rest = &rest[used..];
    }
    kept
}

/// Kind, channel and length are a byte each: no mutation makes them wrong together.
fn framed(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [kind, channel, len, rest @ ..] = bytes {
        let (payload, after) = rest.split_at(usize::from(*len).min(rest.len()));
        frame(&mut out, *kind, u16::from(*channel), payload);
        bytes = after;
    }
    out
}
