//! Requests from inside the broker, in the name of whoever runs it: the test exchange passes them on.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use tower_service::Service as _;

use super::answer::JSON;
use super::serve::Peer;
use crate::broker::api_hook::{ApiAnswer, ApiRequest};

/// The largest answer that fits a message, in bytes: far above what is asked for there.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the API answers.
pub(crate) async fn answer(mut router: Router, request: ApiRequest) -> ApiAnswer {
    let ApiRequest { method, path, body } = request;
    let built = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, JSON);
    let Ok(mut request) = built.body(Body::from(body)) else { return refusal(400, "that is no path") };
    request.extensions_mut().insert(Peer::ControlSocket);
    let Ok(response) = router.call(request).await;
    let status = response.status().as_u16();
    match to_bytes(response.into_body(), ANSWER_BYTES_MAX).await {
        Ok(body) => ApiAnswer { status, body: body.to_vec() },
        Err(_) => refusal(413, "the answer is too large for a message"),
    }
}

fn refusal(status: u16, reason: &str) -> ApiAnswer {
    let body = serde_json::json!({ "error": "bad_request", "reason": reason }).to_string().into_bytes();
    ApiAnswer { status, body }
}
