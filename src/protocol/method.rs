//! Methods from clients (spec section 1).

use amq_protocol::protocol::{
    AMQPClass, access, basic, channel, confirm, connection, exchange, parse_class, queue, tx,
};

use super::frame::octets;
use super::reader::Reader;
use super::reply::ReplyCode;
use super::table;

/// Class and method numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MethodId {
    /// The class.
    pub class: u16,
    /// The method within it.
    pub method: u16,
}

/// A method: the frequent ones borrowed from the frame, the rest as amq-protocol has them.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the spec's")]
pub enum Method<'a> {
    Publish { exchange: &'a [u8], routing_key: &'a [u8], mandatory: bool, immediate: bool },
    Ack { delivery_tag: u64, multiple: bool },
    Nack { delivery_tag: u64, multiple: bool, requeue: bool },
    Reject { delivery_tag: u64, requeue: bool },
    Get { queue: &'a str, no_ack: bool },
    Qos { prefetch_size: u32, prefetch_count: u16, global: bool },
    Connection(connection::AMQPMethod),
    Channel(channel::AMQPMethod),
    Access(access::AMQPMethod),
    Exchange(exchange::AMQPMethod),
    Queue(queue::AMQPMethod),
    Basic(basic::AMQPMethod),
    Tx(tx::AMQPMethod),
    Confirm(confirm::AMQPMethod),
}

/// A payload that is no method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// Too short for class and method numbers.
    #[error("type 1, all octets = {0}: unknown_frame")]
    NoId(String),
    /// AMQP has no such method.
    #[error("unknown method {}.{}", .0.class, .0.method)]
    Unknown(MethodId),
    /// Its arguments are too short or too long.
    #[error("cannot decode {1}")]
    Arguments(MethodId, String),
    /// A table in it is malformed or nested too deep.
    #[error("{1}")]
    Table(MethodId, table::TableError),
    /// A name in it is not UTF-8.
    #[error("Malformed UTF-8 in shortstr")]
    Utf8(MethodId),
}

impl MethodError {
    /// The reply code, the text and the method that the connection is closed with.
    #[must_use]
    pub fn reply(&self) -> (ReplyCode, String, MethodId) {
        let (code, id) = match *self {
            Self::NoId(_) => (ReplyCode::FrameError, MethodId::default()),
            Self::Unknown(id) => (ReplyCode::CommandInvalid, id),
            Self::Arguments(id, _) | Self::Utf8(id) => (ReplyCode::FrameError, id),
            Self::Table(id, _) => (ReplyCode::SyntaxError, id),
        };
        (code, self.to_string(), id)
    }
}

/// The method's numbers, if the payload is long enough for them.
#[must_use]
pub fn method_id(payload: &[u8]) -> Option<MethodId> {
    let mut reader = Reader::new(payload);
    Some(MethodId { class: reader.u16()?, method: reader.u16()? })
}

/// Takes a method frame's payload apart.
pub fn decode_method(payload: &[u8]) -> Result<Method<'_>, MethodError> {
    let id = method_id(payload).ok_or_else(|| MethodError::NoId(octets(payload)))?;
    let arguments = payload.get(4..).unwrap_or_default();
    let mut reader = Reader::new(arguments);
    let bad = || MethodError::Arguments(id, octets(arguments));
    let hot = match (id.class, id.method) {
        (60, 40) => publish(&mut reader),
        (60, 80) => ack(&mut reader),
        (60, 120) => nack(&mut reader),
        (60, 90) => reject(&mut reader),
        (60, 10) => qos(&mut reader),
        (60, 70) => return get(arguments, id),
        _ => return cold(payload, arguments, id),
    };
    hot.filter(|_| reader.is_empty()).ok_or_else(bad)
}

fn publish<'a>(reader: &mut Reader<'a>) -> Option<Method<'a>> {
    reader.u16()?;
    let (exchange, routing_key, bits) = (reader.short()?, reader.short()?, reader.u8()?);
    Some(Method::Publish { exchange, routing_key, mandatory: bits & 1 != 0, immediate: bits & 2 != 0 })
}

fn ack<'a>(reader: &mut Reader<'a>) -> Option<Method<'a>> {
    Some(Method::Ack { delivery_tag: reader.u64()?, multiple: reader.u8()? & 1 != 0 })
}

fn nack<'a>(reader: &mut Reader<'a>) -> Option<Method<'a>> {
    let (delivery_tag, bits) = (reader.u64()?, reader.u8()?);
    Some(Method::Nack { delivery_tag, multiple: bits & 1 != 0, requeue: bits & 2 != 0 })
}

fn reject<'a>(reader: &mut Reader<'a>) -> Option<Method<'a>> {
    Some(Method::Reject { delivery_tag: reader.u64()?, requeue: reader.u8()? & 1 != 0 })
}

fn qos<'a>(reader: &mut Reader<'a>) -> Option<Method<'a>> {
    let (prefetch_size, prefetch_count) = (reader.u32()?, reader.u16()?);
    Some(Method::Qos { prefetch_size, prefetch_count, global: reader.u8()? & 1 != 0 })
}

fn get(arguments: &[u8], id: MethodId) -> Result<Method<'_>, MethodError> {
    let mut reader = Reader::new(arguments);
    let mut fields = || Some((reader.u16()?, reader.short()?, reader.u8()?));
    let fields = fields().filter(|_| reader.is_empty());
    let (_, queue, bits) = fields.ok_or_else(|| MethodError::Arguments(id, octets(arguments)))?;
    let queue = std::str::from_utf8(queue).map_err(|_| MethodError::Utf8(id))?;
    Ok(Method::Get { queue, no_ack: bits & 1 != 0 })
}

/// How the arguments of the other methods are laid out: just so far as to check them before amq-protocol's parsers see
/// them. `w` short string, `n` long string, `F` table, digits: that many bytes.
const LAYOUTS: &[(u16, u16, &str)] = &[
    (10, 10, "2Fnn"),
    (10, 11, "Fwnw"),
    (10, 20, "n"),
    (10, 21, "n"),
    (10, 30, "8"),
    (10, 31, "8"),
    (10, 40, "ww1"),
    (10, 41, "w"),
    (10, 50, "2w4"),
    (10, 51, ""),
    (10, 60, "w"),
    (10, 61, ""),
    (10, 70, "nw"),
    (10, 71, ""),
    (20, 10, "w"),
    (20, 11, "n"),
    (20, 20, "1"),
    (20, 21, "1"),
    (20, 40, "2w4"),
    (20, 41, ""),
    (30, 10, "w1"),
    (30, 11, "2"),
    (40, 10, "2ww1F"),
    (40, 11, ""),
    (40, 20, "2w1"),
    (40, 21, ""),
    (40, 30, "2www1F"),
    (40, 31, ""),
    (40, 40, "2www1F"),
    (40, 51, ""),
    (50, 10, "2w1F"),
    (50, 11, "w8"),
    (50, 20, "2www1F"),
    (50, 21, ""),
    (50, 30, "2w1"),
    (50, 31, "4"),
    (50, 40, "2w1"),
    (50, 41, "4"),
    (50, 50, "2wwwF"),
    (50, 51, ""),
    (60, 11, ""),
    (60, 20, "2ww1F"),
    (60, 21, "w"),
    (60, 30, "w1"),
    (60, 31, "w"),
    (60, 50, "2www"),
    (60, 60, "w81ww"),
    (60, 71, "81ww4"),
    (60, 72, "w"),
    (60, 100, "1"),
    (60, 110, "1"),
    (60, 111, ""),
    (85, 10, "1"),
    (85, 11, ""),
    (90, 10, ""),
    (90, 11, ""),
    (90, 20, ""),
    (90, 21, ""),
    (90, 30, ""),
    (90, 31, ""),
];

fn cold<'a>(payload: &'a [u8], arguments: &'a [u8], id: MethodId) -> Result<Method<'a>, MethodError> {
    let layout = LAYOUTS.iter().find(|(class, method, _)| (*class, *method) == (id.class, id.method));
    let (_, _, layout) = layout.ok_or(MethodError::Unknown(id))?;
    check_layout(arguments, layout, id)?;
    // All that is left for that parser to refuse is a name that is not UTF-8.
    let (rest, class) = parse_class(payload).map_err(|_| MethodError::Utf8(id))?;
    if !rest.is_empty() {
        return Err(MethodError::Arguments(id, octets(arguments)));
    }
    Ok(match class {
        AMQPClass::Connection(method) => Method::Connection(method),
        AMQPClass::Channel(method) => Method::Channel(method),
        AMQPClass::Access(method) => Method::Access(method),
        AMQPClass::Exchange(method) => Method::Exchange(method),
        AMQPClass::Queue(method) => Method::Queue(method),
        AMQPClass::Basic(method) => Method::Basic(method),
        AMQPClass::Tx(method) => Method::Tx(method),
        AMQPClass::Confirm(method) => Method::Confirm(method),
    })
}

fn check_layout(arguments: &[u8], layout: &str, id: MethodId) -> Result<(), MethodError> {
    let mut reader = Reader::new(arguments);
    let bad = || MethodError::Arguments(id, octets(arguments));
    for field in layout.bytes() {
        match field {
            b'w' => {
                let name = reader.short().ok_or_else(bad)?;
                std::str::from_utf8(name).map_err(|_| MethodError::Utf8(id))?;
            }
            b'n' => drop(reader.long().ok_or_else(bad)?),
            b'F' => {
                let content = reader.long().ok_or_else(bad)?;
                table::validate(content).map_err(|error| MethodError::Table(id, error))?;
            }
            digit => drop(reader.bytes(usize::from(digit - b'0')).ok_or_else(bad)?),
        }
    }
    if reader.is_empty() { Ok(()) } else { Err(bad()) }
}
