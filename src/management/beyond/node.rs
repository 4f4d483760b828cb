//! The broker itself: which it is, stopping it, what is logged, its limits, its clients, and whether a password is right. What RabbitMQ's
//! command line tools do that its HTTP API cannot.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::broker::alarms::part_of_memory;
use crate::broker::operations::{self, Selection};
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Administrator, Manager};
use crate::management::error::ApiError;
use crate::management::params::{At, Params};
use crate::management::payload::Payload;
use crate::telemetry;

/// What clients are told that are closed without a reason.
const REASON: &str = "Closed by the operator";

/// `GET /api/coney/node`: cheap, for tools that ask before each thing they do.
pub(super) async fn show(State(api): State<Api>, asker: Manager) -> Response {
    let shared = api.shared();
    let (name, version) = (api.node(), &shared.config.server_version);
    if !asker.sees_all() {
        return answer::json(&json!({ "name": name, "version": version }));
    }
    answer::json(&json!({
        "name": name,
        "version": version,
        "pid": std::process::id(),
        "uptime_ms": shared.clock.now().as_micros() / 1000,
        "vhosts": shared.vhosts.len(),
        "data_dir": shared.config.data_dir,
    }))
}

/// `POST /api/coney/node/stop`: answers before the broker stops. A program that embeds it may do otherwise.
pub(super) async fn stop(State(api): State<Api>, asker: Administrator) -> Result<Response, ApiError> {
    operations::ask_to_stop(api.shared(), asker.caller())?;
    Ok(answer::done())
}

/// `PUT /api/coney/node/log`: what is logged from now on.
pub(super) async fn log(
    State(api): State<Api>,
    asker: Administrator,
    payload: Payload,
) -> Result<Response, ApiError> {
    operations::require_operator(api.shared(), asker.caller())?;
    payload.require(&["filter"])?;
    let filter = payload.text("filter")?.unwrap_or_default();
    telemetry::change_filter(&filter).map_err(|error| match error {
        telemetry::TelemetryError::Filter(error) => ApiError::bad_request(error.to_string()),
        other => ApiError::unavailable(other.to_string()),
    })?;
    tracing::info!(by = asker.name, filter, "what is logged was changed");
    Ok(answer::done())
}

/// `PUT /api/coney/node/memory-limit`: bytes, or a part of the machine's memory; null for none.
pub(super) async fn memory_limit(
    State(api): State<Api>,
    asker: Administrator,
    payload: Payload,
) -> Result<Response, ApiError> {
    let bytes = limit(&payload, "fraction", 1.0)?;
    operations::set_memory_limit(api.shared(), asker.caller(), bytes)?;
    Ok(answer::done())
}

/// `PUT /api/coney/node/disk-free-limit`: bytes, or so many times the machine's memory; null for none.
pub(super) async fn disk_free_limit(
    State(api): State<Api>,
    asker: Administrator,
    payload: Payload,
) -> Result<Response, ApiError> {
    let bytes = limit(&payload, "memory_fraction", f64::MAX)?;
    operations::set_disk_free_limit(api.shared(), asker.caller(), bytes)?;
    Ok(answer::done())
}

fn limit(payload: &Payload, fraction: &str, most: f64) -> Result<Option<u64>, ApiError> {
    let unusable =
        || ApiError::bad_request(format!("either bytes, from 0, or {fraction}, from 0, has to be given"));
    match (payload.get("bytes"), payload.get(fraction)) {
        (Some(Value::Null), None) => Ok(None),
        (Some(bytes), None) => Ok(Some(bytes.as_u64().ok_or_else(unusable)?)),
        (None, Some(part)) => {
            let part = part.as_f64().filter(|part| (0.0..=most).contains(part)).ok_or_else(unusable)?;
            Ok(Some(part_of_memory(part)))
        }
        _ => Err(unusable()),
    }
}

/// `DELETE /api/coney/connections`: closes those of a name, a user and a vhost, or all.
pub(super) async fn close(
    State(api): State<Api>,
    asker: Administrator,
    params: Params,
) -> Result<Response, ApiError> {
    let selection =
        Selection { name: params.get("name"), user: params.get("user"), vhost: params.get("vhost") };
    let limit = match params.get("limit") {
        Some(limit) => limit.parse().map_err(|_| ApiError::bad_request("limit has to be a number"))?,
        None => usize::MAX,
    };
    let reason = params.get("reason").unwrap_or(REASON);
    let closed = operations::close_connections(api.shared(), asker.caller(), selection, limit, reason)?;
    Ok(answer::json(&json!({ "closed": closed })))
}

/// `POST /api/coney/users/U/authenticate`.
pub(super) async fn authenticate(
    State(api): State<Api>,
    asker: Administrator,
    At(user): At<String>,
    payload: Payload,
) -> Result<Response, ApiError> {
    payload.require(&["password"])?;
    let password = payload.text("password")?.unwrap_or_default();
    let is_right = operations::authenticate(api.shared(), asker.caller(), &user, &password)?;
    Ok(answer::json(&json!({ "authenticated": is_right })))
}
