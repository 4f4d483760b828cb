//! Which arguments are compared when a queue is declared again, and which ones policies can set.

use amq_protocol::types::{AMQPValue, FieldTable};

/// Arguments that RabbitMQ 4.0 compares when a classic queue is declared again, in its order, which decides which one the
/// error names.
const COMPARED_CLASSIC: &[&str] = &[
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
    "x-queue-leader-locator",
];

/// The same of a quorum queue.
const COMPARED_QUORUM: &[&str] = &[
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-message-ttl",
    "x-queue-leader-locator",
];

/// The same of a stream.
const COMPARED_STREAM: &[&str] = &[
    "x-max-length-bytes",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-stream-filter-size-bytes",
    "x-initial-cluster-size",
    "x-queue-leader-locator",
    "x-queue-type",
];

/// Arguments that RabbitMQ has not, or has not for queues of that type. `x-consumer-timeout` is not compared, as in RabbitMQ.
const COMPARED_HERE: &[&str] = &[
    "x-delivery-limit",
    "x-delivery-count-mode",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
    "x-delayed-retry-multiplier",
    "x-delayed-retry-steps",
    "x-delayed-retry-jitter",
    "x-parking-after",
    "x-parking-ttl",
    "x-parking-limit",
    "x-message-deduplication",
    "x-cache-size",
    "x-cache-ttl",
    "x-deduplication-header",
    "x-stream-source",
    "x-stream-offset",
    "x-stream-filter",
    "x-stream-match-unfiltered",
    "x-filter-match-type",
];

/// The arguments that are compared when the queue with these declare arguments is declared again.
#[must_use]
pub fn compared(declared: &FieldTable) -> Vec<&'static str> {
    let of_type = match queue_type(declared) {
        QueueType::Classic => COMPARED_CLASSIC,
        QueueType::Quorum => COMPARED_QUORUM,
        QueueType::Stream => COMPARED_STREAM,
    };
    [of_type, COMPARED_HERE].concat()
}

/// RabbitMQ's types of queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueType {
    /// The default.
    Classic,
    /// `quorum`.
    Quorum,
    /// `stream`.
    Stream,
}

impl QueueType {
    /// As declare arguments and the management API name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }
}

/// The type of the queue with these declare arguments.
#[must_use]
pub fn queue_type(declared: &FieldTable) -> QueueType {
    match declared.inner().get("x-queue-type") {
        Some(AMQPValue::LongString(kind)) if kind.as_bytes() == b"quorum" => QueueType::Quorum,
        Some(AMQPValue::LongString(kind)) if kind.as_bytes() == b"stream" => QueueType::Stream,
        _ => QueueType::Classic,
    }
}

/// Whether these are the declare arguments of a quorum queue.
#[must_use]
pub fn is_quorum(declared: &FieldTable) -> bool {
    queue_type(declared) == QueueType::Quorum
}

/// How a policy's value and a queue's own argument for the same setting combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Numbers that limit: the lowest of all counts, apart from the one that stands for no limit at all, if there is
    /// such a one. Operator policies may have these only.
    Lower(Option<i64>),
    /// The argument wins over the policy.
    Argument,
    /// The policy wins over the argument.
    Policy,
}

/// Arguments that policies can set as well, by the same name without its `x-`
/// (<https://www.rabbitmq.com/docs/policies>). A row here is all that a new one needs.
pub const POLICY_ARGUMENTS: &[(&str, Merge)] = &[
    ("x-message-ttl", Merge::Lower(None)),
    ("x-expires", Merge::Lower(None)),
    ("x-max-length", Merge::Lower(None)),
    ("x-max-length-bytes", Merge::Lower(None)),
    ("x-max-age", Merge::Policy),
    ("x-stream-max-segment-size-bytes", Merge::Policy),
    ("x-stream-filter-size-bytes", Merge::Policy),
    ("x-delivery-limit", Merge::Lower(Some(-1))),
    ("x-consumer-timeout", Merge::Lower(Some(0))),
    ("x-consumer-timeout-action", Merge::Argument),
    ("x-overflow", Merge::Argument),
    ("x-dead-letter-exchange", Merge::Argument),
    ("x-dead-letter-routing-key", Merge::Argument),
    ("x-delivery-count-mode", Merge::Argument),
    ("x-delayed-retry-type", Merge::Argument),
    ("x-delayed-retry-min", Merge::Argument),
    ("x-delayed-retry-max", Merge::Argument),
    ("x-delayed-retry-multiplier", Merge::Argument),
    ("x-delayed-retry-steps", Merge::Argument),
    ("x-delayed-retry-jitter", Merge::Argument),
    ("x-parking-after", Merge::Argument),
    ("x-parking-ttl", Merge::Argument),
    ("x-parking-limit", Merge::Argument),
    ("x-message-deduplication", Merge::Argument),
    ("x-cache-size", Merge::Argument),
    ("x-cache-ttl", Merge::Argument),
    ("x-deduplication-header", Merge::Argument),
];

/// The arguments that policies can set for queues of a type. For a stream a policy wins over its arguments.
pub fn policy_arguments(of: QueueType) -> impl Iterator<Item = (&'static str, Merge)> {
    let is_stream = of == QueueType::Stream;
    POLICY_ARGUMENTS.iter().filter_map(move |(argument, merge)| match *argument {
        "x-max-age" | "x-stream-max-segment-size-bytes" | "x-stream-filter-size-bytes" => {
            is_stream.then_some((*argument, *merge))
        }
        "x-max-length-bytes" if is_stream => Some((*argument, Merge::Policy)),
        "x-message-deduplication" | "x-cache-size" | "x-cache-ttl" | "x-deduplication-header" => {
            Some((*argument, *merge))
        }
        _ => (!is_stream).then_some((*argument, *merge)),
    })
}
