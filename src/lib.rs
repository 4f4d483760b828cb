//! Coney, an AMQP 0-9-1 broker: the `coney` binary runs [`Broker`], and a Rust test can embed it.
#![doc = ""]
#![doc = include_str!("ARCHITECTURE.md")]

mod amqp;
pub mod auth;
pub mod broker;
pub mod config;
pub mod dedup;
pub mod ledger;
#[cfg(feature = "management")]
mod management;
pub mod message;
mod pattern;
pub mod policy;
pub mod protocol;
pub mod queue;
pub mod server;
pub mod session;
pub mod statistics;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod time;
pub mod tls;
pub mod topology;

pub use amqp::Stream;
pub use broker::operations::{
    AckMode, GotMessage, MessageHolder, NewMessage, PeekedMessage, Published, Secret,
};
pub use broker::{Clock, ImportError, OperationError, Readings};
pub use queue::{PeekState, Window};
pub use server::{
    Broker, BrokerBuilder, BrokerHandle, JournalHandle, QueueHandle, StartError, raise_descriptor_limit,
};
