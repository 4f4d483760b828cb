//! Which page a browser's request comes from. A browser sends its cookies along whoever asks, so what changes something has to come from this
//! broker's page (<https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html>).

use std::net::IpAddr;

use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method};

/// What the browser says of the page that asks; scripts cannot say it. It is not sent over HTTP to other machines
/// (<https://www.w3.org/TR/fetch-metadata/>).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// What scripts say who want no dialog of the browser's.
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
const EVENT_STREAM: &str = "text/event-stream";

/// Whether a request may be taken with a cookie alone: it is of a page of this broker; to look at something is allowed also to whoever typed the
/// address.
pub(crate) fn is_own(method: &Method, headers: &HeaderMap) -> bool {
    let is_look = matches!(*method, Method::GET | Method::HEAD);
    match (text(headers, &FETCH_SITE), headers.get(header::ORIGIN)) {
        (Some("same-origin"), _) => true,
        (Some("none"), None) => is_look,
        (Some(_), _) => false,
        (None, Some(origin)) => is_of_host(origin, headers),
        (None, None) => is_look,
    }
}

/// Whether a request is known to come from another site's page.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    match (text(headers, &FETCH_SITE), headers.get(header::ORIGIN)) {
        (Some("same-origin" | "none"), _) | (None, None) => false,
        (Some(_), _) => true,
        (None, Some(origin)) => !is_of_host(origin, headers),
    }
}

/// Whether the page that asks came over HTTPS, with a proxy before this broker perhaps.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    text(headers, &header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"))
}

/// Whether a page asks, and not a browser for its user: a dialog of the browser's would be in the way of the page's own.
pub(in crate::management) fn is_of_page(headers: &HeaderMap) -> bool {
    let is_fetch = text(headers, &FETCH_MODE).is_some_and(|mode| mode != "navigate");
    let is_stream = text(headers, &header::ACCEPT).is_some_and(|kinds| kinds.contains(EVENT_STREAM));
    is_fetch || is_stream || headers.contains_key(REQUESTED_WITH)
}

/// Whether the name that the client used for this machine is one that strangers cannot have given it. A page of theirs can make the browser
/// take their own name for this machine (DNS rebinding), and talk to it as if it were theirs.
pub(in crate::management) fn is_local_name(headers: &HeaderMap) -> bool {
    let hosts: Vec<_> = headers.get_all(header::HOST).iter().collect();
    match hosts.as_slice() {
        [] => true,
        [host] => host.to_str().is_ok_and(|host| is_local(host_of(host))),
        _ => false,
    }
}

fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    // A name of one word is of this network, and the other ends cannot be bought.
    let is_private = [".localhost", ".local", ".internal", ".test"].iter().any(|end| name.ends_with(end));
    is_address || is_private || !name.contains('.')
}

/// Without the port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

/// Scheme and default ports aside: a proxy may speak TLS for this broker, and browsers leave default ports out of both.
fn is_of_host(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let hosts: Vec<_> = headers.get_all(header::HOST).iter().collect();
    let ([host], Ok(origin)) = (hosts.as_slice(), origin.to_str()) else { return false };
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    own.is_some_and(|own| !own.is_empty() && own.as_bytes().eq_ignore_ascii_case(host.as_bytes()))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_the_brokers_own_page_may_change_something() {
        let own = |method: &Method, fields: &[(&'static str, &str)]| {
            let mut all = vec![("host", "broker:15672")];
            all.extend(fields);
            is_own(method, &headers(&all))
        };
        let (get, post) = (&Method::GET, &Method::POST);
        for fields in [
            &[("origin", "http://broker:15672")][..],
            &[("origin", "https://BROKER:15672")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://proxied")],
        ] {
            assert!(own(get, fields) && own(post, fields), "{fields:?}");
        }
        for fields in [&[][..], &[("sec-fetch-site", "none")]] {
            assert!(own(get, fields) && !own(post, fields), "{fields:?}");
        }
        for fields in [
            &[("origin", "http://evil")][..],
            &[("origin", "http://broker")],
            &[("origin", "http://broker:15673")],
            &[("origin", "http://broker:15672.evil")],
            &[("origin", "http://evil/http://broker:15672")],
            &[("origin", "broker:15672")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://broker:15672")],
            &[("host", "evil"), ("origin", "http://evil")],
        ] {
            assert!(!own(get, fields) && !own(post, fields), "{fields:?}");
        }
        assert!(!is_own(get, &headers(&[("host", ""), ("origin", "http://")])));
        assert!(!is_own(post, &headers(&[("origin", "http://broker")])));
    }

    #[test]
    fn a_tool_is_nobodys_page() {
        assert!(!is_foreign(&headers(&[("host", "b")])));
        assert!(!is_foreign(&headers(&[("host", "b"), ("origin", "http://b")])));
        assert!(is_foreign(&headers(&[("host", "b"), ("origin", "http://c")])));
        assert!(is_foreign(&headers(&[("host", "b"), ("sec-fetch-site", "same-site")])));
    }

    #[test]
    fn names_that_strangers_can_have_are_known() {
        let is_local = |host: &str| is_local_name(&headers(&[("host", host)]));
        for host in ["localhost:15672", "127.0.0.1:1", "[::1]:1", "::1", "broker", "a.localhost", "B.Local:1"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["evil.example:15672", "127.0.0.1.nip.io", "localhost.evil.example", "a.b.", "evil.example."]
        {
            assert!(!is_local(host), "{host}");
        }
        assert!(is_local_name(&HeaderMap::new()));
        assert!(!is_local_name(&headers(&[("host", "localhost"), ("host", "localhost")])));
    }

    #[test]
    fn pages_want_no_dialog_and_people_do() {
        for fields in [
            &[("sec-fetch-mode", "cors")][..],
            &[("accept", "text/event-stream")],
            &[("x-requested-with", "x")],
        ] {
            assert!(is_of_page(&headers(fields)), "{fields:?}");
        }
        for fields in [&[][..], &[("sec-fetch-mode", "navigate")], &[("accept", "*/*")]] {
            assert!(!is_of_page(&headers(fields)), "{fields:?}");
        }
    }
}
