//! Policies, of users and of operators.

use serde_json::{Value, json};

use super::support::Managed;

const POLICY: &str = "/api/policies/%2F/p";
const OPERATOR_POLICY: &str = "/api/operator-policies/%2F/p";

fn good() -> Value {
    json!({ "pattern": "^q", "definition": { "max-length": 3 }, "priority": 1, "apply-to": "queues" })
}

#[test]
fn a_policy_is_put_shown_and_deleted() {
    let broker = Managed::start();
    let shown = json!({
        "vhost": "/", "name": "p", "pattern": "^q", "apply-to": "queues", "definition": { "max-length": 3 },
        "priority": 1,
    });
    for (path, list) in [(POLICY, "/api/policies"), (OPERATOR_POLICY, "/api/operator-policies")] {
        assert_eq!(broker.put(path, &good()).status, 201);
        assert_eq!(broker.put(path, &good()).status, 204);
        assert_eq!(broker.json(path), shown);
        assert_eq!(broker.json(list), json!([shown]));
        assert_eq!(broker.json(&format!("{list}/%2F")), json!([shown]));
        assert_eq!(broker.get(&format!("{list}/none")).status, 404);
        assert_eq!(broker.delete(path).status, 204);
        assert_eq!(broker.delete(path).refusal().2, "Not Found");
        assert_eq!(broker.get(path).status, 404);
    }
    assert_eq!(broker.put("/api/policies/none/p", &good()).refusal().2, "vhost_not_found");
}

#[test]
fn a_policy_is_in_force_at_once_and_named_by_what_it_applies_to() {
    let broker = Managed::start();
    assert_eq!(broker.put("/api/exchanges/%2F/x", &json!({})).status, 201);
    let policy =
        json!({ "pattern": "^x$", "definition": { "alternate-exchange": "a" }, "apply-to": "exchanges" });
    assert_eq!(broker.put(POLICY, &policy).status, 201);
    assert_eq!(broker.json("/api/exchanges/%2F/x")["policy"], "p");
    assert!(broker.json("/api/exchanges/%2F/amq.topic")["policy"].is_null());
    broker.declare("q", &json!({}));
    assert_eq!(
        broker.put(OPERATOR_POLICY, &json!({ "pattern": "^q", "definition": { "max-length": 0 } })).status,
        201
    );
    let message =
        json!({ "routing_key": "q", "properties": {}, "payload": "x", "payload_encoding": "string" });
    assert_eq!(broker.post("/api/exchanges/%2F/amq.default/publish", &message).json()["routed"], true);
    let get = json!({ "count": 1, "ackmode": "ack_requeue_true", "encoding": "auto" });
    assert_eq!(broker.post("/api/queues/%2F/q/get", &get).json(), json!([]));
}

#[test]
fn what_is_wrong_with_a_policy_is_said_in_rabbitmqs_words() {
    let broker = Managed::start();
    for (key, value, why) in [
        ("pattern", json!(5), "pattern should be a binary but was 5"),
        ("definition", json!({}), "no policy provided"),
        ("definition", json!([]), "no policy provided"),
        ("definition", json!({ "max-length": "x" }), "<<\"x\">> is not a valid maximum length"),
        ("definition", json!({ "max-length": -1 }), "-1 is not a valid maximum length"),
        (
            "definition",
            json!({ "max-length": "x", "nonsense": 1 }),
            "<<\"x\">> is not a valid maximum length",
        ),
        ("definition", json!({ "overflow": "x" }), "<<\"x\">> is not a valid overflow value"),
        ("definition", json!({ "alternate-exchange": 5 }), "5 is not a valid alternate exchange name"),
        ("definition", json!({ "dead-letter-exchange": 5 }), "5 is not a valid dead letter exchange name"),
        ("definition", json!({ "message-ttl": "x" }), "<<\"x\">> is not a valid message TTL"),
        ("definition", json!({ "expires": 0 }), "0 is not a valid queue expiry"),
        ("definition", json!({ "delivery-limit": "x" }), "<<\"x\">> is not a valid delivery limit"),
        (
            "definition",
            json!({ "nonsense": 1, "other": "x" }),
            "[{<<\"nonsense\">>,1},{<<\"other\">>,<<\"x\">>}] are not recognised policy settings",
        ),
        ("priority", json!("5"), "priority should be a number, actually was <<\"5\">>"),
        (
            "apply-to",
            json!("nope"),
            "apply-to 'nope' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', \
             'streams', 'exchanges', or 'all'",
        ),
    ] {
        let mut policy = good();
        policy[key] = value.clone();
        let refused = broker.put(POLICY, &policy).refusal();
        let expected = json!(format!("Validation failed\n\n{why}\n"));
        assert_eq!(refused, (400, "bad_request".to_owned(), expected), "{key}: {value}");
    }
    let mut policy = good();
    policy["pattern"] = json!("(");
    let (status, _, reason) = broker.put(POLICY, &policy).refusal();
    let begin = "Validation failed\n\npattern should be regular expression but is invalid: {\"";
    assert!(status == 400 && reason.as_str().unwrap().starts_with(begin), "{reason}");
    let refused = broker.put(POLICY, &json!({})).refusal();
    assert_eq!(refused.2, "[{key_missing,pattern},{key_missing,definition}]");
    let mut policy = good();
    policy["definition"] = json!("{}");
    assert_eq!(broker.put(POLICY, &policy).refusal().2, json!(["not_a_json_object", "{}"]));
    let not_of_operators = json!({ "pattern": "^q", "definition": { "dead-letter-exchange": "x" } });
    let refused = broker.put(OPERATOR_POLICY, &not_of_operators).refusal();
    let why = "[{<<\"dead-letter-exchange\">>,<<\"x\">>}] are not recognised policy settings";
    assert_eq!(refused.2, json!(format!("Validation failed\n\n{why}\n")));
    assert_eq!(broker.json("/api/policies"), json!([]));
}
