//! Rules over HTTP.

use coney::Broker;
use coney::config::Config;
use serde_json::{Value, json};

use crate::support::broker::Embedded;
use crate::support::http::Http;
use crate::support::raw;

fn broker(test: bool) -> (Embedded, Http) {
    let config = Config { test, ..Config::default() };
    let broker = Embedded::managed(Broker::builder().config(config).ephemeral());
    let http = Http::new(broker.broker().http_addresses()[0]);
    (broker, http)
}

const FAULTS: &str = "/api/coney/worlds/%2f/faults";

#[test]
fn rules_are_made_shown_and_removed() {
    let (_broker, http) = broker(true);
    let made =
        http.post(FAULTS, &json!({"on": "confirm", "match": {"queue": "orders"}, "skip": 3, "do": "reset"}));
    assert_eq!((made.status, made.json()["id"].clone()), (201, Value::from("f1")));
    let expected = json!({
        "id": "f1", "seen": 0, "fired": 0, "done": false, "text": "on confirm of queue 'orders': reset",
        "rule": {"on": "confirm", "match": {"queue": "orders"}, "skip": 3, "times": 1, "do": "reset"},
    });
    assert_eq!(http.json(FAULTS), json!([expected.clone()]));
    assert_eq!(http.json(&format!("{FAULTS}/f1")), expected);
    assert_eq!(http.post(FAULTS, &json!({"do": "pause"})).json()["id"], "f2");
    assert_eq!(http.delete(&format!("{FAULTS}/f1")).status, 204);
    for gone in ["f1", "f9", "x"] {
        assert_eq!(http.get(&format!("{FAULTS}/{gone}")).status, 404);
        assert_eq!(http.delete(&format!("{FAULTS}/{gone}")).status, 404);
    }
    assert_eq!(http.delete(FAULTS).status, 204);
    assert_eq!(http.json(FAULTS), json!([]));
    assert_eq!(
        http.post(FAULTS, &json!({"do": "pause"})).json()["id"],
        "f3",
        "an id is never another rule's"
    );
    assert_eq!(http.post("/api/coney/worlds/%2f/restart", &json!({})).status, 204);
}

#[test]
fn a_rule_that_makes_no_sense_is_400_with_what_would_do() {
    let (_broker, http) = broker(true);
    let rules = [
        (
            json!({"on": "confirm", "do": "corrupt"}),
            "'corrupt' does not fit 'confirm': expected drop, nack, delay, close, reset",
        ),
        (json!({"on": "publsh", "do": "drop"}), "on: there is no 'publsh'"),
        (json!({"on": "publish", "do": "drop", "nth": 3}), "there is no 'nth' in a rule"),
        (json!([]), "a rule is a JSON object"),
    ];
    for (rule, expected) in rules {
        let (status, _, reason) = http.post(FAULTS, &rule).refusal();
        assert_eq!(status, 400, "{rule}");
        assert!(reason.as_str().unwrap().starts_with(expected), "{reason}");
    }
    assert_eq!(http.json(FAULTS), json!([]));
}

#[test]
fn a_hit_is_waited_for() {
    let (broker, http) = broker(true);
    http.post(FAULTS, &json!({"on": "open", "times": 2, "do": "refuse"}));
    let path = format!("{FAULTS}/f1");
    assert_eq!(http.json(&format!("{path}?fired=0"))["fired"], 0);
    assert_eq!(http.json(&format!("{path}?fired=1&within_ms=10"))["fired"], 0, "nothing came");
    assert_eq!(http.get(&format!("{path}?fired=x")).status, 400);
    assert_eq!(http.get(&format!("{path}?fired=1&within_ms=300001")).status, 400);
    assert_eq!(http.get(&format!("{FAULTS}/f9?fired=1")).status, 404);
    let hit = std::thread::scope(|scope| {
        let waits = scope.spawn(|| http.json(&format!("{path}?fired=2&within_ms=60000")));
        for _ in 0..2 {
            assert!(is_refused(&broker));
        }
        waits.join().unwrap()
    });
    assert_eq!((hit["fired"].clone(), hit["done"].clone()), (json!(2), json!(true)));
    let gone = std::thread::scope(|scope| {
        let waits = scope.spawn(|| http.get(&format!("{path}?fired=3&within_ms=60000")).status);
        assert_eq!(http.delete(&path).status, 204);
        waits.join().unwrap()
    });
    assert_eq!(gone, 404);
}

#[test]
fn without_test_there_are_none() {
    let (_broker, http) = broker(false);
    for answer in [http.get(FAULTS), http.post(FAULTS, &json!({"do": "pause"})), http.delete(FAULTS)] {
        assert_eq!(answer.status, 404);
    }
    assert_eq!(http.post("/api/coney/worlds/%2f/restart", &json!({})).status, 404);
}

#[test]
fn a_firing_is_in_the_journal() {
    let (broker, http) = broker(true);
    http.post(FAULTS, &json!({"on": "open", "do": "refuse"}));
    assert!(is_refused(&broker));
    let events = http.json("/api/coney/journal/%2f?what=fault");
    let event = &events["events"][0];
    assert_eq!((event["what"].as_str(), event["fault"].as_str()), (Some("fault"), Some("f1")), "{events}");
    let sentence = event["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("fault f1 (on open: refuse) hit user 'guest' at "), "{sentence}");
}

/// Whether a client is refused its virtual host.
fn is_refused(broker: &Embedded) -> bool {
    let mut raw = raw::Raw::connect(broker.address());
    raw.send(b"AMQP\x00\x00\x09\x01");
    raw.expect_start();
    raw.method(0, raw::start_ok("PLAIN", b"\0guest\0guest", true));
    let tune = raw.expect_tune();
    raw.method(0, raw::tune_ok(tune.channel_max, 131_072, 0));
    raw.method(0, raw::open("/"));
    matches!(raw.closed(), raw::Closed::Connection(530, ..))
}
