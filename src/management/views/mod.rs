//! What is answered, as plain values with RabbitMQ's names. A field that RabbitMQ has is there, with the type that it has there: an
//! empty map is `{}`, a number is never absent or `null`.

pub(super) mod arguments;
pub(super) mod binding;
pub(super) mod channel;
pub(super) mod connection;
pub(super) mod consumer;
pub(super) mod exchange;
pub(super) mod message;
pub(super) mod moment;
pub(super) mod node;
pub(super) mod overview;
pub(super) mod policy;
pub(super) mod queue;
pub(super) mod queue_lengths;
pub(super) mod rates;
pub(super) mod user;
pub(super) mod vhost;
