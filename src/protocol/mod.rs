//! Bytes to frames to methods and back (AMQP 0-9-1, section 4). Knows nothing of queues or connections.
//!
//! What every message passes is written by hand: the frame envelope, publish, ack, nack, reject, get, qos and content
//! headers in; deliver, get-ok, return, ack, nack, headers and bodies out. The rest goes through amq-protocol's class
//! parsers, after a check that their tables are well formed and not nested too deep: that crate's parsers recurse.
//!
//! Invariants: no input panics; nothing here allocates in proportion to a length that a peer only announced.

pub mod content;
pub mod encode;
pub mod frame;
pub mod method;
mod reader;
pub mod reply;
pub mod table;
