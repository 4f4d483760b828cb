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
use crate::config::NODE_PREFIX;

/// `/api/coney/cluster`.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/coney/cluster", get(show)), ("/api/coney/cluster/move", post(hand_over))]
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

/// Answers before it is done: with this node's broker its connections end.
async fn hand_over(
    State(api): State<Api>,
    asker: Administrator,
    payload: Payload,
) -> Result<Response, ApiError> {
    let cluster = view(&api)?;
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
