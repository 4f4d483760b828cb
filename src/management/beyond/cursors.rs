//! Cursors of a stream: listed, moved, deleted.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::broker::arguments_json::read_value;
use crate::broker::operations;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Manager, Monitor};
use crate::management::error::ApiError;
use crate::management::params::At;
use crate::management::payload::Payload;
use crate::management::views::queue::CursorView;
use crate::queue::OffsetSpec;
use crate::time::Timestamp;

/// A cursor of a queue of a vhost.
type Place = (String, String, String);

/// The cursors, by name.
pub(super) async fn list(
    State(api): State<Api>,
    asker: Monitor,
    At((vhost, queue)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let (vhost, _) = asker.queue(&api, &vhost, &queue)?;
    let details = operations::stream_details(asker.scope(&api, &vhost), &queue).await?;
    let cursors = details.log.iter().flat_map(|log| &log.cursors);
    let views: Vec<_> = cursors.map(|cursor| CursorView::of(cursor, &details.consumers)).collect();
    Ok(answer::json(&views))
}

/// `{"offset": "first" | "last" | "next" | N | -N | "2h"}` or `{"timestamp": MS}`: a cursor goes there, and is made if it is not there.
pub(super) async fn put(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue, cursor)): At<Place>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let (vhost, _) = asker.queue(&api, &vhost, &queue)?;
    let timestamp = payload.integer("timestamp")?.map(u64::try_from).transpose();
    let timestamp = timestamp.map_err(|_| ApiError::bad_request("timestamp is negative"))?;
    let to = place(payload.get("offset"), timestamp)?
        .ok_or_else(|| ApiError::bad_request("needs an offset or a timestamp"))?;
    let offset = operations::move_cursor(asker.scope(&api, &vhost), &queue, &cursor, to).await?;
    tracing::info!(cursor, queue, vhost = vhost.name, by = asker.name, offset, "a cursor was set");
    Ok(answer::json(&json!({ "name": cursor, "offset": offset })))
}

/// A place in a stream as requests name it, by an offset or by a time in ms since the Unix epoch; `None` if they name none.
///
/// # Errors
/// 400: it is none.
pub(super) fn place(
    offset: Option<&Value>,
    timestamp_ms: Option<u64>,
) -> Result<Option<OffsetSpec>, ApiError> {
    if let Some(ms) = timestamp_ms {
        return Ok(Some(OffsetSpec::At(Timestamp::from_millis(ms))));
    }
    let Some(offset) = offset else { return Ok(None) };
    let number = offset.as_str().and_then(|text| text.parse::<i64>().ok()).map(Value::from);
    let value = read_value(number.as_ref().unwrap_or(offset)).ok();
    let spec = value.as_ref().and_then(|value| OffsetSpec::of(value).ok());
    let expected = "an offset is first, last, next, a number, or a time as 2h, 7D, 90s";
    spec.map(Some).ok_or_else(|| ApiError::bad_request(expected))
}

/// A cursor with which nobody reads goes.
pub(super) async fn remove(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue, cursor)): At<Place>,
) -> Result<Response, ApiError> {
    let (vhost, _) = asker.queue(&api, &vhost, &queue)?;
    operations::delete_cursor(asker.scope(&api, &vhost), &queue, &cursor).await?;
    tracing::info!(cursor, queue, vhost = vhost.name, by = asker.name, "a cursor was deleted");
    Ok(answer::done())
}
