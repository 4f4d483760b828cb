//! What consumers may not ask for.

use super::*;

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
