//! All paths (<https://www.rabbitmq.com/docs/http-api-reference>).

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;

use super::api::Api;
use super::route::Route;
use super::{
    beyond, bindings, channels, cluster, connections, consumers, definitions, exchanges, features,
    for_people, health, journal, limits, lint, logins, messages, metrics, nodes, openapi, overview, page,
    parameters, permissions, policies, queues, replicas, topic_permissions, upkeep, users, vhosts, worlds,
};

/// The router of the management API.
pub(crate) fn router(api: Api) -> Router {
    let mut router = Router::new();
    for (path, methods) in all().chain(for_people::routes()) {
        router = router.route(path, methods);
    }
    router
        .fallback(page::file)
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED.into_response() })
        .with_state(api)
}

fn all() -> impl Iterator<Item = Route> {
    let routes = [
        about(),
        beyond::routes(),
        bindings::routes(),
        exchanges::routes(),
        messages::routes(),
        channels::routes(),
        cluster::routes(),
        connections::routes(),
        consumers::routes(),
        health::routes(),
        journal::routes(),
        metrics::routes(),
        nodes::routes(),
        openapi::routes(),
        page::routes(),
        policies::routes(),
        queues::routes(),
        replicas::routes(),
        vhosts::routes(),
        users::routes(),
        permissions::routes(),
        topic_permissions::routes(),
        limits::routes(),
        lint::routes(),
        parameters::routes(),
        features::routes(),
        definitions::routes(),
        logins::routes(),
        upkeep::routes(),
        worlds::routes(),
    ];
    routes.into_iter().flatten()
}

fn about() -> Vec<Route> {
    vec![
        ("/api/overview", get(overview::overview)),
        ("/api/whoami", get(overview::whoami)),
        ("/api/version", get(overview::version)),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_document_has_the_paths_that_there_are() {
        let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
        let documented: BTreeSet<&str> =
            document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let routed: BTreeSet<&str> = all().map(|(path, _)| path).collect();
        let unlike: Vec<_> = documented.symmetric_difference(&routed).collect();
        assert!(unlike.is_empty(), "either not routed or not in openapi.json: {unlike:?}");
    }
}
