//! Which arguments are compared when a queue is declared again, and which ones policies can set.

/// Arguments that RabbitMQ compares when a queue is declared again.
pub const COMPARED: &[&str] = &[
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-max-priority",
    "x-single-active-consumer",
    "x-queue-type",
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
    "x-consumer-timeout",
    "x-consumer-timeout-action",
    "x-message-deduplication",
    "x-cache-size",
    "x-cache-ttl",
    "x-deduplication-header",
];

/// How a policy's value and a queue's own argument for the same setting combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Numbers that limit: the lowest of all counts, apart from the one that stands for no limit at all, if there is
    /// such a one. Operator policies may have these only.
    Lower(Option<i64>),
    /// The argument wins over the policy.
    Argument,
}

/// Arguments that policies can set as well, by the same name without its `x-`
/// (<https://www.rabbitmq.com/docs/policies>). A row here is all that it takes.
pub const POLICY_ARGUMENTS: &[(&str, Merge)] = &[
    ("x-message-ttl", Merge::Lower(None)),
    ("x-expires", Merge::Lower(None)),
    ("x-max-length", Merge::Lower(None)),
    ("x-max-length-bytes", Merge::Lower(None)),
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
