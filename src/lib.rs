//! Coney: an AMQP 0-9-1 broker.
pub mod message;
pub mod time;
