//! How the command line tools talk to a broker: HTTP/1.1 over its control socket or its management port, in calls that wait.
//!
//! [`find`] looks for the broker that is meant; a [`Client`] asks it; [`path`] builds the paths. Answers are limited in time and in
//! size. A client holds one connection, and makes it when it is first needed.

mod configured;
mod connection;
mod error;
pub mod find;
mod lines;
pub mod path;
mod target;
#[cfg(test)]
mod tests;
mod tls;

pub use connection::{Client, Response};
pub use error::{ClientError, Refusal};
pub use lines::Lines;
pub use target::{Http, Target};
pub use tls::Tls;
