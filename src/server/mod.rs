//! The broker as it runs: listeners, connection tasks, queue tasks, and the store they share. The only place that names
//! tokio, and (in `clock`) the only one that reads a clock.

mod alarms;
mod broker;
mod clock;
mod connection;
mod dead_letters;
mod definitions;
mod departures;
mod import;
mod known;
mod listener;
mod mailbox;
mod pace;
mod queue_task;
mod recovery;
mod requests;
mod shared;
mod vhost;

pub use alarms::Readings;
pub use broker::{Broker, BrokerBuilder, BrokerHandle, QueueHandle, StartError};
pub use clock::Clock;
pub use connection::Stream;
pub use import::ImportError;
