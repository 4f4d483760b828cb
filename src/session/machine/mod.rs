//! The session itself: its state and its channels', and each other file one subject of what they do. The vocabulary and the small
//! parts that the state is made of are beside this folder.

mod body_read;
mod channel;
mod confirming;
mod connection;
mod consuming;
mod direct_replies;
mod frames;
mod handshake;
mod last_publish;
mod methods;
mod prefetch;
pub mod publication;
mod publishing;
mod repeating;
mod reporting;
mod requesting;
mod session;
mod settling;
mod timeouts;
mod watching;

pub use session::{Received, Session};
