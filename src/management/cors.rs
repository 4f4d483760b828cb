//! Which other sites' pages may use the API: what answers say of it, as RabbitMQ's do
//! (<https://www.rabbitmq.com/docs/management#cors>, <https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! It is about pages that send a name and a password. The cookie of our own page is never taken from another page, whatever is allowed
//! here (see [`origin`](super::page::origin)).

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::Response;

use crate::config::Config;

/// In the list of origins: all of them.
const ANY: &str = "*";
/// A page of no site: of a file, or in a sandbox. RabbitMQ never lets it in.
const NO_SITE: &str = "null";
/// What can be done where a router says nothing of it.
const LOOKS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const EVERYBODY: HeaderValue = HeaderValue::from_static(ANY);
const BY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// Who is let in.
#[derive(Clone, Debug)]
pub(super) struct Cors {
    origins: Vec<String>,
    /// How long a browser may go by what it was told, in s.
    max_age_s: u32,
}

/// What the answer to one request says to the page that made it.
#[derive(Debug)]
pub(super) struct Grant {
    /// What all answers have.
    common: Vec<(HeaderName, HeaderValue)>,
    /// For a question about what may be done.
    preflight: Option<Preflight>,
}

#[derive(Debug)]
struct Preflight {
    headers: Option<HeaderValue>,
    max_age: HeaderValue,
}

impl Cors {
    /// What the settings say.
    pub(super) fn of(config: &Config) -> Self {
        Self { origins: config.http_allowed_origins.clone(), max_age_s: config.http_cors_max_age_s }
    }

    /// Nobody.
    pub(super) const fn none() -> Self {
        Self { origins: Vec::new(), max_age_s: 0 }
    }

    /// What a page is told that asks like this.
    pub(super) fn grant(&self, method: &Method, asked: &HeaderMap) -> Grant {
        let mut common = Vec::new();
        if !self.origins.is_empty() {
            common.push((header::VARY, BY_ORIGIN));
        }
        let Some(allowed) = asked.get(header::ORIGIN).and_then(|origin| self.allowed(origin)) else {
            return Grant { common, preflight: None };
        };
        common.extend(allowed);
        let preflight = (method == Method::OPTIONS).then(|| Preflight {
            headers: asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
            max_age: HeaderValue::from(self.max_age_s),
        });
        Grant { common, preflight }
    }

    /// A browser that has a password from its own dialog sends it along for a site that is named, and for no other: RabbitMQ up to 4.0 sends
    /// it for each where the list has `*`, later ones do not.
    fn allowed(&self, origin: &HeaderValue) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let text = origin.to_str().ok().filter(|text| *text != NO_SITE)?;
        if self.origins.iter().any(|known| known.eq_ignore_ascii_case(text)) {
            return Some(vec![
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
                (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE),
            ]);
        }
        let is_any = self.origins.iter().any(|known| known == ANY);
        is_any.then(|| vec![(header::ACCESS_CONTROL_ALLOW_ORIGIN, EVERYBODY)])
    }
}

impl Grant {
    /// Says it in an answer, which has the methods that there are in `Allow` if the request was a question about them.
    pub(super) fn put(self, response: &mut Response) {
        let headers = response.headers_mut();
        for (name, value) in self.common {
            if name == header::VARY && varies_by_origin(headers) {
                continue;
            }
            headers.append(name, value);
        }
        let Some(preflight) = self.preflight else { return };
        let methods = headers.get(header::ALLOW).cloned().unwrap_or(LOOKS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, preflight.max_age);
        if let Some(asked) = preflight.headers {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
    }
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::VARY).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|name| name.trim().eq_ignore_ascii_case("origin"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn told(origins: &[&str], method: Method, asked: &[(HeaderName, &'static str)]) -> HeaderMap {
        let cors = Cors { origins: origins.iter().map(|&origin| origin.to_owned()).collect(), max_age_s: 7 };
        let asked = asked.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let grant = cors.grant(&method, &asked.collect());
        let mut response = Response::new(Body::empty());
        grant.put(&mut response);
        response.headers().clone()
    }

    fn allowed(origins: &[&str], origin: &'static str) -> Option<String> {
        let headers = told(origins, Method::GET, &[(header::ORIGIN, origin)]);
        let origin = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN)?.to_str().unwrap().to_owned();
        Some(if headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS) {
            origin + " with credentials"
        } else {
            origin
        })
    }

    #[test]
    fn a_site_is_let_in_by_its_whole_name() {
        let known = ["http://a.example", "https://b.example:8443"];
        assert_eq!(allowed(&known, "http://a.example").as_deref(), Some("http://a.example with credentials"));
        assert!(allowed(&known, "https://B.example:8443").is_some());
        for other in [
            "https://a.example",
            "http://a.example:81",
            "http://a.example.evil",
            "https://b.example",
            "null",
            "",
        ] {
            assert_eq!(allowed(&known, other), None, "{other}");
        }
        assert_eq!(allowed(&[], "http://a.example"), None);
    }

    #[test]
    fn whoever_lets_all_in_gives_nobody_the_browsers_credentials() {
        assert_eq!(allowed(&["*"], "http://a.example").as_deref(), Some("*"));
        assert_eq!(allowed(&["*"], "null"), None);
        let named = allowed(&["*", "http://a.example"], "http://a.example");
        assert_eq!(named.as_deref(), Some("http://a.example with credentials"));
    }

    #[test]
    fn caches_are_told_if_there_is_a_difference() {
        assert!(told(&[], Method::GET, &[]).is_empty());
        assert_eq!(told(&["*"], Method::GET, &[])[header::VARY], "origin");
    }

    #[test]
    fn headers_are_granted_to_who_may_ask_at_all() {
        let wanted = (header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
        let headers = told(&["http://a"], Method::OPTIONS, &[(header::ORIGIN, "http://a"), wanted.clone()]);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization");
        assert_eq!(headers[header::ACCESS_CONTROL_MAX_AGE], "7");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD, OPTIONS");
        let refused = told(&["http://a"], Method::OPTIONS, &[(header::ORIGIN, "http://b"), wanted]);
        assert_eq!(refused.keys().collect::<Vec<_>>(), [header::VARY]);
    }
}
