//! Replicas of quorum queues, which RabbitMQ can have on several nodes: here there is one node, which is the only replica of each.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, post};

use super::answer;
use super::api::Api;
use super::asker::Administrator;
use super::error::ApiError;
use super::params::At;
use super::payload::Payload;
use super::route::Route;
use crate::queue::options::is_quorum;

/// `/api/queues/quorum/.../replicas`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/queues/quorum/{vhost}/{queue}/replicas/add", post(add)),
        ("/api/queues/quorum/{vhost}/{queue}/replicas/delete", delete(remove)),
        ("/api/queues/quorum/replicas/on/{node}/grow", post(grow)),
        ("/api/queues/quorum/replicas/on/{node}/shrink", delete(shrink)),
    ]
}

/// A queue of a vhost.
type Place = (String, String);

/// Whether it is a quorum queue; `None` if it is not there.
fn is_quorum_queue(api: &Api, (vhost, queue): &Place) -> Option<bool> {
    let record = api.shared().vhost(vhost)?.queue_named(queue)?;
    Some(is_quorum(&record.arguments))
}

fn node(body: &Payload) -> Result<String, ApiError> {
    body.require(&["node"])?;
    Ok(body.text("node")?.unwrap_or_default())
}

/// One more on this node is there already, and there is no other node.
async fn add(
    State(api): State<Api>,
    _: Administrator,
    At(place): At<Place>,
    body: Payload,
) -> Result<Response, ApiError> {
    let node = node(&body)?;
    match is_quorum_queue(&api, &place) {
        None => Err(ApiError::unavailable("not_found")),
        Some(false) => Err(ApiError::unavailable("classic_queue_not_supported")),
        Some(true) if node != api.node() => Err(ApiError::unavailable("node_not_running")),
        Some(true) => Ok(answer::done()),
    }
}

/// The only one cannot go, and on other nodes there is none.
async fn remove(
    State(api): State<Api>,
    _: Administrator,
    At(place): At<Place>,
    body: Payload,
) -> Result<Response, ApiError> {
    let is_quorum = is_quorum_queue(&api, &place).ok_or_else(ApiError::not_found)?;
    let node = node(&body)?;
    match is_quorum {
        false => Err(ApiError::unavailable("classic_queue_not_supported")),
        true if node == api.node() => Err(ApiError::unavailable("last_node")),
        true => Ok(StatusCode::ACCEPTED.into_response()),
    }
}

/// All queues are on the node already. As in RabbitMQ nobody asks whether there is a node of that name.
async fn grow(_: Administrator, body: Payload) -> Result<Response, ApiError> {
    body.require(&["vhost_pattern", "queue_pattern", "strategy"])?;
    Ok(answer::done())
}

/// From the only node no queue goes, and on others there is none. RabbitMQ's answer is the same when none could go.
async fn shrink(_: Administrator) -> Response {
    StatusCode::ACCEPTED.into_response()
}
