//! What the targets share: a client that says nearly the right thing, a server for its session, and a limit to what may be allocated at once.

mod bounded;
pub mod client;
pub mod server;
