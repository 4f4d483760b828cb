//! A message's properties as the topology looks at them.

use crate::protocol::content::Properties;
use crate::protocol::table::FieldValue;
use crate::topology::{HashProperty, HeaderSource, HeaderValue};

/// Lets exchanges look into a message's headers and properties.
#[derive(Clone, Copy, Debug)]
pub struct PropertySource<'a>(pub Properties<'a>);

impl HeaderSource for PropertySource<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool) {
        let Some(headers) = self.0.headers() else { return };
        for ((key, value), (_, raw)) in headers.iter().zip(headers.iter_raw()) {
            if !visitor(key, header_value(value, raw)) {
                return;
            }
        }
    }

    fn property(&self, property: HashProperty) -> Option<HeaderValue<'_>> {
        match property {
            HashProperty::MessageId => self.0.message_id().map(HeaderValue::Bytes),
            HashProperty::CorrelationId => self.0.correlation_id().map(HeaderValue::Bytes),
            HashProperty::Timestamp => self.0.timestamp().map(HeaderValue::Timestamp),
        }
    }
}

/// `raw` is the value as encoded, type letter and all.
fn header_value<'a>(value: FieldValue<'a>, raw: &'a [u8]) -> HeaderValue<'a> {
    if let Some(number) = value.as_i64() {
        return HeaderValue::Int(number);
    }
    match value {
        FieldValue::Bool(value) => HeaderValue::Bool(value),
        FieldValue::F32(value) => HeaderValue::Float(f64::from(value)),
        FieldValue::F64(value) => HeaderValue::Float(value),
        FieldValue::Decimal { scale, value } => HeaderValue::Decimal { scale, value },
        FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => HeaderValue::Bytes(bytes),
        FieldValue::Timestamp(seconds) => HeaderValue::Timestamp(seconds),
        FieldValue::Array(_) | FieldValue::Table(_) => match raw.split_first() {
            Some((tag, raw)) => HeaderValue::Other { tag: *tag, raw },
            None => HeaderValue::Void,
        },
        _ => HeaderValue::Void,
    }
}
