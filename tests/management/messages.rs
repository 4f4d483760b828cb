//! Publishing, getting and purging over HTTP.

use serde_json::{Value, json};

use super::support::{Managed, paging};

const PUBLISH: &str = "/api/exchanges/%2F/amq.default/publish";
const GET: &str = "/api/queues/%2F/q/get";

fn with_queue() -> Managed {
    let broker = Managed::start();
    broker.declare("q", &json!({}));
    broker
}

fn publish(broker: &Managed, payload: &str, encoding: &str, properties: Value) {
    let message = json!({
        "routing_key": "q", "properties": properties, "payload": payload, "payload_encoding": encoding,
    });
    assert_eq!(broker.post(PUBLISH, &message).json(), json!({ "routed": true }));
}

fn get(broker: &Managed, ack_mode: &str) -> Vec<Value> {
    let request = json!({ "count": 10, "ackmode": ack_mode, "encoding": "auto" });
    broker.post(GET, &request).json().as_array().unwrap().clone()
}

#[test]
fn a_message_comes_back_as_it_went() {
    let broker = with_queue();
    let properties = json!({
        "content_type": "text/plain", "delivery_mode": 2, "priority": 3, "message_id": "m", "type": "t",
        "timestamp": 1_700_000_000_u64, "headers": { "h": 1, "list": ["a", { "b": true }] },
    });
    publish(&broker, "hello", "string", properties.clone());
    publish(&broker, "/w==", "base64", json!([]));
    let got = get(&broker, "ack_requeue_true");
    assert_eq!(
        got[0],
        json!({
            "payload_bytes": 5, "redelivered": false, "exchange": "", "routing_key": "q", "message_count": 1,
            "properties": properties, "payload": "hello", "payload_encoding": "string",
        })
    );
    assert_eq!((&got[1]["payload"], &got[1]["payload_encoding"]), (&json!("/w=="), &json!("base64")));
    assert_eq!((&got[1]["payload_bytes"], &got[1]["properties"]), (&json!(1), &json!({})));
    let request = json!({ "count": "1", "requeue": "true", "encoding": "base64", "truncate": 2 });
    let again = broker.post(GET, &request).json();
    assert_eq!(again.as_array().unwrap().len(), 1);
    assert_eq!((&again[0]["payload"], &again[0]["redelivered"]), (&json!("aGU="), &json!(true)));
}

#[test]
fn got_messages_are_settled_as_the_request_says() {
    let broker = with_queue();
    for payload in ["1", "2", "3"] {
        publish(&broker, payload, "string", json!({}));
    }
    for ack_mode in ["ack_requeue_true", "reject_requeue_true"] {
        assert_eq!(get(&broker, ack_mode).len(), 3, "{ack_mode}");
    }
    let all = json!({ "count": -1, "ackmode": "ack_requeue_true", "encoding": "auto" });
    assert_eq!(broker.post(GET, &all).json().as_array().unwrap().len(), 3);
    assert_eq!(get(&broker, "reject_requeue_false").len(), 3);
    assert!(get(&broker, "ack_requeue_false").is_empty());
    publish(&broker, "4", "string", json!({}));
    assert_eq!(get(&broker, "ack_requeue_false")[0]["payload"], "4");
    assert!(get(&broker, "ack_requeue_false").is_empty());
}

#[test]
fn a_get_that_makes_no_sense_is_refused() {
    let broker = with_queue();
    publish(&broker, "x", "string", json!({}));
    let good = json!({ "count": 1, "ackmode": "ack_requeue_true", "encoding": "auto" });
    for (key, value, reason) in [
        ("count", json!("x"), json!(["not_integer", "x"])),
        ("encoding", json!("nope"), json!("Unsupported encoding. Please use auto or base64.")),
        ("truncate", json!("x"), json!(["not_integer", "x"])),
        ("truncate", json!(-1), json!("truncate is negative")),
    ] {
        let mut request = good.clone();
        request[key] = value;
        assert_eq!(broker.post(GET, &request).refusal(), (400, "bad_request".to_owned(), reason), "{key}");
    }
    let mut request = good.clone();
    request["ackmode"] = json!("nope");
    assert_eq!(broker.post(GET, &request).status, 400);
    let refused = broker.post(GET, &json!({})).refusal();
    assert_eq!(refused.2, "[{key_missing,ackmode},{key_missing,count},{key_missing,encoding}]");
    assert_eq!(broker.post("/api/queues/%2F/none/get", &json!({})).refusal().2, "queue_not_found");
    assert_eq!(broker.post("/api/queues/none/none/get", &json!({})).refusal().2, "vhost_not_found");
    assert_eq!(get(&broker, "ack_requeue_true").len(), 1, "nothing was taken");
}

#[test]
fn a_publish_that_makes_no_sense_is_refused() {
    let broker = with_queue();
    let good = json!({ "routing_key": "q", "properties": {}, "payload": "x", "payload_encoding": "string" });
    for (key, value, reason) in [
        ("properties", json!({ "priority": "5" }), json!(["not_int", "priority"])),
        ("properties", json!({ "message_id": true }), json!(["not_string", "message_id"])),
        ("properties", json!({ "priority": 256 }), json!("priority is out of range")),
        ("properties", json!({ "app_id": "a".repeat(256) }), json!("app_id is longer than 255 bytes")),
        ("properties", json!({ "headers": { "a": [null] } }), json!("null_not_allowed")),
        ("properties", json!({ "headers": "x" }), json!(["not_a_json_object", "x"])),
        ("properties", json!("x"), json!(["not_a_json_object", "x"])),
        (
            "properties",
            json!({ "expiration": "x" }),
            json!("406 PRECONDITION_FAILED - invalid expiration 'x': no_integer"),
        ),
        (
            "properties",
            json!({ "user_id": "other" }),
            json!(
                "406 PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'"
            ),
        ),
        ("payload", json!(5), json!("payload_not_string")),
        ("payload", json!(null), json!("payload_not_string")),
        ("payload_encoding", json!("nope"), json!(["unsupported_encoding", "nope"])),
        ("routing_key", json!(5), json!("routing_key is not a string")),
        ("routing_key", json!("k".repeat(256)), json!("the routing key is longer than 255 bytes")),
    ] {
        let mut message = good.clone();
        message[key] = value.clone();
        let refused = broker.post(PUBLISH, &message).refusal();
        assert_eq!(refused, (400, "bad_request".to_owned(), reason), "{key}: {value}");
    }
    let mut message = good;
    message["payload_encoding"] = json!("base64");
    assert_eq!(broker.post(PUBLISH, &message).refusal().2, json!(["not_base64", "x"]));
    assert_eq!(broker.post("/api/exchanges/%2F/none/publish", &json!({})).refusal().2, "exchange_not_found");
    assert_eq!(broker.post("/api/exchanges/none/x/publish", &json!({})).refusal().2, "vhost_not_found");
    let refused = broker.post("/api/exchanges/%2F/amq.rabbitmq.trace/publish", &message);
    assert_eq!(refused.status, 400);
    assert!(get(&broker, "ack_requeue_true").is_empty());
}

#[test]
fn a_full_queues_refusal_is_told() {
    let broker = Managed::start();
    broker.declare("q", &json!({ "x-max-length": 0, "x-overflow": "reject-publish" }));
    let message =
        json!({ "routing_key": "q", "properties": {}, "payload": "x", "payload_encoding": "string" });
    let refused = broker.post(PUBLISH, &message).refusal();
    assert_eq!(refused.2, "rejected Unable to publish message. Check queue limits.");
}

#[test]
fn purge_and_actions() {
    let broker = with_queue();
    publish(&broker, "x", "string", json!({}));
    assert_eq!(broker.delete("/api/queues/%2F/q/contents").status, 204);
    assert!(get(&broker, "ack_requeue_true").is_empty());
    assert_eq!(broker.delete("/api/queues/%2F/none/contents").status, 404);
    assert_eq!(broker.get("/api/queues/%2F/q/contents").status, 405);
    let actions = "/api/queues/%2F/q/actions";
    assert_eq!(broker.post(actions, &json!({ "action": "sync" })).refusal().2, json!(["unknown", "sync"]));
    assert_eq!(broker.post(actions, &json!({})).refusal().2, "[{key_missing,action}]");
    assert_eq!(broker.post("/api/queues/%2F/none/actions", &json!({})).refusal().2, "queue_not_found");
}

/// Number of a message, of its payload.
fn number(message: &Value) -> u64 {
    let payload = message["payload"].as_str().unwrap_or_else(|| panic!("no payload: {message}"));
    payload.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn what_lies_on_disk_is_read_for_who_looks_and_stays_where_it_is() {
    const MESSAGES: u64 = 60;
    let dir = tempfile::tempdir().unwrap();
    let (_process, http) = paging(dir.path());
    assert_eq!(http.put("/api/queues/%2F/q", &json!({ "durable": true })).status, 201);
    for number in 0..MESSAGES {
        let message = json!({
            "properties": { "delivery_mode": 1 + number % 2, "headers": { "n": number } },
            "routing_key": "q", "payload": format!("{number} {}", "x".repeat(300)), "payload_encoding": "string",
        });
        assert_eq!(http.post(PUBLISH, &message).json(), json!({ "routed": true }));
    }
    let look = |query: &str| -> Vec<Value> {
        let found = http.json(&format!("/api/coney/queues/%2F/q/messages?{query}"));
        found.as_array().unwrap().clone()
    };
    let kept = || {
        let queue = http.json("/api/queues/%2F/q");
        ["messages_ready", "messages_paged_out", "message_bytes_ram"].map(|key| queue[key].as_u64().unwrap())
    };
    let before = kept();
    assert!(before[1] > MESSAGES / 2, "{before:?}");
    let looked = look("limit=100");
    let unread = looked.iter().filter(|message| message["payload"].is_null()).count() as u64;
    assert_eq!(unread, before[1], "a look reads nothing unless it is told to");
    let read = look("limit=100&read=true");
    assert_eq!(read.iter().map(number).collect::<Vec<_>>(), (0..MESSAGES).collect::<Vec<_>>());
    for (read, looked) in read.iter().zip(&looked) {
        assert_eq!((&read["id"], &read["in_memory"]), (&looked["id"], &looked["in_memory"]));
        assert_eq!(read["properties"]["headers"]["n"], number(read));
    }
    // Transient ones lie elsewhere than persistent ones.
    for index in [MESSAGES - 1, MESSAGES - 2, MESSAGES / 2, 0] {
        let one = look(&format!("position={}", read[index as usize]["id"]));
        assert_eq!((one.len(), number(&one[0])), (1, index));
    }
    assert_eq!(kept(), before, "nothing came to memory");
    let got =
        http.post(GET, &json!({ "count": 100, "ackmode": "ack_requeue_false", "encoding": "auto" })).json();
    let got = got.as_array().unwrap();
    assert_eq!(got.iter().map(number).collect::<Vec<_>>(), (0..MESSAGES).collect::<Vec<_>>());
    assert!(got.iter().all(|message| message["redelivered"] == json!(false)));
}
