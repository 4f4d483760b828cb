//! Bytes <-> frames <-> methods of AMQP 0-9-1.
//!
//! What every message passes is written by hand and borrows from the buffer; the rest is amq-protocol's, behind a check
//! of its own ([`method`]). Invariants: no input panics, recurses deeper than [`table::TABLE_DEPTH_MAX`] or, on the hot
//! path, allocates; nothing here knows a queue, a connection, a clock or a socket.

pub mod content;
pub mod encode;
pub mod frame;
pub mod in_row;
mod layout;
pub mod method;
mod method_id;
mod octets;
mod output;
pub mod repeated;
pub mod reply;
pub mod table;
#[cfg(test)]
mod tests;
pub mod value;

pub use octets::Octets;
pub use output::Output;
