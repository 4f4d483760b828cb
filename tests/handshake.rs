//! From the protocol header to connection.open, and the ways out again.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, channel, connection, queue};
use coney::config::{Config, MemoryLimit};
use coney::{Broker, Readings};

use crate::support::broker::Embedded;
use crate::support::raw::{Closed, Raw, declare, encode, open, publish, raw_frame, start_ok, tune_ok};

const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

fn started(broker: &Embedded) -> Raw {
    let mut raw = Raw::connect(broker.address());
    raw.send(HEADER);
    raw.expect_start();
    raw
}

#[test]
fn another_protocol_is_told_ours_and_let_go() {
    let broker = Embedded::start();
    for header in [
        &b"AMQP\x00\x01\x00\x00"[..],
        b"AMQP\x01\x01\x00\x0a",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16",
        b"AMQP\x00\x00\x09\x00",
        b"AMQQ",
    ] {
        let mut raw = Raw::connect(broker.address());
        raw.send(header);
        assert_eq!(raw.rest(), HEADER, "{header:?}");
    }
}

/// A socket that is closed while something is unread is reset, and the answer may be lost with it.
#[test]
fn an_answer_is_not_lost_to_what_was_left_unread() {
    let broker = Embedded::start();
    let mut raw = Raw::connect(broker.address());
    let much = b"GET / HTTP/1.1\r\n".repeat(100_000);
    assert_eq!(raw.exchange(&much).unwrap(), HEADER);
}

#[test]
fn the_header_may_come_in_pieces() {
    let broker = Embedded::start();
    let mut raw = Raw::connect(broker.address());
    for byte in HEADER {
        raw.send(&[*byte]);
    }
    let start = raw.expect_start();
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!(start.mechanisms.to_string(), "PLAIN AMQPLAIN");
    let product = start.server_properties.inner().get("product").unwrap();
    assert_eq!(product.as_long_string().unwrap().as_bytes(), b"RabbitMQ");
}

#[test]
fn plain_and_amqplain_let_in() {
    let broker = Embedded::start();
    let amqplain = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05guest";
    for (mechanism, response) in [("PLAIN", &b"\0guest\0guest"[..]), ("AMQPLAIN", amqplain)] {
        let mut raw = started(&broker);
        raw.method(0, start_ok(mechanism, response, true));
        raw.tune_and_open(0, 131_072, 60);
        raw.assert_alive();
    }
}

#[test]
fn a_wrong_password_is_403_for_those_who_can_take_it() {
    let broker = Embedded::start();
    let mut raw = started(&broker);
    raw.method(0, start_ok("PLAIN", b"\0guest\0wrong", true));
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.";
    assert_eq!(raw.closed(), Closed::Connection(403, text.to_owned(), (0, 0)));
    let mut raw = started(&broker);
    raw.method(0, start_ok("PLAIN", b"\0guest\0wrong", false));
    assert_eq!(raw.closed(), Closed::Socket);
}

#[test]
fn what_fails_before_open_closes_the_socket() {
    let broker = Embedded::start();
    type Act = fn(&mut Raw);
    let login: Act = |raw| {
        raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
        raw.expect_tune();
    };
    let rows: [(&str, Act, Act); 16] = [
        ("unknown mechanism", |_| (), |raw| raw.method(0, start_ok("CRAM-MD5", b"x", true))),
        ("PLAIN malformed", |_| (), |raw| raw.method(0, start_ok("PLAIN", b"guest", true))),
        ("method on channel 1 before start-ok", |_| (), |raw| raw.method(1, publish("", "k"))),
        ("open before start-ok", |_| (), |raw| raw.method(0, open("/"))),
        ("frame_max 100", login, |raw| raw.method(0, tune_ok(100, 100, 0))),
        ("frame_max 0", login, |raw| raw.method(0, tune_ok(100, 0, 0))),
        ("channel_max 5000", login, |raw| raw.method(0, tune_ok(5000, 8192, 0))),
        ("PLAIN without a password", |_| (), |raw| raw.method(0, start_ok("PLAIN", b"\0guest", true))),
        ("AMQPLAIN malformed", |_| (), |raw| raw.method(0, start_ok("AMQPLAIN", b"\x05LOGINS\0\0", true))),
        ("no start-ok but tune-ok", |_| (), |raw| raw.method(0, tune_ok(100, 8192, 0))),
        ("a body before start-ok", |_| (), |raw| raw.frame(3, 0, b"x")),
        ("frame_max 4095", login, |raw| raw.method(0, tune_ok(100, 4095, 0))),
        ("frame_max above ours", login, |raw| raw.method(0, tune_ok(100, 131_073, 0))),
        ("channel_max 0", login, |raw| raw.method(0, tune_ok(0, 8192, 0))),
        ("a second start-ok", login, |raw| raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true))),
        ("garbage", login, |raw| raw.send(&[0xFF; 64])),
    ];
    for (name, before, act) in rows {
        let mut raw = started(&broker);
        before(&mut raw);
        act(&mut raw);
        assert_eq!(raw.closed(), Closed::Socket, "{name}");
    }
}

#[test]
fn an_unknown_vhost_is_530() {
    let broker = Embedded::start();
    let mut raw = started(&broker);
    raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
    raw.expect_tune();
    raw.method(0, tune_ok(2047, 131_072, 0));
    raw.method(0, open("nope"));
    assert_eq!(
        raw.closed(),
        Closed::Connection(530, "NOT_ALLOWED - vhost nope not found".to_owned(), (10, 40))
    );
}

#[test]
fn tune_offers_the_settings() {
    let config = coney::config::Config { heartbeat_s: 17, channels_max: 9, ..Default::default() };
    let broker = Embedded::build(Broker::builder().config(config).ephemeral());
    let mut raw = started(&broker);
    raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
    let tune = raw.expect_tune();
    assert_eq!((tune.heartbeat, tune.channel_max, tune.frame_max), (17, 9, 131_072));
}

#[test]
fn channel_max_counts_open_channels() {
    let broker = Embedded::start();
    let mut raw = started(&broker);
    raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
    raw.tune_and_open(2, 131_072, 0);
    raw.open_channel(3000);
    raw.open_channel(7);
    raw.raw_method(8, 20, 10, &[0]);
    let text = "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)";
    assert_eq!(raw.closed(), Closed::Connection(530, text.to_owned(), (20, 10)));
}

#[test]
fn the_negotiated_frame_max_counts_for_both_sides() {
    let broker = Embedded::start();
    let mut raw = started(&broker);
    raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
    raw.tune_and_open(0, 4096, 0);
    raw.open_channel(1);
    raw.declare("small", |_| ());
    raw.method(1, publish("", "small"));
    let body = vec![7; 10_000];
    raw.frame(2, 1, &[&[0, 60, 0, 0][..], &(body.len() as u64).to_be_bytes(), &[0, 0]].concat());
    // 4088 bytes and the frame's own 8 are just allowed.
    body.chunks(4088).for_each(|piece| raw.frame(3, 1, piece));
    raw.raw_method(1, 60, 70, b"\0\0\x05small\x01");
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < body.len() {
        if let Some(AMQPFrame::Body(1, piece)) = raw.next() {
            sizes.push(piece.len());
        }
    }
    assert_eq!(sizes, [4088, 4088, 1824]);
    // A payload of 4096 bytes would still be taken, but not one of 4097.
    raw.send(&[3, 0, 1, 0, 0, 0x10, 0x01]);
    assert!(matches!(raw.closed(), Closed::Connection(501, _, _)));
}

#[test]
fn every_frame_may_come_in_pieces_and_many_in_one() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    raw.declare("pieces", |_| ());
    let frames = [
        encode(&AMQPFrame::Method(1, publish("", "pieces"))),
        raw_frame(2, 1, &[&[0, 60, 0, 0][..], &5_u64.to_be_bytes(), &[0, 0]].concat()),
        raw_frame(3, 1, b"he"),
        raw_frame(3, 1, b""),
        raw_frame(3, 1, b"llo"),
    ]
    .concat();
    for byte in &frames {
        raw.send(&[*byte]);
    }
    raw.send(&frames.repeat(3));
    for _ in 0..4 {
        raw.raw_method(1, 60, 70, b"\0\0\x06pieces\x01");
        let mut body = Vec::new();
        while body.len() < 5 {
            if let Some(AMQPFrame::Body(1, mut piece)) = raw.next() {
                body.append(&mut piece);
            }
        }
        assert_eq!(body, b"hello");
    }
}

#[test]
fn the_client_may_close_and_is_answered() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    let close = connection::Close { reply_code: 200, reply_text: "bye".into(), class_id: 0, method_id: 0 };
    raw.method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close)));
    let ok = AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
    assert_eq!(raw.next(), Some(AMQPFrame::Method(0, ok)));
    raw.finish();
    assert_eq!(raw.next(), None);
}

#[test]
fn any_secret_may_be_the_new_one() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    let update = |secret: &str| {
        let update = connection::UpdateSecret { new_secret: secret.into(), reason: "renewed".into() };
        AMQPClass::Connection(connection::AMQPMethod::UpdateSecret(update))
    };
    let ok = AMQPClass::Connection(connection::AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {}));
    for secret in ["guest", "another", "", &"x".repeat(100_000)] {
        raw.method(0, update(secret));
        assert_eq!(raw.next(), Some(AMQPFrame::Method(0, ok.clone())));
    }
}

#[test]
fn garbage_on_one_connection_is_nobody_elses_business() {
    let broker = Embedded::start();
    let mut good = Raw::with_channel(broker.address());
    let mut seed = 1_u64;
    for round in 0..60 {
        let mut raw = Raw::with_channel(broker.address());
        let garbage: Vec<u8> = (0..200)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as u8
            })
            .collect();
        match round % 3 {
            0 => raw.send(&garbage),
            1 => raw.frame(1, 1, &garbage),
            _ => {
                raw.method(1, publish("", "k"));
                raw.frame(2, 1, &garbage);
            }
        }
        let _ = raw.closed();
    }
    good.assert_alive();
}

/// Publishes an empty message to queue `b`.
fn publish_one(raw: &mut Raw) {
    let header = [&[0, 60, 0, 0][..], &0_u64.to_be_bytes(), &[0, 0]].concat();
    raw.send(&[encode(&AMQPFrame::Method(1, publish("", "b"))), raw_frame(2, 1, &header)].concat());
}

/// Asks for the messages in queue `b`.
fn ask_for_count(raw: &mut Raw) {
    raw.raw_method(1, 50, 10, b"\0\0\x01b\x01\0\0\0\0");
}

fn expect_count(raw: &mut Raw, messages: u32) {
    match raw.next() {
        Some(AMQPFrame::Method(1, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok)))) => {
            assert_eq!(ok.message_count, messages);
        }
        other => panic!("not queue.declare-ok: {other:?}"),
    }
}

fn expect_blocked(raw: &mut Raw, reason: &str) {
    let blocked = connection::AMQPMethod::Blocked(connection::Blocked { reason: reason.into() });
    assert_eq!(raw.next(), Some(AMQPFrame::Method(0, AMQPClass::Connection(blocked))));
}

fn expect_unblocked(raw: &mut Raw) {
    let unblocked = connection::AMQPMethod::Unblocked(connection::Unblocked {});
    assert_eq!(raw.next(), Some(AMQPFrame::Method(0, AMQPClass::Connection(unblocked))));
}

#[test]
fn blocked_publishers_are_told_and_go_on_afterwards() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    raw.declare("b", |_| ());
    publish_one(&mut raw);
    ask_for_count(&mut raw);
    expect_count(&mut raw, 1);
    broker.broker().block("low on memory");
    expect_blocked(&mut raw, "low on memory");
    publish_one(&mut raw);
    ask_for_count(&mut raw);
    broker.broker().unblock();
    expect_unblocked(&mut raw);
    expect_count(&mut raw, 2);
}

/// Short of memory, then of disk space as well, then of disk space only: one announcement, and one at the end of it.
#[test]
fn publishers_are_blocked_while_memory_or_disk_is_short() {
    let (memory_limit, disk_free_limit) = (MemoryLimit::Bytes(1000), Some(1000));
    let config = Config { memory_limit, disk_free_limit, ..Config::default() };
    let dir = tempfile::tempdir().unwrap();
    let (readings, script) = std::sync::mpsc::channel();
    let mut last = Readings { memory_used: Some(10), known_bytes: 1000, disk_free: Some(5000) };
    let meter = move || {
        last = script.try_recv().unwrap_or(last);
        last
    };
    let broker = Embedded::build(Broker::builder().config(config).data_dir(dir.path()).meter(meter));
    let mut raw = Raw::with_channel(broker.address());
    raw.declare("b", |_| ());
    publish_one(&mut raw);
    let say = |memory, disk| {
        let (memory_used, disk_free) = (Some(memory), Some(disk));
        readings.send(Readings { memory_used, known_bytes: 1000, disk_free }).unwrap();
    };
    say(1001, 5000);
    expect_blocked(&mut raw, "low on memory");
    publish_one(&mut raw);
    ask_for_count(&mut raw);
    say(1001, 5);
    say(10, 5);
    say(10, 5000);
    expect_unblocked(&mut raw);
    expect_count(&mut raw, 2);
}

#[test]
fn the_start_says_what_clients_look_for() {
    let broker = Embedded::start();
    let mut raw = Raw::connect(broker.address());
    raw.send(HEADER);
    let start = raw.expect_start();
    assert_eq!(start.locales.to_string(), "en_US");
    let properties = start.server_properties.inner();
    for name in ["product", "version", "platform", "copyright", "information", "cluster_name"] {
        let text = properties.get(name).and_then(|value| value.as_long_string());
        assert!(text.is_some_and(|text| !text.as_bytes().is_empty()), "{name}");
    }
    let capabilities = properties.get("capabilities").and_then(|value| value.as_field_table()).unwrap();
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        let has = capabilities.inner().get(name).and_then(|value| value.as_bool());
        assert_eq!(has, Some(true), "{name}");
    }
}

#[test]
fn a_header_that_turns_wrong_halfway_is_told_ours() {
    let broker = Embedded::start();
    let mut raw = Raw::connect(broker.address());
    for part in [&b"AMQP"[..], b"\x00\x00", b"\x08"] {
        raw.send(part);
    }
    assert_eq!(raw.rest(), HEADER);
}

#[test]
fn a_refusal_names_the_mechanism() {
    let broker = Embedded::start();
    for (mechanism, response) in [
        ("AMQPLAIN", &b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x02no"[..]),
        ("PLAIN", b"\0nobody\0guest"),
        ("PLAIN", b"\0guest\0"),
        ("PLAIN", b"\0\0"),
    ] {
        let mut raw = started(&broker);
        raw.method(0, start_ok(mechanism, response, true));
        let text = format!("ACCESS_REFUSED - Login was refused using authentication mechanism {mechanism}. ");
        match raw.closed() {
            Closed::Connection(403, said, (0, 0)) if said.starts_with(&text) => {}
            other => panic!("{mechanism} {response:?}: {other:?}"),
        }
    }
}

#[test]
fn the_edges_of_what_may_be_negotiated() {
    let broker = Embedded::start();
    for (channel_max, frame_max, heartbeat) in [(1, 4096, 0), (2047, 131_072, u16::MAX), (1, 4097, 1)] {
        let mut raw = started(&broker);
        raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
        raw.tune_and_open(channel_max, frame_max, heartbeat);
        raw.open_channel(u16::MAX);
    }
}

#[test]
fn a_closed_channel_makes_room_for_another() {
    let broker = Embedded::start();
    let mut raw = started(&broker);
    raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
    raw.tune_and_open(1, 131_072, 0);
    for number in 1..=5 {
        raw.open_channel(number);
        raw.raw_method(number, 20, 40, b"\0\xc8\0\0\0\0\0");
        let ok = AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}));
        assert_eq!(raw.next(), Some(AMQPFrame::Method(number, ok)));
    }
    // One that the broker closed keeps its place until the client has agreed.
    raw.open_channel(6);
    raw.raw_method(6, 60, 70, b"\0\0\x03noq\0");
    assert!(matches!(raw.closed(), Closed::Channel(404, ..)));
    raw.raw_method(6, 20, 41, b"");
    raw.open_channel(7);
}

/// Until the client agrees, all that it still says counts for nothing.
#[test]
fn what_follows_a_connection_error_is_ignored() {
    let broker = Embedded::start();
    let mut other = Raw::with_channel(broker.address());
    other.declare("after", |_| ());
    let late = [
        raw_frame(1, 1, &[0, 60, 0, 10, 0, 0, 0, 9, 0, 0, 0]),
        encode(&AMQPFrame::Method(1, publish("", "after"))),
        raw_frame(2, 1, &[&[0, 60, 0, 0][..], &[0; 8], &[0, 0]].concat()),
        raw_frame(1, 1, &[0, 99, 0, 1]),
        raw_frame(8, 0, b""),
        raw_frame(3, 0, b"x"),
    ];
    let answers: [(&str, &[u8], Option<AMQPClass>); 2] = [
        ("close-ok", &[0, 10, 0, 51], None),
        (
            "a close that crossed ours",
            &[0, 10, 0, 50, 0, 200, 0, 0, 0, 0, 0],
            Some(AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))),
        ),
    ];
    for (name, answer, expected) in answers {
        let mut raw = Raw::with_channel(broker.address());
        raw.send(&late.concat());
        let text = "NOT_IMPLEMENTED - prefetch_size!=0 (9)".to_owned();
        assert_eq!(raw.closed(), Closed::Connection(540, text, (60, 10)), "{name}");
        raw.frame(1, 0, answer);
        assert_eq!(raw.next(), expected.map(|ok| AMQPFrame::Method(0, ok)), "{name}");
        assert_eq!(raw.rest(), b"", "{name}");
    }
    assert_eq!(ready_in(&mut other, "after"), 0);
}

#[test]
fn what_follows_the_clients_close_is_ignored() {
    let broker = Embedded::start();
    let mut other = Raw::with_channel(broker.address());
    other.declare("gone", |_| ());
    let mut raw = Raw::with_channel(broker.address());
    let all = [
        raw_frame(1, 0, &[0, 10, 0, 50, 0, 200, 0, 0, 0, 0, 0]),
        encode(&AMQPFrame::Method(1, publish("", "gone"))),
        raw_frame(2, 1, &[&[0, 60, 0, 0][..], &[0; 8], &[0, 0]].concat()),
        raw_frame(1, 1, &[0, 99, 0, 1]),
    ];
    raw.send(&all.concat());
    let ok = AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
    assert_eq!(raw.next(), Some(AMQPFrame::Method(0, ok)));
    raw.finish();
    assert_eq!(raw.next(), None);
    assert_eq!(ready_in(&mut other, "gone"), 0);
}

fn ready_in(raw: &mut Raw, name: &str) -> u32 {
    let passive = queue::Declare { passive: true, ..declare(name) };
    raw.method(1, AMQPClass::Queue(queue::AMQPMethod::Declare(passive)));
    match raw.next() {
        Some(AMQPFrame::Method(1, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok)))) => ok.message_count,
        other => panic!("not declared: {other:?}"),
    }
}

#[test]
fn an_empty_vhost_is_530_as_well() {
    let broker = Embedded::start();
    let mut raw = started(&broker);
    raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
    raw.expect_tune();
    raw.method(0, tune_ok(2047, 131_072, 0));
    raw.method(0, open(""));
    assert_eq!(raw.closed(), Closed::Connection(530, "NOT_ALLOWED - vhost  not found".to_owned(), (10, 40)));
}

#[test]
fn a_broker_that_stops_says_so() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    let stopping = std::thread::spawn(move || drop(broker));
    assert!(
        matches!(raw.closed(), Closed::Connection(320, text, (0, 0)) if text.starts_with("CONNECTION_FORCED - "))
    );
    raw.raw_method(0, 10, 51, b"");
    assert_eq!(raw.next(), None);
    stopping.join().unwrap();
}
