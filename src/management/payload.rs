//! What a request says in its body: a JSON object, read as leniently as RabbitMQ reads it. Clients send numbers and booleans as
//! strings, unknown keys are ignored, and no body is an empty object.

use std::future::Future;
use std::pin::Pin;

use amq_protocol::types::FieldTable;
use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use super::api::Api;
use super::error::ApiError;
use crate::broker::arguments_json::read_plain;

/// Largest body, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 20_000_000;
/// How long a client may take to send its body.
const BODY_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// Terms that are as long are written in several lines.
const TERM_COLUMNS: usize = 80;

/// A body's bytes.
#[derive(Clone, Debug)]
pub(super) struct RawBody(pub Bytes);

impl FromRequest<Api> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        reading(request, api).await
    }
}

/// Reads the body. In a box: each handler would have all of it once more.
fn reading(
    request: Request,
    api: &Api,
) -> Pin<Box<dyn Future<Output = Result<RawBody, ApiError>> + Send + '_>> {
    Box::pin(RawBody::of_request(request, api))
}

/// The same, and what it says.
fn reading_object(
    request: Request,
    api: &Api,
) -> Pin<Box<dyn Future<Output = Result<Payload, ApiError>> + Send + '_>> {
    Box::pin(async move { Payload::parse(&reading(request, api).await?.0) })
}

impl RawBody {
    async fn of_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let body = request.into_body();
        // One that does not say how long it is may become as long as any.
        let expected = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = expected.unwrap_or(BODY_BYTES_MAX);
        if bytes > BODY_BYTES_MAX {
            return Err(too_large());
        }
        let read = read(api, body, bytes);
        let read = api.shared().clock.within(BODY_WAIT_MAX, read).await;
        read.unwrap_or_else(|| Err(ApiError::bad_request("the body did not come in time"))).map(Self)
    }
}

/// Waits for room first: bodies of all requests together take a bounded part of memory while they are read.
async fn read(api: &Api, body: Body, bytes: usize) -> Result<Bytes, ApiError> {
    let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
    let _room = api.bodies().acquire_many(kib).await;
    to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| too_large())
}

fn too_large() -> ApiError {
    ApiError::bad_request(format!("the body is larger than {BODY_BYTES_MAX} bytes, or did not come whole"))
}

/// A body that is a JSON object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payload(Map<String, Value>);

impl FromRequest<Api> for Payload {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        reading_object(request, api).await
    }
}

impl Payload {
    /// Reads a body.
    ///
    /// # Errors
    /// 400: it is no JSON object.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(Value::String(_)) => Err(ApiError::bad_request(
                "invalid payload: the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?",
            )),
            Ok(_) | Err(_) => Err(ApiError::bad_request("not_json")),
        }
    }

    /// An object that is part of another.
    pub(super) const fn of(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// What is under a key, if there is something, and not `null`.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Refuses a body without these keys, in RabbitMQ's words.
    ///
    /// # Errors
    /// 400, with all that are missing.
    pub(super) fn require(&self, keys: &[&str]) -> Result<(), ApiError> {
        let missing: Vec<String> = keys
            .iter()
            .filter(|key| !self.0.contains_key(**key))
            .map(|key| format!("{{key_missing,{key}}}"))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            let line = format!("[{}]", missing.join(","));
            // Erlang's printer breaks long terms.
            let text = if line.len() < TERM_COLUMNS { line } else { format!("[{}]", missing.join(",\n ")) };
            Err(ApiError::bad_request(text))
        }
    }

    /// Refuses keys that mean nothing here: a test that says one wrongly should hear of it.
    ///
    /// # Errors
    /// 400, with the first of them and what there is.
    pub(super) fn refuse_others(&self, known: &[&str]) -> Result<(), ApiError> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let text = format!("there is no option '{key}': expected {}", known.join(", "));
                Err(ApiError::bad_request(text))
            }
        }
    }

    /// What is under a key that has to be there, be it `null`.
    ///
    /// # Errors
    /// 400: there is nothing.
    pub(super) fn value(&self, key: &str) -> Result<&Value, ApiError> {
        self.require(&[key])?;
        Ok(self.0.get(key).unwrap_or(&Value::Null))
    }

    /// A text; numbers and booleans are read as they are written.
    ///
    /// # Errors
    /// 400: it is a list or an object.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, ApiError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
            Some(value) => Err(ApiError::wrong_kind("not_binary", value.to_string())),
        }
    }

    /// Yes or no; absent is `default`.
    ///
    /// # Errors
    /// 400: it is neither.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, ApiError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(value) => Err(ApiError::wrong_kind("not_boolean", value.clone())),
        }
    }

    /// Words: a list, or one string with commas.
    ///
    /// # Errors
    /// 400: it is neither.
    pub(super) fn tags(&self, key: &str) -> Result<Option<Vec<String>>, ApiError> {
        let tag = |value: &Value| match value {
            Value::String(tag) => Ok(tag.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
            _ => Err(ApiError::wrong_kind("not_binary", value.clone())),
        };
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(items)) => items.iter().map(tag).collect::<Result<_, _>>().map(Some),
            Some(value) => {
                let words = tag(value)?;
                let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
                Ok(Some(words.map(str::to_owned).collect()))
            }
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// 400: it is none.
    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, ApiError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => {
                let from_text = || value.as_str().and_then(|text| text.parse().ok());
                let found = value.as_i64().or_else(from_text);
                found.map(Some).ok_or_else(|| ApiError::wrong_kind("not_integer", value.clone()))
            }
        }
    }

    /// An object; absent, and the empty list that some languages write for an empty map, are an empty one.
    ///
    /// # Errors
    /// 400: it is none.
    pub(super) fn object(&self, key: &str) -> Result<Map<String, Value>, ApiError> {
        match self.get(key) {
            None => Ok(Map::new()),
            Some(Value::Object(fields)) => Ok(fields.clone()),
            Some(Value::Array(items)) if items.is_empty() => Ok(Map::new()),
            Some(value) => Err(ApiError::wrong_kind("not_a_json_object", value.clone())),
        }
    }

    /// A table of AMQP values; absent: an empty one.
    ///
    /// # Errors
    /// 400: it is no object, or has a value that no table may have; RabbitMQ takes no `null` from JSON.
    pub(super) fn table(&self, key: &str) -> Result<FieldTable, ApiError> {
        table(&self.object(key)?)
    }
}

/// A JSON object as a table of AMQP values.
///
/// # Errors
/// 400: there is a `null` in it, a number that is too large, a key that is too long, or it is nested too deeply.
pub(super) fn table(fields: &Map<String, Value>) -> Result<FieldTable, ApiError> {
    if fields.values().any(has_null) {
        return Err(ApiError::bad_request("null_not_allowed"));
    }
    read_plain(fields).map_err(|error| ApiError::bad_request(error.to_string()))
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_an_object_or_nothing() {
        for nothing in ["", "null", "{}"] {
            assert_eq!(Payload::parse(nothing.as_bytes()).unwrap(), Payload::default());
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for wrong in ["[]", "1", "\"x\"", "{", &deep] {
            assert!(Payload::parse(wrong.as_bytes()).is_err());
        }
        assert!(Payload::parse(b"\xff\xfe").is_err());
    }

    #[test]
    fn a_table_has_no_null() {
        let payload = Payload::parse(br#"{"a":{"k":[1,{"x":null}]},"b":{"k":[1,{"x":2}]},"c":5}"#).unwrap();
        assert_eq!(payload.table("a"), Err(ApiError::bad_request("null_not_allowed")));
        assert_eq!(payload.table("b").unwrap().inner().len(), 1);
        assert!(payload.table("none").unwrap().inner().is_empty() && payload.table("c").is_err());
    }

    #[test]
    fn values_may_be_written_as_strings() {
        let payload =
            Payload::parse(br#"{"t":"true","f":false,"n":"12","m":-3,"s":7,"o":[],"z":null}"#).unwrap();
        assert_eq!([payload.flag("t", false), payload.flag("f", true)], [Ok(true), Ok(false)]);
        assert_eq!(payload.flag("z", true), Ok(true));
        assert_eq!(
            [payload.integer("n"), payload.integer("m"), payload.integer("z")],
            [Ok(Some(12)), Ok(Some(-3)), Ok(None)]
        );
        assert_eq!(payload.text("s"), Ok(Some("7".to_owned())));
        assert!(payload.object("o").unwrap().is_empty());
        assert_eq!(payload.flag("n", false), Err(ApiError::wrong_kind("not_boolean", json!("12"))));
        let missing = payload.require(&["t", "a", "b"]);
        assert_eq!(missing, Err(ApiError::bad_request("[{key_missing,a},{key_missing,b}]")));
        let missing = payload.require(&["routing_key", "payload", "payload_encoding"]);
        let text = "[{key_missing,routing_key},\n {key_missing,payload},\n {key_missing,payload_encoding}]";
        assert_eq!(missing, Err(ApiError::bad_request(text)));
    }
}
