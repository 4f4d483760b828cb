//! What tools ask of a RabbitMQ before or beside their work, and has nothing to do here.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete, get, post};
use serde_json::json;

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Manager};
use super::error::ApiError;
use super::params::At;
use super::route::Route;

/// `/api/extensions`, `/api/config/effective`, `/api/reset` and `/api/rebalance`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/extensions", get(extensions)),
        ("/api/config/effective", get(settings)),
        ("/api/reset", delete(reset)),
        ("/api/reset/{node}", delete(reset_node)),
        ("/api/rebalance/queues", post(rebalance)),
    ]
}

/// Scripts that add to the pages of the management API: clients want one to be there.
async fn extensions(_: Manager) -> Response {
    answer::json(&json!([{ "javascript": "dispatcher.js" }]))
}

/// The settings as a configuration file of this broker's, without secrets. RabbitMQ's are Erlang terms.
async fn settings(State(api): State<Api>, _: Administrator) -> String {
    let settings = &api.shared().config.settings;
    if settings.is_empty() { "# The program that this broker is part of sets it up.\n" } else { settings }
        .to_owned()
}

/// There are no sampled statistics that could be forgotten.
async fn reset(_: Administrator) -> Response {
    answer::done()
}

async fn reset_node(
    State(api): State<Api>,
    _: Administrator,
    At(node): At<String>,
) -> Result<Response, ApiError> {
    api.check_node(&node)?;
    Ok(answer::done())
}

/// There is one node, where all queues are.
async fn rebalance(_: Administrator) -> Response {
    answer::done()
}
