//! Worlds over HTTP, and by their name over AMQP.

use coney::Broker;
use serde_json::{Value, json};

use super::support::enter;
use crate::support::broker::Embedded;
use crate::support::http::Http;

fn start() -> (Embedded, Http) {
    let embedded = Embedded::managed(Broker::builder().ephemeral().test());
    let http = Http::new(embedded.broker().http_addresses()[0]);
    (embedded, http)
}

fn declare(http: &Http, world: &str, queue: &str, arguments: &Value) {
    let body = json!({ "durable": true, "arguments": arguments });
    assert_eq!(http.put(&format!("/api/queues/{world}/{queue}"), &body).status, 201);
}

fn publish(http: &Http, world: &str, queue: &str) {
    let body =
        json!({ "properties": {}, "routing_key": queue, "payload": "m", "payload_encoding": "string" });
    let answer = http.post(&format!("/api/exchanges/{world}/amq.default/publish"), &body);
    assert_eq!(answer.json(), json!({ "routed": true }));
}

#[test]
fn a_world_is_made_moved_waited_for_and_deleted() {
    let (_embedded, http) = start();
    let options = json!({ "clock": "virtual", "start": "2030-01-01T00:00:00Z" });
    let made = http.put("/api/coney/worlds/w", &options);
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["now"], "2030-01-01T00:00:00.000+00:00");
    assert_eq!(http.put("/api/coney/worlds/w", &options).status, 200);
    assert_eq!(http.put("/api/coney/worlds/w", &json!({})).status, 409);
    declare(&http, "w", "dead", &json!({}));
    let ttl =
        json!({ "x-message-ttl": 60_000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" });
    declare(&http, "w", "q", &ttl);
    publish(&http, "w", "q");
    let clock = http.json("/api/coney/worlds/w/clock");
    assert_eq!(clock["next"], json!({ "at": "2030-01-01T00:01:00.000+00:00", "queue": "q" }));
    let moved = http.post("/api/coney/worlds/w/clock", &json!({ "advance_ms": 60_000 }));
    let step =
        json!({ "at": "2030-01-01T00:01:00.000+00:00", "queue": "q", "what": "expired", "messages": 1 });
    assert_eq!(moved.json(), json!({ "now": "2030-01-01T00:01:00.000+00:00", "steps": [step] }));
    let met = http.json("/api/coney/worlds/w/wait?queue=dead&ready=1&dead=%3E%3D1");
    assert_eq!((&met["dead"]["ready"], &met["dead"]["dead"]), (&json!(1), &json!(1)));
    let unmet = http.get("/api/coney/worlds/w/wait?idle=1&within_ms=20");
    assert_eq!(unmet.status, 408);
    assert_eq!(unmet.json()["why"], json!(["queue 'dead': 1 ready; nobody consumes from it"]));
    assert_eq!(http.json("/api/coney/worlds/w/counts")["messages"], 1);
    let listed = http.json("/api/coney/worlds");
    assert_eq!(listed[0]["name"], "w");
    assert_eq!(http.delete("/api/coney/worlds/w").status, 204);
    assert_eq!(http.get("/api/coney/worlds/w").status, 404);
    assert_eq!(http.json("/api/coney/worlds"), json!([]));
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let (_embedded, http) = start();
    for (body, reason) in [
        (json!({ "clok": "virtual" }), "there is no option 'clok'"),
        (json!({ "clock": "fast" }), "clock: expected real or virtual"),
        (json!({ "start": "2030-01-01T00:00:00Z" }), "start: a world with the system's clock has its time"),
        (json!({ "clock": "virtual", "start": "soon" }), "start: expected a time such as"),
        (json!({ "ttl_s": -1 }), "ttl_s: expected a number of seconds"),
    ] {
        let (status, _, why) = http.put("/api/coney/worlds/w", &body).refusal();
        assert!(status == 400 && why.as_str().unwrap().contains(reason), "{body}: {status} {why}");
    }
    http.put("/api/coney/worlds/w", &json!({ "clock": "virtual" }));
    for body in [
        json!({}),
        json!({ "advance_ms": -1 }),
        json!({ "advance_ms": 1, "to_next": true }),
        json!({ "to": "x" }),
        json!({ "advance_ms": 1, "max_steps": 0 }),
        json!({ "advance": 1 }),
    ] {
        assert_eq!(http.post("/api/coney/worlds/w/clock", &body).status, 400, "{body}");
    }
    for query in ["", "ready=x", "readi=0", "idle=no", "ready=0&within_ms=x", "ready=0&within_ms=999999999"] {
        assert_eq!(http.get(&format!("/api/coney/worlds/w/wait?{query}")).status, 400, "{query}");
    }
    let (status, _, why) = http.post("/api/coney/worlds/%2F/clock", &json!({ "advance_ms": 1 })).refusal();
    assert!(status == 409 && why.as_str().unwrap().contains("\"clock\": \"virtual\""), "{why}");
    assert_eq!(http.delete("/api/coney/worlds/%2F").status, 409);
}

#[test]
fn without_test_there_are_none() {
    let embedded = Embedded::managed(Broker::builder().ephemeral());
    let http = Http::new(embedded.broker().http_addresses()[0]);
    for (method, path) in [
        ("GET", ""),
        ("PUT", "/w"),
        ("GET", "/%2F"),
        ("DELETE", "/%2F"),
        ("GET", "/%2F/clock"),
        ("POST", "/%2F/clock"),
        ("GET", "/%2F/counts"),
        ("GET", "/%2F/wait?ready=0"),
    ] {
        let answer = http.send(method, &format!("/api/coney/worlds{path}"), "", b"");
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
    }
    let uri = format!("amqp://guest:guest@{}/~w", embedded.address());
    let refused = embedded.wait(lapin::Connection::connect(&uri, Default::default()));
    assert!(refused.is_err_and(|error| crate::support::client::code(&error) == 530));
}

#[test]
fn opening_a_name_makes_a_world_that_goes_some_seconds_after_its_last_connection() {
    let (embedded, http) = start();
    let uri = |name: &str| format!("amqp://guest:guest@{}/{name}", embedded.address());
    let connection = embedded.wait(enter(&uri("~w%3Bclock%3Dvirtual%3Bttl_s%3D1")));
    let world = http.json("/api/coney/worlds/~w;clock=virtual;ttl_s=1");
    assert_eq!((&world["clock"], &world["connections"]), (&json!("virtual"), &json!(1)));
    let refused = embedded.wait(lapin::Connection::connect(&uri("~w%3Bclok%3D1"), Default::default()));
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("option 'clok=1': expected clock, journal, persona, snapshot or ttl_s"), "{text}");
    embedded.wait(connection.close(200, "".into())).unwrap();
    let gone = std::iter::repeat_with(|| http.json("/api/coney/worlds"));
    assert!(gone.take(1_000_000).any(|worlds| worlds == json!([])), "it is still there");
}
