//! AMQP over sockets: listeners, the task of each connection, and what it asks the broker for.

mod admission;
#[cfg(feature = "cluster")]
mod answers;
mod connection;
mod connection_log;
mod consumer_arguments;
mod entrance;
mod events;
mod exceptions;
mod faults;
mod faulty;
mod firehose;
mod half_open;
mod handshake;
mod journal;
pub(crate) mod listener;
mod queue_map;
mod quick_ack;
#[cfg(feature = "cluster")]
mod replayed;
mod requests;
mod shares;
mod socket;
mod socket_reset;
mod test_exchange;
mod wire;

pub(crate) use admission::Admission;
#[cfg(feature = "cluster")]
pub(crate) use answers::{Answered, Answers};
pub(crate) use connection::{Endpoints, run};
#[cfg(feature = "cluster")]
pub(crate) use handshake::{Unshaken, shake};
pub(crate) use listener::{Accepted, Entrance};
pub use wire::Stream;
