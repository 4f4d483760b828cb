//! Connections.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::answer;
use super::api::Api;
use super::asker::{Asker, Manager};
use super::columns;
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::route::Route;
use super::views::connection::ConnectionView;
use crate::broker::operations;
use crate::broker::overview::ConnectionOverview;

/// What a client that is closed is told if whoever closes it gives no reason.
const REASON: &str = "Closed via management plugin";

/// `/api/connections`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/connections", get(list_all)),
        ("/api/vhosts/{vhost}/connections", get(list)),
        ("/api/connections/{name}", get(show).delete(close)),
        ("/api/connections/username/{user}", get(list_of_user).delete(close_of_user)),
    ]
}

async fn list_all(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let connections = asker.connections(&api);
    list_of(api, connections, &params).await
}

async fn list(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let connections = asker.connections_on(&api, &vhost);
    list_of(api, connections, &params).await
}

async fn list_of(
    api: Api,
    connections: Vec<Arc<ConnectionOverview>>,
    params: &Params,
) -> Result<Response, ApiError> {
    let listing = Listing::of(params)?;
    let clocked = api.clocked(params)?;
    let mut keys: Vec<(String, Arc<ConnectionOverview>)> =
        connections.into_iter().map(|connection| (connection.name(), connection)).collect();
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    let view = move |(_, connection): (String, Arc<ConnectionOverview>)| {
        let handshake = connection.handshake();
        let view = ConnectionView::of(&connection, &handshake, api.node(), &clocked);
        std::future::ready(serde_json::to_value(view).ok())
    };
    listing.answer(keys, |(name, _)| name, view).await
}

async fn show(
    State(api): State<Api>,
    asker: Manager,
    At(name): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let connection = asker.connection(&api, &name)?;
    let handshake = connection.handshake();
    let view = ConnectionView::of(&connection, &handshake, api.node(), &api.clocked(&params)?);
    Ok(columns::answer(&params, &view))
}

async fn close(
    State(api): State<Api>,
    asker: Manager,
    At(name): At<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let connection = asker.connection(&api, &name)?;
    operations::close_connection(api.shared(), asker.caller(), connection.id, reason(&headers))?;
    tracing::info!(connection = name, by = asker.name, "closed over HTTP");
    Ok(answer::done())
}

async fn list_of_user(
    State(api): State<Api>,
    asker: Manager,
    At(user): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let connections = of_user(&api, &asker, &user)?;
    let view = move |connection: Arc<ConnectionOverview>| {
        let handshake = connection.handshake();
        let vhost = handshake.vhost.as_deref().unwrap_or_default();
        std::future::ready(Some(json!({
            "name": connection.name(), "vhost": vhost, "user": handshake.user, "node": api.node(),
        })))
    };
    Listing::of(&params)?.answer(connections, |_| "", view).await
}

async fn close_of_user(
    State(api): State<Api>,
    asker: Manager,
    At(user): At<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    of_user(&api, &asker, &user)?;
    operations::close_connections_of_user(api.shared(), asker.caller(), &user, reason(&headers))?;
    tracing::info!(user, by = asker.name, "all connections of a user closed over HTTP");
    Ok(answer::done())
}

/// Others' connections are for those who see all.
fn of_user(api: &Api, asker: &Asker, user: &str) -> Result<Vec<Arc<ConnectionOverview>>, ApiError> {
    if user != asker.name && !asker.sees_all() {
        return Err(ApiError::not_authorised("User not authorised to access object"));
    }
    let mut connections = asker.connections(api);
    connections.retain(|connection| connection.handshake().user == user);
    Ok(connections)
}

/// The header `X-Reason`.
fn reason(headers: &HeaderMap) -> &str {
    headers.get("x-reason").and_then(|reason| reason.to_str().ok()).unwrap_or(REASON)
}
