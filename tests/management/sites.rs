//! Other sites' pages (CORS), and the API below a path. What is expected is what RabbitMQ 4.0.5 answered, except for `*`.

use coney::Broker;
use coney::config::Config;
use serde_json::json;

use super::support::Managed;
use crate::support::broker::Embedded;
use crate::support::http::{Answer, Http};

const SITE: &str = "origin: https://app.example\r\n";
const OTHER: &str = "origin: https://other.example\r\n";
const SESSION: &str = "/api/coney/session";

fn managed(config: Config) -> (Embedded, Http) {
    let embedded = Embedded::managed(Broker::builder().config(config).ephemeral());
    let http = Http::new(embedded.broker().http_addresses()[0]);
    (embedded, http)
}

fn open_to(origins: &[&str]) -> (Embedded, Http) {
    let http_allowed_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    managed(Config { http_allowed_origins, http_cors_max_age_s: 60, ..Config::default() })
}

/// Who may read an answer, and whether a browser's own credentials come with the question.
fn readers(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials"))
}

#[test]
fn answers_to_a_site_that_is_let_in_say_so_whatever_they_are() {
    let (_broker, http) = open_to(&["http://x.example", "https://app.example"]);
    let wrong = http.user("guest", "wrong");
    for (answer, status) in [
        (http.send("GET", "/api/whoami", SITE, b""), 200),
        (http.nobody().send("GET", "/api/whoami", SITE, b""), 401),
        (wrong.send("GET", "/api/whoami", SITE, b""), 401),
        (http.send("GET", "/api/nope", SITE, b""), 404),
        (http.send("DELETE", "/api/whoami", SITE, b""), 405),
        (http.send("PUT", "/api/vhosts/x", SITE, b"{bad"), 400),
        (http.send("PUT", "/api/vhosts/x", SITE, b"{}"), 201),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(readers(&answer), (Some("https://app.example"), Some("true")), "{answer:?}");
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-methods"), None, "{answer:?}");
    }
}

#[test]
fn a_browser_is_told_before_it_asks_what_it_may_ask() {
    let (_broker, http) = open_to(&["https://app.example"]);
    let asks = "access-control-request-method: PUT\r\naccess-control-request-headers: authorization\r\n";
    let nobody = http.nobody();
    let told = nobody.send("OPTIONS", "/api/vhosts/x", &format!("{SITE}{asks}"), b"");
    assert_eq!((told.status, told.body.len()), (200, 0));
    assert_eq!(readers(&told), (Some("https://app.example"), Some("true")));
    let methods = told.header("access-control-allow-methods").unwrap();
    assert!(["GET", "PUT", "DELETE", "OPTIONS"].iter().all(|method| methods.contains(method)), "{methods}");
    assert_eq!(told.header("access-control-allow-headers"), Some("authorization"));
    assert_eq!(told.header("access-control-max-age"), Some("60"));
    let other = nobody.send("OPTIONS", "/api/vhosts/x", &format!("{OTHER}{asks}"), b"");
    assert_eq!((other.status, readers(&other)), (200, (None, None)));
    assert!(other.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{other:?}");
}

#[test]
fn without_the_setting_no_site_is_let_in() {
    let broker = Managed::start();
    let answer = broker.send("GET", "/api/whoami", SITE, b"");
    assert_eq!((answer.status, readers(&answer)), (200, (None, None)));
}

#[test]
fn with_every_site_let_in_none_gets_what_the_browser_knows() {
    let (_broker, http) = open_to(&["*"]);
    for site in [SITE, OTHER] {
        assert_eq!(readers(&http.send("GET", "/api/whoami", site, b"")), (Some("*"), None));
    }
    assert_eq!(readers(&http.send("GET", "/api/whoami", "origin: null\r\n", b"")), (None, None));
    assert_eq!(readers(&http.get("/api/whoami")), (None, None));
}

/// The session of the broker's own page is for that page, also where a site is let in.
#[test]
fn no_other_sites_page_can_use_a_session() {
    let (_broker, http) = open_to(&["https://app.example", "*"]);
    let nobody = http.nobody();
    let json_type = "content-type: application/json\r\n";
    let login = json!({ "username": "guest", "password": "guest" }).to_string();
    let begun = nobody.send("POST", SESSION, json_type, login.as_bytes());
    assert_eq!(begun.status, 204);
    let cookie = begun.header("set-cookie").unwrap().split_once("; ").unwrap().0.to_owned();
    let own = format!("cookie: {cookie}\r\norigin: http://test\r\n");
    assert_eq!(nobody.send("GET", "/api/whoami", &own, b"").status, 200);
    for (method, path) in [("GET", "/api/whoami"), ("PUT", "/api/vhosts/x"), ("GET", SESSION)] {
        for says in ["", "sec-fetch-site: cross-site\r\n", "sec-fetch-site: same-site\r\n"] {
            let refused = nobody.send(method, path, &format!("cookie: {cookie}\r\n{SITE}{says}"), b"{}");
            assert_eq!(refused.status, 403, "{method} {path}: {refused:?}");
        }
    }
    let foreign = nobody.send("POST", SESSION, &format!("{json_type}{SITE}"), login.as_bytes());
    assert_eq!((foreign.status, foreign.header("set-cookie")), (403, None));
    let ended = nobody.send("DELETE", SESSION, &format!("cookie: {cookie}\r\n{SITE}"), b"");
    assert_eq!(ended.status, 403);
    assert_eq!(nobody.send("GET", "/api/whoami", &own, b"").status, 200);
}

/// As RabbitMQ 4.0.5 does with `management.csp.policy`, `management.hsts.policy` and `management.headers.*`, whatever is answered.
#[test]
fn headers_that_are_set_are_in_all_answers_in_the_place_of_our_own() {
    let policy = "default-src 'self'";
    let set = [
        ("content-security-policy", policy),
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-xss-protection", "1; mode=block"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let (broker, http) = managed(Config { http_headers: set.map(owned).into(), ..Config::default() });
    let nobody = http.nobody();
    for (answer, status) in [
        (http.get("/api/overview"), 200),
        (http.get("/api/nope"), 404),
        (http.send("DELETE", "/api/whoami", "", b""), 405),
        (http.send("PUT", "/api/vhosts/x", "", b"{bad"), 400),
        (nobody.get("/api/whoami"), 401),
        (nobody.get("/"), 200),
        (nobody.get("/app/main.js"), 200),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        for (name, value) in set {
            let said: Vec<_> = answer.headers.iter().filter(|(said, _)| said == name).collect();
            assert_eq!(said.len(), 1, "{name}: {answer:?}");
            assert_eq!(answer.header(name), Some(value));
        }
    }
    let metrics = Http::new(broker.broker().metrics_addresses()[0]).nobody();
    assert_eq!(metrics.get("/metrics").header("x-frame-options"), None);
    let (_broker, http) = managed(Config::default());
    for path in ["/api/overview", "/"] {
        let answer = http.get(path);
        assert!(answer.header("content-security-policy").is_some_and(|own| own != policy), "{answer:?}");
        for name in ["strict-transport-security", "x-frame-options", "x-xss-protection"] {
            assert_eq!(answer.header(name), None, "{answer:?}");
        }
    }
}

#[test]
fn metrics_are_for_no_page() {
    let (broker, _http) = open_to(&["*"]);
    let metrics = Http::new(broker.broker().metrics_addresses()[0]).nobody();
    let answer = metrics.send("GET", "/metrics", SITE, b"");
    assert_eq!((answer.status, readers(&answer)), (200, (None, None)));
}

#[test]
fn below_a_path_there_is_all_of_it_and_elsewhere_nothing() {
    let (broker, http) = managed(Config { http_path_prefix: "/rabbit".into(), ..Config::default() });
    let nobody = http.nobody();
    assert_eq!(http.json("/rabbit/api/whoami")["name"], "guest");
    assert_eq!(http.json("/rabbit/api/vhosts/%2F/")["name"], "/");
    assert_eq!(http.get("/api/whoami").status, 404);
    assert_eq!(http.get("/rabbitapi/whoami").status, 404);
    let page = nobody.get("/rabbit/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(nobody.get("/rabbit/app/main.js").status, 200);
    for (asked, location) in [
        ("/", "/rabbit/"),
        ("/rabbit", "/rabbit/"),
        ("/rabbit/api", "/rabbit/api/index.html"),
        ("/rabbit/api/", "/rabbit/api/index.html"),
    ] {
        let moved = nobody.get(asked);
        assert_eq!((moved.status, moved.header("location")), (301, Some(location)), "{asked}");
    }
    // What is relative stays it, and a path in a body has no prefix.
    let bound =
        http.post("/rabbit/api/bindings/%2F/e/amq.fanout/e/amq.topic", &json!({ "routing_key": "k" }));
    assert_eq!((bound.status, bound.header("location")), (201, Some("amq.topic/k")));
    let metrics = Http::new(broker.broker().metrics_addresses()[0]).nobody();
    assert_eq!(metrics.get("/metrics").status, 200);
}
