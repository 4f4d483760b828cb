//! A message's header table as the topology looks at it.

use crate::protocol::table::{FieldValue, Table};
use crate::topology::{HeaderSource, HeaderValue};

/// Lets headers exchanges look into a table.
#[derive(Debug)]
pub struct TableHeaders<'a>(pub Table<'a>);

impl HeaderSource for TableHeaders<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool) {
        for ((key, value), (_, raw)) in self.0.iter().zip(self.0.iter_raw()) {
            if !visitor(key, header_value(value, raw)) {
                return;
            }
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
