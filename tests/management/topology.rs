//! Exchanges and bindings.

use serde_json::{Value, json};

use super::support::Managed;

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_exchange_is_made_found_shown_and_deleted() {
    let broker = Managed::start();
    let topic = json!({ "type": "topic", "durable": "true", "arguments": { "alternate-exchange": "a" } });
    assert_eq!(broker.put("/api/exchanges/%2F/x", &topic).status, 201);
    assert_eq!(broker.put("/api/exchanges/%2F/x", &topic).status, 204);
    let shown = broker.json("/api/exchanges/%2F/x");
    let expected = json!({
        "name": "x", "vhost": "/", "type": "topic", "durable": true, "auto_delete": false, "internal": false,
        "arguments": { "alternate-exchange": "a" }, "incoming": [], "outgoing": [],
        "message_stats": {
            "publish_in": 0, "publish_in_details": { "rate": 0.0 }, "publish_out": 0, "publish_out_details": { "rate": 0.0 },
        },
    });
    assert_eq!(shown, expected);
    let (status, error, reason) =
        broker.put("/api/exchanges/%2F/x", &json!({ "type": "direct", "durable": true })).refusal();
    assert_eq!((status, &error[..]), (400, "bad_request"));
    assert_eq!(
        reason,
        "inequivalent arg 'type' for exchange 'x' in vhost '/': received 'direct' but current is 'topic'"
    );
    assert_eq!(broker.delete("/api/exchanges/%2F/x").status, 204);
    assert_eq!(broker.delete("/api/exchanges/%2F/x").status, 404);
    assert_eq!(broker.get("/api/exchanges/%2F/x").status, 404);
}

#[test]
fn exchanges_that_cannot_be_are_refused_as_by_rabbitmq() {
    let broker = Managed::start();
    let long = "n".repeat(256);
    for (name, body, status, reason) in [
        ("x", json!({ "auto_delete": "maybe" }), 400, json!(["not_boolean", "maybe"])),
        ("x", json!({ "type": "nope" }), 400, json!("invalid exchange type 'nope'")),
        ("x", json!({ "type": "x-nope" }), 400, json!("unknown exchange type 'x-nope'")),
        ("x", json!({ "arguments": "x" }), 400, json!(["not_a_json_object", "x"])),
        ("x", json!({ "arguments": { "a": null } }), 400, json!("null_not_allowed")),
        ("amq.nope", json!({}), 401, json!("Access refused.")),
        ("amq.default", json!({}), 401, json!("Access refused.")),
        (&long, json!({}), 400, json!("the name of an exchange is longer than 255 bytes")),
    ] {
        let refused = broker.put(&format!("/api/exchanges/%2F/{name}"), &body).refusal();
        assert_eq!((refused.0, refused.2), (status, reason), "{name} {body}");
    }
    assert_eq!(broker.put("/api/exchanges/%2F/amq.direct", &json!({ "durable": true })).status, 204);
    assert_eq!(broker.put("/api/exchanges/none/x", &json!({})).refusal().2, "vhost_not_found");
    assert_eq!(broker.delete("/api/exchanges/none/x").refusal().2, "Not Found");
    assert_eq!(broker.delete("/api/exchanges/%2F/amq.topic").status, 401);
    assert_eq!(broker.delete("/api/exchanges/%2F/amq.default").status, 401);
}

#[test]
fn lists_are_by_name_and_count_what_passed_through() {
    let broker = Managed::start();
    assert_eq!(broker.put("/api/exchanges/%2F/b", &json!({ "type": "fanout" })).status, 201);
    let listed = names(&broker.json("/api/exchanges/%2F"), "name");
    let expected = [
        "",
        "amq.direct",
        "amq.fanout",
        "amq.headers",
        "amq.match",
        "amq.rabbitmq.event",
        "amq.rabbitmq.trace",
        "amq.settle",
        "amq.topic",
        "b",
    ];
    assert_eq!(listed, expected);
    assert_eq!(names(&broker.json("/api/exchanges"), "name"), expected);
    assert_eq!(broker.get("/api/exchanges/none").status, 404);
    let message =
        json!({ "routing_key": "k", "properties": {}, "payload": "x", "payload_encoding": "string" });
    assert_eq!(broker.post("/api/exchanges/%2F/b/publish", &message).json(), json!({ "routed": false }));
    let stats = &broker.json("/api/exchanges/%2F/b")["message_stats"];
    assert_eq!((&stats["publish_in"], &stats["publish_out"]), (&json!(1), &json!(0)));
    assert_eq!(broker.json("/api/exchanges/%2F/amq.default")["name"], "");
}

#[test]
fn a_binding_is_made_listed_from_both_ends_and_taken_away() {
    let broker = Managed::start();
    broker.declare("q", &json!({}));
    let between = "/api/bindings/%2F/e/amq.topic/q/q";
    for (body, location) in [
        (json!({ "routing_key": "a b/c" }), "q/a%2Bb%252Fc"),
        (json!({}), "q/~"),
        (json!({ "routing_key": "~" }), "q/%257E"),
    ] {
        let bound = broker.post(between, &body);
        assert_eq!((bound.status, bound.header("location")), (201, Some(location)));
    }
    let with_arguments = json!({ "routing_key": "a.*", "arguments": { "k": 1 } });
    let bound = broker.post(between, &with_arguments);
    let location = bound.header("location").unwrap().strip_prefix("q/").unwrap().to_owned();
    assert_eq!(broker.post(between, &with_arguments).header("location"), bound.header("location"));
    let one = broker.json(&format!("{between}/{location}"));
    assert!(one["properties_key"].as_str().unwrap().starts_with("a.%2A~"), "{one}");
    assert_eq!((&one["routing_key"], &one["arguments"]), (&json!("a.*"), &json!({ "k": 1 })));
    let keys = |path: &str| names(&broker.json(path), "properties_key");
    assert_eq!(keys(between).len(), 4);
    assert_eq!(keys("/api/queues/%2F/q/bindings").len(), 5, "and the default exchange's");
    assert_eq!(keys("/api/exchanges/%2F/amq.topic/bindings/source").len(), 4);
    assert_eq!(keys("/api/bindings").len(), 5);
    assert_eq!(broker.delete(&format!("{between}/{location}")).status, 204);
    assert_eq!(broker.delete(&format!("{between}/{location}")).status, 404);
    assert_eq!(broker.delete(&format!("{between}/a%2Bb%252Fc")).status, 204);
    assert_eq!(keys(between), ["~", "%7E"]);
    assert_eq!(broker.get(&format!("{between}/nope")).status, 404);
}

#[test]
fn the_default_exchanges_bindings_are_listed_and_stay() {
    let broker = Managed::start();
    broker.declare("q", &json!({}));
    let implied = json!({
        "source": "", "vhost": "/", "destination": "q", "destination_type": "queue", "routing_key": "q",
        "arguments": {}, "properties_key": "q",
    });
    for path in [
        "/api/bindings/%2F",
        "/api/exchanges/%2F/amq.default/bindings/source",
        "/api/queues/%2F/q/bindings",
        "/api/bindings/%2F/e/amq.default/q/q",
    ] {
        assert_eq!(broker.json(path), json!([implied]), "{path}");
    }
    assert_eq!(broker.json("/api/bindings/%2F/e/amq.default/q/q/q"), implied);
    assert_eq!(broker.delete("/api/bindings/%2F/e/amq.default/q/q/q").status, 401);
    assert_eq!(broker.post("/api/bindings/%2F/e/amq.default/q/q", &json!({})).status, 401);
    for path in [
        "/api/exchanges/%2F/amq.default/bindings/destination",
        "/api/exchanges/%2F/none/bindings/source",
        "/api/queues/%2F/none/bindings",
        "/api/bindings/%2F/e/none/q/q",
    ] {
        assert_eq!(broker.json(path), json!([]), "{path}");
    }
}

#[test]
fn exchanges_are_bound_to_exchanges_and_an_exchange_in_use_stays_if_it_is_to() {
    let broker = Managed::start();
    assert_eq!(broker.put("/api/exchanges/%2F/x", &json!({})).status, 201);
    let bound = broker.post("/api/bindings/%2F/e/x/e/amq.fanout", &json!({ "routing_key": "k" }));
    assert_eq!((bound.status, bound.header("location")), (201, Some("amq.fanout/k")));
    let incoming = broker.json("/api/exchanges/%2F/amq.fanout/bindings/destination");
    assert_eq!((&incoming[0]["source"], &incoming[0]["destination_type"]), (&json!("x"), &json!("exchange")));
    let refused = broker.delete("/api/exchanges/%2F/x?if-unused=true").refusal();
    assert_eq!(refused, (400, "bad_request".to_owned(), json!("exchange 'x' in vhost '/' in use")));
    for (path, status, reason) in [
        ("/api/bindings/%2F/e/x/q/none", 404, "no queue 'none' in vhost '/'"),
        ("/api/bindings/%2F/e/none/e/x", 404, "no exchange 'none' in vhost '/'"),
        ("/api/bindings/none/e/none/e/x", 404, "vhost_not_found"),
        ("/api/bindings/%2F/e/x/z/amq.fanout", 404, "Not Found"),
    ] {
        let refused = broker.post(path, &json!({})).refusal();
        assert_eq!((refused.0, refused.2), (status, json!(reason)), "{path}");
    }
    let long = json!({ "routing_key": "k".repeat(256) });
    assert_eq!(broker.post("/api/bindings/%2F/e/x/e/amq.fanout", &long).status, 400);
    assert_eq!(broker.delete("/api/exchanges/%2F/x").status, 204);
    assert_eq!(broker.json("/api/bindings"), json!([]));
}

/// Tools disagree: rabbitmqadmin quotes the key that a list has, Ansible the routing key itself. RabbitMQ takes both.
#[test]
fn a_binding_goes_by_its_key_or_by_its_routing_key() {
    let broker = Managed::start();
    broker.put("/api/queues/%2F/q", &json!({}));
    for key in ["a.%23", "a.%2523"] {
        let between = "/api/bindings/%2F/e/amq.topic/q/q";
        assert_eq!(broker.post(between, &json!({ "routing_key": "a.#" })).status, 201);
        assert_eq!(broker.delete(&format!("{between}/a")).status, 404);
        assert_eq!(broker.delete(&format!("{between}/{key}")).status, 204, "{key}");
        assert_eq!(broker.json(between), json!([]));
    }
}
