//! What a client does wrong, and how it is told: reply code, text, and method, on the channel or the connection.
//!
//! A row each, as a running RabbitMQ answers it; where that one drops the socket or says nothing, the spec's code.

use amq_protocol::protocol::{AMQPClass, basic, channel, confirm, exchange, queue, tx};
use amq_protocol::types::{AMQPValue, FieldTable};

use crate::support::broker::Embedded;
use crate::support::raw::{Closed, Raw, declare, encode, publish, raw_frame};

/// What a row expects.
enum Expected {
    Connection(u16, &'static str, (u16, u16)),
    Channel(u16, &'static str, (u16, u16)),
}
use Expected::{Channel, Connection};

type Act = fn(&mut Raw);
type Row = (&'static str, Act, Expected);

fn check(rows: &[Row]) {
    let broker = Embedded::start();
    for (name, act, expected) in rows {
        let mut raw = Raw::with_channel(broker.address());
        act(&mut raw);
        let closed = raw.closed();
        let (matches, on_channel) = match (&closed, expected) {
            (Closed::Connection(code, text, ids), Connection(want, words, method)) => {
                (code == want && text.starts_with(words) && ids == method, false)
            }
            (Closed::Channel(code, text, ids), Channel(want, words, method)) => {
                (code == want && text.starts_with(words) && ids == method, true)
            }
            _ => (false, false),
        };
        assert!(matches, "{name}: {closed:?}");
        if on_channel {
            raw.method(1, AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})));
            raw.assert_alive();
        }
        Raw::open(broker.address()).assert_alive();
    }
}

fn method(raw: &mut Raw, class: AMQPClass) {
    raw.method(1, class);
}

fn declare_with(raw: &mut Raw, key: &str, value: AMQPValue) {
    let mut method = declare("aq");
    method.arguments.insert(key.into(), value);
    raw.method(1, AMQPClass::Queue(queue::AMQPMethod::Declare(method)));
}

fn header(size: u64, flags: u16, values: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 60, 0, 0];
    payload.extend_from_slice(&size.to_be_bytes());
    payload.extend_from_slice(&flags.to_be_bytes());
    payload.extend_from_slice(values);
    payload
}

/// Publishes an empty message with these properties to the default exchange.
fn publish_with(raw: &mut Raw, flags: u16, values: &[u8]) {
    raw.method(1, publish("", "nowhere"));
    raw.frame(2, 1, &header(0, flags, values));
}

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

fn consume(queue: &str, tag: &str) -> basic::Consume {
    basic::Consume {
        queue: queue.into(),
        consumer_tag: tag.into(),
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    }
}

fn consuming(raw: &mut Raw, change: impl FnOnce(&mut basic::Consume)) {
    let mut method = consume("cq", "t");
    change(&mut method);
    raw.method(1, AMQPClass::Basic(basic::AMQPMethod::Consume(method)));
}

fn exchange_declare(raw: &mut Raw, name: &str, kind: &str, change: impl FnOnce(&mut exchange::Declare)) {
    let mut method = exchange::Declare {
        exchange: name.into(),
        kind: kind.into(),
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
        arguments: FieldTable::default(),
    };
    change(&mut method);
    raw.method(1, AMQPClass::Exchange(exchange::AMQPMethod::Declare(method)));
}

fn exchange_delete(raw: &mut Raw, name: &str, if_unused: bool) {
    let method = exchange::Delete { exchange: name.into(), if_unused, nowait: false };
    raw.method(1, AMQPClass::Exchange(exchange::AMQPMethod::Delete(method)));
}

fn bind(raw: &mut Raw, queue: &str, exchange: &str, arguments: FieldTable) {
    let bind = queue::Bind {
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: "k".into(),
        nowait: false,
        arguments,
    };
    raw.method(1, AMQPClass::Queue(queue::AMQPMethod::Bind(bind)));
}

fn text_value(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn table(key: &str, value: AMQPValue) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert(key.into(), value);
    table
}

const FRAMES: &[Row] = &[
    (
        "frame end wrong",
        |raw| {
            let mut frame = raw_frame(1, 1, &[0, 20, 0, 10, 0]);
            *frame.last_mut().unwrap() = 205;
            raw.send(&frame);
        },
        Connection(
            501,
            "FRAME_ERROR - type 1, all octets = <<0,20,0,10,0>>: {invalid_frame_end_marker,205}",
            (0, 0),
        ),
    ),
    (
        "frame type 4",
        |raw| raw.frame(4, 1, b"ab"),
        Connection(501, "FRAME_ERROR - type 4, all octets", (0, 0)),
    ),
    (
        "frame larger than frame_max",
        |raw| raw.send(&[3, 0, 1, 0, 3, 13, 64]),
        Connection(501, "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,200000,131064}", (0, 0)),
    ),
    (
        "four GiB announced",
        |raw| raw.send(&[1, 0, 1, 255, 255, 255, 255]),
        Connection(
            501,
            "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,4294967295,131064}",
            (0, 0),
        ),
    ),
    (
        "heartbeat on channel 1",
        |raw| raw.frame(8, 1, b""),
        Connection(505, "UNEXPECTED_FRAME - type 8, all octets = <<>>", (0, 0)),
    ),
    (
        "heartbeat with payload",
        |raw| raw.frame(8, 0, b"x"),
        Connection(501, "FRAME_ERROR - type 8, all octets = <<\"x\">>: unknown_frame", (0, 0)),
    ),
    (
        "body frame with no publish",
        |raw| raw.frame(3, 1, b"abc"),
        Connection(505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead", (0, 0)),
    ),
    (
        "header frame with no publish",
        |raw| raw.frame(2, 1, &header(0, 0, &[])),
        Connection(505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead", (0, 0)),
    ),
    (
        "body frame on channel 0",
        |raw| raw.frame(3, 0, b"abc"),
        Connection(505, "UNEXPECTED_FRAME - type 3, all octets", (0, 0)),
    ),
    (
        "method of two bytes",
        |raw| raw.frame(1, 1, &[0, 60]),
        Connection(501, "FRAME_ERROR - type 1, all octets = <<0,60>>: unknown_frame", (0, 0)),
    ),
];

#[test]
fn frames() {
    check(FRAMES);
}

const CONTENTS: &[Row] = &[
    (
        "publish then method",
        |raw| {
            method(raw, publish("", "k"));
            method(raw, publish("", "k"));
        },
        Connection(
            505,
            "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
            (60, 40),
        ),
    ),
    (
        "publish then body",
        |raw| {
            method(raw, publish("", "k"));
            raw.frame(3, 1, b"x");
        },
        Connection(
            505,
            "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
            (60, 40),
        ),
    ),
    (
        "header class 50",
        |raw| {
            method(raw, publish("", "k"));
            let mut payload = header(0, 0, &[]);
            payload[1] = 50;
            raw.frame(2, 1, &payload);
        },
        Connection(
            505,
            "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead",
            (60, 40),
        ),
    ),
    (
        "header weight 1",
        |raw| {
            method(raw, publish("", "k"));
            let mut payload = header(0, 0, &[]);
            payload[3] = 1;
            raw.frame(2, 1, &payload);
        },
        Connection(
            505,
            "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
            (60, 40),
        ),
    ),
    (
        "header then method",
        |raw| {
            method(raw, publish("", "k"));
            raw.frame(2, 1, &header(3, 0, &[]));
            method(raw, publish("", "k"));
        },
        Connection(
            505,
            "UNEXPECTED_FRAME - expected content body, got non content body frame instead",
            (60, 40),
        ),
    ),
    (
        "body longer than size",
        |raw| {
            method(raw, publish("", "k"));
            raw.frame(2, 1, &header(3, 0, &[]));
            raw.frame(3, 1, b"four");
        },
        Connection(501, "FRAME_ERROR - ", (60, 40)),
    ),
    (
        "body size 2^62",
        |raw| {
            method(raw, publish("", "k"));
            raw.frame(2, 1, &header(1 << 62, 0, &[]));
        },
        Channel(
            311,
            "CONTENT_TOO_LARGE - message size 4611686018427387904 is larger than configured max size 134217728",
            (60, 40),
        ),
    ),
    (
        "header size 600 MiB",
        |raw| {
            method(raw, publish("", "k"));
            raw.frame(2, 1, &header(600 << 20, 0, &[]));
        },
        Channel(
            311,
            "CONTENT_TOO_LARGE - message size 629145600 is larger than configured max size 134217728",
            (60, 40),
        ),
    ),
    (
        "properties malformed",
        |raw| publish_with(raw, 0x8000, b"\x09short"),
        Connection(502, "SYNTAX_ERROR - ", (60, 40)),
    ),
    (
        "headers malformed",
        |raw| publish_with(raw, 0x2000, b"\0\0\0\x03\x01k?"),
        Connection(502, "SYNTAX_ERROR - ", (60, 40)),
    ),
    (
        "publish to unknown exchange",
        |raw| {
            method(raw, publish("nox", "k"));
            raw.frame(2, 1, &header(0, 0, &[]));
        },
        Channel(404, "NOT_FOUND - no exchange 'nox' in vhost '/'", (60, 40)),
    ),
    (
        "publish to internal exchange",
        |raw| {
            exchange_declare(raw, "inner", "direct", |declare| declare.internal = true);
            raw.next();
            method(raw, publish("inner", "k"));
            raw.frame(2, 1, &header(0, 0, &[]));
        },
        Channel(403, "ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'", (60, 40)),
    ),
    (
        "publish to the broker's own internal exchange",
        |raw| {
            method(raw, publish("amq.rabbitmq.trace", "k"));
            raw.frame(2, 1, &header(0, 0, &[]));
        },
        Channel(
            403,
            "ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'",
            (60, 40),
        ),
    ),
    (
        "immediate",
        |raw| raw.raw_method(1, 60, 40, b"\0\0\0\x01k\x02"),
        Connection(540, "NOT_IMPLEMENTED - immediate=true", (60, 40)),
    ),
    (
        "expiration bad",
        |raw| publish_with(raw, 0x0100, &short("abc")),
        Channel(406, "PRECONDITION_FAILED - invalid expiration 'abc': no_integer", (60, 40)),
    ),
    (
        "expiration negative",
        |raw| publish_with(raw, 0x0100, &short("-1")),
        Channel(406, "PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}", (60, 40)),
    ),
    (
        "user-id of another",
        |raw| publish_with(raw, 0x0010, &short("bob")),
        Channel(
            406,
            "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'guest'",
            (60, 40),
        ),
    ),
    (
        "reply-to direct without consumer",
        |raw| publish_with(raw, 0x0200, &short("amq.rabbitmq.reply-to")),
        Channel(406, "PRECONDITION_FAILED - fast reply consumer does not exist", (60, 40)),
    ),
];

#[test]
fn contents() {
    check(CONTENTS);
}

const METHODS: &[Row] = &[
    (
        "second channel.open",
        |raw| method(raw, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))),
        Connection(504, "CHANNEL_ERROR - second 'channel.open' seen", (20, 10)),
    ),
    (
        "method on a channel not opened",
        |raw| raw.method(2, AMQPClass::Queue(queue::AMQPMethod::Declare(declare("q")))),
        Connection(504, "CHANNEL_ERROR - expected 'channel.open'", (50, 10)),
    ),
    (
        "channel.open on channel 0",
        |raw| raw.method(0, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))),
        Connection(504, "CHANNEL_ERROR - unexpected method in connection state running", (20, 10)),
    ),
    (
        "unknown method 60.99",
        |raw| raw.raw_method(1, 60, 99, &[]),
        Connection(503, "COMMAND_INVALID - unknown method", (60, 99)),
    ),
    (
        "unknown class 99",
        |raw| raw.raw_method(1, 99, 10, &[]),
        Connection(503, "COMMAND_INVALID - unknown method", (99, 10)),
    ),
    (
        "method too short",
        |raw| raw.raw_method(1, 60, 40, &[0]),
        Connection(501, "FRAME_ERROR - cannot decode <<0>>", (60, 40)),
    ),
    (
        "method trailing byte",
        |raw| raw.raw_method(1, 60, 40, b"\0\0\0\x01k\0\0"),
        Connection(501, "FRAME_ERROR - cannot decode <<0,0,0,1,107,0,0>>", (60, 40)),
    ),
    (
        "queue.declare-ok from a client",
        |raw| raw.raw_method(1, 50, 11, &[1, b'q', 0, 0, 0, 0, 0, 0, 0, 0]),
        Connection(503, "COMMAND_INVALID - unimplemented method", (50, 11)),
    ),
    (
        "basic.deliver from a client",
        |raw| raw.raw_method(1, 60, 60, b"\x01t\0\0\0\0\0\0\0\x01\0\0\x01k"),
        Connection(503, "COMMAND_INVALID - unimplemented method", (60, 60)),
    ),
    (
        "second connection.open",
        |raw| raw.raw_method(0, 10, 40, b"\x01/\0\0"),
        Connection(504, "CHANNEL_ERROR - unexpected method in connection state running", (10, 40)),
    ),
    (
        "connection.close-ok that nobody asked for",
        |raw| raw.raw_method(0, 10, 51, b""),
        Connection(504, "CHANNEL_ERROR - unexpected method in connection state running", (10, 51)),
    ),
    (
        "table with unknown type",
        |raw| raw.raw_method(1, 50, 10, b"\0\0\x01q\0\0\0\0\x03\x01k?"),
        Connection(502, "SYNTAX_ERROR - ", (50, 10)),
    ),
    (
        "table nested too deep",
        |raw| {
            let mut inner = Vec::new();
            for _ in 0..3000 {
                let mut outer = vec![1, b'k', b'F'];
                outer.extend_from_slice(&(inner.len() as u32).to_be_bytes());
                outer.append(&mut inner);
                inner = outer;
            }
            let mut arguments = b"\0\0\x01q\0".to_vec();
            arguments.extend_from_slice(&(inner.len() as u32).to_be_bytes());
            arguments.append(&mut inner);
            raw.raw_method(1, 50, 10, &arguments);
        },
        Connection(502, "SYNTAX_ERROR - ", (50, 10)),
    ),
    (
        "qos prefetch_size",
        |raw| raw.raw_method(1, 60, 10, &[0, 0, 0, 9, 0, 0, 0]),
        Connection(540, "NOT_IMPLEMENTED - prefetch_size!=0 (9)", (60, 10)),
    ),
    (
        "ack unknown tag",
        |raw| {
            method(
                raw,
                AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag: 99, multiple: false })),
            )
        },
        Channel(406, "PRECONDITION_FAILED - unknown delivery tag 99", (60, 80)),
    ),
    (
        "reject unknown tag",
        |raw| {
            method(
                raw,
                AMQPClass::Basic(basic::AMQPMethod::Reject(basic::Reject {
                    delivery_tag: 99,
                    requeue: false,
                })),
            )
        },
        Channel(406, "PRECONDITION_FAILED - unknown delivery tag 99", (60, 90)),
    ),
    (
        "nack unknown tag",
        |raw| {
            method(
                raw,
                AMQPClass::Basic(basic::AMQPMethod::Nack(basic::Nack {
                    delivery_tag: 99,
                    multiple: false,
                    requeue: true,
                })),
            )
        },
        Channel(406, "PRECONDITION_FAILED - unknown delivery tag 99", (60, 120)),
    ),
    (
        "recover requeue=false",
        |raw| method(raw, AMQPClass::Basic(basic::AMQPMethod::Recover(basic::Recover { requeue: false }))),
        Connection(540, "NOT_IMPLEMENTED - requeue=false", (60, 110)),
    ),
    (
        "channel.flow active=false",
        |raw| method(raw, AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active: false }))),
        Connection(540, "NOT_IMPLEMENTED - active=false", (20, 20)),
    ),
    (
        "tx.commit without select",
        |raw| method(raw, AMQPClass::Tx(tx::AMQPMethod::Commit(tx::Commit {}))),
        Channel(406, "PRECONDITION_FAILED - channel is not transactional", (90, 20)),
    ),
    (
        "tx.rollback without select",
        |raw| method(raw, AMQPClass::Tx(tx::AMQPMethod::Rollback(tx::Rollback {}))),
        Channel(406, "PRECONDITION_FAILED - channel is not transactional", (90, 30)),
    ),
    (
        "confirm after tx",
        |raw| {
            method(raw, AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {})));
            method(raw, AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false })));
        },
        Channel(406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode", (85, 10)),
    ),
    (
        "tx after confirm",
        |raw| {
            method(raw, AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false })));
            method(raw, AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {})));
        },
        Channel(406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode", (90, 10)),
    ),
];

#[test]
fn methods() {
    check(METHODS);
}

const CONSUMERS: &[Row] = &[
    (
        "consume unknown queue",
        |raw| consuming(raw, |consume| consume.queue = "noq".into()),
        Channel(404, "NOT_FOUND - no queue 'noq' in vhost '/'", (60, 20)),
    ),
    (
        "consumer tag reused",
        |raw| {
            raw.declare("cq", |_| ());
            consuming(raw, |_| ());
            consuming(raw, |_| ());
        },
        Connection(530, "NOT_ALLOWED - attempt to reuse consumer tag 't'", (60, 20)),
    ),
    (
        "exclusive wanted, consumers there",
        |raw| {
            raw.declare("cq", |_| ());
            consuming(raw, |_| ());
            consuming(raw, |consume| (consume.consumer_tag, consume.exclusive) = ("u".into(), true));
        },
        Channel(403, "ACCESS_REFUSED - queue 'cq' in vhost '/' in exclusive use", (60, 20)),
    ),
    (
        "exclusive consumer present",
        |raw| {
            raw.declare("cq", |_| ());
            consuming(raw, |consume| consume.exclusive = true);
            consuming(raw, |consume| consume.consumer_tag = "u".into());
        },
        Channel(403, "ACCESS_REFUSED - queue 'cq' in vhost '/' in exclusive use", (60, 20)),
    ),
    (
        "consume reply-to with ack",
        |raw| consuming(raw, |consume| consume.queue = "amq.rabbitmq.reply-to".into()),
        Channel(406, "PRECONDITION_FAILED - reply consumer cannot acknowledge", (60, 20)),
    ),
    (
        "consume bad x-priority",
        |raw| {
            raw.declare("cq", |_| ());
            consuming(raw, |consume| consume.arguments = table("x-priority", text_value("high")));
        },
        Channel(
            406,
            "PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'cq' in vhost '/': \"expected integer, got longstr\"",
            (60, 20),
        ),
    ),
    (
        "get unknown queue",
        |raw| raw.raw_method(1, 60, 70, b"\0\0\x03noq\0"),
        Channel(404, "NOT_FOUND - no queue 'noq' in vhost '/'", (60, 70)),
    ),
    (
        "get with empty name, none declared",
        |raw| raw.raw_method(1, 60, 70, b"\0\0\0\0"),
        Channel(404, "NOT_FOUND - no previously declared queue", (60, 70)),
    ),
];

#[test]
fn consumers() {
    check(CONSUMERS);
}

const QUEUES: &[Row] = &[
    (
        "queue passive missing",
        |raw| {
            let passive = queue::Declare { passive: true, ..declare("noq") };
            method(raw, AMQPClass::Queue(queue::AMQPMethod::Declare(passive)));
        },
        Channel(404, "NOT_FOUND - no queue 'noq' in vhost '/'", (50, 10)),
    ),
    (
        "queue amq. name",
        |raw| method(raw, AMQPClass::Queue(queue::AMQPMethod::Declare(declare("amq.foo")))),
        Channel(403, "ACCESS_REFUSED - queue name 'amq.foo' contains reserved prefix 'amq.*'", (50, 10)),
    ),
    (
        "queue redeclare durable",
        |raw| {
            raw.declare("dq", |_| ());
            let other = queue::Declare { durable: true, ..declare("dq") };
            method(raw, AMQPClass::Queue(queue::AMQPMethod::Declare(other)));
        },
        Channel(
            406,
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'dq' in vhost '/': received 'true' but current is 'false'",
            (50, 10),
        ),
    ),
    (
        "queue redeclare auto_delete",
        |raw| {
            raw.declare("rq", |_| ());
            let other = queue::Declare { auto_delete: true, ..declare("rq") };
            method(raw, AMQPClass::Queue(queue::AMQPMethod::Declare(other)));
        },
        Channel(
            406,
            "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue 'rq' in vhost '/': received 'true' but current is 'false'",
            (50, 10),
        ),
    ),
    (
        "queue redeclare args",
        |raw| {
            raw.declare("rq", |_| ());
            let arguments = table("x-max-length", AMQPValue::LongLongInt(5));
            let other = queue::Declare { arguments, ..declare("rq") };
            method(raw, AMQPClass::Queue(queue::AMQPMethod::Declare(other)));
        },
        Channel(
            406,
            "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'rq' in vhost '/': received the value '5' of type 'long' but current is none",
            (50, 10),
        ),
    ),
    (
        "x-max-length string",
        |raw| declare_with(raw, "x-max-length", text_value("5")),
        Channel(
            406,
            "PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'aq' in vhost '/': \"expected integer, got longstr\"",
            (50, 10),
        ),
    ),
    (
        "x-message-ttl negative",
        |raw| declare_with(raw, "x-message-ttl", AMQPValue::LongInt(-1)),
        Channel(
            406,
            "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'aq' in vhost '/': {value_negative,-1}",
            (50, 10),
        ),
    ),
    (
        "x-expires 0",
        |raw| declare_with(raw, "x-expires", AMQPValue::LongInt(0)),
        Channel(
            406,
            "PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'aq' in vhost '/': {value_zero,0}",
            (50, 10),
        ),
    ),
    (
        "x-max-priority 300",
        |raw| declare_with(raw, "x-max-priority", AMQPValue::LongInt(300)),
        Channel(
            406,
            "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'aq' in vhost '/': {max_value_exceeded,300}",
            (50, 10),
        ),
    ),
    (
        "x-queue-type foo",
        |raw| declare_with(raw, "x-queue-type", text_value("foo")),
        Channel(
            406,
            "PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'aq' in vhost '/': \"unsupported queue type 'foo'\"",
            (50, 10),
        ),
    ),
    (
        "x-overflow foo",
        |raw| declare_with(raw, "x-overflow", text_value("foo")),
        Channel(
            406,
            "PRECONDITION_FAILED - invalid arg 'x-overflow' for queue 'aq' in vhost '/': invalid_overflow",
            (50, 10),
        ),
    ),
    (
        "quorum not durable",
        |raw| declare_with(raw, "x-queue-type", text_value("quorum")),
        Channel(
            406,
            "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'aq' in vhost '/'",
            (50, 10),
        ),
    ),
    (
        "quorum exclusive",
        |raw| {
            let arguments = table("x-queue-type", text_value("quorum"));
            let exclusive = queue::Declare { durable: true, exclusive: true, arguments, ..declare("aq") };
            method(raw, AMQPClass::Queue(queue::AMQPMethod::Declare(exclusive)));
        },
        Channel(
            406,
            "PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue 'aq' in vhost '/'",
            (50, 10),
        ),
    ),
    (
        "dlx key without dlx",
        |raw| declare_with(raw, "x-dead-letter-routing-key", text_value("k")),
        Channel(
            406,
            "PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'aq' in vhost '/': routing_key_but_no_dlx_defined",
            (50, 10),
        ),
    ),
    (
        "deduplication",
        |raw| declare_with(raw, "x-message-deduplication", AMQPValue::LongInt(3)),
        Channel(
            406,
            "PRECONDITION_FAILED - invalid arg 'x-message-deduplication' for queue 'aq' in vhost '/': \"expected boolean, got signedint\"",
            (50, 10),
        ),
    ),
    (
        "queue.delete if-unused in use",
        |raw| {
            raw.declare("cq", |_| ());
            consuming(raw, |_| ());
            let delete =
                queue::Delete { queue: "cq".into(), if_unused: true, if_empty: false, nowait: false };
            method(raw, AMQPClass::Queue(queue::AMQPMethod::Delete(delete)));
        },
        Channel(406, "PRECONDITION_FAILED - queue 'cq' in vhost '/' in use", (50, 40)),
    ),
    (
        "queue.delete if-empty not empty",
        |raw| {
            raw.declare("fq", |_| ());
            method(raw, publish("", "fq"));
            raw.frame(2, 1, &header(0, 0, &[]));
            let delete =
                queue::Delete { queue: "fq".into(), if_unused: false, if_empty: true, nowait: false };
            method(raw, AMQPClass::Queue(queue::AMQPMethod::Delete(delete)));
        },
        Channel(406, "PRECONDITION_FAILED - queue 'fq' in vhost '/' not empty", (50, 40)),
    ),
    (
        "purge missing",
        |raw| {
            method(
                raw,
                AMQPClass::Queue(queue::AMQPMethod::Purge(queue::Purge {
                    queue: "noq".into(),
                    nowait: false,
                })),
            )
        },
        Channel(404, "NOT_FOUND - no queue 'noq' in vhost '/'", (50, 30)),
    ),
    (
        "bind missing exchange",
        |raw| {
            raw.declare("bq", |_| ());
            bind(raw, "bq", "nox", FieldTable::default());
        },
        Channel(404, "NOT_FOUND - no exchange 'nox' in vhost '/'", (50, 20)),
    ),
    (
        "bind missing queue",
        |raw| bind(raw, "noq", "amq.direct", FieldTable::default()),
        Channel(404, "NOT_FOUND - no queue 'noq' in vhost '/'", (50, 20)),
    ),
    (
        "bind empty queue name",
        |raw| bind(raw, "", "amq.direct", FieldTable::default()),
        Channel(404, "NOT_FOUND - no previously declared queue", (50, 20)),
    ),
    (
        "bind to default exchange",
        |raw| {
            raw.declare("bq", |_| ());
            bind(raw, "bq", "", FieldTable::default());
        },
        Channel(403, "ACCESS_REFUSED - operation not permitted on the default exchange", (50, 20)),
    ),
    (
        "headers bind bad x-match",
        |raw| {
            raw.declare("bq", |_| ());
            bind(raw, "bq", "amq.headers", table("x-match", text_value("foo")));
        },
        Channel(
            406,
            "PRECONDITION_FAILED - Invalid x-match field value <<\"foo\">>; expected all, any, all-with-x, or any-with-x",
            (50, 20),
        ),
    ),
    (
        "shortstr not UTF-8",
        |raw| raw.raw_method(1, 50, 10, b"\0\0\x02\xff\xfe\0\0\0\0\0"),
        Connection(501, "FRAME_ERROR - Malformed UTF-8 in shortstr", (0, 0)),
    ),
];

#[test]
fn queues() {
    check(QUEUES);
}

const EXCHANGES: &[Row] = &[
    (
        "exchange passive missing",
        |raw| exchange_declare(raw, "nox", "direct", |declare| declare.passive = true),
        Channel(404, "NOT_FOUND - no exchange 'nox' in vhost '/'", (40, 10)),
    ),
    (
        "exchange unknown type",
        |raw| exchange_declare(raw, "x", "foo", |_| ()),
        Channel(406, "PRECONDITION_FAILED - invalid exchange type 'foo'", (40, 10)),
    ),
    (
        "exchange redeclare type",
        |raw| exchange_declare(raw, "amq.direct", "fanout", |_| ()),
        Channel(
            406,
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost '/': received 'fanout' but current is 'direct'",
            (40, 10),
        ),
    ),
    (
        "exchange redeclare durable",
        |raw| exchange_declare(raw, "amq.direct", "direct", |declare| declare.durable = false),
        Channel(
            406,
            "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'amq.direct' in vhost '/': received 'false' but current is 'true'",
            (40, 10),
        ),
    ),
    (
        "exchange amq. name",
        |raw| exchange_declare(raw, "amq.foo", "direct", |_| ()),
        Channel(403, "ACCESS_REFUSED - exchange name 'amq.foo' contains reserved prefix 'amq.*'", (40, 10)),
    ),
    (
        "exchange declare default",
        |raw| exchange_declare(raw, "", "direct", |_| ()),
        Channel(403, "ACCESS_REFUSED - operation not permitted on the default exchange", (40, 10)),
    ),
    (
        "exchange delete amq.",
        |raw| exchange_delete(raw, "amq.direct", false),
        Channel(
            403,
            "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
            (40, 20),
        ),
    ),
    (
        "exchange delete default",
        |raw| exchange_delete(raw, "", false),
        Channel(403, "ACCESS_REFUSED - operation not permitted on the default exchange", (40, 20)),
    ),
    (
        "exchange delete if-unused in use",
        |raw| {
            exchange_declare(raw, "xu", "direct", |_| ());
            raw.next();
            raw.declare("xq", |_| ());
            bind(raw, "xq", "xu", FieldTable::default());
            exchange_delete(raw, "xu", true);
        },
        Channel(406, "PRECONDITION_FAILED - exchange 'xu' in vhost '/' in use", (40, 20)),
    ),
    (
        "exchange.bind missing",
        |raw| {
            let bind = exchange::Bind {
                destination: "amq.fanout".into(),
                source: "nox".into(),
                routing_key: "".into(),
                nowait: false,
                arguments: FieldTable::default(),
            };
            method(raw, AMQPClass::Exchange(exchange::AMQPMethod::Bind(bind)));
        },
        Channel(404, "NOT_FOUND - no exchange 'nox' in vhost '/'", (40, 30)),
    ),
];

#[test]
fn exchanges() {
    check(EXCHANGES);
}

const LOCKED: &str = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'exq' in vhost '/'. It could be \
                      originally declared on another connection or the exclusive property value does not match that of \
                      the original declaration.";

#[test]
fn an_exclusive_queue_is_closed_to_others() {
    let broker = Embedded::start();
    let mut owner = Raw::with_channel(broker.address());
    owner.declare("exq", |declare| declare.exclusive = true);
    let purge = queue::Purge { queue: "exq".into(), nowait: false };
    let delete = queue::Delete { queue: "exq".into(), if_unused: false, if_empty: false, nowait: false };
    let attempts = [
        (AMQPClass::Queue(queue::AMQPMethod::Declare(declare("exq"))), (50, 10)),
        (
            AMQPClass::Queue(queue::AMQPMethod::Declare(queue::Declare { passive: true, ..declare("exq") })),
            (50, 10),
        ),
        (AMQPClass::Basic(basic::AMQPMethod::Consume(consume("exq", "t"))), (60, 20)),
        (AMQPClass::Queue(queue::AMQPMethod::Delete(delete)), (50, 40)),
        (AMQPClass::Queue(queue::AMQPMethod::Purge(purge)), (50, 30)),
    ];
    for (attempt, ids) in attempts {
        let mut other = Raw::with_channel(broker.address());
        other.method(1, attempt.clone());
        assert_eq!(other.closed(), Closed::Channel(405, LOCKED.to_owned(), ids), "{attempt:?}");
    }
    owner.assert_alive();
}

/// The code and the text's first word are fixed: clients compare them.
#[test]
fn a_mandatory_message_that_goes_nowhere_comes_back() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    raw.raw_method(1, 60, 40, b"\0\0\x0aamq.direct\x01k\x01");
    raw.frame(2, 1, &header(2, 0, &[]));
    raw.frame(3, 1, b"hi");
    let returned = basic::Return {
        reply_code: 312,
        reply_text: "NO_ROUTE".into(),
        exchange: "amq.direct".into(),
        routing_key: "k".into(),
    };
    let returned = AMQPClass::Basic(basic::AMQPMethod::Return(returned));
    assert_eq!(raw.next(), Some(amq_protocol::frame::AMQPFrame::Method(1, returned)));
    assert!(matches!(raw.next(), Some(amq_protocol::frame::AMQPFrame::Header(1, _))));
    assert_eq!(raw.next(), Some(amq_protocol::frame::AMQPFrame::Body(1, b"hi".to_vec())));
    raw.assert_alive();
}

#[test]
fn a_channel_that_is_being_closed_ignores_what_was_under_way() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    let passive =
        AMQPClass::Queue(queue::AMQPMethod::Declare(queue::Declare { passive: true, ..declare("noq") }));
    let late = [
        encode(&amq_protocol::frame::AMQPFrame::Method(1, passive.clone())),
        encode(&amq_protocol::frame::AMQPFrame::Method(1, publish("", "k"))),
        raw_frame(2, 1, &header(1, 0, &[])),
        raw_frame(3, 1, b"x"),
        encode(&amq_protocol::frame::AMQPFrame::Method(1, passive)),
    ];
    raw.send(&late.concat());
    assert!(matches!(raw.closed(), Closed::Channel(404, _, (50, 10))));
    raw.method(1, AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})));
    raw.open_channel(1);
    raw.assert_alive();
}

/// The client's close and the broker's cross: each is answered, and only then is the number free again.
#[test]
fn both_sides_may_close_a_channel_at_once() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    let missing = raw_frame(1, 1, b"\0\x3c\0\x46\0\0\x03noq\0");
    raw.send(&[missing, raw_frame(1, 1, &[0, 20, 0, 40, 0, 200, 0, 0, 0, 0, 0])].concat());
    assert!(matches!(raw.closed(), Closed::Channel(404, _, (60, 70))));
    let ok = AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}));
    assert_eq!(raw.next(), Some(amq_protocol::frame::AMQPFrame::Method(1, ok.clone())));
    raw.method(1, ok);
    raw.open_channel(1);
    raw.assert_alive();
}

/// A number may be opened again only when the client has answered; it is told, not left waiting.
#[test]
fn a_channel_is_not_opened_again_before_its_close_was_answered() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    raw.raw_method(1, 60, 70, b"\0\0\x03noq\0");
    assert!(matches!(raw.closed(), Closed::Channel(404, ..)));
    raw.raw_method(1, 20, 10, &[0]);
    let text = "CHANNEL_ERROR - second 'channel.open' seen".to_owned();
    assert_eq!(raw.closed(), Closed::Connection(504, text, (20, 10)));
}

/// A client's answer to a question that nobody asked, or that has been answered, and a server's to the client's own.
#[test]
fn answers_that_nobody_asked_for() {
    let broker = Embedded::start();
    let consumer = short("t");
    let on_channel: [(u16, u16, &[u8]); 8] = [
        (20, 11, &[0; 4]),
        (20, 21, &[1]),
        (20, 41, &[]),
        (30, 11, &[0; 2]),
        (60, 11, &[]),
        (60, 31, &consumer),
        (85, 11, &[]),
        (90, 11, &[]),
    ];
    for (class, number, arguments) in on_channel {
        let mut raw = Raw::with_channel(broker.address());
        raw.raw_method(1, class, number, arguments);
        let text = "COMMAND_INVALID - unimplemented method".to_owned();
        assert_eq!(raw.closed(), Closed::Connection(503, text, (class, number)));
    }
    let on_connection: [(u16, u16, &[u8]); 6] =
        [(10, 31, &[0; 8]), (10, 51, &[]), (10, 61, &[]), (20, 21, &[1]), (20, 41, &[]), (60, 80, &[0; 9])];
    for (class, number, arguments) in on_connection {
        let mut raw = Raw::with_channel(broker.address());
        raw.raw_method(0, class, number, arguments);
        let text = "CHANNEL_ERROR - unexpected method in connection state running".to_owned();
        assert_eq!(raw.closed(), Closed::Connection(504, text, (class, number)));
    }
}

/// A second close-ok is for a channel that is not open any more.
#[test]
fn a_close_is_answered_once() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    let passive = queue::Declare { passive: true, ..declare("nowhere") };
    raw.method(1, AMQPClass::Queue(queue::AMQPMethod::Declare(passive)));
    assert!(matches!(raw.closed(), Closed::Channel(404, ..)));
    let close_ok = || AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}));
    raw.method(1, close_ok());
    raw.assert_alive();
    raw.method(1, close_ok());
    let text = "CHANNEL_ERROR - expected 'channel.open'".to_owned();
    assert_eq!(raw.closed(), Closed::Connection(504, text, (20, 41)));
}

#[test]
fn what_is_odd_but_allowed() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    // A key that is not UTF-8, a publish to an unknown queue, acks of nothing, cancel of nothing, delete of nothing.
    raw.raw_method(1, 60, 40, b"\0\0\0\x02\xff\xfe\0");
    raw.frame(2, 1, &header(0, 0, &[]));
    raw.method(1, AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag: 0, multiple: true })));
    raw.method(
        1,
        AMQPClass::Basic(basic::AMQPMethod::Cancel(basic::Cancel {
            consumer_tag: "no".into(),
            nowait: true,
        })),
    );
    let delete = queue::Delete { queue: "noq".into(), if_unused: false, if_empty: false, nowait: false };
    raw.method(1, AMQPClass::Queue(queue::AMQPMethod::Delete(delete)));
    let answer = raw.next();
    let ok = AMQPClass::Queue(queue::AMQPMethod::DeleteOk(queue::DeleteOk { message_count: 0 }));
    assert_eq!(answer, Some(amq_protocol::frame::AMQPFrame::Method(1, ok)));
    raw.assert_alive();
}
