//! The OpenAPI document is true: paths and methods are those that there are, tags are those that are asked for, and what is answered is what is
//! described.

use std::collections::{BTreeMap, BTreeSet};

use amq_protocol::types::AMQPValue;
use coney::Broker;
use lapin::options::{BasicConsumeOptions, BasicGetOptions, BasicRejectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::schema::Document;
use super::support::{Managed, managed_by};
use crate::support::client::{Bench, consume, next, string, table};
use crate::support::http::{Answer, Http};

/// They do not end by themselves.
const ENDLESS: [&str; 2] = ["/api/coney/events", "/api/coney/live"];

fn document(http: &Http) -> Document {
    Document(http.nobody().json("/api/openapi.json"))
}

/// The path with values, percent-encoded, for its variable parts.
fn concrete(path: &str, value: impl Fn(&str) -> String) -> String {
    let parts = path.split('/').map(|part| match part.strip_prefix('{') {
        None => part.to_owned(),
        Some(name) => utf8_percent_encode(&value(name.trim_end_matches('}')), NON_ALPHANUMERIC).to_string(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The names of a path's variable parts.
fn variables(path: &str) -> BTreeSet<&str> {
    let parts = path.split('/').filter_map(|part| part.strip_prefix('{'));
    parts.map(|name| name.trim_end_matches('}')).collect()
}

/// Checks an answer against what the operation says of its status.
#[track_caller]
fn assert_described(document: &Document, operation: &Value, what: &str, answer: &Answer) {
    let described = &operation["responses"][answer.status.to_string()];
    assert!(described.is_object(), "{what}: {} is not described: {answer:?}", answer.status);
    let Some(content) = document.resolve(described)["content"].as_object() else {
        // OpenAPI cannot say that a body may be absent.
        let refuses = answer.status == 401 && !answer.body.is_empty() && answer.json()["error"].is_string();
        assert!(refuses || answer.body.is_empty(), "{what}: a body that is not described: {answer:?}");
        return;
    };
    let kind = answer.header("content-type").unwrap_or_default().split(';').next().unwrap();
    let schema = content.get(kind).unwrap_or_else(|| panic!("{what}: {kind:?} is not described"));
    if kind == "application/json" {
        let faults = document.faults(&schema["schema"], &answer.json());
        assert!(faults.is_empty(), "{what}:\n{}\n{}", faults.join("\n"), answer.json());
    }
}

#[test]
fn the_document_is_sound() {
    let broker = Managed::with_worlds();
    let document = document(&broker);
    assert_eq!(document.0["openapi"], "3.1.0");
    assert_eq!(document.0["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut ids = BTreeSet::new();
    for (path, method, operation) in document.operations() {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<&Value> = parameters.map(|parameter| document.resolve(parameter)).collect();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
        let named: BTreeSet<&str> = in_path.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(named, variables(path), "{method} {path}");
        let tag = json!({ "name": operation["tags"][0] });
        assert!(document.0["tags"].as_array().unwrap().contains(&tag), "{method} {path}: {tag}");
    }
    let text = document.0.to_string();
    for (kind, components) in document.0["components"].as_object().unwrap() {
        let names = components.as_object().unwrap().keys();
        for name in names.filter(|_| kind != "securitySchemes") {
            let reference = format!("\"#/components/{kind}/{name}\"");
            assert!(text.contains(&reference), "nothing refers to {kind}/{name}");
        }
    }
    assert_references(&document, &document.0);
}

fn assert_references(document: &Document, value: &Value) {
    match value {
        Value::Object(fields) => {
            document.resolve(value);
            fields.values().for_each(|value| assert_references(document, value));
        }
        Value::Array(items) => items.iter().for_each(|value| assert_references(document, value)),
        _ => {}
    }
}

#[test]
fn each_path_has_the_methods_that_are_told() {
    let broker = Managed::with_worlds();
    let document = document(&broker);
    for (path, methods) in document.0["paths"].as_object().unwrap() {
        let answer = broker.nobody().send("OPTIONS", &concrete(path, |_| "x".to_owned()), "", b"");
        assert_eq!(answer.status, 200, "{path}");
        let allowed = answer.header("allow").unwrap_or_else(|| panic!("{path}")).to_lowercase();
        let mut allowed: BTreeSet<&str> = allowed.split(", ").collect();
        assert!(allowed.remove("options"));
        assert_eq!(allowed.remove("head"), allowed.contains("get"), "{path}");
        let documented: BTreeSet<&str> = methods.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(allowed, documented, "{path}");
    }
}

/// The tags that let somebody do what needs this one.
fn tags_above(needed: &str) -> &'static [&'static str] {
    match needed {
        "management" => &["management", "policymaker", "monitoring", "administrator"],
        "policymaker" => &["policymaker", "administrator"],
        "monitoring" => &["monitoring", "administrator"],
        "administrator" => &["administrator"],
        other => panic!("no tag {other}"),
    }
}

/// With names of what is not there, so that nothing comes between the tag and the answer.
#[test]
fn each_operation_asks_for_the_tag_that_is_told_and_for_no_more() {
    let broker = Managed::with_worlds();
    let document = document(&broker);
    for tag in ["", "management", "policymaker", "monitoring", "administrator"] {
        let user = json!({ "password": "p", "tags": tag });
        assert_eq!(broker.put(&format!("/api/users/as-{tag}"), &user).status, 201);
        let user = broker.user(&format!("as-{tag}"), "p");
        for (path, method, operation) in document.operations() {
            let (method, what) = (method.to_uppercase(), format!("{method} {path} as {tag:?}"));
            let is_open = operation["security"] == json!([]);
            let may = is_open || tags_above(operation["x-needs"].as_str().unwrap()).contains(&tag);
            if may && ENDLESS.contains(&path.as_str()) {
                continue;
            }
            let answer = user.send(&method, &concrete(path, |_| "x".to_owned()), "", b"");
            assert_described(&document, operation, &what, &answer);
            if path.starts_with("/api/coney/worlds/") && answer.status == 201 {
                // It would be in the way of the others.
                assert_eq!(broker.delete("/api/coney/worlds/x").status, 204);
            }
            if !may {
                assert_eq!(answer.status, 401, "{what}: {answer:?}");
            } else if !is_open && !path.contains("/username/") {
                assert_ne!(answer.status, 401, "{what}: {answer:?}");
            }
            if !is_open {
                let path = concrete(path, |_| "x".to_owned());
                assert_eq!(broker.nobody().send(&method, &path, "", b"").status, 401, "{what}");
            }
        }
    }
}

/// Puts something of everything into a broker.
async fn fill(bench: &Bench, http: &Http) -> Vec<lapin::Consumer> {
    let kept = table(&[("x-single-active-consumer", AMQPValue::Boolean(true))]);
    bench.declare("q", kept).await;
    let parking = table(&[("x-delivery-limit", AMQPValue::LongInt(1)), ("x-queue-type", string("quorum"))]);
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    bench.channel.queue_declare("failing".into(), durable, parking).await.unwrap();
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    bench.channel.queue_declare("own".into(), exclusive, FieldTable::default()).await.unwrap();
    let log = table(&[("x-queue-type", string("stream"))]);
    bench.channel.queue_declare("log".into(), durable, log).await.unwrap();
    assert_eq!(http.put("/api/coney/queues/%2F/log/cursors/c", &json!({ "offset": "first" })).status, 200);
    for queue in ["q", "q", "failing", "failing"] {
        bench.publish("", queue, "hello").await;
    }
    let got = bench.channel.basic_get("failing".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    got.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "ct", BasicConsumeOptions::default()).await;
    next(&mut consumer).await;
    let policy = json!({ "pattern": "^q$", "definition": { "max-length": 10 }, "apply-to": "queues" });
    let limit = json!({ "value": 100 });
    for (path, body) in [
        ("/api/users/u", json!({ "password": "p", "tags": "management" })),
        ("/api/permissions/%2F/u", json!({ "configure": "", "write": "", "read": ".*" })),
        ("/api/topic-permissions/%2F/u", json!({ "exchange": "amq.topic", "write": "", "read": ".*" })),
        ("/api/policies/%2F/p", policy.clone()),
        ("/api/operator-policies/%2F/p", policy),
        ("/api/vhost-limits/%2F/max-queues", limit.clone()),
        ("/api/user-limits/guest/max-channels", limit),
        ("/api/global-parameters/g", json!({ "value": { "any": [1] } })),
        ("/api/exchanges/%2F/e", json!({ "type": "topic", "durable": true })),
    ] {
        assert_eq!(http.put(path, &body).status / 100, 2, "{path}");
    }
    let binding = json!({ "routing_key": "k", "arguments": { "a": 1 } });
    assert_eq!(http.post("/api/bindings/%2F/e/e/q/q", &binding).status, 201);
    assert_eq!(http.post("/api/vhosts/%2F/deletion/protection", &json!({})).status, 204);
    assert_eq!(http.post("/api/coney/worlds/%2F/snapshots/s", &json!({})).status, 201);
    vec![consumer]
}

/// Names of what there is then.
fn names(http: &Http) -> BTreeMap<&'static str, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bindings = http.json("/api/bindings/%2F/e/e/q/q");
    BTreeMap::from([
        ("vhost", "/".to_owned()),
        ("queue", "q".to_owned()),
        ("exchange", "e".to_owned()),
        ("source", "e".to_owned()),
        ("kind", "q".to_owned()),
        ("destination", "q".to_owned()),
        ("key", text(&bindings[0]["properties_key"])),
        ("node", text(&http.json("/api/overview")["node"])),
        ("user", "u".to_owned()),
        ("policy", "p".to_owned()),
        ("cursor", "c".to_owned()),
        ("id", "f1".to_owned()),
        ("component", "operator_policy".to_owned()),
        ("password", "secret".to_owned()),
        ("port", http.json("/api/overview")["listeners"][0]["port"].to_string()),
        ("protocols", "amqp,http".to_owned()),
        ("within", "1".to_owned()),
        ("unit", "weeks".to_owned()),
        ("pattern", ".*".to_owned()),
    ])
}

/// What `{name}` stands for.
fn name_in(path: &str, http: &Http) -> String {
    let first = |path: &str| http.json(path)[0]["name"].as_str().unwrap().to_owned();
    match path.split('/').nth(2).unwrap() {
        "connections" => first("/api/connections"),
        "channels" => first("/api/channels?sort=consumer_count&sort_reverse=true"),
        "parameters" => "p".to_owned(),
        "global-parameters" => "g".to_owned(),
        "coney" => "s".to_owned(),
        other => panic!("no name for {other}"),
    }
}

/// What an operation cannot do without.
fn query(path: &str) -> &'static str {
    match path {
        "/api/coney/may" => "?user=u&vhost=/&operation=write&name=e&routing_key=k",
        "/api/coney/worlds/%2F/wait" => "?messages=%3E%3D0",
        _ => "",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_there_is_shown_as_described() {
    let (bench, http) = managed_by(Broker::builder().ephemeral().test()).await;
    let fault = http.post("/api/coney/worlds/%2F/faults", &json!({ "on": "reject", "do": "drop" }));
    assert_eq!(fault.status, 201);
    let _consumers = fill(&bench, &http).await;
    let (document, names) = (document(&http), names(&http));
    for (path, method, operation) in document.operations() {
        if method != "get" || ENDLESS.contains(&path.as_str()) {
            continue;
        }
        let is_of_streams = path.contains("/cursors");
        let path = concrete(path, |part| match part {
            "name" => name_in(path, &http),
            "queue" if is_of_streams => "log".to_owned(),
            part => names.get(part).unwrap_or_else(|| panic!("no {part}")).clone(),
        });
        // It has to be told which message is meant.
        let path = if path.contains("/history/") { format!("{path}?contains=hello") } else { path };
        let path = format!("{path}{}", query(&path));
        let answer = http.get(&path);
        assert_described(&document, operation, &path, &answer);
        let status = match path.as_str() {
            // This broker is no node of a cluster.
            "/api/coney/cluster" => 404,
            path if path.contains("/quorum/") => 503,
            _ => 200,
        };
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let keys = parameters.filter_map(|parameter| parameter["$ref"].as_str()?.split('/').next_back());
        let keys: BTreeSet<&str> = keys.collect();
        for (key, query) in [
            ("page", "page=1&page_size=1&sort=name"),
            ("lengths_age", "lengths_age=10&lengths_incr=5&msg_rates_age=10&msg_rates_incr=5"),
            ("data_rates_age", "data_rates_age=10&data_rates_incr=5&node_stats_age=10&node_stats_incr=5"),
            ("disable_stats", "disable_stats=true"),
            ("enable_queue_totals", "disable_stats=true&enable_queue_totals=true"),
        ] {
            if keys.contains(key) {
                let path = format!("{path}?{query}");
                let answer = http.get(&path);
                assert_eq!(answer.status, 200, "{path}: {answer:?}");
                assert_described(&document, operation, &path, &answer);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_done_is_answered_as_described() {
    let (bench, http) = managed_by(Broker::builder().ephemeral().test()).await;
    let _consumers = fill(&bench, &http).await;
    let document = document(&http);
    bench.declare("leased", FieldTable::default()).await;
    bench.publish("", "leased", "hello").await;
    let publish = json!({ "routing_key": "q", "payload": "x", "payload_encoding": "string",
        "properties": { "headers": { "h": 1 }, "delivery_mode": 2, "expiration": "60000" } });
    let get = json!({ "ackmode": "ack_requeue_true", "count": 5, "encoding": "auto" });
    let messages = "/api/coney/queues/{vhost}/{queue}/messages";
    let act = |what: &str| format!("{messages}/{what}");
    let to_queue = json!({ "to": { "queue": "q" }, "filter": { "body": "hello" }, "limit": 1 });
    for (path, queue, body) in [
        ("/api/exchanges/{vhost}/{exchange}/publish".to_owned(), "q", publish),
        ("/api/queues/{vhost}/{queue}/get".to_owned(), "q", get),
        (act("copy"), "failing", to_queue.clone()),
        (act("move"), "failing", to_queue),
        (act("replay"), "failing", json!({})),
        (act("delete"), "q", json!({ "ids": [1, 2], "dry_run": true })),
        (act("release"), "failing", json!({ "state": "parked" })),
        (act("drop"), "failing", json!({ "state": "delayed" })),
        (act("take"), "leased", json!({ "count": 2, "wait_ms": 1000, "lease_ms": 60_000 })),
        ("/api/coney/leases/{id}".to_owned(), "q", json!({ "action": "renew" })),
        ("/api/coney/leases/{id}".to_owned(), "q", json!({ "action": "requeue", "ids": [] })),
        ("/api/coney/leases/{id}".to_owned(), "q", json!({ "action": "requeue" })),
        ("/api/coney/queues/{vhost}/{queue}/purge".to_owned(), "q", json!({ "undo_s": 1 })),
        ("/api/coney/queues/{vhost}/{queue}/import".to_owned(), "q", json!({ "payload": "y" })),
        (
            "/api/coney/routing/{vhost}/{exchange}".to_owned(),
            "q",
            json!({ "routing_key": "failin", "headers": { "a": 1 } }),
        ),
        (
            "/api/coney/policies/{vhost}/preview".to_owned(),
            "q",
            json!({ "name": "n", "pattern": ".*", "definition": { "max-length": 5 }, "operator": false }),
        ),
        ("/api/coney/definitions/diff".to_owned(), "q", http.json("/api/definitions")),
    ] {
        let operation = &document.0["paths"][&path]["post"];
        let body_schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if body_schema.is_object() {
            assert_eq!(document.faults(body_schema, &body), Vec::<String>::new(), "{path}");
        }
        let filled = concrete(&path, |part| match part {
            "vhost" => "/".to_owned(),
            "queue" => queue.to_owned(),
            // The first.
            "id" => "1".to_owned(),
            _ => "amq.default".to_owned(),
        });
        let answer = http.post(&filled, &body);
        assert_eq!(answer.status, 200, "{filled}: {answer:?}");
        assert_described(&document, operation, &filled, &answer);
    }
    let states = [("q", "ready"), ("q", "unacked"), ("failing", "delayed"), ("failing", "parked")];
    for (queue, state) in states {
        let path = format!("/api/coney/queues/%2F/{queue}/messages?state={state}");
        assert_described(&document, &document.0["paths"][messages]["get"], &path, &http.get(&path));
    }
    for queue in ["failing", "own"] {
        let path = format!("/api/queues/%2F/{queue}");
        let operation = &document.0["paths"]["/api/queues/{vhost}/{queue}"]["get"];
        assert_described(&document, operation, &path, &http.get(&path));
    }
}
