//! Which messages a request means.

use serde_json::{Map, Value};

use crate::broker::selection::Selection;
use crate::management::error::ApiError;
use crate::management::payload::Payload;
use crate::message::Position;
use crate::time::Timestamp;

/// The keys that a filter may have.
const KEYS: [&str; 6] = ["headers", "properties", "body", "json", "reason", "older_than_s"];

/// `ids`: positions, as a list of numbers; `filter`: what the messages are like. A key that is not known is refused: one that is misspelt must not
/// mean all messages.
///
/// # Errors
/// 400.
pub(super) fn selection(payload: &Payload, now: Timestamp) -> Result<Selection, ApiError> {
    let ids = ids(payload)?.map(|ids| ids.into_iter().collect());
    let filter = payload.object("filter")?;
    if let Some(unknown) = filter.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(ApiError::bad_request(format!(
            "unknown key in filter: {unknown}; there are {}",
            KEYS.join(", ")
        )));
    }
    let older_than_s = match filter.get("older_than_s") {
        None => None,
        Some(age) => Some(age.as_u64().ok_or_else(|| ApiError::wrong_kind("not_integer", age.clone()))?),
    };
    Ok(Selection {
        positions: ids,
        headers: pairs(&filter, "headers")?,
        properties: pairs(&filter, "properties")?,
        body: text(&filter, "body")?,
        json: object(&filter, "json")?.into_iter().collect(),
        reason: text(&filter, "reason")?,
        before: older_than_s
            .map(|age_s| Timestamp::from_millis(now.as_millis().saturating_sub(age_s.saturating_mul(1000)))),
    })
}

/// `ids`: positions, as a list of numbers.
///
/// # Errors
/// 400.
pub(super) fn ids(payload: &Payload) -> Result<Option<Vec<Position>>, ApiError> {
    match payload.get("ids") {
        None => Ok(None),
        Some(Value::Array(ids)) => {
            let position = |id: &Value| {
                id.as_u64().map(Position).ok_or_else(|| ApiError::wrong_kind("not_integer", id.clone()))
            };
            ids.iter().map(position).collect::<Result<_, _>>().map(Some)
        }
        Some(other) => Err(ApiError::wrong_kind("not_a_list", other.clone())),
    }
}

fn object(filter: &Map<String, Value>, key: &str) -> Result<Map<String, Value>, ApiError> {
    match filter.get(key) {
        None => Ok(Map::new()),
        Some(Value::Object(fields)) => Ok(fields.clone()),
        Some(other) => Err(ApiError::wrong_kind("not_a_json_object", other.clone())),
    }
}

fn text(filter: &Map<String, Value>, key: &str) -> Result<Option<String>, ApiError> {
    match filter.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(ApiError::wrong_kind("not_binary", other.clone())),
    }
}

fn pairs(filter: &Map<String, Value>, key: &str) -> Result<Vec<(String, String)>, ApiError> {
    let fields = object(filter, key)?.into_iter();
    let as_text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(fields.map(|(name, value)| (name, as_text(value))).collect())
}
