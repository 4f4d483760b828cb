//! Messages as they are, by state. Looking changes nothing: no order, no flag, no count.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::cursors::place;
use crate::broker::operations::{self, PeekedMessage};
use crate::broker::properties_json;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::Manager;
use crate::management::error::ApiError;
use crate::management::params::{At, Params};
use crate::management::views::message::{Encoding, payload};
use crate::management::views::moment;
use crate::message::Position;
use crate::queue::{PEEK_MAX, PeekState, WaitKind};

/// `?state=ready|unacked|delayed|parked&offset=N&limit=N&truncate=BYTES&read=BOOL`; `?position=N` for a single one in any state, which is
/// read from disk if it has to be. Of a stream also `?from=first|last|next|OFFSET|AGE` or `?from_timestamp=MS`: read from there, from disk as well.
pub(super) async fn list(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let (vhost, _) = asker.queue(&api, &vhost, &queue)?;
    let position = match params.get("position") {
        None => None,
        Some(text) => Some(Position(text.parse().map_err(|_| ApiError::wrong_kind("not_integer", text))?)),
    };
    let state = match position {
        Some(position) => PeekState::At(position),
        None => state(params.get("state").unwrap_or("ready"))?,
    };
    let number = |name: &str, default: usize| match params.get(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| ApiError::wrong_kind("not_integer", text)),
    };
    let (offset, limit) = (number("offset", 0)?, number("limit", PEEK_MAX)?);
    let truncate = number("truncate", usize::MAX)?;
    let scope = asker.scope(&api, &vhost);
    let timestamp = params.get("from_timestamp").map(|_| number("from_timestamp", 0)).transpose()?;
    let from = params.get("from").map(Value::from);
    let from = place(from.as_ref(), timestamp.map(|ms| ms as u64))?;
    let found = if let Some(from) = from {
        operations::read_stream(scope, &queue, from, limit).await?
    } else if position.is_some() || params.is_true("read") {
        operations::peek_and_read(scope, &queue, state, offset, limit).await?
    } else {
        operations::peek(scope, &queue, state, offset, limit).await?
    };
    let views: Vec<Value> = found.iter().map(|peeked| view(peeked, truncate)).collect();
    Ok(answer::json(&views))
}

/// # Errors
/// 400: there is no such state.
pub(super) fn state(name: &str) -> Result<PeekState, ApiError> {
    Ok(match name {
        "ready" => PeekState::Ready,
        "unacked" => PeekState::Unacked,
        "delayed" => PeekState::Delayed,
        "parked" => PeekState::Parked,
        other => {
            return Err(ApiError::bad_request(format!(
                "no state '{other}': ready, unacked, delayed or parked"
            )));
        }
    })
}

const fn state_of(peeked: &PeekedMessage) -> &'static str {
    match (&peeked.holder, peeked.wait) {
        (Some(_), _) => "unacked",
        (None, Some(WaitKind::Delayed)) => "delayed",
        (None, Some(WaitKind::Parked)) => "parked",
        (None, None) => "ready",
    }
}

/// A message that is not in memory says so; it is shown without its content unless that was read.
fn view(peeked: &PeekedMessage, truncate: usize) -> Value {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    put("id", peeked.position.0.into());
    put("state", state_of(peeked).into());
    put("redelivered", peeked.redelivered.into());
    put("priority", peeked.priority.into());
    put("in_memory", peeked.in_memory.into());
    put("expires_at", peeked.expires.map(moment::text).into());
    put("due_at", peeked.due.map(moment::text).into());
    if let Some(message) = &peeked.message {
        let body = message.body();
        let (text, encoding) = payload(body.get(..truncate).unwrap_or(body), Encoding::Auto);
        put("exchange", String::from_utf8_lossy(message.exchange()).into());
        put("routing_key", String::from_utf8_lossy(message.routing_key()).into());
        put("properties", Value::Object(properties_json::write(message)));
        put("payload_bytes", body.len().into());
        put("payload", text.into());
        put("payload_encoding", encoding.into());
    }
    if let Some(holder) = &peeked.holder {
        put(
            "holder",
            json!({
                "connection_name": holder.connection_name,
                "channel": holder.channel,
                "consumer_tag": holder.consumer_tag,
                "since": moment::text(holder.since),
            }),
        );
    }
    if let Some(attempts) = &peeked.attempts {
        put(
            "attempts",
            json!({
                "deliveries": attempts.acquired,
                "counted": attempts.counted,
                "parked": attempts.parked,
                "first_at": moment::text(attempts.first),
                "last_at": moment::text(attempts.last),
                "last_error": attempts.error,
                "last_consumer_tag": attempts.consumer,
                "last_consumer_address": attempts.peer,
            }),
        );
    }
    Value::Object(fields)
}
