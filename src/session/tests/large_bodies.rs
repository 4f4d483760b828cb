//! Large bodies are read to where the message will stand, in whatever pieces they come: nobody may see anything of that.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::repeating::seen;
use super::*;
use crate::protocol::frame::frame_bytes;
use crate::session::body_room::BEYOND_BYTES;

/// Publishes with bodies of so many bytes, and frames of the other channel in between.
#[derive(Clone, Debug)]
struct Large {
    channel: u16,
    body_bytes: usize,
    piece: usize,
    /// After so many body frames something of the other channel comes.
    other_after: usize,
    other_bytes: usize,
}

fn large() -> impl Strategy<Value = Large> {
    let body = prop_oneof![
        1 => 0..300_usize,
        3 => 131_000..131_200_usize,
        2 => 131_072..400_000_usize,
    ];
    let piece = prop::sample::select(vec![8192_usize, 8192, 8184, 5000, 700]);
    (1..=2_u16, body, piece, 0..30_usize, 0..9000_usize).prop_map(
        |(channel, body_bytes, piece, other_after, other_bytes)| Large {
            channel,
            body_bytes,
            piece,
            other_after,
            other_bytes,
        },
    )
}

fn body(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 + at / 251) as u8).collect()
}

fn frames_of(large: &Large) -> Vec<Vec<u8>> {
    let one = publish(large.channel, ("", "q"), false, &[0, 0], &body(large.body_bytes), large.piece);
    let mut frames = split(&one);
    let other = publish(3 - large.channel, ("", "r"), false, &[0, 0], &body(large.other_bytes), 4096);
    let at = (2 + large.other_after).min(frames.len());
    frames.splice(at..at, split(&other));
    frames
}

fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(count) = frame_bytes(bytes).filter(|_| !bytes.is_empty()) {
        frames.push(bytes[..count].to_vec());
        bytes = &bytes[count..];
    }
    frames
}

/// What a socket does: it brings what there is, at most so many bytes each time, to where there is room for it. Tells how often that was
/// a message.
fn give_as_a_socket(client: &mut Client, mut bytes: &[u8], most: &[usize]) -> usize {
    let (mut unread, mut direct) = (Vec::new(), 0);
    for most in most.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (mut next, rest) = bytes.split_at(bytes.len().min(*most));
        bytes = rest;
        let room = client.session.socket_side().body.filter(|_| unread.is_empty());
        if let Some(room) = room {
            direct += 1;
            assert!(room.bytes.capacity() >= room.bytes.len() + room.left + BEYOND_BYTES);
            let (body, beyond) = next.split_at(next.len().min(room.left));
            room.bytes.extend_from_slice(body);
            client.session.body_was_read(body.len());
            next = beyond;
        }
        unread.extend_from_slice(next);
        loop {
            let received = client.session.receive(client.now, &unread);
            unread.drain(..received.consumed);
            if !matches!(received.request, Some(Request::Pause)) {
                assert!(received.request.is_none());
                break;
            }
        }
    }
    direct
}

fn give_by_frames(client: &mut Client, frames: &[Vec<u8>]) {
    for frame in frames {
        assert_eq!(client.session.receive(client.now, frame).consumed, frame.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn however_it_comes_it_is_the_same(
        bodies in prop::collection::vec(large(), 1..4),
        most in prop::collection::vec(prop_oneof![1..20_usize, 1..9000_usize, 8190..8210_usize, 50_000..300_000_usize], 1..5),
        broken in prop::option::weighted(0.3, any::<prop::sample::Index>()),
        confirms in any::<bool>(),
    ) {
        let mut frames: Vec<Vec<u8>> = bodies.iter().flat_map(frames_of).collect();
        if let Some(broken) = broken {
            let index = broken.index(frames.len());
            *frames[index].last_mut().unwrap() = 0;
            // Nothing of what follows is read: a socket may have brought more or less of it.
            frames.truncate(index + 1);
        }
        let [by_frames, by_socket] = [true, false].map(|by_frames| {
            let mut client = Client::running(&["basic.nack"], 0);
            if confirms {
                client.confirm_select(1);
            }
            if by_frames {
                give_by_frames(&mut client, &frames);
            } else {
                give_as_a_socket(&mut client, &frames.concat(), &most);
            }
            seen(&mut client, &mut BTreeSet::new())
        });
        prop_assert_eq!(by_frames, by_socket);
    }
}

/// The test above would not notice if nothing ever was read so.
#[test]
fn most_of_a_large_body_needs_no_buffer() {
    let mut client = Client::running(&[], 0);
    let bytes = publish(1, ("", "q"), false, &[0, 0], &body(200_000), 8192);
    // A read for the payload of each frame but the first, whose method came with it.
    let reads = give_as_a_socket(&mut client, &bytes, &[8192 + BEYOND_BYTES]);
    assert!(reads >= 200_000 / 8192, "{reads}");
    assert_eq!(client.published().len(), 1);
}

#[test]
fn a_channel_that_is_closed_within_a_frame_takes_no_more_of_it() {
    let mut client = Client::running(&[], 0);
    let bytes = publish(1, ("", "q"), false, &[0, 0], &body(200_000), 8192);
    let (first, rest) = bytes.split_at(100_000);
    give_as_a_socket(&mut client, first, &[5000]);
    assert!(client.session.socket_side().body.is_some());
    client.session.fail(client.now, 1, Exception::precondition_failed("enough"));
    assert!(client.session.socket_side().body.is_none());
    assert_eq!(client.session.held(), Held::default());
    give_as_a_socket(&mut client, rest, &[5000]);
    assert_eq!(client.published(), []);
    client.channel(1, channel::AMQPMethod::CloseOk(channel::CloseOk {}));
    client.open_channel(1);
    client.publish(1, "q", "again");
    assert_eq!(client.published().len(), 1);
}
