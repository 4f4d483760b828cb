//! The test exchange, by which a client of a broker with `--test` controls its world without HTTP.
//!
//! A client publishes to `amq.test` with the routing key of a request and a `reply_to`, and is answered there. With publisher
//! confirms the publish is confirmed when the channel has taken it. What requests there are is the broker's business.

/// Its name.
pub const NAME: &str = "amq.test";
