//! A client's session: the connection's and its channels' state machines, without IO.
//!
//! The server feeds it bytes and what queues say, writes out what gathers in [`Session::out`], hands
//! [`Session::outgoing`] to the queues, and serves its [`Request`]s. Time is an argument.
//!
//! ```text
//! Header -> Start -> Tune -> Open -> Running -> Closing (we sent close) -----------------> Closed
//!                                      |             \ (the client's close crossed ours)    ^
//!                                      \-> Leaving (client sent close) -> Answered --------/
//! ```
//! Invariants: a channel exception closes one channel, a connection exception this connection; input never panics and
//! never makes the session hold more than its [`Limits`] allow; delivery tags are given out in wire order.
//!
//! The lowest files are the vocabulary: `request`, `exception`, `config`, `consumer`, `transaction`, `held`, `report`, `sweep`. Above it are the
//! parts, each with a small state of its own: `tags`, `confirms`, `outgoing`, `direct_reply`. On top is `machine`, which alone
//! knows them all.

mod access;
pub mod body_room;
mod config;
mod confirms;
mod consumer;
pub mod direct_reply;
mod exception;
mod headers;
mod held;
mod known_queues;
mod machine;
mod mismatch;
mod names;
pub mod outgoing;
mod report;
mod request;
mod settle_exchange;
mod sweep;
mod tags;
mod test_exchange;
#[cfg(test)]
mod tests;
mod transaction;
mod watch;

pub use config::{Limits, SessionConfig, Tuned};
pub use confirms::{SentConfirm, delivery_tag};
pub use consumer::{AckPolicy, NewConsumer, Source};
pub use exception::Exception;
pub use headers::PropertySource;
pub use held::Held;
pub use machine::{Received, Session, publication};
pub use mismatch::Mismatch;
pub use names::strip_crlf;
pub use report::{
    ChannelChange, ChannelMode, ChannelNumbers, ChannelReport, Raised, SessionCounters, Traced, Unrouted,
    Unusual,
};
pub use request::{ChannelRequest, Request};
pub use sweep::Sweep;
pub use transaction::{TxPublish, TxWork};
pub use watch::{QueueNames, Watch};
