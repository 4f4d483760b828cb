//! Methods that do not fit, or that the broker does not have.

use super::*;

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
