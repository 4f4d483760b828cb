//! Topic permissions: their resource, and that they hold over HTTP.

use serde_json::{Value, json};

use super::support::Managed;

const PATH: &str = "/api/topic-permissions/%2F/ann";

/// With a user who may do everything on the default vhost.
fn with_ann() -> Managed {
    let broker = Managed::start();
    assert_eq!(broker.put("/api/users/ann", &json!({ "password": "pw", "tags": "management" })).status, 201);
    let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    assert_eq!(broker.put("/api/permissions/%2F/ann", &all).status, 201);
    broker
}

fn shown(exchange: &str, write: &str, read: &str) -> Value {
    json!({ "user": "ann", "vhost": "/", "exchange": exchange, "write": write, "read": read })
}

fn permission(exchange: &str, write: &str, read: &str) -> Value {
    json!({ "exchange": exchange, "write": write, "read": read })
}

#[test]
fn they_are_put_listed_and_removed() {
    let broker = with_ann();
    assert_eq!(broker.put(PATH, &permission("x", "^a", "^b")).status, 201);
    assert_eq!(broker.put(PATH, &permission("amq.topic", "", ".*")).status, 204);
    assert_eq!(broker.put(PATH, &permission("x", "^c", "^b")).status, 204);
    let both = json!([shown("amq.topic", "", ".*"), shown("x", "^c", "^b")]);
    for path in [
        PATH,
        "/api/topic-permissions/%2F/ann/x",
        "/api/topic-permissions",
        "/api/users/ann/topic-permissions",
        "/api/vhosts/%2F/topic-permissions",
    ] {
        assert_eq!(broker.json(path), both, "{path}");
    }
    assert_eq!(broker.delete("/api/topic-permissions/%2F/ann/none").status, 204, "as in RabbitMQ");
    assert_eq!(broker.delete("/api/topic-permissions/%2F/ann/x").status, 204);
    assert_eq!(broker.json(PATH), json!([shown("amq.topic", "", ".*")]));
    assert_eq!(broker.delete(PATH).status, 204);
    assert_eq!(broker.delete(PATH).status, 404);
    assert_eq!(broker.get(PATH).status, 404);
    assert_eq!(broker.json("/api/users/ann/topic-permissions"), json!([]));
}

#[test]
fn those_that_make_no_sense_are_refused() {
    let broker = with_ann();
    let good = permission("x", "^a", "^b");
    for path in ["/api/topic-permissions/none/ann", "/api/topic-permissions/%2F/nobody"] {
        let refused = broker.put(path, &good).refusal();
        assert_eq!(refused, (400, "bad_request".to_owned(), json!("vhost_or_user_not_found")), "{path}");
        assert_eq!((broker.get(path).status, broker.delete(path).status), (404, 404), "{path}");
    }
    let missing = broker.put(PATH, &json!({})).refusal().2;
    assert_eq!(missing, "[{key_missing,exchange},{key_missing,write},{key_missing,read}]");
    let (status, _, reason) = broker.put(PATH, &permission("x", "(", "")).refusal();
    assert_eq!((status, &reason[0], &reason[1]), (400, &json!("invalid_regexp"), &json!("(")));
    assert_eq!(broker.put(PATH, &permission(&"x".repeat(256), "", "")).status, 400);
    assert_eq!(broker.get("/api/users/nobody/topic-permissions").status, 404);
    assert_eq!(broker.get("/api/vhosts/none/topic-permissions").status, 404);
    let ann = broker.user("ann", "pw");
    for path in ["/api/topic-permissions", PATH, "/api/users/ann/topic-permissions"] {
        assert_eq!(ann.get(path).refusal().2, "Not administrator user", "{path}");
    }
    assert_eq!(ann.put(PATH, &good).status, 401);
    assert_eq!(broker.json("/api/topic-permissions"), json!([]));
}

#[test]
fn they_go_with_their_user_and_vhost() {
    let broker = with_ann();
    assert_eq!(broker.put(PATH, &permission("x", "", "")).status, 201);
    assert_eq!(broker.put("/api/vhosts/v", &json!({})).status, 201);
    assert_eq!(broker.put("/api/topic-permissions/v/ann", &permission("x", "", "")).status, 201);
    assert_eq!(broker.delete("/api/vhosts/v").status, 204);
    assert_eq!(broker.json("/api/topic-permissions"), json!([shown("x", "", "")]));
    assert_eq!(broker.delete("/api/users/ann").status, 204);
    assert_eq!(broker.json("/api/topic-permissions"), json!([]));
}

#[test]
fn they_hold_over_http() {
    let broker = with_ann();
    broker.declare("q", &json!({}));
    assert_eq!(broker.put(PATH, &permission("amq.topic", "^a", "^b")).status, 201);
    let ann = broker.user("ann", "pw");
    let publish = |key: &str, headers: Value| {
        let message = json!({
            "routing_key": key, "properties": { "headers": headers }, "payload": "", "payload_encoding": "string",
        });
        ann.post("/api/exchanges/%2F/amq.topic/publish", &message)
    };
    assert_eq!(publish("a.b", json!({})).json(), json!({ "routed": false }));
    for (key, headers) in [("z", json!({})), ("a", json!({ "CC": ["z"] }))] {
        let why = "403 ACCESS_REFUSED - write access to topic 'z' in exchange 'amq.topic' in vhost '/' refused for \
                   user 'ann'";
        assert_eq!(publish(key, headers).refusal(), (400, "bad_request".to_owned(), json!(why)));
    }
    let bind = |who: &crate::support::http::Http, key: &str| {
        who.post("/api/bindings/%2F/e/amq.topic/q/q", &json!({ "routing_key": key }))
    };
    assert_eq!(bind(&ann, "a").refusal(), (401, "not_authorised".to_owned(), json!("Access refused.")));
    assert_eq!(bind(&ann, "b").status, 201);
    assert_eq!(bind(&broker, "a").status, 201);
    assert_eq!(ann.delete("/api/bindings/%2F/e/amq.topic/q/q/a").status, 401);
    assert_eq!(ann.delete("/api/bindings/%2F/e/amq.topic/q/q/b").status, 204);
}
