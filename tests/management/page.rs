//! What the server does for the web page: files, the login by cookie, answers that stay new.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use coney::Broker;
use coney::config::Config;
use serde_json::{Value, json};

use super::support::Managed;
use crate::support::broker::Embedded;
use crate::support::http::{Answer, Http};

const SESSION: &str = "/api/coney/session";
/// What a browser says of a request of the broker's own page: the client's name for it is `test`.
const OWN: &str = "origin: http://test\r\n";
const JSON: &str = "content-type: application/json\r\n";

#[test]
fn the_page_is_at_the_root_and_may_load_nothing_from_elsewhere() {
    let broker = Managed::start();
    let nobody = broker.nobody();
    let page = nobody.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.starts_with(b"<!doctype html>"));
    let policy = page.header("content-security-policy").unwrap();
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert_eq!(nobody.get("/index.html").body, page.body);
    let head = nobody.send("HEAD", "/", "", b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(page.body.len().to_string().as_str()));
}

#[test]
fn a_file_that_the_browser_has_is_not_sent_again() {
    let broker = Managed::start();
    let tag = broker.get("/").header("etag").unwrap().to_owned();
    let again = broker.send("GET", "/", &format!("if-none-match: \"x\", W/{tag}\r\n"), b"");
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag.as_str())));
    assert_eq!(broker.send("GET", "/", "if-none-match: \"x\"\r\n", b"").status, 200);
}

#[test]
fn there_is_no_way_from_the_page_to_other_files() {
    let broker = Managed::start();
    for path in [
        "/../Cargo.toml",
        "/app/../../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "/app%2Fmain.js",
        "/.git/config",
        "//etc/passwd",
        "/index.html%00",
        "/app",
        "/nothing",
    ] {
        let answer = broker.get(path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert_eq!(answer.refusal().1, "Object Not Found");
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(broker.send(method, "/", "", b"").status, 404, "{method}");
    }
}

#[test]
fn without_the_page_there_is_the_api_alone() {
    let config = Config { http_page: false, ..Config::default() };
    let embedded = Embedded::managed(Broker::builder().config(config).ephemeral());
    let http = Http::new(embedded.broker().http_addresses()[0]);
    assert_eq!(http.get("/").status, 404);
    assert_eq!(http.get("/api/whoami").status, 200);
}

/// Somebody who has a session.
struct Browser {
    http: Http,
    cookie: String,
}

impl Browser {
    fn send(&self, method: &str, path: &str, headers: &str) -> Answer {
        self.send_body(method, path, headers, b"")
    }

    fn send_body(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.http.send(method, path, &format!("cookie: {}\r\n{headers}", self.cookie), body)
    }

    fn is_in(&self) -> bool {
        self.send("GET", SESSION, "").status == 200
    }
}

fn log_in(broker: &Http, user: &str, password: &str) -> Browser {
    let answer = try_log_in(broker, user, password, "");
    assert_eq!((answer.status, answer.body.len()), (204, 0), "{answer:?}");
    let set = answer.header("set-cookie").unwrap();
    let (cookie, attributes) = set.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/");
    Browser { http: broker.nobody(), cookie: cookie.to_owned() }
}

fn try_log_in(broker: &Http, user: &str, password: &str, headers: &str) -> Answer {
    let body = json!({ "username": user, "password": password }).to_string();
    broker.nobody().send("POST", SESSION, &format!("{JSON}{headers}"), body.as_bytes())
}

#[test]
fn a_session_stands_for_a_login() {
    let broker = Managed::start();
    broker.put("/api/vhosts/traced", &json!({ "tracing": true }));
    let browser = log_in(&broker, "guest", "guest");
    let who = browser.send("GET", SESSION, "").json();
    assert_eq!((&who["name"], &who["tags"]), (&json!("guest"), &json!(["administrator"])));
    assert_eq!((&who["vhosts"], &who["known_vhosts"]), (&json!(["/", "traced"]), &json!(["/", "traced"])));
    assert_eq!(who["server"]["tracing"], json!(["traced"]));
    assert!(who["session"]["ends_unused"].as_str() < who["session"]["ends_at_latest"].as_str());
    assert_eq!(browser.send("GET", "/api/whoami", "").json()["name"], "guest");
    assert_eq!(browser.send_body("PUT", "/api/vhosts/made", OWN, b"{}").status, 201);
    // With a password there is no session.
    assert_eq!(broker.json(SESSION)["session"], Value::Null);
    // An Authorization counts, whatever cookie comes with it.
    let wrong = format!("authorization: Basic eDp5\r\n{OWN}");
    assert_eq!(browser.send("GET", "/api/whoami", &wrong).status, 401);
}

#[test]
fn a_wrong_password_makes_no_session() {
    let broker = Managed::start();
    broker.put("/api/users/plain", &json!({ "password": "p", "tags": "" }));
    for (user, password) in [("guest", "wrong"), ("nobody", "x"), ("", ""), ("plain", "p")] {
        let answer = try_log_in(&broker, user, password, "");
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None), "{user}: {answer:?}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    for (headers, body, status) in [
        ("", "{\"username\":\"guest\",\"password\":\"guest\"}", 415),
        ("content-type: text/plain\r\n", "{\"username\":\"guest\",\"password\":\"guest\"}", 415),
        (JSON, "username=guest&password=guest", 400),
        (JSON, "{\"username\":\"guest\"}", 400),
        (JSON, "[]", 400),
    ] {
        let answer = broker.nobody().send("POST", SESSION, headers, body.as_bytes());
        assert_eq!((answer.status, answer.header("set-cookie")), (status, None), "{body}");
    }
}

/// Fixation: a session that somebody else gave to the browser is never logged in.
#[test]
fn a_login_makes_a_new_session_and_ends_the_old_one() {
    let broker = Managed::start();
    let first = log_in(&broker, "guest", "guest");
    let again = try_log_in(&broker, "guest", "guest", &format!("cookie: {}\r\n", first.cookie));
    let cookie = again.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_ne!(cookie, first.cookie);
    assert!(!first.is_in());
    let second = Browser { http: broker.nobody(), cookie };
    assert!(second.is_in());
    let (name, token) = second.cookie.split_once('=').unwrap();
    assert_eq!((name, token.len()), ("coney-session", 43));
    for forged in ["A".repeat(43), token[1..].to_owned(), format!("{token}x"), String::new()] {
        let forger = Browser { http: broker.nobody(), cookie: format!("{name}={forged}") };
        assert_eq!(forger.send("GET", "/api/whoami", "").status, 401, "{forged}");
    }
    let twice = format!("{}; {}", second.cookie, first.cookie);
    assert!(!Browser { http: broker.nobody(), cookie: twice }.is_in(), "which of the two is ours?");
    assert!(second.is_in());
}

#[test]
fn a_session_ends_when_it_should() {
    let broker = Managed::start();
    let put = |name: &str, body: Value| broker.put(&format!("/api/users/{name}"), &body).status;
    put("ann", json!({ "password": "p", "tags": "management" }));
    let (out, other) = (log_in(&broker, "ann", "p"), log_in(&broker, "ann", "p"));
    let answer = out.send("DELETE", SESSION, OWN);
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!out.is_in() && other.is_in());
    // Another tag counts at once, another password ends it; so does another user of that name.
    let mut as_it_is = broker.json("/api/users/ann");
    as_it_is["tags"] = json!("monitoring");
    put("ann", as_it_is);
    assert_eq!(other.send("GET", SESSION, "").json()["tags"], json!(["monitoring"]));
    put("ann", json!({ "password": "p", "tags": "management" }));
    assert!(!other.is_in());
    let deleted = log_in(&broker, "ann", "p");
    assert_eq!(broker.delete("/api/users/ann").status, 204);
    assert!(!deleted.is_in());
    put("ann", json!({ "password": "p", "tags": "management" }));
    assert!(!deleted.is_in());
}

#[test]
fn with_a_cookie_only_the_own_page_changes_something() {
    let broker = Managed::start();
    let browser = log_in(&broker, "guest", "guest");
    for foreign in [
        "",
        "origin: http://evil.example\r\n",
        "origin: null\r\n",
        "origin: http://test:15672\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\norigin: http://test\r\n",
        "sec-fetch-site: none\r\n",
        "referer: http://test/\r\n",
    ] {
        for (method, path) in [
            ("PUT", "/api/vhosts/made"),
            ("POST", "/api/coney/node/stop"),
            ("DELETE", "/api/vhosts/%2F"),
            ("POST", "/api/definitions"),
        ] {
            let answer = browser.send_body(method, path, foreign, b"{}");
            assert_eq!(answer.status, 403, "{method} {path} with {foreign:?}");
            assert_eq!(answer.refusal().1, "forbidden");
        }
    }
    for (headers, status) in [
        ("", 200),
        ("sec-fetch-site: none\r\n", 200),
        ("sec-fetch-site: same-origin\r\n", 200),
        (OWN, 200),
        ("sec-fetch-site: same-site\r\n", 403),
        ("sec-fetch-site: cross-site\r\n", 403),
        ("origin: http://evil.example\r\n", 403),
    ] {
        assert_eq!(browser.send("GET", "/api/users", headers).status, status, "{headers:?}");
    }
    assert_eq!(
        browser.send_body("PUT", "/api/vhosts/made", "sec-fetch-site: same-origin\r\n", b"{}").status,
        201
    );
    // Nobody else's page logs a browser in or out.
    let evil = "origin: http://evil.example\r\n";
    assert_eq!(try_log_in(&broker, "guest", "guest", evil).status, 403);
    assert_eq!(browser.send("DELETE", SESSION, evil).status, 403);
    assert!(browser.is_in());
    // What sends a password is no browser's doing.
    assert_eq!(broker.send("PUT", "/api/vhosts/other", evil, b"{}").status, 201);
}

#[test]
fn pages_are_not_asked_for_a_password_by_the_browser() {
    let broker = Managed::start();
    let challenge = |headers: &str| {
        let answer = broker.nobody().send("GET", "/api/whoami", headers, b"");
        assert_eq!(answer.status, 401);
        answer.header("www-authenticate").map(str::to_owned)
    };
    assert!(challenge("").is_some() && challenge("sec-fetch-mode: navigate\r\n").is_some());
    for headers in [
        "sec-fetch-mode: cors\r\n",
        "accept: text/event-stream\r\n",
        "x-requested-with: coney\r\n",
        "cookie: coney-session=x\r\n",
    ] {
        assert_eq!(challenge(headers), None, "{headers}");
    }
}

/// A page of a stranger's whose name leads to this machine for a while talks to the broker as its own (DNS rebinding).
#[test]
fn whoever_is_bound_to_this_machine_calls_it_by_no_strangers_name() {
    let broker = Managed::start();
    let address = broker.address();
    let ask = |host: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET /api/whoami HTTP/1.0\r\nhost: {host}\r\nauthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n"
        )
        .unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    };
    for host in ["localhost:15672", "127.0.0.1:15672", "[::1]:15672", "rabbitmq:15672", "my.localhost"] {
        assert_eq!(ask(host), "200", "{host}");
    }
    for host in ["evil.example:15672", "127.0.0.1.evil.example"] {
        assert_eq!(ask(host), "401", "{host}");
    }
}

/// A stream of server-sent events, as the events named data come.
struct Stream {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

impl Stream {
    fn open(broker: &Http, credentials: &str, paths: &[&str]) -> Self {
        let mut stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let query = form(paths);
        write!(stream, "GET /api/coney/live?{query} HTTP/1.0\r\nhost: test\r\n{credentials}\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert!(lines.next().unwrap().unwrap().contains(" 200 "));
        Self { lines }
    }

    /// The next event; `None` at the end.
    fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(data) = self.lines.next()?.unwrap().strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    /// The next answer of this path.
    fn next_of(&mut self, path: &str) -> Value {
        loop {
            let event = self.next().expect("an event");
            if event["get"] == path {
                return event;
            }
        }
    }
}

fn form(paths: &[&str]) -> String {
    let encode = |path: &&str| {
        let encoded = percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC);
        format!("get={encoded}")
    };
    paths.iter().map(encode).collect::<Vec<_>>().join("&")
}

#[test]
fn a_live_answer_is_sent_when_it_changes() {
    let broker = Managed::start();
    let browser = log_in(&broker, "guest", "guest");
    let queue = "/api/queues/%2F/q?columns=name,messages";
    let names = "/api/vhosts?columns=name";
    let mut live = Stream::open(&broker, &format!("cookie: {}\r\n", browser.cookie), &[queue, names]);
    assert_eq!(live.next_of(queue)["status"], 404);
    assert_eq!(live.next_of(names)["body"], json!([{ "name": "/" }]));
    broker.declare("q", &json!({}));
    let there = live.next_of(queue);
    assert_eq!((&there["status"], &there["body"]), (&json!(200), &json!({ "name": "q", "messages": 0 })));
    broker.put("/api/vhosts/made", &json!({}));
    let changed = live.next().unwrap();
    assert_eq!(
        (&changed["get"], &changed["body"]),
        (&json!(names), &json!([{ "name": "/" }, { "name": "made" }]))
    );
}

#[test]
fn a_live_answer_is_what_a_request_would_get() {
    let broker = Managed::start();
    broker.put("/api/users/ann", &json!({ "password": "p", "tags": "management" }));
    let browser = log_in(&broker, "ann", "p");
    let paths = [
        "/api/users",
        "/api/queues/%2F",
        "/api/vhosts/none",
        "/api/coney/live?get=/api/users",
        "/api/coney/events",
        "/api/none",
        "/api/../metrics",
        "/api/whoami",
    ];
    let mut live = Stream::open(&broker, &format!("cookie: {}\r\n", browser.cookie), &paths);
    for _ in paths {
        let event = live.next().unwrap();
        let path = event["get"].as_str().unwrap();
        match path {
            "/api/whoami" => assert_eq!(event["body"]["name"], "ann"),
            "/api/coney/live?get=/api/users" => assert_eq!(event["status"], 500),
            "/api/coney/events" => assert_eq!(event["status"], 406),
            _ => assert_eq!(event["status"], browser.send("GET", path, "").status, "{path}: {event}"),
        }
    }
    for wrong in ["", "get=", "get=/", "get=http://evil.example/api/", "get=/metrics"] {
        assert_eq!(broker.get(&format!("/api/coney/live?{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(broker.nobody().get("/api/coney/live?get=/api/whoami").status, 401);
}

#[test]
fn a_live_stream_ends_with_its_login() {
    let broker = Managed::start();
    let browser = log_in(&broker, "guest", "guest");
    let mut live = Stream::open(&broker, &format!("cookie: {}\r\n", browser.cookie), &["/api/whoami"]);
    assert_eq!(live.next().unwrap()["status"], 200);
    assert_eq!(browser.send("DELETE", SESSION, OWN).status, 204);
    assert_eq!(live.next().unwrap()["status"], 401);
    assert_eq!(live.next(), None);
    // The same by password, which is another now.
    let put =
        |password: &str| broker.put("/api/users/ann", &json!({ "password": password, "tags": "management" }));
    put("p");
    let mut live = Stream::open(&broker, "authorization: Basic YW5uOnA=\r\n", &["/api/whoami"]);
    assert_eq!(live.next().unwrap()["body"]["name"], "ann");
    put("q");
    assert_eq!(live.next().unwrap()["status"], 401);
    assert_eq!(live.next(), None);
}
