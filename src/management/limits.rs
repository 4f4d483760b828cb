//! Limits of vhosts and users (<https://www.rabbitmq.com/docs/vhosts#limits>, <https://www.rabbitmq.com/docs/user-limits>).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, put};
use serde_json::{Value, json};

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Manager};
use super::erlang::term;
use super::error::ApiError;
use super::params::At;
use super::payload::Payload;
use super::route::Route;
use crate::auth::{UserLimit, UserLimits};
use crate::broker::operations;
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::VhostLimit;

/// `/api/vhost-limits` and `/api/user-limits`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/vhost-limits", get(of_vhosts)),
        ("/api/vhost-limits/{vhost}", get(of_vhost)),
        ("/api/vhost-limits/{vhost}/{name}", put(put_of_vhost).delete(remove_of_vhost)),
        ("/api/user-limits", get(of_users)),
        ("/api/user-limits/{user}", get(of_user)),
        ("/api/user-limits/{user}/{name}", put(put_of_user).delete(remove_of_user)),
    ]
}

fn vhost_view(vhost: &Arc<Vhost>) -> Option<Value> {
    vhost.settings().limits.map(|limits| json!({ "vhost": vhost.name, "value": limits }))
}

/// Those that have been limited, also if they are no more.
async fn of_vhosts(State(api): State<Api>, asker: Manager) -> Response {
    answer::json(&asker.known_vhosts(&api).iter().filter_map(vhost_view).collect::<Vec<_>>())
}

/// A list of one, or of none if nothing is limited.
async fn of_vhost(
    State(api): State<Api>,
    asker: Manager,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &name)?;
    let is_limited = vhost.settings().limits.is_some_and(|limits| !limits.is_empty());
    Ok(answer::json(&vhost_view(&vhost).filter(|_| is_limited).into_iter().collect::<Vec<_>>()))
}

async fn put_of_vhost(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, name)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    operations::vhost(api.shared(), &vhost)?;
    let value = payload.value("value")?;
    let invalid = |why: String| ApiError::bad_request(format!("Validation failed\n\n{why}\n"));
    let limit = VhostLimit::from_name(&name).ok_or_else(|| invalid(unrecognised(&name, value, "limits")))?;
    let number = value.as_i64().ok_or_else(|| invalid(no_number(&name, value)))?;
    operations::set_vhost_limit(api.shared(), asker.caller(), &vhost, limit, Some(number)).await?;
    Ok(answer::done())
}

async fn remove_of_vhost(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, name)): At<(String, String)>,
) -> Result<Response, ApiError> {
    operations::vhost(api.shared(), &vhost)?;
    if let Some(limit) = VhostLimit::from_name(&name) {
        operations::set_vhost_limit(api.shared(), asker.caller(), &vhost, limit, None).await?;
    }
    Ok(answer::done())
}

fn user_view((user, limits): (String, UserLimits)) -> Value {
    json!({ "user": user, "value": limits })
}

/// Every user who may come in sees these, as in RabbitMQ.
async fn of_users(State(api): State<Api>, _: Manager) -> Response {
    let users = operations::limited_users(api.shared());
    answer::json(&users.into_iter().map(user_view).collect::<Vec<_>>())
}

async fn of_user(State(api): State<Api>, _: Manager, At(name): At<String>) -> Result<Response, ApiError> {
    let limits = operations::user_limits(api.shared(), &name)?;
    let limits = Some(limits).filter(|limits| !limits.is_empty());
    let view = limits.map(|limits| user_view((name, limits)));
    Ok(answer::json(&view.into_iter().collect::<Vec<_>>()))
}

async fn put_of_user(
    State(api): State<Api>,
    asker: Administrator,
    At((user, name)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let value = payload.value("value")?;
    if operations::user_limits(api.shared(), &user).is_err() {
        return Err(ApiError::bad_request(json!(["no_such_user", user])));
    }
    let unrecognised = || ApiError::bad_request(unrecognised(&name, value, "user-limits"));
    let limit = UserLimit::from_name(&name).ok_or_else(unrecognised)?;
    let number = value.as_i64().ok_or_else(|| ApiError::bad_request(no_number(&name, value)))?;
    operations::set_user_limit(api.shared(), asker.caller(), &user, limit, Some(number)).await?;
    Ok(answer::done())
}

async fn remove_of_user(
    State(api): State<Api>,
    asker: Administrator,
    At((user, name)): At<(String, String)>,
) -> Result<Response, ApiError> {
    // As RabbitMQ says it.
    operations::user_limits(api.shared(), &user).map_err(|_| ApiError::missing("vhost_not_found"))?;
    if let Some(limit) = UserLimit::from_name(&name) {
        operations::set_user_limit(api.shared(), asker.caller(), &user, limit, None).await?;
    }
    Ok(answer::done())
}

/// In RabbitMQ's words.
pub(super) fn unrecognised(name: &str, value: &Value, what: &str) -> String {
    format!("Unrecognised terms [{{{},{}}}] in {what}", term(&json!(name)), term(value))
}

/// The same of a value.
pub(super) fn no_number(name: &str, value: &Value) -> String {
    format!("{name} should be a number, actually was {}", term(value))
}
