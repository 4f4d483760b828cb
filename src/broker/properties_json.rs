//! A message's properties as JSON, as RabbitMQ's HTTP API writes and reads them.

use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::types::{FieldTable, ShortString};
use serde_json::{Map, Number, Value};

use crate::message::Message;
use crate::protocol::content::Properties;
use crate::protocol::table::{FieldValue, Table};

/// A property that is not of the kind that its key needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// It is to be a text.
    #[error("{0} is not a string")]
    NotString(&'static str),
    /// It is to be a whole number.
    #[error("{0} is not an integer")]
    NotInteger(&'static str),
    /// Properties are short strings.
    #[error("{0} is longer than 255 bytes")]
    TooLong(&'static str),
    /// The number does not fit.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}

/// The properties that a message has. What is not UTF-8 in texts is replaced.
#[must_use]
pub fn write(message: &Message) -> Map<String, Value> {
    let mut fields = Map::new();
    let Ok(properties) = Properties::parse(message.properties()) else { return fields };
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value);
        }
    };
    put("content_type", properties.content_type().map(text));
    put("content_encoding", properties.content_encoding().map(text));
    put("headers", properties.headers().map(table));
    put("delivery_mode", properties.delivery_mode().map(Value::from));
    put("priority", properties.priority().map(Value::from));
    put("correlation_id", properties.correlation_id().map(text));
    put("reply_to", properties.reply_to().map(text));
    put("expiration", properties.expiration().map(text));
    put("message_id", properties.message_id().map(text));
    put("timestamp", properties.timestamp().map(Value::from));
    put("type", properties.kind().map(text));
    put("user_id", properties.user_id().map(text));
    put("app_id", properties.app_id().map(text));
    put("cluster_id", properties.cluster_id().map(text));
    fields
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into()
}

fn table(table: Table<'_>) -> Value {
    let entries = table.iter();
    Value::Object(
        entries.map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), field(value))).collect(),
    )
}

/// The recursion is as deep as the table, whose depth was limited when it came.
fn field(value: FieldValue<'_>) -> Value {
    match value {
        FieldValue::Bool(flag) => flag.into(),
        FieldValue::F32(value) => number(f64::from(value)),
        FieldValue::F64(value) => number(value),
        FieldValue::Decimal { scale, value } => number(f64::from(value) / 10_f64.powi(i32::from(scale))),
        FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => text(bytes),
        FieldValue::Array(items) => items.iter().map(field).collect(),
        FieldValue::Timestamp(seconds) => seconds.into(),
        FieldValue::Table(nested) => table(nested),
        value => value.as_i64().map_or(Value::Null, Value::from),
    }
}

/// JSON has no infinities.
fn number(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Reads properties, with the headers beside them, which have been read. Unknown keys are passed over, as in RabbitMQ.
///
/// # Errors
/// The first property that is not of its kind.
pub fn read(
    fields: &Map<String, Value>,
    headers: Option<FieldTable>,
) -> Result<AMQPProperties, PropertyError> {
    let mut properties = AMQPProperties::default();
    macro_rules! set {
        ($($key:literal: $read:ident => $with:ident),+ $(,)?) => {$(
            if let Some(value) = fields.get($key) {
                properties = properties.$with($read($key, value)?);
            }
        )+};
    }
    set! {
        "content_type": short => with_content_type,
        "content_encoding": short => with_content_encoding,
        "delivery_mode": integer => with_delivery_mode,
        "priority": integer => with_priority,
        "correlation_id": short => with_correlation_id,
        "reply_to": short => with_reply_to,
        "expiration": short => with_expiration,
        "message_id": short => with_message_id,
        "timestamp": integer => with_timestamp,
        "type": short => with_type,
        "user_id": short => with_user_id,
        "app_id": short => with_app_id,
        "cluster_id": short => with_cluster_id,
    }
    Ok(match headers {
        Some(headers) => properties.with_headers(headers),
        None => properties,
    })
}

fn short(key: &'static str, value: &Value) -> Result<ShortString, PropertyError> {
    let text = value.as_str().ok_or(PropertyError::NotString(key))?;
    ShortString::try_new(text).map_err(|_| PropertyError::TooLong(key))
}

fn integer<T: TryFrom<u64>>(key: &'static str, value: &Value) -> Result<T, PropertyError> {
    if !value.is_i64() && !value.is_u64() {
        return Err(PropertyError::NotInteger(key));
    }
    let fitting = value.as_u64().and_then(|number| T::try_from(number).ok());
    fitting.ok_or(PropertyError::OutOfRange(key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::broker::arguments_json::read_plain;
    use crate::message::Parts;
    use crate::protocol::encode;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(fields) => fields,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_read_is_written_again() {
        let fields = object(json!({
            "content_type": "text/plain", "content_encoding": "gzip", "delivery_mode": 2, "priority": 9,
            "headers": { "a": [1, "x", { "b": 1.5 }], "t": true, "n": -5 }, "correlation_id": "c",
            "reply_to": "r", "expiration": "60000", "message_id": "m", "timestamp": 1_700_000_000_u64,
            "type": "t", "user_id": "guest", "app_id": "a", "cluster_id": "k",
        }));
        let headers = read_plain(&object(fields["headers"].clone())).unwrap();
        let properties = encode::properties(&read(&fields, Some(headers)).unwrap());
        let message = Message::new(Parts {
            exchange: b"",
            routing_key: b"q",
            properties: &properties,
            body: b"",
            persistent: true,
        });
        assert_eq!(write(&message), fields);
    }

    #[test]
    fn what_is_not_of_its_kind_is_refused_by_name() {
        let refused = |value: Value| read(&object(value), None).unwrap_err();
        assert_eq!(refused(json!({ "priority": "5" })), PropertyError::NotInteger("priority"));
        assert_eq!(refused(json!({ "priority": 1.5 })), PropertyError::NotInteger("priority"));
        assert_eq!(refused(json!({ "priority": 256 })), PropertyError::OutOfRange("priority"));
        assert_eq!(refused(json!({ "timestamp": -1 })), PropertyError::OutOfRange("timestamp"));
        assert_eq!(refused(json!({ "message_id": 5 })), PropertyError::NotString("message_id"));
        assert_eq!(refused(json!({ "app_id": "a".repeat(256) })), PropertyError::TooLong("app_id"));
        assert!(read(&object(json!({ "nope": [] })), None).is_ok());
    }
}
