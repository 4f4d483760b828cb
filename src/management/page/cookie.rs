//! The cookie in which a browser keeps its session (RFC 6265).

use axum::http::{HeaderMap, HeaderValue, header};

use super::sessions::SessionKey;

/// Cookies are not told apart by port, so it is in the name: brokers on one host do not log each other out.
const NAME: &str = "coney-session";
/// A name that browsers take from pages over HTTPS alone, and for this host alone
/// (<https://www.rfc-editor.org/rfc/rfc6265#section-4.1.2.5>, drafts of its successor).
const HOST_PREFIX: &str = "__Host-";

/// The session that a request names, if it names one that may be. Of two cookies of one name one was not set here, so neither is taken.
pub(in crate::management) fn session(headers: &HeaderMap) -> Option<SessionKey> {
    let name = name(headers);
    let secure = format!("{HOST_PREFIX}{name}");
    let found = values(headers, &secure);
    let found = if found.is_empty() { values(headers, &name) } else { found };
    match found.as_slice() {
        [token] => SessionKey::of(token),
        _ => None,
    }
}

/// Whether a request has such a cookie, whatever is in it.
pub(in crate::management) fn is_there(headers: &HeaderMap) -> bool {
    let name = name(headers);
    !values(headers, &name).is_empty() || !values(headers, &format!("{HOST_PREFIX}{name}")).is_empty()
}

/// What keeps a token in the browser until it is closed. No script can read it, and no other site's page can make use of it.
pub(super) fn keep(headers: &HeaderMap, token: &str, is_secure: bool) -> Option<HeaderValue> {
    HeaderValue::from_str(&set(headers, token, is_secure)).ok()
}

/// What takes it away again, of both names.
pub(super) fn forget(headers: &HeaderMap) -> Vec<HeaderValue> {
    let both = [true, false].map(|is_secure| format!("{}; Max-Age=0", set(headers, "", is_secure)));
    both.iter().filter_map(|text| HeaderValue::from_str(text).ok()).collect()
}

fn set(headers: &HeaderMap, token: &str, is_secure: bool) -> String {
    let (prefix, secure) = if is_secure { (HOST_PREFIX, "; Secure") } else { ("", "") };
    format!("{prefix}{}={token}; HttpOnly; SameSite=Strict; Path=/{secure}", name(headers))
}

/// The port is the one that the client knows: that of the listener may be behind a mapping.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) => format!("{NAME}-{port}"),
        None => NAME.to_owned(),
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const OTHER: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

    fn headers(host: &str, cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        for cookie in cookies {
            headers.append(header::COOKIE, cookie.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_cookie_is_that_of_the_port() {
        let mine = format!("x=y; coney-session-15672={ONE}; coney-session-1={OTHER}");
        assert_eq!(session(&headers("h:15672", &[&mine])), SessionKey::of(ONE));
        assert_eq!(session(&headers("[::1]:1", &[&mine])), SessionKey::of(OTHER));
        assert_eq!(session(&headers("h:2", &[&mine])), None);
        assert_eq!(session(&headers("h", &[&format!("coney-session={ONE}")])), SessionKey::of(ONE));
    }

    #[test]
    fn a_cookie_that_somebody_else_may_have_set_is_not_taken() {
        let twice = format!("coney-session-1={ONE}; coney-session-1={OTHER}");
        let in_two_lines = [format!("coney-session-1={ONE}"), format!("coney-session-1={OTHER}")];
        assert_eq!(session(&headers("h:1", &[&twice])), None);
        assert_eq!(session(&headers("h:1", &[&in_two_lines[0], &in_two_lines[1]])), None);
        assert!(is_there(&headers("h:1", &[&twice])) && !is_there(&headers("h:2", &[&twice])));
        let both = format!("coney-session-1={OTHER}; __Host-coney-session-1={ONE}");
        assert_eq!(session(&headers("h:1", &[&both])), SessionKey::of(ONE));
    }

    #[test]
    fn it_is_for_this_server_alone() {
        let plain = keep(&headers("h:1", &[]), ONE, false).unwrap();
        assert_eq!(plain, &format!("coney-session-1={ONE}; HttpOnly; SameSite=Strict; Path=/"));
        let secure = keep(&headers("h", &[]), ONE, true).unwrap();
        assert_eq!(secure, &format!("__Host-coney-session={ONE}; HttpOnly; SameSite=Strict; Path=/; Secure"));
        // A port that is none changes nothing: the name has no bytes of the client's.
        assert_eq!(name(&headers("h:1;x", &[])), NAME);
    }
}
