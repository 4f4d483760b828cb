//! Worlds, under `/api/coney/worlds/`: virtual hosts that tests control. Without `--test` each of these paths is 404.

mod clock;
mod faults;
mod one;
mod snapshots;
mod wait;

use axum::routing::{get, post};

use super::route::Route;

/// `/api/coney/worlds`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/coney/worlds", get(one::list)),
        ("/api/coney/worlds/{vhost}", get(one::show).put(one::put).delete(one::delete)),
        ("/api/coney/worlds/{vhost}/snapshots/{name}", axum::routing::post(snapshots::take)),
        ("/api/coney/snapshots", get(snapshots::list)),
        (
            "/api/coney/snapshots/{name}",
            get(snapshots::download).put(snapshots::upload).delete(snapshots::delete),
        ),
        ("/api/coney/worlds/{vhost}/clock", get(clock::show).post(clock::advance)),
        ("/api/coney/worlds/{vhost}/counts", get(wait::counts)),
        ("/api/coney/worlds/{vhost}/wait", get(wait::wait)),
        ("/api/coney/worlds/{vhost}/faults", get(faults::list).post(faults::make).delete(faults::clear)),
        ("/api/coney/worlds/{vhost}/faults/{id}", get(faults::show).delete(faults::remove)),
        ("/api/coney/worlds/{vhost}/restart", post(faults::restart)),
    ]
}
