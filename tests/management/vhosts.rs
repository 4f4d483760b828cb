//! Vhosts: what is said of them, protection from deletion, the default type of queues.

use coney::{Broker, BrokerHandle};
use lapin::ErrorKind;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use serde_json::{Value, json};

use super::support::{Managed, managed, text};
use crate::support::client::{Bench, table};
use crate::support::http::Http;

fn said(broker: &Http, name: &str) -> Value {
    let vhost = broker.json(&format!("/api/vhosts/{name}"));
    let metadata = json!({ "description": vhost["description"], "tags": vhost["tags"],
        "default_queue_type": vhost["default_queue_type"] });
    assert_eq!(vhost["metadata"], metadata);
    json!([vhost["description"], vhost["tags"], vhost["default_queue_type"], vhost["tracing"]])
}

#[test]
fn settings_are_put_and_what_else_is_there_stays() {
    let broker = Managed::start();
    assert_eq!(said(&broker, "%2F"), json!(["Default virtual host", [], "classic", false]));
    let put = |body: Value| broker.put("/api/vhosts/v", &body).status;
    assert_eq!(put(json!({ "description": "d", "tags": "a, b" })), 201);
    assert_eq!(said(&broker, "v"), json!(["d", ["a", "b"], "classic", false]));
    assert_eq!(put(json!({ "tags": ["c"], "tracing": "true" })), 204);
    assert_eq!(said(&broker, "v"), json!(["", ["c"], "classic", true]));
    assert_eq!(put(json!({ "default_queue_type": "quorum" })), 204);
    assert_eq!(said(&broker, "v"), json!(["", [], "quorum", true]));
    assert_eq!(put(json!({ "description": "e", "default_queue_type": "undefined" })), 204);
    assert_eq!(said(&broker, "v"), json!(["e", [], "quorum", true]));
    for kind in ["", "streams", "nope"] {
        let refused = broker.put("/api/vhosts/v", &json!({ "default_queue_type": kind })).refusal();
        let reason = format!("Unsupported default queue type: {kind}");
        assert_eq!(refused, (400, "bad_request".to_owned(), json!(reason)));
    }
    for wrong in [json!({ "description": [] }), json!({ "tags": {} }), json!({ "tracing": "yes" })] {
        assert_eq!(put(wrong.clone()), 400, "{wrong}");
    }
    assert_eq!(said(&broker, "v"), json!(["e", [], "quorum", true]));
}

/// Rascal and rabbitmqadmin rely on it: they make a vhost and go on in it as the same user.
#[test]
fn who_makes_a_vhost_may_do_everything_there() {
    let broker = Managed::start();
    let permissions = |vhost: &str| {
        let all = broker.json(&format!("/api/vhosts/{vhost}/permissions"));
        let of = |row: &Value| (row["user"].clone(), json!([row["configure"], row["write"], row["read"]]));
        all.as_array().expect("a list").iter().map(of).collect::<Vec<_>>()
    };
    let ann = json!({ "password": "p", "tags": "administrator" });
    broker.put("/api/users/ann", &ann);
    assert_eq!(broker.user("ann", "p").put("/api/vhosts/v", &json!({})).status, 201);
    assert_eq!(permissions("v"), [(json!("ann"), json!([".*", ".*", ".*"]))]);
    assert_eq!(broker.put("/api/vhosts/v", &json!({})).status, 204);
    assert_eq!(permissions("v").len(), 1, "only who makes it");
    let permission = json!({ "user": "guest", "vhost": "x", "configure": "", "write": "", "read": "r" });
    let definitions =
        json!({ "vhosts": [{ "name": "v" }, { "name": "w" }, { "name": "x" }], "permissions": [permission] });
    assert_eq!(broker.post("/api/definitions", &definitions).status, 204);
    assert_eq!(permissions("v").len(), 1, "it was there");
    assert_eq!(permissions("w"), [(json!("guest"), json!([".*", ".*", ".*"]))]);
    assert_eq!(permissions("x"), [(json!("guest"), json!(["", "", "r"]))]);
}

#[test]
fn a_protected_vhost_is_not_deleted() {
    let broker = Managed::start();
    broker.put("/api/vhosts/v", &json!({ "description": "d" }));
    let path = "/api/vhosts/v/deletion/protection";
    assert_eq!(broker.post(path, &json!({})).status, 204);
    assert_eq!(broker.json("/api/vhosts/v")["metadata"]["protected_from_deletion"], true);
    let (status, error, _) = broker.delete("/api/vhosts/v").refusal();
    assert_eq!((status, &error[..]), (412, "precondition_failed"));
    assert_eq!(said_description(&broker), "d");
    assert_eq!(broker.delete(path).status, 204);
    assert_eq!(broker.delete("/api/vhosts/v").status, 204);
    assert_eq!([broker.post(path, &json!({})).status, broker.delete(path).status], [404, 404]);
}

fn said_description(broker: &Http) -> Value {
    broker.json("/api/vhosts/v")["description"].clone()
}

#[test]
fn a_vhost_is_started_again_where_it_runs() {
    let broker = Managed::start();
    let node = broker.json("/api/overview")["node"].as_str().unwrap().to_owned();
    let start = |vhost: &str, node: &str| {
        broker.post(&format!("/api/vhosts/{vhost}/start/{node}"), &json!({})).status
    };
    assert_eq!([start("%2F", &node), start("none", &node), start("%2F", "elsewhere")], [204, 400, 400]);
}

async fn on_disk(dir: &std::path::Path) -> (BrokerHandle, Http) {
    let any = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::builder().data_dir(dir).listen(any).http(any).start().await.unwrap();
    let http = Http::new(broker.http_addresses()[0]);
    (broker, http)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn settings_and_limits_outlive_a_restart_and_end_with_the_vhost() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, http) = on_disk(dir.path()).await;
    let settings =
        json!({ "description": "d", "tags": "t", "default_queue_type": "quorum", "tracing": true });
    assert_eq!(http.put("/api/vhosts/v", &settings).status, 201);
    assert_eq!(http.put("/api/vhost-limits/v/max-queues", &json!({ "value": 7 })).status, 204);
    assert_eq!(http.put("/api/users/ann", &json!({ "tags": "" })).status, 201);
    assert_eq!(http.put("/api/user-limits/ann/max-channels", &json!({ "value": 8 })).status, 204);
    assert_eq!(http.post("/api/vhosts/v/deletion/protection", &json!({})).status, 204);
    broker.shutdown().await.unwrap();

    let (broker, http) = on_disk(dir.path()).await;
    let vhost = http.json("/api/vhosts/v");
    let metadata = json!({ "description": "d", "tags": ["t"], "default_queue_type": "quorum",
        "protected_from_deletion": true });
    assert_eq!((&vhost["metadata"], &vhost["tracing"]), (&metadata, &json!(true)));
    assert_eq!(http.json("/api/vhost-limits"), json!([{ "vhost": "v", "value": { "max-queues": 7 } }]));
    assert_eq!(http.json("/api/user-limits"), json!([{ "user": "ann", "value": { "max-channels": 8 } }]));
    assert_eq!(http.delete("/api/vhosts/v/deletion/protection").status, 204);
    assert_eq!(http.delete("/api/vhosts/v").status, 204);
    assert_eq!(http.put("/api/vhosts/v", &json!({})).status, 201);
    assert_eq!(said(&http, "v"), json!(["", [], "classic", false]));
    broker.shutdown().await.unwrap();

    let (broker, http) = on_disk(dir.path()).await;
    assert_eq!(said(&http, "v"), json!(["", [], "classic", false]));
    assert_eq!(http.json("/api/vhost-limits"), json!([]));
    broker.shutdown().await.unwrap();
}

/// Durable, exclusive, auto-delete.
const PROPERTIES: [[bool; 3]; 4] =
    [[true, false, false], [false, false, false], [true, true, false], [true, false, true]];

async fn declare(bench: &Bench, name: &str, properties: [bool; 3], kind: Option<&str>) -> Result<(), String> {
    let [durable, exclusive, auto_delete] = properties;
    let options = QueueDeclareOptions { durable, exclusive, auto_delete, ..QueueDeclareOptions::default() };
    let arguments = kind.map_or_else(FieldTable::default, |kind| table(&[("x-queue-type", text(kind))]));
    let channel = bench.channel().await;
    match channel.queue_declare(name.into(), options, arguments).await {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(error) => Err(error.get_message().to_string()),
            other => panic!("{other:?}"),
        },
    }
}

/// As RabbitMQ 4.0.5 does it: a queue that can be of the default type is, and a redeclare is compared to what it would be.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn queues_without_a_type_are_of_the_default_one() {
    let (bench, http) = managed().await;
    let kind = |name: &str| http.json(&format!("/api/queues/%2F/{name}"))["arguments"].clone();
    let of = |kind: &str| json!({ "x-queue-type": kind });
    declare(&bench, "old", PROPERTIES[0], None).await.unwrap();
    http.put("/api/vhosts/%2F", &json!({ "default_queue_type": "quorum" }));
    for (index, properties) in PROPERTIES.into_iter().enumerate() {
        declare(&bench, &format!("q{index}"), properties, None).await.unwrap();
        let expected = if index == 0 { "quorum" } else { "classic" };
        assert_eq!(kind(&format!("q{index}")), of(expected), "{properties:?}");
    }
    declare(&bench, "c", PROPERTIES[0], Some("classic")).await.unwrap();
    declare(&bench, "q0", PROPERTIES[0], Some("quorum")).await.unwrap();
    assert_eq!(http.put("/api/queues/%2F/h", &json!({ "durable": true })).status, 201);
    assert_eq!([kind("c"), kind("h")], [of("classic"), of("quorum")]);
    let refused = declare(&bench, "old", PROPERTIES[0], None).await.unwrap_err();
    assert_eq!(
        refused,
        "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'old' in vhost '/': received 'quorum' but \
         current is 'classic'"
    );
    http.put("/api/vhosts/%2F", &json!({ "default_queue_type": "classic" }));
    declare(&bench, "old", PROPERTIES[0], None).await.unwrap();
    let refused = declare(&bench, "q0", PROPERTIES[0], None).await.unwrap_err();
    assert!(refused.contains("received 'classic' but current is 'quorum'"), "{refused}");
}
