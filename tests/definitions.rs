//! Definitions in RabbitMQ's format: imported at start, again and again, or refused as a whole.

use std::fs;
use std::path::Path;

use coney::config::Config;
use coney::{Broker, BrokerHandle};
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};

use crate::support::client::{Bench, table};
use crate::support::process::{Process, coney, failing};

/// As RabbitMQ 3.10 exports it. `ann`'s and `bob`'s passwords are `pw`; `guest` is not among the users.
const EXPORT: &str = r#"{
    "rabbit_version": "3.10.8",
    "rabbitmq_version": "3.10.8",
    "product_name": "RabbitMQ",
    "users": [
        {"name": "ann", "password_hash": "/nZY1rydD3i/elXiYVYMf2mTAJ69Tj1Jyw2552VpQjMmL0df",
         "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["administrator"], "limits": {}},
        {"name": "bob", "password_hash": "/nZY1rydD3i/elXiYVYMf2mTAJ69Tj1Jyw2552VpQjMmL0df",
         "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "", "limits": {}},
        {"name": "nobody", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []}
    ],
    "vhosts": [
        {"name": "/", "limits": [], "metadata": {"description": "Default virtual host", "tags": []}},
        {"name": "shop", "limits": [], "metadata": {"description": "", "tags": ""}}
    ],
    "permissions": [
        {"user": "ann", "vhost": "shop", "configure": ".*", "write": ".*", "read": ".*"},
        {"user": "ann", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
        {"user": "bob", "vhost": "shop", "configure": "", "write": "^orders$", "read": ""}
    ],
    "topic_permissions": [{"user": "bob", "vhost": "shop", "exchange": "orders", "write": "^a", "read": ""}],
    "parameters": [
        {"component": "operator_policy", "name": "cap", "vhost": "shop",
         "value": {"apply-to": "all", "definition": [["max-length", 3]], "pattern": "^new", "priority": 0}}
    ],
    "global_parameters": [{"name": "internal_cluster_id", "value": "rabbitmq-cluster-id-x"}],
    "policies": [
        {"vhost": "shop", "name": "limits", "pattern": "^new", "apply-to": "queues",
         "definition": {"max-length": 5, "overflow": "drop-head"}, "priority": 3}
    ],
    "queues": [
        {"name": "new", "vhost": "shop", "durable": true, "auto_delete": false, "type": "classic",
         "arguments": {"x-max-priority": 3}},
        {"name": "all", "vhost": "shop", "durable": true, "auto_delete": false, "type": "quorum",
         "arguments": {"x-queue-type": "quorum"}}
    ],
    "exchanges": [
        {"name": "orders", "vhost": "shop", "type": "topic", "durable": true, "auto_delete": false, "internal": false,
         "arguments": {"alternate-exchange": "rest"}},
        {"name": "rest", "vhost": "shop", "type": "fanout", "durable": true, "auto_delete": false, "internal": false,
         "arguments": {}}
    ],
    "bindings": [
        {"source": "orders", "vhost": "shop", "destination": "new", "destination_type": "queue",
         "routing_key": "order.new.#", "arguments": {}},
        {"source": "orders", "vhost": "shop", "destination": "rest", "destination_type": "exchange",
         "routing_key": "copy", "arguments": {"n": 1}},
        {"source": "rest", "vhost": "shop", "destination": "all", "destination_type": "queue", "routing_key": "",
         "arguments": {}}
    ]
}"#;

/// A broker with a definitions file.
async fn start(dir: &Path, definitions: &str) -> Result<BrokerHandle, String> {
    let file = dir.join("definitions.json");
    fs::write(&file, definitions).unwrap();
    let config = Config { definitions: Some(file), ..Config::default() };
    let builder = Broker::builder().config(config).data_dir(dir.join("data"));
    let started = builder.listen("127.0.0.1:0".parse().unwrap()).start().await;
    started.map_err(|error| error.to_string())
}

async fn connect(broker: &BrokerHandle, user: &str, vhost: &str) -> lapin::Result<Connection> {
    let uri = format!("amqp://{user}@{}/{vhost}", broker.address().unwrap());
    Connection::connect(&uri, ConnectionProperties::default()).await
}

async fn shop(broker: BrokerHandle) -> Bench {
    let connection = connect(&broker, "ann:pw", "shop").await.unwrap();
    Bench::with(broker, connection).await
}

#[tokio::test]
async fn an_export_of_rabbitmq_is_imported_on_every_start() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let bench = shop(start(dir.path(), EXPORT).await.unwrap()).await;
        for key in ["order.new.1", "order.new.2", "copy", "elsewhere"] {
            bench.publish("orders", key, key).await;
        }
        // A binding that was there twice would not show in a count, but a queue made anew would lose these.
        assert_eq!(bench.bodies("new").await, ["order.new.1", "order.new.2"], "round {round}");
        assert_eq!(bench.bodies("all").await, ["copy", "elsewhere"], "round {round}");
        for body in ["1", "2", "3", "4", "5", "6"] {
            bench.publish("", "new", body).await;
        }
        assert_eq!(bench.bodies("new").await, ["4", "5", "6"], "the operator policy caps the user's");
        bench.broker.shutdown().await.unwrap();
    }
}

/// Exports of two RabbitMQs with all that one can have: plugins' exchanges and parameters, streams, users of every hash,
/// patterns that look around, queues with generated names.
const RICH: [(&str, &str); 2] = [
    ("3.10.8", include_str!("data/definitions-3.10.8.json")),
    ("4.0.5", include_str!("data/definitions-4.0.5.json")),
];

fn names(json: &serde_json::Value, section: &str) -> Vec<String> {
    let mut names: Vec<String> = json[section]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Whether what is wanted of a section of the second has come through.
fn has_all(
    again: &serde_json::Value,
    original: &serde_json::Value,
    section: &str,
    wanted: impl Fn(&serde_json::Value) -> bool,
) {
    let kept = again[section].as_array().unwrap();
    for object in original[section].as_array().unwrap().iter().filter(|object| wanted(object)) {
        assert!(kept.contains(object), "{section}: {object} is not among {kept:#?}");
    }
}

#[tokio::test]
async fn whatever_rabbitmq_exports_is_imported() {
    for (version, export) in RICH {
        let dir = tempfile::tempdir().unwrap();
        let original: serde_json::Value = serde_json::from_str(export).unwrap();
        for round in 0..2 {
            let broker = start(dir.path(), export).await.unwrap_or_else(|error| panic!("{version}: {error}"));
            let again: serde_json::Value =
                serde_json::from_str(&broker.export_definitions().await.unwrap()).unwrap();
            assert_eq!(names(&again, "users"), names(&original, "users"), "{version} round {round}");
            assert_eq!(names(&again, "vhosts"), names(&original, "vhosts"));
            assert_eq!(names(&again, "policies"), names(&original, "policies"));
            has_all(&again, &original, "global_parameters", |_| true);
            has_all(&again, &original, "parameters", |parameter| parameter["component"] == "vhost-limits");
            has_all(&again, &original, "vhosts", |vhost| vhost["tags"].is_array());
            for user in original["users"].as_array().unwrap() {
                let kept =
                    again["users"].as_array().unwrap().iter().find(|kept| kept["name"] == user["name"]);
                assert_eq!(kept.map(|kept| &kept["limits"]), Some(&user["limits"]), "{version}");
            }
            assert_eq!(again["topic_permissions"], original["topic_permissions"]);
            for policy in original["policies"].as_array().unwrap() {
                let kept =
                    again["policies"].as_array().unwrap().iter().find(|kept| kept["name"] == policy["name"]);
                assert_eq!(kept, Some(policy), "every key of it, known or not");
            }
            let made = |name: &str| !name.starts_with("amq.");
            let expected: Vec<_> = names(&original, "queues").into_iter().filter(|name| made(name)).collect();
            assert_eq!(names(&again, "queues"), expected);
            for (user, works) in [("u256", true), ("u512", true), ("umd5", true), ("unone", false)] {
                assert_eq!(connect(&broker, &format!("{user}:pw"), "rich").await.is_ok(), works, "{user}");
            }
            assert!(connect(&broker, "unone:", "rich").await.is_err());
            broker.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn messages_of_an_imported_queue_survive_the_next_import() {
    let dir = tempfile::tempdir().unwrap();
    let bench = shop(start(dir.path(), EXPORT).await.unwrap()).await;
    let persistent = BasicProperties::default().with_delivery_mode(2);
    assert!(bench.publish_with("orders", "order.new.1", b"kept", persistent).await.is_ack());
    bench.broker.shutdown().await.unwrap();
    let bench = shop(start(dir.path(), EXPORT).await.unwrap()).await;
    assert_eq!(bench.bodies("new").await, ["kept"]);
}

/// The example of the documentation, twice: what it shows has to work.
#[tokio::test]
async fn the_documented_example_works() {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/definitions.md")).unwrap();
    let example = guide.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let broker = start(dir.path(), example).await.unwrap();
        let connection = connect(&broker, "shop:pw", "shop").await.unwrap();
        let bench = Bench::with(broker, connection).await;
        bench.publish("orders", "new.1", "m").await;
        bench.broker.shutdown().await.unwrap();
    }
    let broker = start(dir.path(), "{}").await.unwrap();
    let admin =
        connect(&broker, "admin:only%20in%20a%20file%20that%20nobody%20else%20can%20read", "shop").await;
    let bench = Bench::with(broker, admin.unwrap()).await;
    assert_eq!(bench.counts("orders.new").await.0, 0, "transient messages go with a restart");
    bench.broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn users_of_the_file_replace_the_default_one() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path(), EXPORT).await.unwrap();
    assert!(connect(&broker, "guest:guest", "%2f").await.is_err(), "the file lists users");
    assert!(connect(&broker, "ann:pw", "%2f").await.is_ok());
    assert!(connect(&broker, "ann:wrong", "%2f").await.is_err());
    assert!(connect(&broker, "nobody:", "shop").await.is_err());
    assert!(connect(&broker, "bob:pw", "%2f").await.is_err(), "bob has no permission there");
    let bob = connect(&broker, "bob:pw", "shop").await.unwrap().create_channel().await.unwrap();
    let error = bob.basic_get("all".into(), BasicGetOptions::default()).await.unwrap_err();
    assert_eq!(crate::support::client::code(&error), 403);
    // A password that is changed in the file is changed at the next start.
    broker.shutdown().await.unwrap();
    let changed = r#"{"users": [{"name": "ann", "password": "other", "tags": []}]}"#;
    let broker = start(dir.path(), changed).await.unwrap();
    assert!(connect(&broker, "ann:pw", "shop").await.is_err());
    assert!(connect(&broker, "ann:other", "shop").await.is_ok());
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_file_without_users_keeps_the_default_ones() {
    let dir = tempfile::tempdir().unwrap();
    let one_vhost = r#"{"rabbit_version": "3.10.8", "parameters": [], "policies": [], "exchanges": [],
        "queues": [{"name": "q", "durable": true, "auto_delete": false, "arguments": {}}],
        "bindings": [{"source": "amq.fanout", "destination": "q", "destination_type": "queue", "routing_key": "",
                      "arguments": {}}]}"#;
    let broker = start(dir.path(), one_vhost).await.unwrap();
    let connection = connect(&broker, "guest:guest", "%2f").await.unwrap();
    let bench = Bench::with(broker, connection).await;
    bench.publish("amq.fanout", "", "m").await;
    assert_eq!(bench.bodies("q").await, ["m"]);
}

#[tokio::test]
async fn what_exists_and_differs_stays_as_it_is() {
    let bench = Bench::start().await;
    bench.declare("q", table(&[("x-max-length", AMQPValue::LongInt(2))])).await;
    let other = r#"{
        "queues": [{"name": "q", "durable": true, "arguments": {"x-max-length": 1}}, {"name": "amq.q"}],
        "exchanges": [{"name": "amq.fanout", "type": "direct"}, {"name": "e", "type": "direct"}]
    }"#;
    bench.broker.import_definitions(other).await.unwrap();
    bench.broker.import_definitions(r#"{"exchanges": [{"name": "e", "type": "fanout"}]}"#).await.unwrap();
    bench.declare("q", table(&[("x-max-length", AMQPValue::LongInt(2))])).await;
    for body in ["1", "2", "3"] {
        bench.publish("", "q", body).await;
    }
    assert_eq!(bench.bodies("q").await, ["2", "3"]);
    bench.bind("q", "e", "k", FieldTable::default()).await;
    bench.publish("e", "other", "nowhere").await;
    assert_eq!(bench.counts("q").await.0, 0, "e is still direct");
}

/// Each refers to something that is not there, behind something that could be made.
#[tokio::test]
async fn a_fault_changes_nothing() {
    let bench = Bench::start().await;
    let user = r#""users": [{"name": "new", "password": "pw", "tags": []}], "queues": [{"name": "made"}]"#;
    for (rest, said) in [
        (
            r#""bindings": [{"source": "nox", "destination": "made", "destination_type": "queue", "routing_key": ""}]"#,
            "binding from 'nox' to 'made' in vhost '/': no exchange 'nox' in vhost '/'",
        ),
        (
            r#""bindings": [{"source": "amq.fanout", "destination": "noq", "destination_type": "queue", "routing_key": ""}]"#,
            "binding from 'amq.fanout' to 'noq' in vhost '/': no queue 'noq' in vhost '/'",
        ),
        (
            r#""exchanges": [{"name": "e", "type": "fanout", "vhost": "nov"}]"#,
            "exchange 'e' in vhost 'nov': vhost: there is no vhost 'nov'",
        ),
        (
            r#""permissions": [{"user": "who", "configure": "", "write": "", "read": ""}]"#,
            "permission of user 'who' on vhost '/': user: there is no user 'who'",
        ),
        (
            r#""policies": [{"name": "p", "vhost": "nov", "pattern": "", "definition": {"expires": 1}}]"#,
            "policy 'p': vhost: there is no vhost 'nov'",
        ),
    ] {
        let error = bench.broker.import_definitions(&format!("{{{user}, {rest}}}")).await.unwrap_err();
        assert_eq!(error.to_string(), said);
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let found = bench.channel().await.queue_declare("made".into(), passive, FieldTable::default()).await;
        assert!(found.is_err(), "{said}");
        assert!(connect(&bench.broker, "new:pw", "%2f").await.is_err(), "{said}");
    }
}

/// The broker must not start; one line says why, with the file, the object and the field.
fn assert_refused(definitions: &str, words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("definitions.json");
    fs::write(&file, definitions).unwrap();
    let mut command = coney();
    command.args(["--amqp", "127.0.0.1:0", "--ephemeral", "--definitions"]).arg(&file);
    let (status, said) = failing(command.env("CONEY_LOG", "error"));
    assert_eq!(status, 1, "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "not one line: {said}");
    assert!(said.starts_with("coney: ") && said.contains("definitions.json: "), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[test]
fn the_binary_refuses_a_wrong_file_by_name_object_and_field() {
    assert_refused("{\"users\": [", &["line 1", "is not JSON"]);
    assert_refused(
        r#"{"queues": [{"name": "q", "vhost": "/", "durable": 1}]}"#,
        &["queue 'q' in vhost '/'", "durable"],
    );
    let odd = r#"{"users": [{"name": "old", "password_hash": "x", "hashing_algorithm": "rot13"}]}"#;
    assert_refused(odd, &["user 'old'", "hashing_algorithm", "rot13"]);
    let (status, said) =
        failing(coney().args(["--amqp", "127.0.0.1:0", "--ephemeral", "--definitions", "/nowhere"]));
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("cannot read the definitions file /nowhere"), "{said}");
}

/// Whoever can connect finds what was imported, and a SIGKILL from then on loses nothing of it.
#[tokio::test]
async fn an_import_is_durable_before_clients_are_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("definitions.json");
    fs::write(&file, EXPORT).unwrap();
    let data = dir.path().join("data");
    let mut command = coney();
    command.args(["--amqp", "127.0.0.1:0", "--log", "error", "--data-dir"]).arg(&data);
    Process::run(command.arg("--definitions").arg(&file)).kill();
    let process = Process::start(&data);
    let uri = format!("amqp://ann:pw@{}/shop", process.address());
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    for queue in ["new", "all"] {
        channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap();
    }
}

#[tokio::test]
async fn the_variable_names_the_file_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("definitions.json");
    fs::write(&file, EXPORT).unwrap();
    let mut command = coney();
    command.args(["--amqp", "127.0.0.1:0", "--ephemeral", "--log", "warn"]).env("CONEY_DEFINITIONS", &file);
    let process = Process::run(command.stderr(std::process::Stdio::null()));
    let uri = format!("amqp://ann:pw@{}/shop", process.address());
    assert!(Connection::connect(&uri, ConnectionProperties::default()).await.is_ok());
}
