//! `GET /api/coney/live`: answers to other requests, again whenever they are others than before, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! The requests go through the router like any other, in the name of whoever asks: what one may not get one does not get here. They are let in again each
//! time, so a session that has ended ends this, too.

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::stream;
use serde_json::json;
use tower_service::Service as _;

use super::live::Place;
use crate::broker::Clock;
use crate::broker::shared::stopped;
use crate::management::api::Api;
use crate::management::asker::{Admission, Manager};
use crate::management::error::ApiError;
use crate::management::params::Params;
use crate::management::route::Route;
use crate::management::serve::{Everything, Peer};
use crate::time::Time;

/// Paths of one page.
const PATHS_MAX: usize = 16;
/// Longest path with its query, in bytes.
const PATH_BYTES_MAX: usize = 4096;
/// Between two looks at one path, at least.
const INTERVAL: Duration = Duration::from_millis(250);
/// All looks together take at most one part in so many of the time.
const SHARE: u32 = 10;
/// However long a look takes, the next comes within this time.
const INTERVAL_MAX: Duration = Duration::from_secs(30);
/// An answer has to be there within this time,
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// and be no longer than this, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Silence after which a comment is sent, so that proxies see that the connection lives, and we whether it does.
const QUIET_MAX: Duration = Duration::from_secs(15);

/// `/api/coney/live`.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/coney/live", get(watch))]
}

/// `?get=/api/..&get=/api/..`.
async fn watch(
    State(api): State<Api>,
    Extension(Everything(router)): Extension<Everything>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    asker: Manager,
    params: Params,
) -> Result<Response, ApiError> {
    let clock = api.shared().clock;
    let paths = paths(&params, clock.now())?;
    let place = api.live().take(&asker.name);
    let place = place.ok_or_else(|| ApiError::unavailable("too many pages are looked at already"))?;
    let host = headers.get(header::HOST).cloned();
    let source = Source { router, peer, host, admission: asker.admission(), clock };
    let begin = Watching {
        hasher: RandomState::new(),
        paths,
        source,
        quiet_since: clock.now(),
        is_over: false,
        _place: place,
    };
    let stopping = api.shared().stopping.subscribe();
    let events = stream::unfold((begin, stopping), |(mut watching, mut stopping)| async move {
        let event = tokio::select! {
            event = watching.next() => event?,
            () = stopped(&mut stopping) => return None,
        };
        Some((Ok::<_, Infallible>(Bytes::from(event)), (watching, stopping)))
    });
    Ok(([(header::CONTENT_TYPE, EVENT_STREAM)], Body::from_stream(events)).into_response())
}

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// What is watched.
#[derive(Clone, Debug)]
struct Watched {
    path: String,
    /// The hash of the last answer.
    last: Option<u64>,
    due: Time,
}

fn paths(params: &Params, now: Time) -> Result<Vec<Watched>, ApiError> {
    let mut paths: Vec<Watched> = Vec::new();
    for path in params.all("get") {
        if !path.starts_with("/api/") || path.len() > PATH_BYTES_MAX {
            return Err(ApiError::bad_request(format!(
                "get has to begin with /api/, and be no longer than {PATH_BYTES_MAX} bytes"
            )));
        }
        if !paths.iter().any(|watched| watched.path == path) {
            paths.push(Watched { path: path.to_owned(), last: None, due: now });
        }
    }
    if paths.is_empty() || paths.len() > PATHS_MAX {
        return Err(ApiError::bad_request(format!("get has to be there, at most {PATHS_MAX} times")));
    }
    Ok(paths)
}

struct Watching {
    paths: Vec<Watched>,
    source: Source,
    hasher: RandomState,
    quiet_since: Time,
    /// Nobody is logged in any more, and was told.
    is_over: bool,
    _place: Place,
}

impl Watching {
    /// The next event; `None` when there is none to come.
    async fn next(&mut self) -> Option<String> {
        let clock = self.source.clock;
        while !self.is_over {
            let due = self.paths.iter().map(|watched| watched.due).min()?;
            if due > clock.now() {
                let quiet_until = self.quiet_since + QUIET_MAX;
                clock.wait_for(Some(due.min(quiet_until))).await;
                if clock.now() >= quiet_until {
                    self.quiet_since = clock.now();
                    return Some(": nothing has changed\n\n".to_owned());
                }
                continue;
            }
            if let Some(event) = self.look(due).await {
                self.quiet_since = clock.now();
                return Some(event);
            }
        }
        None
    }

    /// Looks at the first path that is due then.
    async fn look(&mut self, due: Time) -> Option<String> {
        let all = u32::try_from(self.paths.len()).unwrap_or(u32::MAX);
        let watched = self.paths.iter_mut().find(|watched| watched.due == due)?;
        let clock = self.source.clock;
        let begun = clock.now();
        let answer = self.source.ask(&watched.path).await;
        let ended = clock.now();
        watched.due = ended + pause(ended.since(begun), all);
        let hash = self.hasher.hash_one((answer.status.as_u16(), &answer.body));
        if watched.last.replace(hash) == Some(hash) {
            return None;
        }
        self.is_over = answer.is_logged_out;
        Some(answer.event(&watched.path))
    }
}

/// Until the next look after one that took so long, of a page with so many paths.
fn pause(took: Duration, paths: u32) -> Duration {
    took.saturating_mul(SHARE).saturating_mul(paths).clamp(INTERVAL, INTERVAL_MAX)
}

/// Where answers come from, for whom.
struct Source {
    router: Router,
    peer: Peer,
    host: Option<HeaderValue>,
    admission: Option<Admission>,
    clock: Clock,
}

struct Answer {
    status: StatusCode,
    body: Bytes,
    is_logged_out: bool,
}

impl Source {
    async fn ask(&mut self, path: &str) -> Answer {
        let Some(request) = self.request(path) else {
            return Answer::of(StatusCode::BAD_REQUEST, "bad_request", "that is no path");
        };
        let clock = self.clock;
        let answered = clock.within(ANSWER_WAIT_MAX, self.answer(request)).await;
        answered.unwrap_or_else(|| {
            Answer::of(StatusCode::GATEWAY_TIMEOUT, "timeout", "there was no answer in time")
        })
    }

    fn request(&self, path: &str) -> Option<Request<Body>> {
        let mut request = Request::get(path).body(Body::empty()).ok()?;
        request.extensions_mut().insert(self.peer);
        if let Some(admission) = &self.admission {
            request.extensions_mut().insert(admission.clone());
        }
        if let Some(host) = &self.host {
            request.headers_mut().insert(header::HOST, host.clone());
        }
        Some(request)
    }

    async fn answer(&mut self, request: Request<Body>) -> Answer {
        let Ok(response) = self.router.call(request).await;
        let (parts, body) = response.into_parts();
        let is_json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        if !is_json {
            // It may never end. A refusal may have no body.
            let status = if parts.status.is_success() { StatusCode::NOT_ACCEPTABLE } else { parts.status };
            return Answer::of(status, "not_json", "there is no JSON at this path");
        }
        match to_bytes(body, ANSWER_BYTES_MAX).await {
            Ok(body) => {
                Answer { status: parts.status, is_logged_out: is_logged_out(parts.status, &body), body }
            }
            Err(_) => Answer::of(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "the answer is too large to be watched: ask for a page, or for fewer columns",
            ),
        }
    }
}

/// Too little right for one path is another refusal, and no reason to end.
fn is_logged_out(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::UNAUTHORIZED && ApiError::login_refused().is_body(body)
}

impl Answer {
    fn of(status: StatusCode, error: &str, reason: &str) -> Self {
        let body = json!({ "error": error, "reason": reason }).to_string();
        Self { status, body: body.into(), is_logged_out: false }
    }

    /// The body stays as it is written, but for line breaks, which JSON has between its tokens only: they would end the event's line.
    fn event(&self, path: &str) -> String {
        let body = String::from_utf8_lossy(&self.body).replace(['\n', '\r'], "");
        let (path, status) = (json!(path), self.status.as_u16());
        format!("event: data\ndata: {{\"get\":{path},\"status\":{status},\"body\":{body}}}\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_much_is_looked_at_less_often() {
        let ms = Duration::from_millis;
        assert_eq!(pause(ms(1), 1), ms(250));
        assert_eq!(pause(ms(1), 16), ms(250));
        assert_eq!(pause(ms(10), 16), ms(1600));
        assert_eq!(pause(ms(60_000), 16), ms(30_000));
    }

    #[test]
    fn paths_are_few_and_of_the_api() {
        let paths = |query: &str| {
            paths(&Params::parse(query), Time::ZERO)
                .map(|all| all.into_iter().map(|watched| watched.path).collect::<Vec<_>>())
        };
        assert_eq!(paths("get=/api/a&get=/api/b?c%3Dd&get=/api/a").unwrap(), ["/api/a", "/api/b?c=d"]);
        let many: Vec<String> = (0..17).map(|number| format!("get=/api/{number}")).collect();
        for wrong in ["", "get=", "get=/", "get=//evil/api/", "get=http://evil/api/", &many.join("&")] {
            assert!(paths(wrong).is_err(), "{wrong}");
        }
        assert!(paths(&format!("get=/api/{}", "x".repeat(PATH_BYTES_MAX))).is_err());
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let answer =
            Answer { status: StatusCode::OK, body: "[1,\r\n \"a\\nb\"]".into(), is_logged_out: false };
        let event = answer.event("/api/\"x\n");
        let data = event.strip_prefix("event: data\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        assert!(!data.contains('\n'));
        let parsed: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(parsed, json!({ "get": "/api/\"x\n", "status": 200, "body": [1, "a\nb"] }));
    }
}
