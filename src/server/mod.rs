//! The parts put together: starting a broker with its listeners, the handle of a program that embeds it, stopping.

mod binding;
mod builder;
mod carried;
mod control;
mod descriptors;
mod door;
mod error;
mod front;
#[cfg(feature = "cluster")]
mod front_tls;
mod handle;
mod http;
mod meta;
#[cfg(feature = "cluster")]
mod moves;
mod sockets;
mod tls;
mod world;

#[cfg(feature = "cluster")]
pub(crate) use crate::amqp::{Answered, Answers};
#[cfg(feature = "cluster")]
pub use crate::tls::EndedTls;
#[cfg(feature = "cluster")]
pub(crate) use crate::tls::Socket;
pub use builder::{Broker, BrokerBuilder};
#[cfg(feature = "cluster")]
pub(crate) use carried::Came;
pub use carried::{Carried, Carrier, carriage};
pub use descriptors::{connections_max, raise_descriptor_limit};
pub use door::Door;
pub use error::StartError;
#[cfg(feature = "cluster")]
pub(crate) use front::Front;
#[cfg(feature = "cluster")]
pub(crate) use front_tls::Certificates;
pub use handle::{BrokerHandle, JournalHandle, QueueHandle};
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub use meta::Meta;
#[cfg(feature = "cluster")]
pub(crate) use meta::OF_VHOSTS;
pub use sockets::Sockets;
pub use world::{
    ClockMove, Fault, FaultBuilder, WaitError, World, WorldBuilder, WorldClock, WorldHandle, WorldQueue,
    WorldWait,
};
