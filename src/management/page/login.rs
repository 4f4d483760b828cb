//! Logging in on the page, who is logged in, and logging out. A session is a cookie, which stands for a user's name and password in every
//! request that has no `Authorization` (see [`asker`](crate::management::asker)).

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::{cookie, origin};
use crate::auth::Credentials;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Asker, Manager};
use crate::management::error::ApiError;
use crate::management::media_type::MediaType;
use crate::management::payload::{Payload, RawBody};
use crate::management::route::Route;
use crate::management::serve::Peer;
use crate::management::views::moment;

/// Longest body of a login, in bytes.
const LOGIN_BYTES_MAX: usize = 16 * 1024;
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// `/api/coney/session`.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/coney/session", get(show).post(begin).delete(end))]
}

/// Logs in. A session that the browser had ends.
async fn begin(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    if origin::is_foreign(&headers) {
        return Err(ApiError::foreign_page());
    }
    // Forms of other pages cannot send JSON.
    if !headers.contains_key(header::CONTENT_TYPE) {
        return Err(ApiError::unsupported_media_type());
    }
    MediaType::json(&headers)?;
    let (user, password) = credentials(&body)?;
    let credentials = Credentials::password("PLAIN", user, password.into_bytes());
    let asker = Asker::admit(&api, credentials, peer, &headers).await?;
    if let Some(previous) = cookie::session(&headers) {
        api.sessions().end(previous);
    }
    let holder = asker.holder().ok_or_else(ApiError::login_refused)?;
    let token = api.sessions().begin(holder, api.shared().clock.now());
    let token = token.map_err(|error| ApiError::unavailable(format!("no random bytes: {error}")))?;
    let is_secure = peer.is_encrypted() || origin::is_secure(&headers);
    let kept = cookie::keep(&headers, &token, is_secure).ok_or_else(ApiError::login_refused)?;
    Ok(with_cookies(answer::done(), vec![kept]))
}

fn credentials(body: &[u8]) -> Result<(String, String), ApiError> {
    if body.len() > LOGIN_BYTES_MAX {
        return Err(ApiError::bad_request("that is too long for a name and a password"));
    }
    let payload = Payload::parse(body)?;
    payload.require(&["username", "password"])?;
    Ok((payload.text("username")?.unwrap_or_default(), payload.text("password")?.unwrap_or_default()))
}

/// Logs out; whoever is not logged in is out already.
async fn end(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    if origin::is_foreign(&headers) {
        return Err(ApiError::foreign_page());
    }
    if let Some(session) = cookie::session(&headers) {
        api.sessions().end(session);
    }
    Ok(with_cookies(answer::done(), cookie::forget(&headers)))
}

fn with_cookies(mut response: Response, cookies: Vec<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

/// Who is logged in, and what every page needs to know of the broker.
async fn show(State(api): State<Api>, asker: Manager) -> Response {
    let shared = api.shared();
    let known = asker.known_vhosts(&api);
    let names = |keep: &dyn Fn(&str) -> bool| -> Vec<String> {
        known.iter().map(|vhost| vhost.name.clone()).filter(|name| keep(name)).collect()
    };
    let traced = known.iter().filter(|vhost| vhost.settings().tracing);
    let mut response = answer::json(&json!({
        "name": asker.name,
        "tags": asker.tags,
        "vhosts": names(&|name| asker.may_enter(&api, name)),
        "known_vhosts": names(&|_| true),
        "session": session(&api, &asker),
        "server": {
            "name": api.node(),
            "cluster_name": api.cluster_name(),
            "product_name": "Coney",
            "version": env!("CARGO_PKG_VERSION"),
            "rabbitmq_version": shared.config.server_version,
            "is_ephemeral": shared.config.data_dir.is_none(),
            "tracing": traced.map(|vhost| vhost.name.clone()).collect::<Vec<_>>(),
            "now": shared.clock.timestamp().as_millis(),
        },
    }));
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    response
}

/// When the session ends; nothing for whoever sends a password each time.
fn session(api: &Api, asker: &Asker) -> Option<Value> {
    let (idle, at_latest) = api.sessions().ends(asker.session()?)?;
    let clock = api.shared().clock;
    let text = |time| moment::text(clock.epoch().at(time));
    Some(json!({ "ends_unused": text(idle), "ends_at_latest": text(at_latest) }))
}
