//! The arguments of basic.consume, checked once the queue is known, as RabbitMQ does.

use amq_protocol::protocol::basic;
use amq_protocol::types::FieldTable;

use crate::protocol::reply::ReplyCode;
use crate::protocol::value::{as_integer, type_name};
use crate::queue::OffsetSpec;
use crate::session::{Exception, NewConsumer};
use crate::stream::{Filter, WrongCursor, WrongFilter, cursor_name};
use crate::topology::equivalence::term;

/// What says where and what a consumer of a stream reads. Any other queue refuses it.
const OF_STREAMS: [&str; 4] =
    ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered", "x-stream-cursor"];

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

/// What no consumer of a stream can have.
const NOT_OF_STREAMS: [&str; 2] = ["x-priority", "x-consumer-timeout"];

/// Checks what a consumer of a stream has to say, in RabbitMQ's order: its arguments, where it begins, how many messages it takes at a
/// time, and that it acks them.
///
/// # Errors
/// 406 for an argument or a missing prefetch, 540 for the rest.
pub(super) fn check_stream_consumer(
    thing: &str,
    consume: &basic::Consume,
    new: &NewConsumer,
) -> Result<(), Exception> {
    let arguments = &consume.arguments;
    if let Some(key) = NOT_OF_STREAMS.iter().find(|key| arguments.inner().contains_key(**key)) {
        let text = format!("invalid arg '{key}' for {thing} of queue type rabbit_stream_queue");
        return Err(Exception::precondition_failed(text));
    }
    OffsetSpec::parse(arguments).map_err(|value| {
        let why = format!(
            "{{invalid_stream_offset_arg,{}}}",
            format_args!("{{{},{}}}", type_name(value), term(value))
        );
        Exception::precondition_failed(format!("invalid arg 'x-stream-offset' for {thing}: {why}"))
    })?;
    Filter::parse(arguments).map_err(|WrongFilter { key, expected }| {
        Exception::precondition_failed(format!("invalid arg '{key}' for {thing}: expected {expected}"))
    })?;
    cursor_name(arguments, consume.consumer_tag.as_str()).map_err(|WrongCursor { key, expected }| {
        Exception::precondition_failed(format!("invalid arg '{key}' for {thing}: expected {expected}"))
    })?;
    if new.prefetch == 0 && new.channel_prefetch.is_none() {
        let text = format!("consumer prefetch count is not set for stream {thing}");
        return Err(Exception::precondition_failed(text));
    }
    if consume.no_ack {
        let text = format!("automatic acknowledgement not supported by stream {thing}");
        return Err(Exception::new(ReplyCode::NotImplemented, text));
    }
    if new.channel_prefetch.is_some() {
        let text = format!("{thing} does not support global qos");
        return Err(Exception::new(ReplyCode::NotImplemented, text));
    }
    Ok(())
}
