//! Messages as JSON lines, out and in, without loss; and a purge that can be undone for a while.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde_json::json;

use crate::broker::OperationError;
use crate::broker::message_lines;
use crate::broker::operations;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Administrator, Manager};
use crate::management::error::ApiError;
use crate::management::params::At;
use crate::management::payload::{Payload, RawBody};

/// How long a purge can be undone, if the request does not say, and at most.
const UNDO_S: u64 = 60;
const UNDO_S_MAX: u64 = 3600;
/// Messages that are put in together.
const BATCH: usize = 500;
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// All ready messages, one a line. While they are sent consumers do not get them; afterwards they are as they were. If one cannot be had any more
/// the answer breaks off: what there is of it is not taken for all.
pub(super) async fn export(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::not_found())?;
    let held = operations::hold(scope, &queue).await?;
    let (vhost, by) = (vhost.name.clone(), asker.name.clone());
    let lines = stream::try_unfold(held, move |mut held| {
        let (queue, vhost, by) = (queue.clone(), vhost.clone(), by.clone());
        async move {
            let next = held.next().await.inspect_err(|error| {
                tracing::warn!(queue, vhost, by, %error, "an export of messages broke off");
            })?;
            let line = next.map(|held| Bytes::from(message_lines::write(&held.message)));
            Ok::<_, OperationError>(line.map(|line| (line, held)))
        }
    });
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response())
}

/// Puts the lines of the body into the queue as messages. They are safe when the answer comes; it says how many they are.
pub(super) async fn import(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, queue)): At<(String, String)>,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::not_found())?;
    // All lines are read before anything is put in: a fault changes nothing.
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    let messages = lines.map(|(number, line)| {
        message_lines::read(line).map_err(|why| ApiError::bad_request(format!("line {}: {why}", number + 1)))
    });
    let mut messages = messages.collect::<Result<Vec<_>, _>>()?;
    let count = messages.len();
    while !messages.is_empty() {
        let rest = messages.split_off(messages.len().min(BATCH));
        let batch = std::mem::replace(&mut messages, rest);
        if !operations::put_in(scope, &queue, batch).await? {
            let done = count - messages.len();
            return Err(ApiError::bad_request(format!(
                "the queue is full: of the first {done} messages not all came in"
            )));
        }
    }
    tracing::info!(queue, vhost = vhost.name, by = asker.name, count, "messages put in over HTTP");
    Ok(answer::json(&json!({ "imported": count })))
}

/// Takes all ready messages out, and drops them after `undo_s` seconds unless that is undone. Meanwhile they count as unacked; if the broker
/// ends, they are back.
pub(super) async fn purge(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
    body: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::not_found())?;
    let undo_s = body.integer("undo_s")?.map(u64::try_from).transpose();
    let undo_s = undo_s.map_err(|_| ApiError::bad_request("undo_s is negative"))?.unwrap_or(UNDO_S);
    if undo_s > UNDO_S_MAX {
        return Err(ApiError::bad_request(format!("undo_s is more than {UNDO_S_MAX}")));
    }
    let mut held = operations::hold(scope, &queue).await?;
    // If one cannot be had, all go back: nothing is purged.
    while held.next().await?.is_some() {}
    let count = held.count();
    let id = api.purges().add(&vhost.name, held, Duration::from_secs(undo_s), api.shared().clock);
    tracing::info!(queue, vhost = vhost.name, by = asker.name, count, undo_s, "purged over HTTP");
    Ok(answer::json(&json!({ "purged": count, "id": id, "undo_s": undo_s })))
}

/// Puts back what a purge took out; for whoever may enter its vhost.
pub(super) async fn undo(
    State(api): State<Api>,
    asker: Manager,
    At(id): At<u64>,
) -> Result<Response, ApiError> {
    if !api.purges().undo(id, |vhost| asker.may_enter(&api, vhost)) {
        return Err(ApiError::not_found());
    }
    tracing::info!(by = asker.name, id, "a purge was undone");
    Ok(answer::done())
}
