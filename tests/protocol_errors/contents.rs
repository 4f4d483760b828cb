//! What a publish may not bring: headers, bodies, properties.

use super::*;

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
