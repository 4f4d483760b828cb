//! Coney, an AMQP 0-9-1 broker: the `coney` binary runs [`Broker`], and a Rust test can embed it.
#![doc = ""]
#![doc = include_str!("ARCHITECTURE.md")]

mod amqp;
pub mod auth;
pub mod broker;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod config;
pub mod dedup;
pub mod faults;
pub mod ledger;
#[cfg(feature = "management")]
mod management;
pub mod message;
mod pattern;
pub mod persona;
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
    AckMode, Countable, GotMessage, MessageHolder, Moved, NewMessage, PeekedMessage, Published, Secret,
    Unmet, WorldCounts,
};
pub use broker::world::{Step, StepKind};
pub use broker::{Clock, ImportError, OperationError, Readings};
pub use queue::{PeekState, Window};
pub use server::{
    Broker, BrokerBuilder, BrokerHandle, ClockMove, Fault, FaultBuilder, JournalHandle, QueueHandle,
    StartError, WaitError, World, WorldBuilder, WorldClock, WorldHandle, WorldQueue, WorldWait,
    raise_descriptor_limit,
};
