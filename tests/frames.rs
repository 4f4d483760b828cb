//! Frames in every cut and mixture: content split over frames, frames split over reads, channels interleaved, sizes at
//! the limit and one beyond, and bytes that are nothing at all.
//!
//! Connections are in-memory pipes whose capacity says how many bytes a read sees at most, and each connection's task is
//! joined, so that a panic in it fails the test rather than just ending a socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amq_protocol::frame::{AMQPFrame, parse_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, connection, queue};
use amq_protocol::types::FieldTable;
use coney::{Broker, BrokerHandle};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestCaseError, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::raw::{declare, encode, open, publish, raw_frame, start_ok, tune_ok};
use crate::support::virtual_time::pass;

/// The most that a pipe holds where the cut does not matter.
const WIDE: usize = 1 << 20;
/// Bytes of a frame beside its payload.
const OVERHEAD: usize = 8;
/// Far longer than any answer takes: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

async fn broker() -> BrokerHandle {
    Broker::builder().ephemeral().detached().start().await.unwrap()
}

/// Sends all of the input through a pipe of that capacity; what came back until the broker closed it.
async fn talk(broker: &BrokerHandle, capacity: usize, input: &[u8]) -> Vec<u8> {
    let (near, far) = tokio::io::duplex(capacity);
    let task = broker.attach(far);
    let (mut reader, mut writer) = tokio::io::split(near);
    let mut output = Vec::new();
    let write = async {
        // The broker may have closed already: what it said before is what counts.
        let _ = writer.write_all(input).await;
        let _ = writer.shutdown().await;
    };
    let both = async { tokio::join!(write, reader.read_to_end(&mut output)) };
    tokio::time::timeout(PATIENCE, both).await.expect("the broker hangs").1.unwrap();
    task.await.expect("the connection's task panicked");
    output
}

/// As [`talk`], with the answers taken apart.
async fn answers(broker: &BrokerHandle, input: &[u8]) -> Vec<AMQPFrame> {
    frames(&talk(broker, WIDE, input).await)
}

fn frames(bytes: &[u8]) -> Vec<AMQPFrame> {
    let (frames, rest) = whole_frames(bytes);
    assert!(rest.is_empty(), "the broker's last words are no frame: {rest:?}");
    frames
}

/// Frames, and what is not a whole one yet.
fn whole_frames(mut bytes: &[u8]) -> (Vec<AMQPFrame>, &[u8]) {
    let mut frames = Vec::new();
    while let Ok((rest, frame)) = parse_frame(bytes) {
        frames.push(frame);
        bytes = rest;
    }
    (frames, bytes)
}

/// Everything up to an open channel 1.
fn hello(frame_max: u32) -> Vec<u8> {
    let login = [start_ok("PLAIN", b"\0guest\0guest", true), tune_ok(2047, frame_max, 0), open("/")];
    let login = login.map(|method| encode(&AMQPFrame::Method(0, method)));
    [b"AMQP\x00\x00\x09\x01".to_vec(), login.concat(), open_channel(1)].concat()
}

fn method(channel: u16, method: AMQPClass) -> Vec<u8> {
    encode(&AMQPFrame::Method(channel, method))
}

fn open_channel(number: u16) -> Vec<u8> {
    method(number, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})))
}

fn goodbye() -> Vec<u8> {
    let close = connection::Close { reply_code: 200, reply_text: "".into(), class_id: 0, method_id: 0 };
    method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close)))
}

fn declared(name: &str) -> Vec<u8> {
    method(1, AMQPClass::Queue(queue::AMQPMethod::Declare(declare(name))))
}

fn get(queue: &str) -> Vec<u8> {
    let get = basic::Get { queue: queue.into(), no_ack: true };
    method(1, AMQPClass::Basic(basic::AMQPMethod::Get(get)))
}

fn header(channel: u16, size: usize) -> Vec<u8> {
    raw_frame(2, channel, &[&[0, 60, 0, 0][..], &(size as u64).to_be_bytes(), &[0, 0]].concat())
}

/// A publish whose body comes in pieces of that many bytes, the last one shorter.
fn published(channel: u16, key: &str, body: &[u8], piece: usize) -> Vec<u8> {
    let pieces: Vec<u8> = body.chunks(piece).flat_map(|piece| raw_frame(3, channel, piece)).collect();
    [method(channel, publish("", key)), header(channel, body.len()), pieces].concat()
}

/// A body that differs wherever it is cut.
fn body(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8 ^ seed).collect()
}

/// The contents that came on a channel: whole bodies, and the sizes of the frames each came in.
fn contents(frames: &[AMQPFrame], on: u16) -> Vec<(Vec<u8>, Vec<usize>)> {
    let mut contents: Vec<(Vec<u8>, Vec<usize>)> = Vec::new();
    for frame in frames {
        match frame {
            AMQPFrame::Header(channel, _) if *channel == on => contents.push((Vec::new(), Vec::new())),
            AMQPFrame::Body(channel, piece) if *channel == on => {
                let (body, sizes) = contents.last_mut().expect("a body before its header");
                body.extend_from_slice(piece);
                sizes.push(piece.len());
            }
            _ => {}
        }
    }
    contents
}

fn bodies(frames: &[AMQPFrame]) -> Vec<Vec<u8>> {
    contents(frames, 1).into_iter().map(|(body, _)| body).collect()
}

/// The code and method of a connection.close, if one came.
fn refusal(frames: &[AMQPFrame]) -> Option<(u16, String, (u16, u16))> {
    frames.iter().find_map(|frame| match frame {
        AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close))) => {
            Some((close.reply_code, close.reply_text.to_string(), (close.class_id, close.method_id)))
        }
        _ => None,
    })
}

fn is_goodbye(frame: Option<&AMQPFrame>) -> bool {
    let ok = AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
    frame == Some(&AMQPFrame::Method(0, ok))
}

#[tokio::test]
async fn a_body_may_come_in_frames_of_any_size() {
    let broker = broker().await;
    let sent = body(5000, 7);
    for piece in [1, 2, 3, 7, 999, 2500, 4999, 5000] {
        let input = [hello(131_072), declared("q"), published(1, "q", &sent, piece), get("q"), goodbye()];
        let frames = answers(&broker, &input.concat()).await;
        assert_eq!(bodies(&frames), [sent.as_slice()], "pieces of {piece}");
        assert!(is_goodbye(frames.last()), "pieces of {piece}: {:?}", frames.last());
    }
}

#[tokio::test]
async fn empty_body_frames_count_for_nothing_wherever_they_are() {
    let broker = broker().await;
    let nothing = raw_frame(3, 1, b"");
    let pieces = [&nothing[..], &raw_frame(3, 1, b"ab"), &nothing, &nothing, &raw_frame(3, 1, b"c")].concat();
    let message = [method(1, publish("", "q")), header(1, 3), pieces].concat();
    let input = [hello(131_072), declared("q"), message.repeat(2), get("q"), get("q"), goodbye()];
    let frames = answers(&broker, &input.concat()).await;
    assert_eq!(bodies(&frames), [b"abc", b"abc"]);
    assert!(is_goodbye(frames.last()), "{:?}", frames.last());
}

/// The header frame says that the content is whole: a body frame after it belongs to nothing.
#[tokio::test]
async fn an_empty_body_has_no_frames() {
    let broker = broker().await;
    let empty = published(1, "q", b"", 1);
    let input = [hello(131_072), declared("q"), empty.clone(), get("q"), goodbye()].concat();
    assert_eq!(contents(&answers(&broker, &input).await, 1), [(vec![], vec![])]);
    let input = [hello(131_072), empty, raw_frame(3, 1, b"")].concat();
    let (code, _, _) = refusal(&answers(&broker, &input).await).expect("accepted");
    assert_eq!(code, 505);
}

/// The same bytes are answered with the same bytes, however they are cut, in both directions.
#[tokio::test]
async fn reads_and_writes_of_any_size_make_no_difference() {
    let broker = broker().await;
    let cut = [
        hello(4096),
        declared("cuts"),
        raw_frame(8, 0, b""),
        published(1, "cuts", &body(9000, 1), 4088),
        published(1, "cuts", b"", 1),
        published(1, "cuts", b"x", 1),
        get("cuts").repeat(4),
        goodbye(),
    ]
    .concat();
    let whole = talk(&broker, WIDE, &cut).await;
    let seen = frames(&whole);
    assert_eq!(bodies(&seen), [body(9000, 1), vec![], b"x".to_vec()]);
    assert!(is_goodbye(seen.last()));
    for capacity in [1, 2, 3, 5, 7, 8, 64, 4095, 4096, 4097] {
        assert_eq!(talk(&broker, capacity, &cut).await, whole, "{capacity} bytes at a time");
    }
}

#[tokio::test]
async fn a_thousand_methods_may_come_in_one_write() {
    let broker = broker().await;
    let all: Vec<Vec<u8>> = (0_u16..1000).map(|index| index.to_be_bytes().to_vec()).collect();
    let messages: Vec<u8> = all.iter().flat_map(|body| published(1, "many", body, 2)).collect();
    let input = [hello(131_072), declared("many"), messages, get("many").repeat(1001), goodbye()].concat();
    let frames = answers(&broker, &input).await;
    assert_eq!(bodies(&frames), all);
    let empty = frames.iter().filter(|frame| {
        matches!(frame, AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::GetEmpty(_))))
    });
    assert_eq!(empty.count(), 1);
    assert!(is_goodbye(frames.last()));
}

#[tokio::test]
async fn a_payload_of_exactly_frame_max_is_taken_and_one_byte_more_is_not() {
    let broker = broker().await;
    for frame_max in [4096_u32, 8192, 131_072] {
        let payload = frame_max as usize;
        let sent = body(payload, 9);
        let fits = [hello(frame_max), declared("q"), published(1, "q", &sent, payload), get("q"), goodbye()]
            .concat();
        assert_eq!(bodies(&answers(&broker, &fits).await), [sent], "frame_max {frame_max}");

        let sent = body(payload + 1, 9);
        let input =
            [hello(frame_max), declared("q"), published(1, "q", &sent, payload + 1), get("q")].concat();
        let frames = answers(&broker, &input).await;
        let text = format!(
            "FRAME_ERROR - type 3, all octets = <<>>: {{frame_too_large,{},{}}}",
            payload + 1,
            payload - 8
        );
        assert_eq!(refusal(&frames), Some((501, text, (0, 0))), "frame_max {frame_max}");
        assert_eq!(contents(&frames, 1), []);
    }
}

/// Method and header frames are held to the limit as bodies are.
#[tokio::test]
async fn frame_max_counts_for_methods_and_headers_too() {
    let broker = broker().await;
    for (excess, expected) in [(0_usize, None), (1, Some(501))] {
        // Class, weight, size, flags, and headers with one long string that fills the rest.
        let filler = 4096 - (12 + 2 + 4 + 2 + 1 + 4) + excess;
        let headers = [&b"\x01kS"[..], &(filler as u32).to_be_bytes(), &vec![b'x'; filler]].concat();
        let head = [&[0, 60, 0, 0][..], &[0; 8], &[0x20, 0], &(headers.len() as u32).to_be_bytes(), &headers];
        let frame = raw_frame(2, 1, &head.concat());
        assert_eq!(frame.len() - OVERHEAD, 4096 + excess);
        let input = [hello(4096), method(1, publish("", "q")), frame, goodbye()].concat();
        let refused = refusal(&answers(&broker, &input).await).map(|(code, ..)| code);
        assert_eq!(refused, expected, "a header frame of {} bytes", 4096 + excess);

        let filler = 4096 - (4 + 2 + 2 + 1 + 4 + 2 + 1 + 4) + excess;
        let table = [&b"\x01kS"[..], &(filler as u32).to_be_bytes(), &vec![b'x'; filler]].concat();
        let arguments =
            [&b"\0\x32\0\x0a\0\0\x01q\0"[..], &(table.len() as u32).to_be_bytes(), &table].concat();
        let padding = 4096 + excess - arguments.len();
        let longer = (filler + padding) as u32;
        let table = [&b"\x01kS"[..], &longer.to_be_bytes(), &vec![b'x'; longer as usize]].concat();
        let arguments =
            [&b"\0\x32\0\x0a\0\0\x01q\0"[..], &(table.len() as u32).to_be_bytes(), &table].concat();
        let frame = raw_frame(1, 1, &arguments);
        assert_eq!(frame.len() - OVERHEAD, 4096 + excess);
        let input = [hello(4096), frame, goodbye()].concat();
        let refused = refusal(&answers(&broker, &input).await).map(|(code, ..)| code);
        assert_eq!(refused, expected, "a method frame of {} bytes", 4096 + excess);
    }
}

#[tokio::test]
async fn contents_of_several_channels_may_be_under_way_at_once() {
    let broker = broker().await;
    let sent: Vec<Vec<u8>> = (1..=3).map(|channel| body(1000 * channel, channel as u8)).collect();
    let mut input = [hello(131_072), open_channel(2), open_channel(3), declared("q")].concat();
    for channel in 1..=3 {
        input.extend(method(channel, publish("", "q")));
    }
    for channel in (1..=3).rev() {
        input.extend(header(channel, sent[usize::from(channel) - 1].len()));
    }
    // A hundred bytes each in turn; a heartbeat and other channels' methods in between disturb nothing.
    for round in 0..30 {
        for channel in 1..=3_u16 {
            if let Some(piece) = sent[usize::from(channel) - 1].chunks(100).nth(round) {
                input.extend(raw_frame(3, channel, piece));
            }
        }
        input.extend(raw_frame(8, 0, b""));
        input.extend(open_channel(100 + round as u16));
    }
    input.extend([get("q").repeat(3), goodbye()].concat());
    let frames = answers(&broker, &input).await;
    assert_eq!(refusal(&frames), None);
    // The shortest was complete first.
    assert_eq!(bodies(&frames), sent);
}

#[tokio::test]
async fn a_channel_closed_in_mid_content_leaves_the_others_theirs() {
    let broker = broker().await;
    // Channel 2 publishes to an exchange that is not there, and its body goes on after the error.
    let input = [
        hello(131_072),
        open_channel(2),
        declared("q"),
        method(1, publish("", "q")),
        header(1, 6),
        raw_frame(3, 1, b"abc"),
        method(2, publish("nox", "q")),
        header(2, 0),
        raw_frame(3, 2, b"late"),
        raw_frame(3, 1, b"def"),
        get("q"),
        goodbye(),
    ];
    let frames = answers(&broker, &input.concat()).await;
    assert_eq!(bodies(&frames), [b"abcdef"]);
    let closed = frames.iter().find_map(|frame| match frame {
        AMQPFrame::Method(2, AMQPClass::Channel(channel::AMQPMethod::Close(close))) => Some(close.reply_code),
        _ => None,
    });
    assert_eq!(closed, Some(404));
    assert!(is_goodbye(frames.last()));
}

/// basic.deliver, basic.get-ok and basic.return alike.
#[tokio::test]
async fn contents_are_sent_in_frames_of_the_negotiated_size() {
    let broker = broker().await;
    for frame_max in [4096_u32, 8192, 131_072] {
        let most = frame_max as usize - OVERHEAD;
        for length in [0, 1, most - 1, most, most + 1, 2 * most, 2 * most + 1] {
            let sent = body(length, 3);
            let expected: Vec<usize> = sent.chunks(most).map(<[u8]>::len).collect();
            for (way, input) in ways_back(&sent, most) {
                let input = [hello(frame_max), declared("q"), input, goodbye()].concat();
                let got = contents(&answers(&broker, &input).await, 1);
                assert!(
                    got == [(sent.clone(), expected.clone())],
                    "{way} of {length} bytes, frame_max {frame_max}: {:?}",
                    got.iter().map(|(_, sizes)| sizes).collect::<Vec<_>>()
                );
            }
        }
    }
}

/// Whatever a client asks for without reading the answers, what waits for it has a limit; and when it reads, it gets all.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_not_read_from() {
    const RETURNS: usize = 100;
    let broker = broker().await;
    let (near, far) = tokio::io::duplex(WIDE);
    let task = broker.attach(far);
    let (mut reader, mut writer) = tokio::io::split(near);
    let AMQPClass::Basic(basic::AMQPMethod::Publish(nowhere)) = publish("", "nowhere") else { panic!() };
    let mandatory =
        AMQPClass::Basic(basic::AMQPMethod::Publish(basic::Publish { mandatory: true, ..nowhere }));
    let body = vec![7; WIDE];
    let pieces: Vec<u8> = body.chunks(131_064).flat_map(|piece| raw_frame(3, 1, piece)).collect();
    let message = [method(1, mandatory), header(1, WIDE), pieces].concat();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let writing = tokio::spawn(async move {
        writer.write_all(&hello(131_072)).await.unwrap();
        for _ in 0..RETURNS {
            writer.write_all(&message).await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
        }
        writer.write_all(&goodbye()).await.unwrap();
        writer
    });
    // The clock moves when nobody has anything left to do.
    pass(60_000).await;
    let stuck_at = sent.load(Ordering::Relaxed);
    assert!((60..80).contains(&stuck_at), "{stuck_at} MiB were taken");
    let mut output = Vec::new();
    reader.read_to_end(&mut output).await.unwrap();
    let frames = frames(&output);
    let returned = contents(&frames, 1);
    assert!(returned.len() == RETURNS && returned.iter().all(|(back, _)| *back == body));
    assert!(is_goodbye(frames.last()));
    drop(writing.await.unwrap());
    task.await.unwrap();
}

/// The ways a content comes back to its publisher.
fn ways_back(sent: &[u8], piece: usize) -> [(&'static str, Vec<u8>); 3] {
    let to_queue = published(1, "q", sent, piece);
    let consume = basic::Consume {
        queue: "q".into(),
        consumer_tag: "t".into(),
        no_local: false,
        no_ack: true,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    };
    let consume = method(1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
    // The answer to get comes from the queue after what it delivered before.
    let delivered = [consume, to_queue.clone(), get("q")].concat();
    let mandatory = basic::Publish {
        exchange: "".into(),
        routing_key: "nowhere".into(),
        mandatory: true,
        immediate: false,
    };
    let mandatory = method(1, AMQPClass::Basic(basic::AMQPMethod::Publish(mandatory)));
    let rest = to_queue[method(1, publish("", "q")).len()..].to_vec();
    [
        ("get-ok", [to_queue, get("q")].concat()),
        ("deliver", delivered),
        ("return", [mandatory, rest].concat()),
    ]
}

/// No bytes of a frame too large are waited for: its length is enough, in any phase, of any type.
#[tokio::test]
async fn four_gib_announced_are_refused_at_once() {
    let broker = broker().await;
    for kind in [1, 2, 3, 8] {
        let head = [&[kind, 0, 1][..], &u32::MAX.to_be_bytes()].concat();
        let (code, text, _) =
            refusal(&open_ended(&broker, &[hello(131_072), head.clone()].concat()).await).expect("accepted");
        assert_eq!(code, 501, "type {kind}: {text}");
        assert!(text.contains("{frame_too_large,4294967295,131064}"), "type {kind}: {text}");
        let early = open_ended(&broker, &[b"AMQP\x00\x00\x09\x01".to_vec(), head].concat()).await;
        assert_eq!(early.len(), 1, "type {kind}: start and the end, not {early:?}");
    }
}

/// As [`answers`] up to the broker's own end, while the client keeps its side open: nothing but the input ends it.
async fn open_ended(broker: &BrokerHandle, input: &[u8]) -> Vec<AMQPFrame> {
    let (mut near, far) = tokio::io::duplex(WIDE);
    let task = broker.attach(far);
    near.write_all(input).await.unwrap();
    let mut output = Vec::new();
    let ended = async {
        while refusal(&whole_frames(&output).0).is_none() && near.read_buf(&mut output).await.unwrap() > 0 {}
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the broker waits for more");
    drop(near);
    task.await.expect("the connection's task panicked");
    frames(&output)
}

/// A table, or an array in a table, nested that deep; without its length.
fn nested(kind: u8, depth: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for level in 0..depth {
        let is_table = kind == b'F' || level + 1 == depth;
        let entry =
            [if is_table { &b"\x01k"[..] } else { b"" }, &[kind], &(inner.len() as u32).to_be_bytes()];
        inner = [&entry.concat()[..], &inner].concat();
    }
    inner
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// Every place that a client may put a table in, on channel 1, with the method that it is in.
fn places(table: &[u8]) -> Vec<(&'static str, Vec<u8>, (u16, u16))> {
    let table = long(table);
    let in_method = |class: u8, number: u8, before: &[u8], after: &[u8]| {
        raw_frame(1, 1, &[&[0, class, 0, number][..], before, &table, after].concat())
    };
    let content = [&[0, 60, 0, 0][..], &[0; 8], &[0x20, 0], &table].concat();
    let publish = [method(1, publish("", "q")), raw_frame(2, 1, &content)].concat();
    vec![
        ("exchange.declare", in_method(40, 10, b"\0\0\x01x\x06direct\0", b""), (40, 10)),
        ("exchange.bind", in_method(40, 30, b"\0\0\x01x\x01y\x01k\0", b""), (40, 30)),
        ("exchange.unbind", in_method(40, 40, b"\0\0\x01x\x01y\x01k\0", b""), (40, 40)),
        ("queue.declare", in_method(50, 10, b"\0\0\x01q\0", b""), (50, 10)),
        ("queue.bind", in_method(50, 20, b"\0\0\x01q\x01x\x01k\0", b""), (50, 20)),
        ("queue.unbind", in_method(50, 50, b"\0\0\x01q\x01x\x01k", b""), (50, 50)),
        ("basic.consume", in_method(60, 20, b"\0\0\x01q\x01t\0", b""), (60, 20)),
        ("basic.publish", publish, (60, 40)),
    ]
}

#[tokio::test]
async fn tables_nested_too_deep_are_refused_wherever_they_are() {
    let broker = broker().await;
    // As deep as a frame of the largest size has room for, and just a little too deep.
    for depth in [40, 3000, 16_000] {
        for kind in *b"FA" {
            for (place, frame, ids) in places(&nested(kind, depth)) {
                let name = format!("{place}, {depth} levels of {}", kind as char);
                let (code, text, method) =
                    refusal(&open_ended(&broker, &[hello(131_072), frame].concat()).await).expect(&name);
                assert_eq!((code, method), (502, ids), "{name}: {text}");
                assert!(text.starts_with("SYNTAX_ERROR - "), "{name}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn tables_nested_too_deep_before_login_end_the_socket() {
    let broker = broker().await;
    for depth in [40, 3000, 16_000] {
        for kind in *b"FA" {
            let table = nested(kind, depth);
            let rest = b"\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US";
            let properties = [&[0, 10, 0, 11][..], &long(&table), rest].concat();
            let amqplain = [&[0, 10, 0, 11, 0, 0, 0, 0][..], b"\x08AMQPLAIN", &long(&table), b"\x05en_US"];
            for payload in [properties, amqplain.concat()] {
                let input = [b"AMQP\x00\x00\x09\x01".to_vec(), raw_frame(1, 0, &payload)].concat();
                let frames = open_ended(&broker, &input).await;
                assert_eq!(frames.len(), 1, "start and the end, not {frames:?}");
            }
        }
    }
}

/// Deep, but not too deep: kept, and given back as it came.
#[tokio::test]
async fn a_message_may_have_nested_headers() {
    let broker = broker().await;
    for kind in *b"FA" {
        let headers = long(&nested(kind, 20));
        let content = [&[0, 60, 0, 0][..], &[0; 8], &[0x20, 0], &headers].concat();
        let message = [method(1, publish("", "q")), raw_frame(2, 1, &content)].concat();
        let input = [hello(131_072), declared("q"), message, get("q"), goodbye()].concat();
        let output = talk(&broker, WIDE, &input).await;
        let came = output.windows(content.len()).any(|window| window == content);
        assert!(came, "the headers came back changed, or not at all");
    }
}

/// A client that announces the largest bodies everywhere and sends little of them costs little.
#[tokio::test]
async fn announced_bodies_take_no_room_before_they_come() {
    let broker = broker().await;
    let before = resident_bytes();
    let (mut near, far) = tokio::io::duplex(WIDE);
    let task = broker.attach(far);
    let mut input = hello(131_072);
    for channel in 2..=1000 {
        input.extend(open_channel(channel));
        input.extend(method(channel, publish("", "q")));
        input.extend(header(channel, 128 * 1024 * 1024));
        input.extend(raw_frame(3, channel, b"x"));
    }
    input.extend(declared("done"));
    near.write_all(&input).await.unwrap();
    let mut output = Vec::new();
    let done = async {
        while !output.windows(4).any(|bytes| bytes == b"done") {
            assert!(near.read_buf(&mut output).await.unwrap() > 0, "{:?}", refusal(&whole_frames(&output).0));
        }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("no answer");
    let grown = resident_bytes().saturating_sub(before);
    // Other tests run in the same process, so this is generous; what was announced is 128 GiB.
    assert!(grown < 512 * 1024 * 1024, "{grown} bytes for a thousand announcements");
    drop(near);
    task.await.expect("the connection's task panicked");
}

/// What the process has in memory; 0 where the system does not say.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// A frame that may be anything, mostly nearly right.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![8 => Just(1_u8), 3 => Just(2), 3 => Just(3), 1 => Just(8), 1 => any::<u8>()];
    let channel = prop_oneof![8 => Just(1_u16), 3 => Just(2), 1 => Just(0), 1 => any::<u16>()];
    let whole = (kind, channel, any_payload())
        .prop_map(|(kind, channel, payload)| raw_frame(kind, channel, &payload));
    let broken =
        (any_valid(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut frame, index, byte)| {
            let index = index.index(frame.len());
            frame[index] = byte;
            frame
        });
    prop_oneof![3 => whole, 4 => any_valid(), 2 => broken, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

/// Known class and method numbers with any arguments, or any bytes.
fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let class = prop::sample::select(vec![10_u8, 20, 30, 40, 50, 60, 85, 90, 99]);
    let number =
        prop::sample::select(vec![10_u8, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 70, 80, 90, 110, 120]);
    let arguments =
        prop::collection::vec(prop_oneof![3 => Just(0_u8), 2 => 1..5_u8, 1 => any::<u8>()], 0..40);
    prop_oneof![
        4 => (class, number, arguments).prop_map(|(class, number, arguments)| [&[0, class, 0, number][..], &arguments].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..80),
    ]
}

/// What is right in itself, though not always where it comes.
fn any_valid() -> impl Strategy<Value = Vec<u8>> {
    let size = 0..6_usize;
    (0..6_u8, any_queue(), any::<u8>(), size.clone(), size).prop_map(|(which, name, tag, told, sent)| {
        match which {
            // The size that is announced and the one that comes may differ.
            0 => [method(1, publish("", name)), header(1, told), raw_frame(3, 1, &vec![tag; sent])].concat(),
            1 => method(1, publish("", name)),
            2 => header(1, told),
            3 => raw_frame(3, 1, &vec![tag; sent]),
            4 => {
                let ack = basic::Ack { delivery_tag: u64::from(tag % 4), multiple: told % 2 == 0 };
                method(1, AMQPClass::Basic(basic::AMQPMethod::Ack(ack)))
            }
            _ => open_channel(u16::from(tag)),
        }
    })
}

/// What a good client does once `q` and `r` are declared: none of it ends the channel.
fn any_good() -> impl Strategy<Value = Vec<u8>> {
    (0..5_u8, any_queue(), any::<u8>()).prop_map(|(which, name, tag)| match which {
        0 => declared(name),
        1 => published(1, name, &body(usize::from(tag), tag), 7),
        2 => get(name),
        3 => raw_frame(8, 0, b""),
        _ => {
            let purge = queue::Purge { queue: name.into(), nowait: tag % 2 == 0 };
            method(1, AMQPClass::Queue(queue::AMQPMethod::Purge(purge)))
        }
    })
}

fn any_queue() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["q", "r"])
}

/// A connection that did nothing wrong still has all it needs: queues answer, messages pass.
async fn assert_well(broker: &BrokerHandle) {
    let name = "well";
    let delete = queue::Delete { queue: name.into(), if_unused: false, if_empty: false, nowait: false };
    let delete = method(1, AMQPClass::Queue(queue::AMQPMethod::Delete(delete)));
    let mut input =
        [hello(131_072), declared(name), published(1, name, b"well", 4), get(name), delete].concat();
    // The queues that random frames may have hurt; each on a channel of its own, for it may be gone or another's.
    for (number, name) in (2..).zip(["q", "r"]) {
        let passive = queue::Declare { passive: true, ..declare(name) };
        input.extend(open_channel(number));
        input.extend(method(number, AMQPClass::Queue(queue::AMQPMethod::Declare(passive))));
    }
    let frames = answers(broker, &[input, goodbye()].concat()).await;
    assert_eq!(bodies(&frames), [b"well"]);
    assert!(is_goodbye(frames.last()), "{:?}", frames.last());
    let answered = |number: u16| {
        frames
            .iter()
            .filter(|frame| matches!(frame, AMQPFrame::Method(channel, _) if *channel == number))
            .count()
    };
    assert_eq!((answered(2), answered(3)), (2, 2), "a queue does not answer");
}

/// Runs each input against one broker; afterwards another connection finds everything well.
fn survives(cases: u32, inputs: impl Strategy<Value = Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let broker = runtime.block_on(broker());
    let persistence = Some(Box::new(FileFailurePersistence::Off) as _);
    let config = ProptestConfig { cases, failure_persistence: persistence, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        let survived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                talk(&broker, WIDE, &input).await;
                assert_well(&broker).await;
                assert_eq!(broker.connections().len(), 0, "a connection is left behind");
            });
        }));
        survived.map_err(|_| TestCaseError::fail("see the panic above"))
    });
    outcome.unwrap();
}

#[test]
fn random_frames_hurt_nobody_else() {
    let (good, wrong) = (prop::collection::vec(any_good(), 0..8), prop::collection::vec(any_frame(), 1..12));
    let begin = [hello(131_072), declared("q"), declared("r")].concat();
    survives(
        300,
        (good, wrong).prop_map(move |(good, wrong)| {
            [begin.clone(), good.concat(), wrong.concat(), goodbye()].concat()
        }),
    );
}

#[test]
fn random_bytes_hurt_nobody_else() {
    let inputs = (0..4_u8, prop::collection::vec(any::<u8>(), 0..300));
    survives(
        100,
        inputs.prop_map(|(phase, bytes)| {
            let before = match phase {
                0 => Vec::new(),
                1 => b"AMQP\x00\x00\x09\x01".to_vec(),
                _ => hello(4096),
            };
            [before, bytes].concat()
        }),
    );
}

/// What a client leaves unfinished when it goes is forgotten.
#[tokio::test]
async fn a_connection_may_end_anywhere() {
    let broker = broker().await;
    let whole = [hello(4096), declared("q"), published(1, "q", b"hello", 2), get("q")].concat();
    for end in 0..whole.len() {
        let _ = talk(&broker, WIDE, &whole[..end]).await;
        assert_eq!(broker.connections().len(), 0, "cut after {end} bytes");
    }
    let purge = queue::Purge { queue: "q".into(), nowait: false };
    let purge = method(1, AMQPClass::Queue(queue::AMQPMethod::Purge(purge)));
    let input =
        [hello(4096), declared("q"), purge, published(1, "q", b"whole", 5), get("q"), get("q"), goodbye()];
    assert_eq!(bodies(&answers(&broker, &input.concat()).await), [b"whole"]);
}
