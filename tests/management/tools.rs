//! What tools and people look for where RabbitMQ has it: replicas of quorum queues, settings, pages.

use serde_json::json;

use super::support::Managed;
use crate::support::http::Http;
use crate::support::process::{Process, coney};

#[test]
fn the_only_replica_of_a_quorum_queue_is_here_and_stays() {
    let broker = Managed::start();
    let quorum = json!({ "durable": true, "arguments": { "x-queue-type": "quorum" } });
    broker.put("/api/queues/%2F/quorum", &quorum);
    broker.put("/api/queues/%2F/classic", &json!({ "durable": true }));
    let here = broker.json("/api/overview")["node"].as_str().unwrap().to_owned();
    let ask = |method: &str, path: &str, body: serde_json::Value| {
        let answer = broker.send(method, path, "", body.to_string().as_bytes());
        let reason = if answer.body.is_empty() { json!(null) } else { answer.json()["reason"].clone() };
        (answer.status, reason)
    };
    // As 4.0.5 answers with one node.
    for (queue, node, added, deleted) in [
        ("quorum", here.as_str(), (204, json!(null)), (503, json!("last_node"))),
        ("quorum", "rabbit@nowhere", (503, json!("node_not_running")), (202, json!(null))),
        (
            "classic",
            &here,
            (503, json!("classic_queue_not_supported")),
            (503, json!("classic_queue_not_supported")),
        ),
        ("none", &here, (503, json!("not_found")), (404, json!("Not Found"))),
    ] {
        let path = format!("/api/queues/quorum/%2F/{queue}/replicas");
        assert_eq!(ask("POST", &format!("{path}/add"), json!({ "node": node })), added, "{queue} {node}");
        assert_eq!(
            ask("DELETE", &format!("{path}/delete"), json!({ "node": node })),
            deleted,
            "{queue} {node}"
        );
    }
    let missing = ask("POST", "/api/queues/quorum/%2F/quorum/replicas/add", json!({}));
    assert_eq!(missing, (400, json!("[{key_missing,node}]")));
    let on_node = format!("/api/queues/quorum/replicas/on/{here}");
    let wish = json!({ "vhost_pattern": ".*", "queue_pattern": ".*", "strategy": "all" });
    assert_eq!(ask("POST", &format!("{on_node}/grow"), wish).0, 204);
    assert_eq!(
        ask("POST", &format!("{on_node}/grow"), json!({})),
        (
            400,
            json!("[{key_missing,vhost_pattern},\n {key_missing,queue_pattern},\n {key_missing,strategy}]")
        )
    );
    assert_eq!(ask("DELETE", &format!("{on_node}/shrink"), json!({})).0, 202);
    assert_eq!(broker.get("/api/queues/%2F/quorum").status, 200);
}

#[test]
fn a_check_of_a_vhost_that_is_not_there_is_not_well() {
    let broker = Managed::start();
    let check = "/api/health/checks/quorum-queues-without-elected-leaders/vhost";
    for (vhost, status) in [("%2F", 200), ("none", 404)] {
        assert_eq!(broker.get(&format!("{check}/{vhost}")).status, status);
        assert_eq!(broker.get(&format!("{check}/{vhost}/pattern/.*")).status, status);
    }
}

#[test]
fn the_settings_in_force_are_a_file_without_secrets() {
    let mut command = coney();
    command.env_remove("CONEY_HTTP").args(["--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ephemeral"]);
    command.args(["--log", "error", "--heartbeat", "17", "--default-pass", "s3cret"]);
    let process = Process::run(&mut command);
    let http = Http::new(process.http().parse().unwrap()).user("guest", "s3cret");
    let answer = http.get("/api/config/effective");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.lines().any(|line| line.starts_with("heartbeat = ") && line.contains("17")), "{text}");
    assert!(text.contains("default-pass") && !text.contains("s3cret"), "{text}");
}

#[test]
fn pages_are_where_people_look_for_them() {
    let broker = Managed::start();
    let anybody = broker.nobody();
    for (from, to) in [("/api", "/api/index.html"), ("/api/", "/api/index.html"), ("/cli", "/cli/index.html")]
    {
        let answer = anybody.get(from);
        assert_eq!((answer.status, answer.header("location")), (301, Some(to)), "{from}");
    }
    let reference = anybody.get("/api/index.html");
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/http-api.html");
    assert_eq!(reference.status, 200);
    assert!(reference.body == std::fs::read(kept).unwrap(), "it is the reference");
    assert!(reference.header("content-security-policy").unwrap().contains("style-src 'unsafe-inline'"));
    for (path, status) in [("/cli/index.html", 200), ("/cli/rabbitmqadmin", 404)] {
        let answer = anybody.get(path);
        assert_eq!(answer.status, status);
        assert!(String::from_utf8(answer.body).unwrap().contains("coney admin"), "{path}");
    }
}
