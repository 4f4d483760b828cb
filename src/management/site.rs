//! What a listener serves: a router, below a prefix perhaps, and whom its answers are for.

use std::sync::Arc;

use axum::Router;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::cors::Cors;
use super::error::ApiError;
use crate::config::Config;

/// A clone is another reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(super) router: Router,
    pub(super) cors: Arc<Cors>,
    /// Empty, or a path that begins with a slash and does not end with one.
    prefix: Arc<str>,
    /// What all answers have, before anything of the broker's own of the same name.
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

impl Site {
    /// A router as the settings of the management API have it.
    pub(crate) fn of(router: Router, config: &Config) -> Self {
        let prefix = config.http_path_prefix.as_str().into();
        let headers = config.http_headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        });
        Self { router, cors: Arc::new(Cors::of(config)), prefix, headers: headers.collect() }
    }

    /// A router alone, for no page.
    pub(crate) fn plain(router: Router) -> Self {
        Self { router, cors: Arc::new(Cors::none()), prefix: "".into(), headers: Arc::from([]) }
    }

    /// Where the router finds what is asked for: a path is the same with a slash at its end, and has no prefix there.
    ///
    /// # Errors
    /// What is to be answered instead: whoever asks at the root, or for the page without the slash that its links need, is sent there; beside the prefix
    /// there is nothing.
    pub(super) fn find(&self, asked: &Uri) -> Result<Uri, Box<Response>> {
        let path = asked.path();
        let is_root = matches!(path, "" | "/");
        if !self.prefix.is_empty() && (is_root || path == &*self.prefix) {
            return Err(Box::new(moved(&format!("{}/", self.prefix))));
        }
        let below =
            path.strip_prefix(&*self.prefix).filter(|below| below.is_empty() || below.starts_with('/'));
        let found = below.and_then(|below| with_path(asked, below));
        found.ok_or_else(|| Box::new(ApiError::not_found().into_response()))
    }

    /// The headers that the settings want.
    pub(super) fn with_headers(&self, mut response: Response) -> Response {
        for (name, value) in &*self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }

    /// A place on this broker is told with its prefix.
    pub(super) fn with_prefix(&self, mut response: Response) -> Response {
        if self.prefix.is_empty() {
            return response;
        }
        let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let absolute = location.filter(|location| location.starts_with('/'));
        if let Some(Ok(whole)) =
            absolute.map(|location| HeaderValue::from_str(&format!("{}{location}", self.prefix)))
        {
            response.headers_mut().insert(header::LOCATION, whole);
        }
        response
    }
}

/// The same with this path, without a slash at its end.
fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = if path.is_empty() { "/" } else { path };
    let path_and_query = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

/// As RabbitMQ says it.
pub(super) fn moved(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, to)]).into_response(),
        Err(_) => ApiError::not_found().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(prefix: &str) -> Site {
        let config = Config { http_path_prefix: prefix.to_owned(), ..Config::default() };
        Site::of(Router::new(), &config)
    }

    /// The path that the router gets, or the status and where else to go.
    fn found(prefix: &str, asked: &str) -> Result<String, (u16, Option<String>)> {
        let found = site(prefix).find(&asked.parse().unwrap());
        found.map(|uri| uri.to_string()).map_err(|response| {
            let location = response.headers().get(header::LOCATION);
            (response.status().as_u16(), location.map(|to| to.to_str().unwrap().to_owned()))
        })
    }

    #[test]
    fn a_slash_at_the_end_makes_no_difference() {
        for (given, expected) in [
            ("/api/queues/%2F/?page=1", "/api/queues/%2F?page=1"),
            ("/api/queues", "/api/queues"),
            ("/", "/"),
            ("http://host/api/", "http://host/api"),
        ] {
            assert_eq!(found("", given).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn everything_is_below_the_prefix() {
        for (given, expected) in [
            ("/x/api/queues/?page=1", "/api/queues?page=1"),
            ("/x/", "/"),
            ("/x/?a=b", "/?a=b"),
            ("/x/x/api", "/x/api"),
        ] {
            assert_eq!(found("/x", given).as_deref(), Ok(expected));
        }
        for given in ["/", "/x", "/x?a=b"] {
            assert_eq!(found("/x", given), Err((301, Some("/x/".to_owned()))), "{given}");
        }
        for given in ["/api/whoami", "/xy", "/X/api", "/xapi"] {
            assert_eq!(found("/x", given), Err((404, None)), "{given}");
        }
    }

    #[test]
    fn places_are_told_with_the_prefix() {
        let told = |prefix: &str, to: &str| {
            let response = site(prefix).with_prefix(moved(to));
            response.headers()[header::LOCATION].to_str().unwrap().to_owned()
        };
        assert_eq!(told("/x", "/api/index.html"), "/x/api/index.html");
        assert_eq!(told("/x", "queue/key"), "queue/key");
        assert_eq!(told("", "/api/index.html"), "/api/index.html");
    }
}
