//! The streams, cursors and queues that are fed.

use amq_protocol::types::{AMQPValue, FieldTable};

type Arguments = &'static [(&'static str, &'static str)];

pub const LOG: usize = 0;
pub const SHORT: usize = 1;
pub const GRAVES: usize = 2;

/// Name, arguments, and whether it keeps all. The first feeds queues; from the second retention takes what is more than some ten
/// messages; the third is where the dead of a queue go.
pub const STREAMS: [(&str, Arguments, bool); 3] = [
    ("log", &[("x-queue-type", "stream"), ("x-stream-max-segment-size-bytes", "500")], true),
    (
        "short",
        &[
            ("x-queue-type", "stream"),
            ("x-stream-max-segment-size-bytes", "300"),
            ("x-max-length-bytes", "1000"),
        ],
        false,
    ),
    ("graves", &[("x-queue-type", "stream")], true),
];

/// A cursor.
#[derive(Clone, Copy, Debug)]
pub struct NamedCursor {
    pub name: &'static str,
    pub stream: usize,
    pub only_even: bool,
    /// So many at most read with it at a time.
    pub readers: usize,
}

pub const CURSORS: [NamedCursor; 3] = [
    NamedCursor { name: "two", stream: LOG, only_even: false, readers: 2 },
    NamedCursor { name: "even", stream: LOG, only_even: true, readers: 1 },
    NamedCursor { name: "brief", stream: SHORT, only_even: false, readers: 1 },
];

/// A queue that is fed from the log.
#[derive(Clone, Copy, Debug)]
pub struct FedQueue {
    pub name: &'static str,
    pub arguments: Arguments,
    pub only_even: bool,
    /// What is rejected, and what fails too often, goes to the third stream.
    pub has_graves: bool,
    pub consumers: usize,
}

pub const FED: [FedQueue; 2] = [
    FedQueue {
        name: "share",
        arguments: &[
            ("x-stream-source", "log"),
            ("x-stream-offset", "first"),
            ("x-dead-letter-exchange", ""),
            ("x-dead-letter-routing-key", "graves"),
            ("x-delivery-limit", "3"),
        ],
        only_even: false,
        has_graves: true,
        consumers: 2,
    },
    FedQueue {
        name: "evens",
        arguments: &[("x-stream-source", "log"), ("x-stream-offset", "first"), ("x-stream-filter", "even")],
        only_even: true,
        has_graves: false,
        consumers: 1,
    },
];

/// What filters look at.
pub const fn is_even(id: u64) -> bool {
    id.is_multiple_of(2)
}

/// The value of a message's filter.
pub const fn filter_value(id: u64) -> &'static str {
    if is_even(id) { "even" } else { "odd" }
}

/// The arguments of a consumer that reads with a cursor.
pub fn cursor_arguments(cursor: &NamedCursor) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-cursor".into(), AMQPValue::LongString(cursor.name.into()));
    arguments.insert("x-stream-offset".into(), AMQPValue::LongString("first".into()));
    if cursor.only_even {
        arguments.insert("x-stream-filter".into(), AMQPValue::LongString("even".into()));
    }
    arguments
}
