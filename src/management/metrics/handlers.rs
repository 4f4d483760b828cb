//! Who answers scrapes: on listeners of its own without a login, and on the management API's for those who may see everything.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;

use super::pages::{self, Part, Wanted};
use super::text::Text;
use crate::management::api::Api;
use crate::management::asker::Monitor;
use crate::management::cluster;
use crate::management::params::Params;
use crate::management::route::Route;
use crate::pattern::NamePattern;

const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");
/// Longest pattern of names of queues, in bytes: RabbitMQ's.
const PATTERN_BYTES_MAX: usize = 2000;

/// Of a page that another shows.
#[cfg(feature = "cluster")]
const PAGE_BYTES_MAX: usize = 64 << 20;

/// The router of the listeners for metrics.
pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/metrics", get(|State(api): State<Api>| async move { aggregated(&api).await }))
        .route("/metrics/per-object", get(|State(api): State<Api>| async move { per_object(&api).await }))
        .route(
            "/metrics/detailed",
            get(|State(api): State<Api>, params: Params| async move { detailed(&api, &params).await }),
        )
        .route(
            "/metrics/memory-breakdown",
            get(|State(api): State<Api>| async move { text(pages::memory_breakdown(&api)) }),
        )
        .route("/metrics/{registry}", get(unknown_registry))
        // As a node without a broker has it there.
        .route("/api/coney/cluster", get(|State(api): State<Api>| async move { cluster::own_page(&api) }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "Not Found") })
        .with_state(api)
}

/// The pages for another who shows them.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug)]
pub(crate) struct MetricsPages(Router);

#[cfg(feature = "cluster")]
impl MetricsPages {
    pub(crate) const fn new(router: Router) -> Self {
        Self(router)
    }

    /// The page at a path, with a query perhaps; `None` if there is none.
    pub(crate) async fn page(&self, path: &str) -> Option<String> {
        use tower_service::Service as _;
        let request = axum::http::Request::get(path).body(Body::empty()).ok()?;
        let Ok(response) = self.0.clone().call(request).await;
        let is_there = response.status().is_success();
        let bytes = axum::body::to_bytes(response.into_body(), PAGE_BYTES_MAX).await.ok()?;
        String::from_utf8(bytes.to_vec()).ok().filter(|_| is_there)
    }
}

/// The same pages of the management API.
pub(in crate::management) fn routes() -> Vec<Route> {
    vec![
        ("/metrics", get(|State(api): State<Api>, _: Monitor| async move { aggregated(&api).await })),
        (
            "/metrics/per-object",
            get(|State(api): State<Api>, _: Monitor| async move { per_object(&api).await }),
        ),
        (
            "/metrics/detailed",
            get(
                |State(api): State<Api>, _: Monitor, params: Params| async move { detailed(&api, &params).await },
            ),
        ),
        (
            "/metrics/memory-breakdown",
            get(|State(api): State<Api>, _: Monitor| async move { text(pages::memory_breakdown(&api)) }),
        ),
    ]
}

async fn aggregated(api: &Api) -> Response {
    text(pages::aggregated(api).await)
}

async fn per_object(api: &Api) -> Response {
    streamed(pages::per_object(api).await)
}

async fn detailed(api: &Api, params: &Params) -> Response {
    match wanted(params) {
        Ok(wanted) => streamed(pages::detailed(api, wanted).await),
        Err(problem) => (StatusCode::BAD_REQUEST, problem).into_response(),
    }
}

fn wanted(params: &Params) -> Result<Wanted, String> {
    let all = |name| params.all(name).map(str::to_owned).collect();
    let pattern = params.get("queue").filter(|pattern| !pattern.is_empty());
    if pattern.is_some_and(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
        return Err(format!("the pattern of queue names is longer than {PATTERN_BYTES_MAX} bytes\n"));
    }
    let queues = pattern.map(NamePattern::parse).transpose();
    let queues = queues.map_err(|error| format!("the pattern of queue names is wrong: {error}\n"))?;
    Ok(Wanted { families: all("family"), vhosts: all("vhost"), queues })
}

async fn unknown_registry() -> Response {
    (StatusCode::NOT_FOUND, "Unknown Registry").into_response()
}

fn text(page: String) -> Response {
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], page).into_response()
}

/// Each part is written when those before it are on their way.
fn streamed(parts: Vec<Part>) -> Response {
    let written = parts.into_iter().map(|part| {
        let mut text = Text::default();
        part(&mut text);
        Ok::<_, Infallible>(Bytes::from(text.into_string()))
    });
    let body = Body::from_stream(stream::iter(written));
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_patterns_are_refused_before_anything_is_looked_at() {
        assert!(wanted(&Params::parse("queue=(")).is_err());
        assert!(wanted(&Params::parse(&format!("queue={}", "a".repeat(2001)))).is_err());
        let wanted = wanted(&Params::parse("family=a&family=b&vhost=%2F&queue=%5Eq")).unwrap();
        assert_eq!((wanted.families, wanted.vhosts), (vec!["a".into(), "b".into()], vec!["/".into()]));
        assert!(wanted.queues.unwrap().is_match("q1"));
    }
}
