//! What this API is, told by itself: an OpenAPI document (<https://spec.openapis.org/oas/v3.1.0>). It is kept by hand beside the handlers; tests hold
//! it to the routes and to what is really answered, and make `docs/http-api.html` from it.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::compressed::Content;
use super::error::ApiError;
use super::route::Route;

/// The document, for tests.
#[cfg(test)]
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

/// The document, compressed.
const COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz"));

/// `/api/openapi.json`, for everybody: who has no password yet may learn what there is.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/openapi.json", get(document))]
}

async fn document(asked: HeaderMap) -> Response {
    let Some(content) = Content::Compressed(COMPRESSED).for_client(&asked) else {
        return ApiError::not_found().into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
    ];
    (headers, content).into_response()
}
