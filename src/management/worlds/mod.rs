//! Worlds, under `/api/coney/worlds/`: virtual hosts that tests control. Without `--test` each of these paths is 404.

mod one;

use axum::routing::get;

use super::route::Route;

/// `/api/coney/worlds`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/coney/worlds", get(one::list)),
        ("/api/coney/worlds/{vhost}", get(one::show).put(one::put).delete(one::delete)),
    ]
}
