//! A message's header table as the topology looks at it.

use crate::protocol::table::{FieldValue, Table};
use crate::topology::{HeaderSource, HeaderValue};

/// Lets headers exchanges look into a table.
#[derive(Debug)]
pub struct TableHeaders<'a>(pub Table<'a>);

impl HeaderSource for TableHeaders<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool) {
        for (key, value) in self.0.iter() {
            if !visitor(key, header_value(value)) {
                return;
            }
        }
    }
}

fn header_value(value: FieldValue<'_>) -> HeaderValue<'_> {
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
        FieldValue::Array(array) => HeaderValue::Other { tag: b'A', raw: array.bytes() },
        FieldValue::Table(table) => HeaderValue::Other { tag: b'F', raw: table.bytes() },
        _ => HeaderValue::Void,
    }
}
