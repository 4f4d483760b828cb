//! What this API is, told by itself: an OpenAPI document (<https://spec.openapis.org/oas/v3.1.0>). It is kept by hand beside the handlers; tests hold
//! it to the routes and to what is really answered, and make `docs/http-api.html` from it.

use axum::body::Body;
use axum::response::Response;
use axum::routing::get;

use super::answer;
use super::route::Route;

/// The document.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

/// `/api/openapi.json`, for everybody: who has no password yet may learn what there is.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/openapi.json", get(document))]
}

async fn document() -> Response {
    answer::json_body(Body::from(DOCUMENT))
}
