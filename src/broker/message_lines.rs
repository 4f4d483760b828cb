//! Messages as lines of JSON, without loss.
//!
//! A line has the message as people read it, and `exact`, the encoded properties in base64, from which it is made again: JSON cannot tell an
//! integer's width. If somebody changed the readable properties, those count.

use amq_protocol::types::FieldTable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::arguments_json::read_plain;
use super::properties_json;
use crate::message::{Message, Parts};
use crate::protocol::content::Properties;
use crate::protocol::encode;

/// Longest exchange name and routing key, in bytes.
const SHORT_BYTES_MAX: usize = 255;

/// The message as a line, with its line end.
#[must_use]
pub fn write(message: &Message) -> Vec<u8> {
    let (text, encoding) = match std::str::from_utf8(message.body()) {
        Ok(text) => (text.to_owned(), "string"),
        Err(_) => (STANDARD.encode(message.body()), "base64"),
    };
    let mut line = json!({
        "exchange": String::from_utf8_lossy(message.exchange()),
        "routing_key": String::from_utf8_lossy(message.routing_key()),
        "properties": properties_json::write(message),
        "payload": text,
        "payload_encoding": encoding,
        "dead_lettered": message.is_dead_lettered(),
        "exact": STANDARD.encode(message.properties()),
    })
    .to_string()
    .into_bytes();
    line.push(b'\n');
    line
}

/// The message of a line.
///
/// # Errors
/// What is wrong with it.
pub fn read(line: &[u8]) -> Result<Message, String> {
    let line: Map<String, Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let text = |key: &str| match line.get(key) {
        None => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(format!("{key} is not a string")),
    };
    let (exchange, routing_key) = (text("exchange")?, text("routing_key")?);
    if exchange.len() > SHORT_BYTES_MAX || routing_key.len() > SHORT_BYTES_MAX {
        return Err("exchange or routing_key is longer than 255 bytes".to_owned());
    }
    let body = match text("payload_encoding")? {
        "base64" => STANDARD.decode(text("payload")?).map_err(|_| "payload is not base64")?,
        "" | "string" => text("payload")?.as_bytes().to_vec(),
        other => return Err(format!("payload_encoding '{other}' is not string or base64")),
    };
    let properties = properties(&line, text("exact")?)?;
    let persistent =
        Properties::parse(&properties).map_err(|error| error.to_string())?.delivery_mode() == Some(2);
    let parts = Parts {
        exchange: exchange.as_bytes(),
        routing_key: routing_key.as_bytes(),
        properties: &properties,
        body: &body,
        persistent,
    };
    Ok(Message::new(parts).with_dead_lettered(line.get("dead_lettered") == Some(&Value::Bool(true))))
}

/// The exact ones, unless somebody changed those beside them.
fn properties(line: &Map<String, Value>, exact: &str) -> Result<Vec<u8>, String> {
    let fields = match line.get("properties") {
        None => Map::new(),
        Some(Value::Object(fields)) => fields.clone(),
        Some(_) => return Err("properties is not an object".to_owned()),
    };
    if !exact.is_empty() {
        let bytes = STANDARD.decode(exact).map_err(|_| "exact is not base64")?;
        let valid = Properties::parse(&bytes).is_ok();
        let as_read = Message::new(Parts { properties: &bytes, ..Parts::default() });
        if valid && properties_json::write(&as_read) == fields {
            return Ok(bytes);
        }
    }
    let headers: Option<FieldTable> = match fields.get("headers") {
        None => None,
        Some(Value::Object(headers)) => Some(read_plain(headers).map_err(|_| "headers cannot be a table")?),
        Some(_) => return Err("headers is not an object".to_owned()),
    };
    let properties = properties_json::read(&fields, headers).map_err(|error| error.to_string())?;
    Ok(encode::properties(&properties))
}
