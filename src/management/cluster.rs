//! The cluster that the broker leads: how it is, and letting another node lead.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Monitor};
use super::error::ApiError;
use super::payload::Payload;
use super::route::Route;
use crate::broker::cluster_view::{ClusterNode, ClusterStatus, ClusterView};
#[cfg(feature = "cluster")]
use crate::broker::operations::{self, Step};
use crate::config::NODE_PREFIX;

/// `/api/coney/cluster`.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/coney/cluster", get(show)), ("/api/coney/cluster/move", post(move_something))]
}

/// What the cluster says of itself, if there is one.
pub(super) fn status(api: &Api) -> Option<ClusterStatus> {
    Some(api.shared().cluster.as_ref()?.status())
}

/// The other nodes as tools see them: their names, and whether they run.
pub(super) fn others(api: &Api) -> Vec<Value> {
    let Some(ClusterStatus { node, nodes, .. }) = status(api) else { return Vec::new() };
    let view = |other: &ClusterNode| {
        json!({
            "name": format!("{NODE_PREFIX}{}", other.name),
            "type": "disc",
            "running": other.role != "silent",
            "partitions": [],
        })
    };
    nodes.iter().filter(|other| other.name != node).map(view).collect()
}

fn view(api: &Api) -> Result<&dyn ClusterView, ApiError> {
    let none = || ApiError::missing("this broker is no node of a cluster");
    api.shared().cluster.as_deref().ok_or_else(none)
}

async fn show(State(api): State<Api>, _: Monitor) -> Result<Response, ApiError> {
    Ok(answer::json(&view(&api)?.status()))
}

/// The same for everybody, where each node's metrics are.
pub(super) fn own_page(api: &Api) -> Response {
    match status(api) {
        Some(status) => answer::json(&status),
        None => (StatusCode::NOT_FOUND, "Not Found").into_response(),
    }
}

/// Lets a node lead, or a vhost move; answers before that is done in both cases.
async fn move_something(
    State(api): State<Api>,
    asker: Administrator,
    payload: Payload,
) -> Result<Response, ApiError> {
    #[cfg(feature = "cluster")]
    if let Some(vhost) = payload.text("vhost")? {
        return move_vhost(&api, &asker, &vhost, &payload).await;
    }
    hand_over(&api, &asker, &payload)
}

#[cfg(feature = "cluster")]
async fn move_vhost(
    api: &Api,
    asker: &Administrator,
    vhost: &str,
    payload: &Payload,
) -> Result<Response, ApiError> {
    if view(api)?.data_shards() == 0 {
        return Err(ApiError::bad_request("this cluster has no shards"));
    }
    let shard = payload.get("shard").and_then(Value::as_u64).and_then(|shard| u32::try_from(shard).ok());
    let shard = shard.ok_or_else(|| ApiError::bad_request("shard has to be there, a number"))?;
    // By the node that has copied it.
    let copied = payload.get("copied").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let step = copied.map_or(Step::Begin(shard), |id| Step::End(shard, id));
    operations::move_vhost(api.shared(), asker.caller(), vhost, step).await?;
    Ok(answer::done())
}

/// Answers before it is done: with this node's broker its connections end.
fn hand_over(api: &Api, asker: &Administrator, payload: &Payload) -> Result<Response, ApiError> {
    let cluster = view(api)?;
    let to = payload.text("node")?.filter(|node| !node.is_empty());
    let name = |to: String| to.strip_prefix(NODE_PREFIX).map(str::to_owned).unwrap_or(to);
    let to = to.map(name);
    cluster.can_hand_over(to.as_deref()).map_err(|error| ApiError::conflict(error.to_string()))?;
    tracing::info!(by = asker.name, to = to.as_deref().unwrap_or("any node"), "handing over was asked for");
    let moving = cluster.hand_over(to);
    tokio::spawn(async move {
        if let Err(error) = moving.await {
            tracing::error!(%error, "this node has not handed over");
        }
    });
    Ok(StatusCode::ACCEPTED.into_response())
}
