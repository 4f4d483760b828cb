//! All paths (<https://www.rabbitmq.com/docs/http-api-reference>).

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;

use super::api::Api;
use super::error::ApiError;
use super::route::Route;
use super::{
    beyond, bindings, channels, connections, consumers, definitions, exchanges, features, health, limits,
    logins, messages, metrics, nodes, overview, parameters, permissions, policies, queues, topic_permissions,
    upkeep, users, vhosts,
};

/// The router of the management API.
pub(crate) fn router(api: Api) -> Router {
    let routes = [
        about(),
        beyond::routes(),
        bindings::routes(),
        exchanges::routes(),
        messages::routes(),
        channels::routes(),
        connections::routes(),
        consumers::routes(),
        health::routes(),
        metrics::routes(),
        nodes::routes(),
        policies::routes(),
        queues::routes(),
        vhosts::routes(),
        users::routes(),
        permissions::routes(),
        topic_permissions::routes(),
        limits::routes(),
        parameters::routes(),
        features::routes(),
        definitions::routes(),
        logins::routes(),
        upkeep::routes(),
    ];
    let mut router = Router::new();
    for (path, methods) in routes.into_iter().flatten() {
        router = router.route(path, methods);
    }
    router
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED.into_response() })
        .with_state(api)
}

fn about() -> Vec<Route> {
    vec![
        ("/api/overview", get(overview::overview)),
        ("/api/whoami", get(overview::whoami)),
        ("/api/version", get(overview::version)),
    ]
}
