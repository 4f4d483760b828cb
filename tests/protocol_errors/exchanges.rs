//! What may not be done with exchanges.

use super::*;

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
