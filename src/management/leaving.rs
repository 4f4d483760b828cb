//! A vhost that moves to another shard of the cluster is not changed any more where it was: what was done there as it began to move may not
//! have come along, so nobody is told that it was done.

use axum::extract::{RawPathParams, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::api::Api;
use super::error::ApiError;
use super::parameters::VHOST_LIMITS;
use crate::broker::OperationError;
use crate::broker::vhost::Vhost;

/// Answers 503 for what was changed in a vhost that moves by now, or has moved meanwhile. Whoever is told that something was done knows that it
/// goes along.
pub(super) async fn refuse_if_leaving(
    State(api): State<Api>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let param = |name| params.iter().find(|(own, _)| *own == name).map(|(_, value)| value);
    // Limits stay with the vhost's name.
    let is_content = param("component") != Some(VHOST_LIMITS);
    let vhost = param("vhost").filter(|_| is_content).and_then(|name| api.shared().vhost(name));
    let visit = vhost.as_ref().map(Vhost::visit);
    let response = next.run(request).await;
    match (vhost, visit) {
        (Some(vhost), Some(visit)) if response.status().is_success() && !visit.is_kept() => {
            ApiError::from(OperationError::Moving(vhost.name.clone())).into_response()
        }
        _ => response,
    }
}
