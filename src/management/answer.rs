//! Answers: JSON, and those without a body.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// RabbitMQ's, without a charset.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// 200 with a value.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => json_body(Body::from(bytes)),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// 200 with JSON that is written already, or will be while it is sent.
pub(super) fn json_body(body: Body) -> Response {
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// 503 with a value: a check that failed.
pub(super) fn failed(value: &impl Serialize) -> Response {
    let mut response = json(value);
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// 201 for what was made, 204 for what was there: RabbitMQ's answer to a PUT.
pub(super) fn put(is_new: bool) -> Response {
    if is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT }.into_response()
}

/// 204.
pub(super) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
