//! Tables of AMQP values as JSON, as RabbitMQ's definitions and HTTP API write them; and in a second form that keeps
//! what JSON cannot say: the widths of integers, timestamps, bytes that are no text.

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use serde_json::{Map, Number, Value};

use crate::protocol::table::TABLE_DEPTH_MAX;
use crate::protocol::value::as_integer;

/// A table as a JSON object.
#[must_use]
pub fn plain(table: &FieldTable) -> Value {
    Value::Object(table.inner().iter().map(|(key, value)| (key.to_string(), plain_value(value))).collect())
}

/// The same of one value. Integers of each width are numbers, void is null. The recursion is as deep as the value, whose depth was limited when
/// it was decoded.
#[must_use]
pub fn plain_value(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::Timestamp(value) => (*value).into(),
        AMQPValue::Float(value) => number(f64::from(*value)),
        AMQPValue::Double(value) => number(*value),
        AMQPValue::DecimalValue(value) => {
            number(f64::from(value.value) / 10_f64.powi(i32::from(value.scale)))
        }
        AMQPValue::ShortString(value) => value.as_str().into(),
        AMQPValue::LongString(value) => String::from_utf8_lossy(value.as_bytes()).into(),
        AMQPValue::ByteArray(value) => String::from_utf8_lossy(value.as_slice()).into(),
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(plain_value).collect(),
        AMQPValue::FieldTable(table) => plain(table),
        value => as_integer(value).map_or(Value::Null, Value::from),
    }
}

/// JSON has no infinities.
fn number(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Why JSON cannot become a table of AMQP values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Keys are short strings.
    #[error("a key is longer than 255 bytes")]
    LongKey,
    /// Integers have 64 bits.
    #[error("{0} is too large")]
    LargeNumber(String),
    /// Nested deeper than AMQP's tables may be.
    #[error("nested deeper than {TABLE_DEPTH_MAX}")]
    TooDeep,
}

/// A JSON object as RabbitMQ reads it into a table: whole numbers are of 64 bits.
///
/// # Errors
/// [`ReadError`].
pub fn read_plain(fields: &Map<String, Value>) -> Result<FieldTable, ReadError> {
    read_table(fields, TABLE_DEPTH_MAX)
}

/// The same of one value.
///
/// # Errors
/// [`ReadError`].
pub fn read_value(value: &Value) -> Result<AMQPValue, ReadError> {
    // The table that it is for is a level by itself.
    read_nested(value, TABLE_DEPTH_MAX - 1)
}

fn read_table(fields: &Map<String, Value>, depth_left: usize) -> Result<FieldTable, ReadError> {
    let depth_left = depth_left.checked_sub(1).ok_or(ReadError::TooDeep)?;
    let mut table = FieldTable::default();
    for (key, value) in fields {
        let key = ShortString::try_new(key.as_str()).map_err(|_| ReadError::LongKey)?;
        table.insert(key, read_nested(value, depth_left)?);
    }
    Ok(table)
}

fn read_nested(value: &Value, depth_left: usize) -> Result<AMQPValue, ReadError> {
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(flag) => AMQPValue::Boolean(*flag),
        Value::String(text) => AMQPValue::LongString(LongString::from(text.as_str())),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => AMQPValue::LongLongInt(whole),
            None if number.is_f64() => AMQPValue::Double(number.as_f64().unwrap_or_default()),
            None => return Err(ReadError::LargeNumber(number.to_string())),
        },
        Value::Array(items) => {
            let depth_left = depth_left.checked_sub(1).ok_or(ReadError::TooDeep)?;
            let items: Result<Vec<_>, _> = items.iter().map(|item| read_nested(item, depth_left)).collect();
            AMQPValue::FieldArray(FieldArray::from(items?))
        }
        Value::Object(fields) => AMQPValue::FieldTable(read_table(fields, depth_left)?),
    })
}

/// The table in the second form, if a reader of the first would not make the same of it.
#[must_use]
pub fn exact(table: &FieldTable) -> Option<Value> {
    if table.inner().values().all(is_plain) { None } else { serde_json::to_value(table).ok() }
}

/// Whether the value is what a reader of plain JSON makes of it.
fn is_plain(value: &AMQPValue) -> bool {
    match value {
        AMQPValue::Boolean(_) | AMQPValue::LongLongInt(_) | AMQPValue::Void => true,
        AMQPValue::Double(value) => value.is_finite(),
        AMQPValue::LongString(value) => std::str::from_utf8(value.as_bytes()).is_ok(),
        AMQPValue::FieldArray(items) => items.as_slice().iter().all(is_plain),
        AMQPValue::FieldTable(table) => table.inner().values().all(is_plain),
        _ => false,
    }
}

/// Reads the second form. It counts only while the first form beside it says the same: if somebody edited that one, it wins.
#[must_use]
pub fn read_exact(exact: &Value, plain: &Value) -> Option<FieldTable> {
    let table: FieldTable = serde_json::from_value(exact.clone()).ok()?;
    (self::plain(&table) == *plain).then_some(table)
}

/// Adds a table to an object under `arguments`, and its exact form if it needs one.
pub(super) fn put_arguments(object: &mut Map<String, Value>, table: &FieldTable) {
    object.insert("arguments".to_owned(), plain(table));
    if let Some(exact) = exact(table) {
        object.insert(EXACT_ARGUMENTS.to_owned(), exact);
    }
}

/// The field beside `arguments` that holds their exact form. RabbitMQ's imports pass over it.
pub const EXACT_ARGUMENTS: &str = "exact_arguments";

#[cfg(test)]
mod tests {
    use amq_protocol::types::{DecimalValue, FieldArray};

    use super::*;

    fn table(values: impl IntoIterator<Item = AMQPValue>) -> FieldTable {
        let mut table = FieldTable::default();
        for (index, value) in values.into_iter().enumerate() {
            table.insert(format!("k{index}").into(), value);
        }
        table
    }

    /// One of each type, at its edges, also within an array and a table.
    fn everything() -> FieldTable {
        let values = vec![
            AMQPValue::Boolean(true),
            AMQPValue::ShortShortInt(i8::MIN),
            AMQPValue::ShortShortUInt(u8::MAX),
            AMQPValue::ShortInt(i16::MIN),
            AMQPValue::ShortUInt(u16::MAX),
            AMQPValue::LongInt(i32::MIN),
            AMQPValue::LongUInt(u32::MAX),
            AMQPValue::LongLongInt(i64::MIN),
            AMQPValue::Timestamp(u64::MAX),
            AMQPValue::Float(1.5),
            AMQPValue::Double(1e300),
            AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 314 }),
            AMQPValue::LongString("text \u{1f407}".into()),
            AMQPValue::LongString(b"\xff\x00"[..].into()),
            AMQPValue::ByteArray(b"\xff\x00"[..].into()),
            AMQPValue::Void,
        ];
        let nested = [
            AMQPValue::FieldArray(FieldArray::from(values.clone())),
            AMQPValue::FieldTable(table(values.clone())),
        ];
        table(values.into_iter().chain(nested))
    }

    #[test]
    fn every_value_survives() {
        let before = everything();
        let (exact, plain) = (exact(&before).unwrap(), plain(&before));
        let text = serde_json::to_string(&exact).unwrap();
        let exact: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read_exact(&exact, &plain), Some(before));
    }

    #[test]
    fn what_json_can_say_needs_no_second_form() {
        let table = table([
            AMQPValue::LongLongInt(5),
            AMQPValue::LongString("text".into()),
            AMQPValue::Boolean(false),
            AMQPValue::Double(0.5),
            AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::LongLongInt(1), AMQPValue::Void])),
        ]);
        assert_eq!(exact(&table), None);
        assert_eq!(plain(&table).to_string(), r#"{"k0":5,"k1":"text","k2":false,"k3":0.5,"k4":[1,null]}"#);
    }

    #[test]
    fn json_is_read_as_deep_as_tables_may_be() {
        let nested = |depth: usize| {
            let text = format!("{}1{}", "{\"k\":".repeat(depth), "}".repeat(depth));
            let Ok(Value::Object(fields)) = serde_json::from_str(&text) else { panic!("{text}") };
            fields
        };
        assert!(read_plain(&nested(TABLE_DEPTH_MAX)).is_ok());
        assert_eq!(read_plain(&nested(TABLE_DEPTH_MAX + 1)), Err(ReadError::TooDeep));
        let inner = Value::Object(nested(TABLE_DEPTH_MAX));
        assert_eq!(read_value(&inner), Err(ReadError::TooDeep));
    }

    #[test]
    fn what_is_no_value_of_a_table_is_refused() {
        let read = |value: Value| read_value(&value);
        assert_eq!(
            read(9_223_372_036_854_775_808_u64.into()).unwrap_err().to_string(),
            "9223372036854775808 is too large"
        );
        assert_eq!(read(serde_json::json!({ "k".repeat(256): 1 })), Err(ReadError::LongKey));
        assert_eq!(
            read(serde_json::json!([5, null])).ok(),
            Some(AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::LongLongInt(5), AMQPValue::Void])))
        );
    }

    #[test]
    fn an_edit_of_the_plain_form_wins() {
        let before = table([AMQPValue::LongInt(5)]);
        let exact = exact(&before).unwrap();
        assert_eq!(read_exact(&exact, &serde_json::json!({"k0": 5})), Some(before));
        assert_eq!(read_exact(&exact, &serde_json::json!({"k0": 6})), None);
    }
}
