//! The arguments of basic.consume, checked once the queue is known, as RabbitMQ does.

use amq_protocol::types::FieldTable;

use crate::protocol::value::{as_integer, type_name};
use crate::session::Exception;

/// What says where and what a consumer of a stream reads. Any other queue refuses it.
const OF_STREAMS: [&str; 3] = ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"];

/// Reads `x-priority`, 0 without it, and refuses arguments of streams. `thing` is the queue in the words of an error.
///
/// # Errors
/// 406 for a priority that is no integer (void is none), and for an argument of streams.
pub(super) fn consumer_priority(thing: &str, arguments: &FieldTable) -> Result<i32, Exception> {
    let priority = match arguments.inner().get("x-priority") {
        None => 0,
        Some(value) => as_integer(value).ok_or_else(|| {
            let why = format!("\"expected integer, got {}\"", type_name(value));
            Exception::precondition_failed(format!("invalid arg 'x-priority' for {thing}: {why}"))
        })?,
    };
    if let Some(key) = OF_STREAMS.iter().find(|key| arguments.inner().contains_key(**key)) {
        let text = format!("invalid arg '{key}' for {thing} of queue type rabbit_classic_queue");
        return Err(Exception::precondition_failed(text));
    }
    Ok(i32::try_from(priority).unwrap_or(if priority < 0 { i32::MIN } else { i32::MAX }))
}
