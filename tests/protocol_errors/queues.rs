//! What may not be done with queues.

use super::*;

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
