//! `/api/coney/`: messages looked at, moved, replayed, released, saved and loaded.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use amq_protocol::types::AMQPValue;
use lapin::options::{BasicGetOptions, BasicNackOptions, BasicRejectOptions};
use lapin::types::FieldTable;
use serde_json::{Value, json};

use super::support::{Managed, killable, managed};
use crate::support::client::{Bench, string, table};
use crate::support::http::Http;
use crate::support::process::coney;

fn messages(http: &Http, queue: &str, state: &str) -> Vec<Value> {
    http.json(&format!("/api/coney/queues/%2F/{queue}/messages?state={state}")).as_array().unwrap().clone()
}

fn payloads(http: &Http, queue: &str, state: &str) -> Vec<String> {
    let found = messages(http, queue, state);
    found.iter().map(|message| message["payload"].as_str().unwrap().to_owned()).collect()
}

fn act(http: &Http, queue: &str, action: &str, body: &Value) -> Value {
    let answer = http.post(&format!("/api/coney/queues/%2F/{queue}/messages/{action}"), body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn publish_all(bench: &Bench, queue: &str, bodies: &[&str]) {
    for body in bodies {
        bench.publish("", queue, body).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn looking_changes_nothing() {
    let (bench, http) = managed().await;
    bench.declare("q", FieldTable::default()).await;
    publish_all(&bench, "q", &["a", "b", "c"]).await;
    for _ in 0..3 {
        assert_eq!(payloads(&http, "q", "ready"), ["a", "b", "c"]);
    }
    let got = bench.channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    assert!(!got.redelivered);
    let unacked = messages(&http, "q", "unacked");
    assert_eq!((unacked.len(), &unacked[0]["payload"]), (1, &json!("a")));
    assert!(unacked[0]["holder"]["connection_name"].as_str().unwrap().contains("->"));
    assert_eq!(http.get("/api/coney/queues/%2F/q/messages?state=nope").status, 400);
    assert_eq!(http.get("/api/coney/queues/%2F/none/messages").status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_a_filter_covers_is_moved_and_the_rest_is_as_it_was() {
    let (bench, http) = managed().await;
    for name in ["from", "to"] {
        bench.declare(name, FieldTable::default()).await;
    }
    publish_all(&bench, "from", &["a1", "b2", "a3", r#"{"k":{"n":5}}"#]).await;
    let filter = json!({ "filter": { "body": "a" }, "to": { "queue": "to" } });
    let mut dry = filter.clone();
    dry["dry_run"] = json!(true);
    assert_eq!(act(&http, "from", "move", &dry)["done"], 2);
    assert_eq!(payloads(&http, "from", "ready").len(), 4);
    let moved = act(&http, "from", "move", &filter);
    assert_eq!([&moved["looked_at"], &moved["matched"], &moved["done"]], [4, 2, 2]);
    assert_eq!(payloads(&http, "to", "ready"), ["a1", "a3"]);
    assert_eq!(payloads(&http, "from", "ready"), ["b2", r#"{"k":{"n":5}}"#]);
    assert!(messages(&http, "from", "ready").iter().all(|message| message["redelivered"] == false));
    let by_path = json!({ "filter": { "json": { "k.n": 5 } }, "to": { "queue": "to" } });
    assert_eq!(act(&http, "from", "copy", &by_path)["done"], 1);
    assert_eq!((payloads(&http, "from", "ready").len(), payloads(&http, "to", "ready").len()), (2, 3));
    let first = messages(&http, "from", "ready")[0]["id"].clone();
    assert_eq!(act(&http, "from", "delete", &json!({ "ids": [first] }))["done"], 1);
    assert_eq!(payloads(&http, "from", "ready"), [r#"{"k":{"n":5}}"#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_could_lose_messages_is_refused() {
    let (bench, http) = managed().await;
    bench.declare("q", FieldTable::default()).await;
    publish_all(&bench, "q", &["a"]).await;
    for (action, body, status) in [
        ("move", json!({ "to": { "queue": "none" } }), 404),
        ("move", json!({ "to": { "exchange": "none" } }), 404),
        ("move", json!({}), 400),
        ("move", json!({ "to": { "queue": "q", "exchange": "x" } }), 400),
        ("delete", json!({}), 400),
        ("delete", json!({ "filter": { "bodies": "a" } }), 400),
        ("delete", json!({ "ids": ["x"] }), 400),
        ("release", json!({}), 400),
        ("release", json!({ "state": "ready" }), 400),
    ] {
        let answer = http.post(&format!("/api/coney/queues/%2F/q/messages/{action}"), &body);
        assert_eq!(answer.status, status, "{action} {body}: {answer:?}");
    }
    // An exchange that is there and leads nowhere.
    let nowhere = json!({ "to": { "exchange": "amq.direct", "routing_key": "nobody" } });
    let stayed = act(&http, "q", "move", &nowhere);
    assert_eq!([&stayed["done"], &stayed["without_target"]], [0, 1]);
    assert_eq!(payloads(&http, "q", "ready"), ["a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn dead_letters_are_replayed_to_where_they_came_from() {
    let (bench, http) = managed().await;
    let arguments =
        table(&[("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string("dead"))]);
    bench.declare("q", arguments).await;
    bench.declare("dead", FieldTable::default()).await;
    bench.bind("q", "amq.topic", "a.#", FieldTable::default()).await;
    for round in 1..=3 {
        if round == 1 {
            bench.publish("amq.topic", "a.b", "hello").await;
            bench.publish("", "dead", "never died").await;
        }
        let got = bench.channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        assert_eq!((got.exchange.as_str(), got.routing_key.as_str()), ("amq.topic", "a.b"), "round {round}");
        got.reject(BasicRejectOptions { requeue: false }).await.unwrap();
        bench.until_ready("dead", 2).await;
        let wrong = json!({ "filter": { "reason": "expired" } });
        assert_eq!(act(&http, "dead", "replay", &wrong)["matched"], 0);
        let replayed = act(&http, "dead", "replay", &json!({}));
        assert_eq!([&replayed["done"], &replayed["without_target"]], [1, 1]);
        let back = messages(&http, "q", "ready");
        assert_eq!(back[0]["properties"]["headers"]["x-replays"], round);
        assert_eq!(payloads(&http, "dead", "ready"), ["never died"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn parked_ones_are_released_and_dropped() {
    let (bench, http) = managed().await;
    let arguments = table(&[
        ("x-parking-after", AMQPValue::LongInt(1)),
        ("x-parking-ttl", AMQPValue::LongInt(1_000_000)),
    ]);
    bench.declare("q", arguments).await;
    publish_all(&bench, "q", &["a", "b", "c"]).await;
    for _ in 0..3 {
        let got = bench.channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        got.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    }
    // A reject has no answer.
    let parked = loop {
        let parked = messages(&http, "q", "parked");
        if parked.len() == 3 {
            break parked;
        }
    };
    assert!(parked[0]["due_at"].is_string() && parked[0]["attempts"]["deliveries"] == 1);
    let dropped = act(&http, "q", "drop", &json!({ "state": "parked", "ids": [parked[1]["id"]] }));
    assert_eq!(dropped["done"], 1);
    let released = act(&http, "q", "release", &json!({ "state": "parked", "filter": { "body": "c" } }));
    assert_eq!(released["done"], 1);
    assert_eq!(
        (payloads(&http, "q", "ready"), payloads(&http, "q", "parked")),
        (vec!["c".to_owned()], vec!["a".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_saved_and_loaded_is_the_same() {
    let (bench, http) = managed().await;
    bench.declare("q", FieldTable::default()).await;
    bench.declare("copy", FieldTable::default()).await;
    let headers = table(&[("short", AMQPValue::ShortShortInt(3)), ("long", AMQPValue::LongLongInt(3))]);
    let properties = lapin::BasicProperties::default().with_headers(headers).with_delivery_mode(2);
    bench.publish_with("", "q", b"\xff\x00", properties.clone()).await;
    bench.publish_with("", "q", "text \u{e4}".as_bytes(), lapin::BasicProperties::default()).await;
    let saved = http.get("/api/coney/queues/%2F/q/export");
    assert_eq!(saved.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(http.json("/api/queues/%2F/q")["messages_ready"], 2, "they are all back");
    let loaded = http.send("POST", "/api/coney/queues/%2F/copy/import", "", &saved.body);
    assert_eq!((loaded.status, loaded.json()["imported"].clone()), (200, json!(2)));
    let again = http.get("/api/coney/queues/%2F/copy/export");
    assert_eq!(again.body, saved.body);
    let got = bench.channel.basic_get("copy".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    assert_eq!((got.data.as_slice(), got.properties.headers()), (&b"\xff\x00"[..], properties.headers()));
    got.nack(BasicNackOptions::default()).await.unwrap();
    let wrong = http.send("POST", "/api/coney/queues/%2F/copy/import", "", b"{}\n{\"payload\":5}\n");
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["reason"].as_str().unwrap().starts_with("line 2: "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_purge_can_be_undone_for_a_while() {
    let (bench, http) = managed().await;
    bench.declare("q", FieldTable::default()).await;
    publish_all(&bench, "q", &["a", "b"]).await;
    let purged = http.post("/api/coney/queues/%2F/q/purge", &json!({})).json();
    assert_eq!(purged["purged"], 2);
    assert!(payloads(&http, "q", "ready").is_empty());
    let undo = format!("/api/coney/purges/{}/undo", purged["id"]);
    assert_eq!(http.post(&undo, &json!({})).status, 204);
    while payloads(&http, "q", "ready") != ["a", "b"] {}
    assert_eq!(http.post(&undo, &json!({})).status, 404);
    http.post("/api/coney/queues/%2F/q/purge", &json!({ "undo_s": 0 }));
    while http.json("/api/queues/%2F/q")["messages"] != 0 {}
}

/// Looking at messages and moving them is no consumption: only RabbitMQ's own get is.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_done_by_hand_is_not_counted_as_consumed() {
    let (bench, http) = managed().await;
    for queue in ["q", "other"] {
        bench.declare(queue, FieldTable::default()).await;
    }
    publish_all(&bench, "q", &["a", "b", "c", "d"]).await;
    assert_eq!(http.get("/api/coney/queues/%2F/q/export").body.split(|byte| *byte == b'\n').count(), 5);
    act(&http, "q", "copy", &json!({ "to": { "queue": "other" } }));
    act(&http, "q", "move", &json!({ "to": { "queue": "other" }, "limit": 1 }));
    act(&http, "q", "delete", &json!({ "filter": { "body": "b" } }));
    let purged = http.post("/api/coney/queues/%2F/q/purge", &json!({})).json();
    assert_eq!(http.post(&format!("/api/coney/purges/{}/undo", purged["id"]), &json!({})).status, 204);
    while payloads(&http, "q", "ready") != ["c", "d"] {}
    http.post("/api/coney/queues/%2F/other/purge", &json!({ "undo_s": 0 }));
    while http.json("/api/queues/%2F/other")["messages"] != 0 {}
    let counted = |path: &str, name: &str| http.json(path)["message_stats"][name].as_u64().unwrap_or(0);
    for path in ["/api/queues/%2F/q", "/api/queues/%2F/other", "/api/overview"] {
        for name in ["get", "get_no_ack", "get_empty", "deliver", "deliver_get", "redeliver", "ack"] {
            assert_eq!(counted(path, name), 0, "{name} of {path}");
        }
    }
    let unacked = &http.json("/api/queues/%2F/q")["messages_unacknowledged_details"]["rate"];
    assert_eq!(unacked.as_f64(), Some(0.0), "what was never counted as delivered does not come back either");
    http.post(
        "/api/queues/%2F/q/get",
        &json!({ "ackmode": "ack_requeue_true", "count": 1, "encoding": "auto" }),
    );
    assert_eq!(counted("/api/queues/%2F/q", "get"), 1);
    assert_eq!(counted("/api/queues/%2F/q", "deliver_get"), 1);
}

/// More than the sockets between a client that does not read and the broker have room for.
fn fill_with_much(http: &Http) {
    assert_eq!(http.put("/api/queues/%2F/much", &json!({ "durable": true })).status, 201);
    let line = json!({ "payload": "x".repeat(100_000) }).to_string();
    let lines = vec![line; 150].join("\n");
    for _ in 0..4 {
        let loaded = http.send("POST", "/api/coney/queues/%2F/much/import", "", lines.as_bytes());
        assert_eq!(loaded.json()["imported"], 150);
    }
}

#[test]
fn an_export_that_ends_midway_does_not_look_complete() {
    let broker = Managed::start();
    fill_with_much(&broker);
    let mut stream = std::net::TcpStream::connect(broker.address()).unwrap();
    let head = "GET /api/coney/queues/%2F/much/export HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut begin = [0; 15];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    assert_eq!(broker.delete("/api/queues/%2F/much").status, 204);
    let mut rest = Vec::new();
    // It may be broken off in any way.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() > 100_000, "something came: {}", rest.len());
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "the end of a whole answer");
}

#[test]
fn a_save_that_ends_midway_fails_and_says_so() {
    let broker = Managed::start();
    fill_with_much(&broker);
    let mut command = coney();
    command.args(["save", "much", "--url", &format!("http://{}", broker.address())]);
    let mut saving = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = saving.stdout.take().unwrap();
    out.read_exact(&mut [0; 1]).unwrap();
    assert_eq!(broker.delete("/api/queues/%2F/much").status, 204);
    std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    let ended = saving.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("queue much") && said.contains("broke"), "{said}");
}

/// Killed in the middle of a move, again and again: each message is there once, here or there.
#[test]
fn a_move_that_is_killed_loses_and_doubles_nothing() {
    const COUNT: usize = 2000;
    let dir = tempfile::tempdir().unwrap();
    let (mut process, mut http) = killable(dir.path());
    for queue in ["from", "to"] {
        assert_eq!(http.put(&format!("/api/queues/%2F/{queue}"), &json!({ "durable": true })).status, 201);
    }
    let line = |number: usize| {
        json!({ "properties": { "delivery_mode": 2 }, "payload": number.to_string() }).to_string()
    };
    let lines: Vec<String> = (0..COUNT).map(line).collect();
    let loaded = http.send("POST", "/api/coney/queues/%2F/from/import", "", lines.join("\n").as_bytes());
    assert_eq!(loaded.json()["imported"], COUNT);
    for round in 0..6_u64 {
        let (from, to) = if round % 2 == 0 { ("from", "to") } else { ("to", "from") };
        let moving = http.clone();
        let request = std::thread::spawn(move || {
            // The answer may never come.
            let body = json!({ "to": { "queue": to } }).to_string();
            moving.try_send("POST", &format!("/api/coney/queues/%2F/{from}/messages/move"), body.as_bytes())
        });
        // Some have arrived, and by far not all.
        let arrived = |http: &Http| http.json(&format!("/api/queues/%2F/{to}"))["messages"].as_u64().unwrap();
        let before = arrived(&http);
        while arrived(&http) == before && !request.is_finished() {}
        process.kill();
        let _ = request.join();
        (process, http) = killable(dir.path());
        let mut all: Vec<usize> = Vec::new();
        for queue in ["from", "to"] {
            let saved = http.get(&format!("/api/coney/queues/%2F/{queue}/export"));
            let text = String::from_utf8(saved.body).unwrap();
            all.extend(text.lines().map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                line["payload"].as_str().unwrap().parse::<usize>().unwrap()
            }));
        }
        all.sort_unstable();
        assert_eq!(all, (0..COUNT).collect::<Vec<_>>(), "round {round}");
    }
}
