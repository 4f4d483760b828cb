//! Filters by headers: a consumer names headers with values, and gets the messages that have them. Each message is looked at; no chunk can be
//! passed over unread.

use amq_protocol::types::{AMQPValue, FieldTable};

use crate::message::Message;
use crate::protocol::content::Properties;
use crate::protocol::table::FieldValue;

/// Headers that a consumer can name.
const HEADERS_MAX: usize = 64;

/// The value of a header: what it means, not how wide it is on the wire.
#[derive(Clone, Debug, PartialEq)]
enum Meaning<T> {
    Bool(bool),
    Number(i128),
    Float(f64),
    Text(T),
    /// Of a filter: any value will do.
    Void,
}

/// A header and its value.
type Wanted = (Box<[u8]>, Meaning<Box<[u8]>>);

/// Headers that are wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HeaderFilter {
    wanted: Vec<Wanted>,
    /// One of them will do.
    any: bool,
}

impl HeaderFilter {
    /// All of these headers are wanted, or `any` of them. A value of void is any value. `None` if there are too many, or a value cannot be
    /// compared.
    pub(super) fn parse(headers: &FieldTable, any: bool) -> Option<Self> {
        let wanted = headers
            .inner()
            .iter()
            .map(|(key, value)| Some((key.as_str().as_bytes().into(), meaning(value)?)));
        let wanted: Vec<_> = wanted.collect::<Option<_>>()?;
        (wanted.len() <= HEADERS_MAX).then_some(Self { wanted, any })
    }

    pub(super) fn matches(&self, message: &Message) -> bool {
        let headers =
            Properties::parse(message.properties()).ok().and_then(|properties| properties.headers());
        let has = |(key, wanted): &Wanted| {
            headers.and_then(|headers| headers.get(key)).is_some_and(|value| wanted.is(&value))
        };
        if self.any { self.wanted.iter().any(has) } else { self.wanted.iter().all(has) }
    }
}

impl Meaning<Box<[u8]>> {
    fn is(&self, value: &FieldValue<'_>) -> bool {
        match (self, found(value)) {
            (Self::Void, _) => true,
            (_, None) => false,
            (Self::Bool(wanted), Some(Meaning::Bool(is))) => *wanted == is,
            (Self::Number(wanted), Some(Meaning::Number(is))) => *wanted == is,
            (Self::Float(wanted), Some(Meaning::Float(is))) => *wanted == is,
            (Self::Text(wanted), Some(Meaning::Text(is))) => **wanted == *is,
            _ => false,
        }
    }
}

fn meaning(value: &AMQPValue) -> Option<Meaning<Box<[u8]>>> {
    Some(match value {
        AMQPValue::Boolean(value) => Meaning::Bool(*value),
        AMQPValue::ShortShortInt(value) => Meaning::Number((*value).into()),
        AMQPValue::ShortShortUInt(value) => Meaning::Number((*value).into()),
        AMQPValue::ShortInt(value) => Meaning::Number((*value).into()),
        AMQPValue::ShortUInt(value) => Meaning::Number((*value).into()),
        AMQPValue::LongInt(value) => Meaning::Number((*value).into()),
        AMQPValue::LongUInt(value) => Meaning::Number((*value).into()),
        AMQPValue::LongLongInt(value) => Meaning::Number((*value).into()),
        AMQPValue::Timestamp(value) => Meaning::Number((*value).into()),
        AMQPValue::Float(value) => Meaning::Float((*value).into()),
        AMQPValue::Double(value) => Meaning::Float(*value),
        AMQPValue::LongString(value) => Meaning::Text(value.as_bytes().into()),
        AMQPValue::ShortString(value) => Meaning::Text(value.as_str().as_bytes().into()),
        AMQPValue::ByteArray(value) => Meaning::Text(value.as_slice().into()),
        AMQPValue::Void => Meaning::Void,
        _ => return None,
    })
}

fn found<'a>(value: &FieldValue<'a>) -> Option<Meaning<&'a [u8]>> {
    Some(match *value {
        FieldValue::Bool(value) => Meaning::Bool(value),
        FieldValue::I8(value) => Meaning::Number(value.into()),
        FieldValue::U8(value) => Meaning::Number(value.into()),
        FieldValue::I16(value) => Meaning::Number(value.into()),
        FieldValue::U16(value) => Meaning::Number(value.into()),
        FieldValue::I32(value) => Meaning::Number(value.into()),
        FieldValue::U32(value) => Meaning::Number(value.into()),
        FieldValue::I64(value) => Meaning::Number(value.into()),
        FieldValue::Timestamp(value) => Meaning::Number(value.into()),
        FieldValue::F32(value) => Meaning::Float(value.into()),
        FieldValue::F64(value) => Meaning::Float(value),
        FieldValue::LongString(value) | FieldValue::Bytes(value) => Meaning::Text(value),
        FieldValue::Decimal { .. } | FieldValue::Array(_) | FieldValue::Table(_) | FieldValue::Void => {
            return None;
        }
    })
}
