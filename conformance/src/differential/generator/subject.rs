//! What a program is about.

/// TTLs up to this are short: they are over after each operation of a program that outlives them.
pub(super) const SHORT_TTL_MS: i32 = 60;

/// What a program is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Everything.
    Everything,
    /// Consumers, prefetch, acks.
    Consuming,
    /// Confirms, returns, transactions.
    Publishing,
    /// Exchanges, bindings, routing.
    Topology,
    /// Limits, dead letters, priorities.
    Limits,
    /// Short TTLs.
    Expiry,
    /// Arguments and mistakes.
    Declaring,
}
