//! Virtual hosts.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::Value;

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Asker, Manager};
use super::columns;
use super::erlang::term;
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::route::Route;
use super::totals;
use super::views::rates::Clocked;
use super::views::vhost::VhostView;
use crate::broker::operations;
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::{DefaultQueueType, VhostChange};

/// `/api/vhosts`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/vhosts", get(list)),
        ("/api/vhosts/{vhost}", get(show).put(put).delete(delete)),
        ("/api/vhosts/{vhost}/deletion/protection", post(protect).delete(unprotect)),
        ("/api/vhosts/{vhost}/start/{node}", post(start)),
    ]
}

async fn list(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let clocked = api.clocked(&params)?;
    let vhosts = asker.known_vhosts(&api);
    let view = move |vhost: Arc<Vhost>| {
        let (api, asker) = (api.clone(), asker.0.clone());
        async move { Some(view(&api, &asker, &vhost, &clocked).await) }
    };
    Listing::of(&params)?.answer(vhosts, |vhost| &vhost.name, view).await
}

async fn show(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let clocked = api.clocked(&params)?;
    let vhost = operations::vhost(api.shared(), &name).map_err(|_| ApiError::not_found())?;
    let view = view(&api, &asker, &vhost, &clocked).await;
    Ok(columns::answer(&params, &view))
}

async fn view(api: &Api, asker: &Asker, vhost: &Arc<Vhost>, clocked: &Clocked) -> serde_json::Value {
    let totals = totals::of(api, asker, std::slice::from_ref(vhost), clocked).await;
    let view = VhostView::of(vhost, api.node(), totals.lengths, clocked);
    serde_json::to_value(view).unwrap_or_default()
}

async fn put(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let change = change(&payload)?;
    let is_new = operations::put_vhost(api.shared(), asker.caller(), &name, change).await?;
    Ok(answer::put(is_new))
}

/// As in RabbitMQ, a description and tags that are not there are empty ones, and what else is not there stays.
fn change(payload: &Payload) -> Result<VhostChange, ApiError> {
    let tracing = payload.get("tracing").map(|_| payload.flag("tracing", false)).transpose()?;
    let kind = payload.text("default_queue_type")?;
    Ok(VhostChange {
        description: Some(payload.text("description")?.unwrap_or_default()),
        tags: Some(payload.tags("tags")?.unwrap_or_default()),
        default_queue_type: kind.map(|name| default_queue_type(&name)).transpose()?.flatten(),
        tracing,
        shard: payload.get("shard").map(shard).transpose()?,
        ..VhostChange::default()
    })
}

/// Which shard of a cluster is to serve it.
fn shard(value: &Value) -> Result<u32, ApiError> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| ApiError::wrong_kind("shard_is_not_a_number", value.clone()))
}

/// `undefined` is what RabbitMQ's exports say when there is none.
fn default_queue_type(name: &str) -> Result<Option<DefaultQueueType>, ApiError> {
    let kind = DefaultQueueType::from_name(name);
    if kind.is_none() && name != "undefined" {
        return Err(ApiError::bad_request(format!("Unsupported default queue type: {name}")));
    }
    Ok(kind)
}

async fn delete(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    operations::vhost(api.shared(), &name).map_err(|_| ApiError::not_found())?;
    operations::delete_vhost(api.shared(), asker.caller(), &name).await?;
    Ok(answer::done())
}

async fn protect(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    set_protected(&api, &asker, &name, true).await
}

async fn unprotect(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    set_protected(&api, &asker, &name, false).await
}

async fn set_protected(
    api: &Api,
    asker: &Administrator,
    name: &str,
    is_protected: bool,
) -> Result<Response, ApiError> {
    operations::vhost(api.shared(), name).map_err(|_| ApiError::not_found())?;
    let change = VhostChange { is_protected: Some(is_protected), ..VhostChange::default() };
    operations::change_vhost(api.shared(), asker.caller(), name, change).await?;
    Ok(answer::done())
}

/// Starting a vhost on a node again: it is running, or not there.
async fn start(
    State(api): State<Api>,
    _: Administrator,
    At((name, node)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let failed = |why: String| ApiError::bad_request(format!("Request to node {node} failed with {why}"));
    api.check_node(&node).map_err(|_| failed("nodedown".to_owned()))?;
    let missing = |_| failed(format!("{{no_such_vhost,{}}}", term(&Value::String(name.clone()))));
    operations::vhost(api.shared(), &name).map_err(missing)?;
    Ok(answer::done())
}
