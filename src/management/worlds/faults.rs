//! Rules for faults in a world.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use super::one::{enter, world};
use super::wait::within;
use crate::broker::operations;
use crate::broker::vhost::Vhost;
use crate::faults::{Rule, RuleInForce};
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::Manager;
use crate::management::error::ApiError;
use crate::management::params::{At, Params};
use crate::management::payload::RawBody;

/// `GET /api/coney/worlds/{vhost}/faults`: all, in the order in which they were made.
pub(super) async fn list(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    let all = operations::faults(world(&api, &vhost)?);
    Ok(answer::json(&all.iter().map(view).collect::<Vec<_>>()))
}

/// `POST /api/coney/worlds/{vhost}/faults`: 201 with the rule and its id.
pub(super) async fn make(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    body: RawBody,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    let rule = rule(&body)?;
    let id = operations::add_fault(api.shared(), world(&api, &vhost)?, rule);
    let mut response = one(&api, &vhost, &id.to_string())?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// A rule means what it says, or is refused: a test that says something wrongly should hear of it.
fn rule(body: &RawBody) -> Result<Rule, ApiError> {
    let read: Result<Map<String, Value>, _> = serde_json::from_slice(&body.0);
    let fields = read.map_err(|error| ApiError::bad_request(format!("a rule is a JSON object: {error}")))?;
    Rule::parse(&fields).map_err(|error| ApiError::bad_request(error.to_string()))
}

/// `GET /api/coney/worlds/{vhost}/faults/{id}`: at once, or with `fired` when it has hit so many, `within_ms` at most.
pub(super) async fn show(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, id)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    let Some(fired) = number(&params, "fired")? else { return one(&api, &vhost, &id) };
    let within = within(number(&params, "within_ms")?)?;
    let rule = operations::fault_fired(api.shared(), world(&api, &vhost)?, &id, fired, within).await?;
    Ok(answer::json(&view(&rule)))
}

fn number(params: &Params, name: &str) -> Result<Option<u64>, ApiError> {
    let parse =
        |text: &str| text.parse().map_err(|_| ApiError::bad_request(format!("{name}: expected a number")));
    params.get(name).map(parse).transpose()
}

fn one(api: &Api, vhost: &Arc<Vhost>, id: &str) -> Result<Response, ApiError> {
    Ok(answer::json(&view(&operations::fault(world(api, vhost)?, id)?)))
}

/// `DELETE /api/coney/worlds/{vhost}/faults/{id}`.
pub(super) async fn remove(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, id)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    operations::remove_fault(api.shared(), world(&api, &vhost)?, &id)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /api/coney/worlds/{vhost}/faults`.
pub(super) async fn clear(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    operations::clear_faults(api.shared(), world(&api, &vhost)?);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /api/coney/worlds/{vhost}/restart`: what a SIGKILL and a start would do, to this world alone.
pub(super) async fn restart(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    operations::restart_world(api.shared(), world(&api, &vhost)?).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn view(in_force: &RuleInForce) -> Value {
    json!({
        "id": in_force.id.to_string(),
        "rule": in_force.rule.to_json(),
        "text": in_force.rule.text(),
        "seen": in_force.seen,
        "fired": in_force.fired,
        "done": in_force.is_done(),
    })
}
