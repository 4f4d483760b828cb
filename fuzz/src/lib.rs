//! What the targets share: a client that says nearly the right thing, and a server for its session.

pub mod client;
pub mod server;
