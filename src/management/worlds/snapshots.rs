//! Snapshots of worlds: taken, listed, downloaded as lines of JSON, uploaded.

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::one::enter;
use crate::broker::operations::{self, require_snapshots};
use crate::broker::world::Snapshot;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::Administrator;
use crate::management::error::ApiError;
use crate::management::params::At;
use crate::management::payload::RawBody;
use crate::management::views::moment;

/// `POST /api/coney/worlds/{vhost}/snapshots/{name}`: 201. One of the same name is replaced.
pub(super) async fn take(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, name)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    require_snapshots(api.shared(), asker.caller())?;
    let snapshot = operations::take_snapshot(asker.scope(&api, &vhost), &name).await?;
    Ok((StatusCode::CREATED, answer::json(&view(&name, &snapshot))).into_response())
}

fn view(name: &str, snapshot: &Snapshot) -> Value {
    let count = |what: &str| snapshot.definitions.get(what).and_then(Value::as_array).map_or(0, Vec::len);
    json!({
        "name": name,
        "taken": moment::text(snapshot.taken),
        "queues": count("queues"),
        "messages": snapshot.messages.len(),
        "message_bytes": snapshot.bytes(),
    })
}

/// `GET /api/coney/snapshots`.
pub(super) async fn list(State(api): State<Api>, asker: Administrator) -> Result<Response, ApiError> {
    require_snapshots(api.shared(), asker.caller())?;
    let all = api.shared().snapshots.all();
    Ok(answer::json(&all.iter().map(|(name, snapshot)| view(name, snapshot)).collect::<Vec<_>>()))
}

/// `GET /api/coney/snapshots/{name}`: lines of JSON.
pub(super) async fn download(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    require_snapshots(api.shared(), asker.caller())?;
    let snapshot = operations::snapshot(api.shared(), &name)?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from(snapshot.lines())).into_response())
}

/// `PUT /api/coney/snapshots/{name}` with such lines.
pub(super) async fn upload(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    require_snapshots(api.shared(), asker.caller())?;
    let snapshot = Snapshot::read(&body).map_err(ApiError::bad_request)?;
    let is_new = api.shared().snapshots.get(&name).is_none();
    api.shared().snapshots.put(&name, snapshot).map_err(ApiError::bad_request)?;
    Ok(answer::put(is_new))
}

/// `DELETE /api/coney/snapshots/{name}`.
pub(super) async fn delete(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    require_snapshots(api.shared(), asker.caller())?;
    if api.shared().snapshots.remove(&name) { Ok(answer::done()) } else { Err(ApiError::not_found()) }
}
