//! Streams: an ordered log that consumers read by offset, again and again (<https://www.rabbitmq.com/docs/streams>). One synchronous state machine
//! per stream, with no IO and no clock, that takes the same [`Command`](crate::queue::Command)s and gives the same [`Effects`](crate::queue::Effects)
//! as the [queue's](crate::queue).
//!
//! Invariants:
//! - only what is durable is delivered, so an offset that anybody saw is never given to another message;
//! - offsets of a stream are dense; each reader gets them ascending, without one twice;
//! - a reader never has more unacked messages than its prefetch, nor more bytes on their way than its window;
//! - memory does not depend on how long the stream is: its newest messages, a record for each segment, what readers have read ahead;
//! - retention takes whole segments, never the newest, and no reader holds it back;
//! - a cursor's floor never goes beyond a message that was delivered with it and not acked.
//!
//! `filter`, `tail`, `log`, `cursor` and `reader` are parts that know nothing of each other; `machine` puts them together.

mod ahead;
mod cursor;
mod cursor_name;
mod filter;
mod header_filter;
mod held;
mod log;
mod machine;
mod pending;
mod reader;
mod tail;
#[cfg(test)]
mod tests;

pub use cursor::{RecoveredCursors, is_cursor_record};
pub use cursor_name::{WrongCursor, cursor_name, is_name};
pub use filter::{Filter, WrongFilter, filter_value};
pub use machine::Stream;
