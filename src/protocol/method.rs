//! Methods (spec section 4.2.4): `class u16 | method u16 | arguments`.
//!
//! Those that come once a message are decoded here and borrow from the frame; the rest is amq-protocol's, which sees only
//! what `layout` passed. Bits that AMQP does not define are ignored, as are reserved arguments.

use amq_protocol::protocol::{
    AMQPClass, access, basic, channel, confirm, connection, exchange, parse_class, queue, tx,
};

use super::Octets;
use super::layout::{self, Fault};
pub use super::method_id::MethodId;
use super::reply::ReplyCode;
use super::table::TableError;

/// A decoded method. Those that only a server sends decode as well: it is for the session to refuse them.
#[derive(Clone, Debug, PartialEq)]
pub enum Method<'a> {
    /// basic.publish; the names may be any bytes, as RabbitMQ takes them.
    Publish {
        /// The exchange; empty for the default one.
        exchange: &'a [u8],
        /// The routing key.
        routing_key: &'a [u8],
        /// Whether it comes back if it cannot be routed.
        mandatory: bool,
        /// Whether it comes back if no consumer can take it now.
        immediate: bool,
    },
    /// basic.ack
    Ack {
        /// The delivery.
        delivery_tag: u64,
        /// Whether all up to it are meant.
        multiple: bool,
    },
    /// basic.nack
    Nack {
        /// The delivery.
        delivery_tag: u64,
        /// Whether all up to it are meant.
        multiple: bool,
        /// Whether it returns to its queue.
        requeue: bool,
    },
    /// basic.reject
    Reject {
        /// The delivery.
        delivery_tag: u64,
        /// Whether it returns to its queue.
        requeue: bool,
    },
    /// basic.get
    Get {
        /// The queue; empty for the one declared last.
        queue: &'a str,
        /// Whether it counts as acked at once.
        no_ack: bool,
    },
    /// basic.qos
    Qos {
        /// Limit in bytes; 0: none.
        prefetch_size: u32,
        /// Limit in messages; 0: none.
        prefetch_count: u16,
        /// In RabbitMQ: for the channel rather than each new consumer.
        global: bool,
    },
    /// Class 10.
    Connection(connection::AMQPMethod),
    /// Class 20.
    Channel(channel::AMQPMethod),
    /// Class 30.
    Access(access::AMQPMethod),
    /// Class 40.
    Exchange(exchange::AMQPMethod),
    /// Class 50.
    Queue(queue::AMQPMethod),
    /// Class 60, but for the methods above.
    Basic(basic::AMQPMethod),
    /// Class 90.
    Tx(tx::AMQPMethod),
    /// Class 85.
    Confirm(confirm::AMQPMethod),
}

/// Bytes that are no method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// Too short to name a method.
    #[error("type 1, all octets = {0}: unknown_frame")]
    PayloadTooShort(Octets),
    /// AMQP has no such method.
    #[error("unknown method {0}")]
    Unknown(MethodId),
    /// The arguments end too early.
    #[error("cannot decode {1}")]
    Truncated(MethodId, Octets),
    /// Something follows the arguments.
    #[error("cannot decode {1}")]
    Trailing(MethodId, Octets),
    /// A name is not UTF-8.
    #[error("Malformed UTF-8 in shortstr")]
    BadUtf8(MethodId),
    /// A table is malformed, or nested too deep.
    #[error("malformed table in method {0}: {1}")]
    BadTable(MethodId, TableError),
}

impl MethodError {
    /// What connection.close says: the code, the text without the code's name, and the method (0.0 if there is none).
    #[must_use]
    pub fn reply(&self) -> (ReplyCode, String, MethodId) {
        let (code, id) = match self {
            // RabbitMQ finds bad UTF-8 before it knows the method.
            Self::PayloadTooShort(_) | Self::BadUtf8(_) => (ReplyCode::FrameError, MethodId::default()),
            Self::Truncated(id, _) | Self::Trailing(id, _) => (ReplyCode::FrameError, *id),
            Self::Unknown(id) => (ReplyCode::CommandInvalid, *id),
            Self::BadTable(id, _) => (ReplyCode::SyntaxError, *id),
        };
        (code, self.to_string(), id)
    }

    #[cold]
    fn of(fault: Fault, id: MethodId, arguments: &[u8]) -> Self {
        match fault {
            Fault::Truncated => Self::Truncated(id, arguments.into()),
            Fault::Trailing => Self::Trailing(id, arguments.into()),
            Fault::Utf8 => Self::BadUtf8(id),
            Fault::Table(error) => Self::BadTable(id, error),
        }
    }
}

/// The method that a method frame's payload is; `None` if it is too short to say.
#[must_use]
#[inline]
pub fn method_id(payload: &[u8]) -> Option<MethodId> {
    payload.first_chunk::<4>().copied().map(id_of)
}

#[inline]
const fn id_of([c1, c0, m1, m0]: [u8; 4]) -> MethodId {
    MethodId { class: u16::from_be_bytes([c1, c0]), method: u16::from_be_bytes([m1, m0]) }
}

/// Decodes a method frame's payload.
///
/// # Errors
/// [`MethodError`]; each closes the connection.
#[inline(never)]
pub fn decode_method(payload: &[u8]) -> Result<Method<'_>, MethodError> {
    decode_method_in_place(payload)
}

/// The same where most methods pass: a call less, and no method that is moved about.
///
/// # Errors
/// As [`decode_method`].
#[inline(always)]
pub fn decode_method_in_place(payload: &[u8]) -> Result<Method<'_>, MethodError> {
    let Some((head, arguments)) = payload.split_first_chunk::<4>() else {
        return Err(MethodError::PayloadTooShort(payload.into()));
    };
    let id = id_of(*head);
    let refused = |fault| MethodError::of(fault, id, arguments);
    // A method is large, so it is made in its place: no `map` moves it about.
    match (id.class, id.method) {
        (60, 40) => {
            let (exchange, routing_key, bits) = publish(arguments).map_err(refused)?;
            Ok(Method::Publish { exchange, routing_key, mandatory: bits & 1 != 0, immediate: bits & 2 != 0 })
        }
        (60, 80) => {
            let (delivery_tag, bits) = settle(arguments).map_err(refused)?;
            Ok(Method::Ack { delivery_tag, multiple: bits & 1 != 0 })
        }
        (60, 120) => {
            let (delivery_tag, bits) = settle(arguments).map_err(refused)?;
            Ok(Method::Nack { delivery_tag, multiple: bits & 1 != 0, requeue: bits & 2 != 0 })
        }
        (60, 90) => {
            let (delivery_tag, bits) = settle(arguments).map_err(refused)?;
            Ok(Method::Reject { delivery_tag, requeue: bits & 1 != 0 })
        }
        (60, 70) => {
            let (queue, bits) = get(arguments).map_err(refused)?;
            Ok(Method::Get { queue, no_ack: bits & 1 != 0 })
        }
        (60, 10) => {
            let (prefetch_size, prefetch_count, bits) = qos(arguments).map_err(refused)?;
            Ok(Method::Qos { prefetch_size, prefetch_count, global: bits & 1 != 0 })
        }
        _ => cold(id, payload, arguments),
    }
}

/// Exchange, routing key and bits.
#[inline]
fn publish(arguments: &[u8]) -> Result<(&[u8], &[u8], u8), Fault> {
    let (_, rest) = arguments.split_first_chunk::<2>().ok_or(Fault::Truncated)?;
    let (exchange, rest) = short(rest)?;
    let (routing_key, rest) = short(rest)?;
    Ok((exchange, routing_key, last_bits(rest)?))
}

/// Delivery tag and bits: the arguments of ack, nack and reject.
#[inline]
fn settle(arguments: &[u8]) -> Result<(u64, u8), Fault> {
    let (tag, rest) = arguments.split_first_chunk::<8>().ok_or(Fault::Truncated)?;
    Ok((u64::from_be_bytes(*tag), last_bits(rest)?))
}

/// Queue and bits.
fn get(arguments: &[u8]) -> Result<(&str, u8), Fault> {
    let (_, rest) = arguments.split_first_chunk::<2>().ok_or(Fault::Truncated)?;
    let (queue, rest) = short(rest)?;
    let bits = last_bits(rest)?;
    Ok((std::str::from_utf8(queue).map_err(|_| Fault::Utf8)?, bits))
}

/// Prefetch size, prefetch count and bits.
fn qos(arguments: &[u8]) -> Result<(u32, u16, u8), Fault> {
    let (size, rest) = arguments.split_first_chunk::<4>().ok_or(Fault::Truncated)?;
    let (count, rest) = rest.split_first_chunk::<2>().ok_or(Fault::Truncated)?;
    Ok((u32::from_be_bytes(*size), u16::from_be_bytes(*count), last_bits(rest)?))
}

#[inline]
fn short(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let (length, rest) = bytes.split_first().ok_or(Fault::Truncated)?;
    rest.split_at_checked(usize::from(*length)).ok_or(Fault::Truncated)
}

/// The octet of bits that ends the arguments.
#[inline]
const fn last_bits(rest: &[u8]) -> Result<u8, Fault> {
    match rest {
        [bits] => Ok(*bits),
        [] => Err(Fault::Truncated),
        _ => Err(Fault::Trailing),
    }
}

#[inline(never)]
fn cold<'a>(id: MethodId, payload: &[u8], arguments: &[u8]) -> Result<Method<'a>, MethodError> {
    let fields = layout::fields(id).ok_or(MethodError::Unknown(id))?;
    layout::check(fields, arguments).map_err(|fault| MethodError::of(fault, id, arguments))?;
    match parse_class(payload) {
        Ok(([], class)) => Ok(of_class(class)),
        // All else that its parser may find fault with was checked.
        _ => Err(MethodError::BadTable(id, TableError::KeyNotUtf8)),
    }
}

fn of_class<'a>(class: AMQPClass) -> Method<'a> {
    match class {
        AMQPClass::Connection(method) => Method::Connection(method),
        AMQPClass::Channel(method) => Method::Channel(method),
        AMQPClass::Access(method) => Method::Access(method),
        AMQPClass::Exchange(method) => Method::Exchange(method),
        AMQPClass::Queue(method) => Method::Queue(method),
        AMQPClass::Basic(method) => Method::Basic(method),
        AMQPClass::Tx(method) => Method::Tx(method),
        AMQPClass::Confirm(method) => Method::Confirm(method),
    }
}
