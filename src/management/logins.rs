//! Logging in, and what is known about it.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Asker, Monitor};
use super::error::ApiError;
use super::params::{At, Params};
use super::payload::RawBody;
use super::route::Route;
use super::serve::Peer;
use super::views::user::AttemptsView;
use crate::auth::Credentials;
use crate::broker::operations;

/// `/api/login` and `/api/auth`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/login", post(log_in)),
        ("/api/auth", get(ways)),
        ("/api/auth/hash_password/{password}", get(hash_password)),
        ("/api/auth/attempts/{node}", get(attempts).delete(forget_attempts)),
        ("/api/auth/attempts/{node}/source", get(attempts_by_source).delete(forget_attempts)),
    ]
}

/// `POST /api/login` with a form: tells whether these credentials are good, and keeps them in a cookie for pages that ask for more.
async fn log_in(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let (user, password) = parse_form(&body).ok_or_else(ApiError::login_refused)?;
    let cookie = STANDARD.encode(format!("{user}:{password}"));
    let credentials = Credentials::password("PLAIN", user, password.into_bytes());
    Asker::admit(&api, credentials, peer, &headers).await?;
    let mut response = answer::json(&"ok");
    if let Ok(cookie) = HeaderValue::from_str(&format!("auth={cookie}; SameSite=Strict")) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn parse_form(body: &Bytes) -> Option<(String, String)> {
    let form = Params::parse(std::str::from_utf8(body).ok()?);
    Some((form.get("username")?.to_owned(), form.get("password")?.to_owned()))
}

/// `GET /api/auth`, for everybody.
async fn ways() -> Response {
    answer::json(&json!({ "oauth_enabled": false }))
}

/// `GET /api/auth/hash_password/P`.
async fn hash_password(
    State(api): State<Api>,
    asker: Administrator,
    At(password): At<String>,
) -> Result<Response, ApiError> {
    let hash = operations::hash_password(api.shared(), asker.caller(), password.as_bytes())?;
    Ok(answer::json(&json!({ "ok": hash.to_base64() })))
}

/// `GET /api/auth/attempts/N`.
async fn attempts(State(api): State<Api>, _: Monitor, At(node): At<String>) -> Result<Response, ApiError> {
    api.check_node(&node)?;
    let logins = &api.shared().counters.logins;
    Ok(answer::json(&[AttemptsView::of("http", &logins.http), AttemptsView::of("amqp091", &logins.amqp)]))
}

/// `GET /api/auth/attempts/N/source`: nothing, as in RabbitMQ unless its `track_auth_attempt_source` is set.
async fn attempts_by_source(
    State(api): State<Api>,
    _: Monitor,
    At(node): At<String>,
) -> Result<Response, ApiError> {
    api.check_node(&node)?;
    Ok(answer::json(&json!([])))
}

async fn forget_attempts(
    State(api): State<Api>,
    asker: Monitor,
    At(node): At<String>,
) -> Result<Response, ApiError> {
    api.check_node(&node)?;
    operations::forget_login_attempts(api.shared(), asker.caller())?;
    Ok(answer::done())
}
