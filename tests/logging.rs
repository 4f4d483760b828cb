//! The log as programs read it, and as people do: names are what they are, and none of them begins a line.

use std::fs;
use std::path::Path;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::support::http::Http;
use crate::support::process::{Process, coney};

/// Whoever chose this name wants a line of their own.
const USER: &str = "o\"p\n2026 WARN forged=1\\";
const VHOST: &str = "v \"1\"";
const QUEUE: &str = "q\"1\n";

fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

/// Has a broker say what it can about that user, by AMQP and HTTP; its log.
async fn logged(dir: &Path, format: &str) -> String {
    let log = dir.join(format);
    let mut command = coney();
    command.env_remove("CONEY_HTTP").args(["--ephemeral", "--log", "info", "--log-format", format]);
    command.args(["--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-file"]).arg(&log);
    let process = Process::run(&mut command);
    let guest = Http::new(process.http().parse().unwrap());
    let (user, vhost, queue) = (encoded(USER), encoded(VHOST), encoded(QUEUE));
    let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    for (path, body) in [
        (format!("/api/users/{user}"), json!({ "password": "pw", "tags": "policymaker" })),
        (format!("/api/vhosts/{vhost}"), json!({ "description": "d" })),
        (format!("/api/vhost-limits/{vhost}/max-queues"), json!({ "value": 10 })),
        (format!("/api/user-limits/{user}/max-channels"), json!({ "value": 5 })),
        (format!("/api/permissions/{vhost}/{user}"), all),
        (
            format!("/api/topic-permissions/{vhost}/{user}"),
            json!({ "exchange": "x", "write": "w", "read": "" }),
        ),
        (format!("/api/policies/{vhost}/p"), json!({ "pattern": "^q", "definition": { "max-length": 9 } })),
        ("/api/global-parameters/g".to_owned(), json!({ "value": 1 })),
        ("/api/coney/node/memory-limit".to_owned(), json!({ "bytes": 1_000_000_000 })),
    ] {
        let answer = guest.put(&path, &body);
        assert!(answer.status < 300, "{path}: {answer:?}");
    }
    for path in [format!("/api/policies/{vhost}/p"), format!("/api/topic-permissions/{vhost}/{user}")] {
        assert_eq!(guest.delete(&path).status, 204, "{path}");
    }
    by_hand(&guest.user(USER, "pw"), &vhost, &queue);
    assert_eq!(guest.user(USER, "wrong").get("/api/whoami").status, 401);
    by_amqp(process.address(), &user).await;
    for path in [format!("/api/users/{user}"), format!("/api/vhosts/{vhost}")] {
        assert_eq!(guest.delete(&path).status, 204, "{path}");
    }
    assert!(process.signal("TERM").success());
    fs::read_to_string(log).unwrap()
}

/// Over HTTP, as the user.
fn by_hand(http: &Http, vhost: &str, queue: &str) {
    let queues = format!("/api/queues/{vhost}");
    let messages = format!("/api/coney/queues/{vhost}/{queue}/messages");
    for name in [queue, "other"] {
        assert_eq!(http.put(&format!("{queues}/{name}"), &json!({ "durable": true })).status, 201);
    }
    let publish =
        json!({ "routing_key": QUEUE, "properties": {}, "payload": "x", "payload_encoding": "string" });
    for _ in 0..2 {
        http.post(&format!("/api/exchanges/{vhost}/amq.default/publish"), &publish);
    }
    let to = json!({ "to": { "queue": "other" }, "limit": 1 });
    assert_eq!(http.post(&format!("{messages}/move"), &to).json()["done"], 1);
    let recording = http.post(&format!("/api/coney/recordings/{vhost}"), &json!({ "queue": QUEUE }));
    assert!(recording.status < 300, "{recording:?}");
    let binding = json!({ "routing_key": "k" });
    assert_eq!(http.post(&format!("/api/bindings/{vhost}/e/amq.direct/q/other"), &binding).status, 201);
    assert_eq!(http.delete(&format!("{queues}/other")).status, 204);
}

/// A channel exception, and a vhost that is not there.
async fn by_amqp(address: &str, user: &str) {
    let uri = |vhost: &str| format!("amqp://{user}:pw@{address}/{}", encoded(vhost));
    let connection = Connection::connect(&uri(VHOST), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    assert!(channel.queue_declare("none".into(), passive, FieldTable::default()).await.is_err());
    connection.close(200, "".into()).await.unwrap();
    assert!(Connection::connect(&uri("nowhere"), ConnectionProperties::default()).await.is_err());
}

/// The first line with this message has these fields.
#[track_caller]
fn assert_says(lines: &[Value], message: &str, fields: &Value) {
    let line = lines.iter().find(|line| line["message"] == message);
    let line = line.unwrap_or_else(|| panic!("{message:?} is not in {lines:#?}"));
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(line[name], *value, "{name} of {line:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_json_names_are_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let log = logged(dir.path(), "json").await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let who = json!({ "user": USER, "vhost": VHOST });
    assert_says(&lines, "connection accepted", &who);
    assert_says(&lines, "connection closed", &who);
    let text = format!("NOT_FOUND - no queue 'none' in vhost '{VHOST}'");
    assert_says(
        &lines,
        "channel exception",
        &json!({ "user": USER, "vhost": VHOST, "text": text, "channel": 1 }),
    );
    assert_says(&lines, "connection refused", &json!({ "user": USER, "vhost": "nowhere" }));
    assert_says(
        &lines,
        "a queue was made over HTTP",
        &json!({ "user": USER, "vhost": VHOST, "queue": QUEUE }),
    );
    assert_says(&lines, "a queue was deleted over HTTP", &json!({ "user": USER, "queue": "other" }));
    let binding = json!({ "user": USER, "source": "amq.direct", "queue": "other", "routing_key": "k" });
    assert_says(&lines, "a binding was made over HTTP", &binding);
    let moved = json!({ "by": USER, "vhost": VHOST, "queue": QUEUE, "to_queue": "other", "done": 1 });
    assert_says(&lines, "messages were moved", &moved);
    assert_says(&lines, "the memory limit was changed", &json!({ "by": "guest", "bytes": 1_000_000_000 }));
    let refused = lines.iter().find(|line| {
        line["message"].as_str().is_some_and(|text| text.starts_with("login over HTTP refused"))
    });
    assert_eq!(refused.unwrap()["user"], USER);
    for line in &lines {
        for (name, value) in line.as_object().unwrap() {
            let text = value.as_str().unwrap_or_default();
            assert!(!text.starts_with('"'), "{name} is quoted twice: {line:#}");
            assert!(
                !text.contains("Some(") && !text.contains(" { "),
                "{name} is no word of people: {line:#}"
            );
        }
    }
}

/// Who changed what, each in a field.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_and_by_whom_is_in_fields() {
    let dir = tempfile::tempdir().unwrap();
    let log = logged(dir.path(), "json").await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (message, fields) in [
        ("a user was made", json!({ "user": USER, "tags": "policymaker" })),
        ("the limits of a user were changed", json!({ "user": USER })),
        ("a vhost was made", json!({ "vhost": VHOST })),
        (
            "a vhost was changed",
            json!({ "vhost": VHOST, "change": "any number of connections and at most 10 queues" }),
        ),
        (
            "a permission was set",
            json!({ "user": USER, "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*" }),
        ),
        (
            "a topic permission was set",
            json!({ "user": USER, "vhost": VHOST, "exchange": "x", "write": "w", "read": "" }),
        ),
        ("a topic permission was removed", json!({ "user": USER, "vhost": VHOST, "exchange": "x" })),
        ("a policy was made", json!({ "vhost": VHOST, "policy": "p", "pattern": "^q" })),
        ("a policy was removed", json!({ "vhost": VHOST, "policy": "p" })),
        ("a global parameter was set", json!({ "parameter": "g" })),
        ("a user was deleted", json!({ "user": USER })),
        ("a vhost was deleted", json!({ "vhost": VHOST })),
    ] {
        // The broker sets and makes things itself at its start.
        let of_guest: Vec<Value> = lines.iter().filter(|line| line["by"] == "guest").cloned().collect();
        assert_says(&of_guest, message, &fields);
    }
    let recording = json!({ "by": USER, "vhost": VHOST, "recording": 1 });
    assert_says(&lines, "a recording was begun", &recording);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_text_no_name_begins_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let log = logged(dir.path(), "text").await;
    for line in log.lines() {
        let is_stamped = line.get(..11).is_some_and(|date| date.ends_with('T') && date.starts_with("20"));
        assert!(is_stamped, "not a line of the broker's: {line:?}");
        assert!(!line.contains("Some(") && !line.contains(" { "), "{line}");
    }
    assert!(log.contains(r#"user="o\"p\n2026 WARN forged=1\\""#), "{log}");
    assert!(log.contains(r#"vhost="v \"1\"""#), "{log}");
}
