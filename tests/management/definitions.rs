//! Definitions over HTTP.

use serde_json::{Value, json};

use super::support::Managed;
use crate::support::http::Answer;

const JSON: &str = "content-type: application/json\r\n";

fn post(broker: &Managed, path: &str, body: &str) -> Answer {
    broker.send("POST", path, JSON, body.as_bytes())
}

/// Everything that there can be.
fn full() -> Value {
    json!({
        "users": [{ "name": "ann", "password_hash": "/nZY1rydD3i/elXiYVYMf2mTAJ69Tj1Jyw2552VpQjMmL0df",
            "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["management"],
            "limits": { "max-channels": 7 } }],
        "vhosts": [{ "name": "v", "tracing": true, "description": "d", "tags": ["t"],
            "default_queue_type": "quorum",
            "metadata": { "description": "d", "tags": ["t"], "default_queue_type": "quorum",
                "protected_from_deletion": true } }],
        "permissions": [{ "user": "ann", "vhost": "v", "configure": "c", "write": "w", "read": "" }],
        "parameters": [
            { "component": "vhost-limits", "vhost": "v", "name": "limits", "value": { "max-queues": 3 } },
            { "component": "operator_policy", "vhost": "v", "name": "op",
              "value": { "pattern": "^q", "definition": { "max-length": 3 }, "priority": 1, "apply-to": "queues" } }
        ],
        "global_parameters": [{ "name": "g", "value": { "a": [1, null] } }],
        "policies": [{ "vhost": "v", "name": "p", "pattern": "", "apply-to": "all", "priority": 0,
            "definition": { "max-length-bytes": 5 } }],
        "queues": [
            { "name": "c", "vhost": "v", "durable": true, "auto_delete": false, "arguments": { "x-queue-type": "classic" } },
            { "name": "q", "vhost": "v", "durable": true, "auto_delete": false, "arguments": {} },
            { "name": "t", "vhost": "v", "durable": false, "auto_delete": false, "arguments": {} }
        ],
        "exchanges": [{ "name": "x", "vhost": "v", "type": "topic", "durable": true, "auto_delete": false,
            "internal": false, "arguments": { "alternate-exchange": "amq.fanout" } }],
        "bindings": [{ "source": "x", "vhost": "v", "destination": "q", "destination_type": "queue",
            "routing_key": "a.#", "arguments": { "n": 1 } }]
    })
}

/// What is expected of an export after an import of [`full`]: types are said.
fn exported() -> Value {
    let mut full = full();
    for (index, kind) in ["classic", "quorum", "classic"].into_iter().enumerate() {
        full["queues"][index]["arguments"] = json!({ "x-queue-type": kind });
    }
    full
}

fn section_has(definitions: &Value, section: &str, expected: &Value) {
    for item in expected.as_array().unwrap() {
        let items = definitions[section].as_array().unwrap();
        assert!(items.contains(item), "{section}: {item} is not among {items:#?}");
    }
}

#[test]
fn what_was_imported_is_exported() {
    let broker = Managed::start();
    assert_eq!(post(&broker, "/api/definitions", &full().to_string()).status, 204);
    for path in ["/api/definitions", "/api/all-configuration"] {
        let definitions = broker.json(path);
        for (section, expected) in exported().as_object().unwrap() {
            section_has(&definitions, section, expected);
        }
        assert_eq!(definitions["rabbitmq_version"], "3.13.7");
        assert_eq!(definitions["rabbitmq_definition_format"], "cluster");
    }
    assert_eq!(broker.user("ann", "pw").get("/api/whoami").status, 200);
    assert_eq!(broker.delete("/api/vhosts/v").status, 412);
}

#[test]
fn an_export_makes_the_same_of_an_empty_broker() {
    let (one, other) = (Managed::start(), Managed::start());
    post(&one, "/api/definitions", &full().to_string());
    one.put("/api/cluster-name", &json!({ "name": "mine" }));
    let definitions = one.json("/api/definitions");
    assert_eq!(post(&other, "/api/definitions", &definitions.to_string()).status, 204);
    assert_eq!(other.json("/api/definitions"), definitions);
}

#[test]
fn an_export_of_a_vhost_can_go_into_any() {
    let broker = Managed::start();
    post(&broker, "/api/definitions", &full().to_string());
    let of_v = broker.json("/api/definitions/v");
    assert_eq!((&of_v["original_vhost_name"], &of_v["limits"]), (&json!("v"), &json!({ "max-queues": 3 })));
    assert_eq!(of_v["rabbitmq_definition_format"], "single_virtual_host");
    assert!(of_v["users"].is_null() && of_v["queues"][0]["vhost"].is_null());
    broker.put("/api/vhosts/w", &json!({}));
    assert_eq!(post(&broker, "/api/definitions/w", &of_v.to_string()).status, 204);
    let of_w = broker.json("/api/definitions/w");
    for section in ["parameters", "policies", "queues", "exchanges", "bindings", "limits"] {
        assert_eq!(of_w[section], of_v[section], "{section}");
    }
    // Whatever objects say of vhosts, and whatever else there is.
    broker.put("/api/vhosts/z", &json!({}));
    let mut all = full();
    all["users"][0]["name"] = json!("bob");
    assert_eq!(post(&broker, "/api/definitions/z", &all.to_string()).status, 204);
    assert_eq!(broker.json("/api/definitions/z")["queues"].as_array().map(Vec::len), Some(3));
    assert_eq!(broker.get("/api/users/bob").status, 404);
}

#[test]
fn a_form_has_the_definitions_in_its_file() {
    let broker = Managed::start();
    let form = |name: &str, content: &str| {
        let body = format!(
            "--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"d.json\"\r\n\
             Content-Type: application/json\r\n\r\n{content}\r\n--B--\r\n"
        );
        let kind = "content-type: multipart/form-data; boundary=B\r\n";
        broker.send("POST", "/api/definitions", kind, body.as_bytes())
    };
    assert_eq!(form("file", r#"{"vhosts": [{"name": "v"}]}"#).status, 204);
    assert_eq!(broker.json("/api/vhosts/v")["name"], "v");
    for refused in [form("other", "{}"), form("file", "{bad")] {
        let (status, _, reason) = refused.refusal();
        assert_eq!((status, reason), (400, json!("failed_to_parse_json")));
    }
}

#[test]
fn what_is_no_definitions_file_is_refused() {
    let broker = Managed::start();
    for body in ["{bad", "[]", "null", "\"x\"", "\u{0}"] {
        let refused = post(&broker, "/api/definitions", body).refusal();
        assert_eq!(refused, (400, "bad_request".to_owned(), json!("failed_to_parse_json")), "{body}");
    }
    assert_eq!(
        [post(&broker, "/api/definitions", "").status, post(&broker, "/api/definitions", "{}").status],
        [204; 2]
    );
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let headers = format!("content-type: {kind}\r\n");
        assert_eq!(broker.send("POST", "/api/definitions", &headers, b"{}").status, 415);
    }
    let before = broker.json("/api/definitions");
    for faulty in [
        json!({ "vhosts": [{ "name": "v" }], "queues": [{ "name": "q", "vhost": "none" }] }),
        json!({ "vhosts": [{ "name": "v" }], "users": [{ "name": "a", "password_hash": "!!", "tags": [] }] }),
        json!({ "permissions": [{ "user": "none", "vhost": "/", "configure": "", "write": "", "read": "" }] }),
        json!({ "permissions": [{ "user": "guest", "vhost": "/", "configure": "(", "write": "", "read": "" }] }),
        json!({ "users": [{ "name": "a", "tags": [], "limits": { "max-channels": "x" } }] }),
        json!({ "parameters": [{ "component": "vhost-limits", "vhost": "/", "name": "limits",
            "value": { "max-queues": "x" } }] }),
    ] {
        assert_eq!(post(&broker, "/api/definitions", &faulty.to_string()).status, 400, "{faulty}");
        assert_eq!(broker.json("/api/definitions"), before, "{faulty}");
    }
    assert_eq!(broker.get("/api/definitions/none").refusal().2, "vhost_not_found");
    assert_eq!(post(&broker, "/api/definitions/none", "{}").refusal().0, 404);
}

#[test]
fn a_download_has_a_name() {
    let broker = Managed::start();
    let answer = broker.get("/api/definitions?download=f.json");
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=f.json"));
    let answer = broker.get("/api/definitions/%2F?download=a%0d%0ax:%20y");
    assert_eq!((answer.status, answer.header("x")), (200, None));
    broker.put("/api/users/ann", &json!({ "password": "pw", "tags": "monitoring" }));
    for path in ["/api/definitions", "/api/definitions/%2F", "/api/all-configuration"] {
        assert_eq!(broker.user("ann", "pw").get(path).refusal().2, "Not administrator user");
        assert_eq!(broker.user("ann", "pw").send("POST", path, JSON, b"{}").status, 401);
    }
}
