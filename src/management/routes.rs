//! All paths (<https://www.rabbitmq.com/docs/http-api-reference>).

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::get;

use super::api::Api;
use super::leaving::refuse_if_leaving;
use super::route::Route;
use super::{
    beyond, bindings, channels, cluster, connections, consumers, definitions, exchanges, features,
    for_people, health, journal, limits, lint, logins, messages, metrics, nodes, openapi, overview, page,
    parameters, permissions, policies, queues, replicas, topic_permissions, upkeep, users, vhosts, worlds,
};

/// The router of the management API.
pub(crate) fn router(api: Api) -> Router {
    let mut router = Router::new();
    for (path, methods) in of_brokers().chain(for_people::routes()) {
        router = router.route(path, methods);
    }
    for (path, methods) in of_vhosts() {
        router = router.route(path, methods.layer(from_fn_with_state(api.clone(), refuse_if_leaving)));
    }
    router
        .fallback(page::file)
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED.into_response() })
        .with_state(api)
}

/// What is in vhosts, and can be changed there.
fn of_vhosts() -> impl Iterator<Item = Route> {
    let routes = [
        beyond::routes(),
        bindings::routes(),
        consumers::routes(),
        definitions::routes(),
        exchanges::routes(),
        journal::routes(),
        messages::routes(),
        parameters::routes(),
        policies::routes(),
        queues::routes(),
        replicas::routes(),
    ];
    routes.into_iter().flatten()
}

/// All else: what is of the broker, or said of vhosts.
fn of_brokers() -> impl Iterator<Item = Route> {
    let routes = [
        about(),
        channels::routes(),
        cluster::routes(),
        connections::routes(),
        health::routes(),
        metrics::routes(),
        nodes::routes(),
        openapi::routes(),
        page::routes(),
        vhosts::routes(),
        users::routes(),
        permissions::routes(),
        topic_permissions::routes(),
        limits::routes(),
        lint::routes(),
        features::routes(),
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
        let routed: BTreeSet<&str> = of_brokers().chain(of_vhosts()).map(|(path, _)| path).collect();
        let unlike: Vec<_> = documented.symmetric_difference(&routed).collect();
        assert!(unlike.is_empty(), "either not routed or not in openapi.json: {unlike:?}");
    }

    /// Of these paths, those by which something can be changed.
    fn changing(paths: impl Iterator<Item = Route>) -> Vec<&'static str> {
        let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
        let changes = |path: &&str| {
            let methods = document["paths"][*path].as_object().unwrap();
            ["put", "post", "delete"].iter().any(|method| methods.contains_key(*method))
        };
        paths.map(|(path, _)| path).filter(changes).collect()
    }

    #[test]
    fn what_changes_something_in_a_vhost_is_refused_while_that_moves() {
        // What is said of vhosts is the meta shard's, and stays there. There are no worlds in a cluster.
        let of_meta = |path: &str| {
            let begins = [
                "/api/vhosts/",
                "/api/permissions/",
                "/api/topic-permissions/",
                "/api/vhost-limits/",
                "/api/coney/worlds/",
            ];
            begins.iter().any(|begin| path.starts_with(begin))
        };
        let unguarded: Vec<_> = changing(of_brokers())
            .into_iter()
            .filter(|path| path.contains("{vhost}") && !of_meta(path))
            .collect();
        assert!(unguarded.is_empty(), "they belong to `of_vhosts`: {unguarded:?}");
        let mut without: Vec<_> =
            changing(of_vhosts()).into_iter().filter(|path| !path.contains("{vhost}")).collect();
        without.sort_unstable();
        // An import looks by itself; the others are the meta shard's, or are as little waited for as an ack.
        let known = [
            "/api/all-configuration",
            "/api/cluster-name",
            "/api/coney/connections",
            "/api/coney/definitions/diff",
            "/api/coney/leases/{id}",
            "/api/coney/node/disk-free-limit",
            "/api/coney/node/log",
            "/api/coney/node/memory-limit",
            "/api/coney/node/stop",
            "/api/coney/purges/{id}/undo",
            "/api/coney/users/{user}/authenticate",
            "/api/definitions",
            "/api/global-parameters/{name}",
            "/api/queues/quorum/replicas/on/{node}/grow",
            "/api/queues/quorum/replicas/on/{node}/shrink",
        ];
        assert_eq!(without, known, "whether they change what is in a vhost that moves has to be thought of");
    }
}
