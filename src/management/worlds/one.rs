//! Worlds by themselves: made, shown, deleted.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::broker::operations::{self, InWorld};
use crate::broker::vhost::Vhost;
use crate::broker::world::{ClockMode, WorldSettings};
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Asker, Manager};
use crate::management::error::ApiError;
use crate::management::params::At;
use crate::management::payload::Payload;
use crate::management::views::moment;

/// What the body of a PUT may say.
const OPTIONS: [&str; 6] = ["clock", "start", "ttl_s", "journal", "persona", "snapshot"];

/// The world of a request's vhost, for somebody who may enter it.
///
/// # Errors
/// 404 without `--test` or such a vhost, 401.
pub(super) fn world<'a>(api: &Api, vhost: &'a Arc<Vhost>) -> Result<InWorld<'a>, ApiError> {
    Ok(operations::world_of(api.shared(), vhost)?)
}

/// `GET /api/coney/worlds`: all that were made as worlds and the asker may enter.
pub(super) async fn list(State(api): State<Api>, asker: Manager) -> Result<Response, ApiError> {
    operations::require_test(api.shared())?;
    let all = asker.vhosts(&api);
    let worlds = all.iter().filter(|vhost| is_world(vhost)).map(|vhost| view(&api, vhost));
    Ok(answer::json(&worlds.collect::<Vec<_>>()))
}

fn is_world(vhost: &Vhost) -> bool {
    vhost.world.as_ref().is_some_and(|world| world.settings.is_some())
}

/// `GET /api/coney/worlds/{vhost}`.
pub(super) async fn show(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    world(&api, &vhost)?;
    Ok(answer::json(&view(&api, &vhost)))
}

/// `PUT /api/coney/worlds/{vhost}`: 201 if it is new, 200 if it is there and was made with the same options.
pub(super) async fn put(
    State(api): State<Api>,
    asker: Manager,
    At(name): At<String>,
    body: Payload,
) -> Result<Response, ApiError> {
    operations::require_test(api.shared())?;
    if api.shared().vhost(&name).is_some() {
        asker.enter(&api, &name)?;
    }
    let (settings, named) = settings(&name, &body)?;
    let snapshot = body.text("snapshot")?.or(named);
    let made = operations::make_world(api.shared(), asker.caller(), &name, settings, snapshot.as_deref());
    let (vhost, is_new) = made.await?;
    let mut response = answer::json(&view(&api, &vhost));
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

fn settings(name: &str, body: &Payload) -> Result<(WorldSettings, Option<String>), ApiError> {
    body.refuse_others(&OPTIONS)?;
    let (mut settings, snapshot) = WorldSettings::of_name(name)?;
    for key in ["clock", "ttl_s", "journal", "persona"] {
        if let Some(value) = body.text(key)? {
            settings.set(key, &value).map_err(|why| ApiError::bad_request(format!("{key}: {why}")))?;
        }
    }
    if let Some(start) = body.text("start")? {
        settings.start =
            Some(moment::parse(&start).ok_or_else(|| {
                ApiError::bad_request("start: expected a time such as 2030-01-01T00:00:00Z")
            })?);
        if settings.clock == ClockMode::Real {
            return Err(ApiError::bad_request("start: a world with the system's clock has its time"));
        }
    }
    Ok((settings, snapshot))
}

/// `DELETE /api/coney/worlds/{vhost}`.
pub(super) async fn delete(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    operations::delete_world(api.shared(), asker.caller(), &vhost).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A world as its answers show it.
pub(super) fn view(api: &Api, vhost: &Vhost) -> Value {
    let made = vhost.world.as_ref().and_then(|world| world.settings.as_ref());
    json!({
        "name": vhost.name,
        "uri": uri(api, &vhost.name),
        "clock": if vhost.clock.is_virtual() { "virtual" } else { "real" },
        "now": moment::text(vhost.clock.timestamp()),
        "ttl_s": made.map(|made| made.ttl_s.unwrap_or_default()),
        "journal": made.is_some_and(|made| made.journal),
        "persona": vhost.persona.name(),
        "connections": vhost.connections().taken(),
        "queues": vhost.declared_queue_count(),
    })
}

/// Where a client on this machine finds it, with the default user.
fn uri(api: &Api, vhost: &str) -> Value {
    let amqp = api.listeners().iter().find(|on| on.protocol == "amqp");
    let path = percent_encoding::utf8_percent_encode(vhost, percent_encoding::NON_ALPHANUMERIC);
    amqp.map(|on| format!("amqp://{}/{path}", on.address)).into()
}

/// Somebody who has logged in, for whom a world is looked up.
pub(super) fn enter(api: &Api, asker: &Asker, vhost: &str) -> Result<Arc<Vhost>, ApiError> {
    operations::require_test(api.shared())?;
    asker.enter(api, vhost)
}
