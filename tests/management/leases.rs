//! Messages that are taken over HTTP and settled later.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use amq_protocol::types::AMQPValue;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use serde_json::{Value, json};

use super::support::{killable, managed};
use crate::support::client::{Bench, consume, next, string, table};
use crate::support::http::{Answer, Http};

const TAKE: &str = "/api/coney/queues/%2F/q/messages/take";

fn take(http: &Http, body: &Value) -> Value {
    let answer = http.post(TAKE, body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn settle(http: &Http, lease: &Value, body: &Value) -> Answer {
    http.post(&format!("/api/coney/leases/{lease}"), body)
}

fn payloads(taken: &Value) -> Vec<&str> {
    let messages = taken["messages"].as_array().unwrap();
    messages.iter().map(|message| message["payload"].as_str().unwrap()).collect()
}

fn counts(http: &Http) -> (u64, u64) {
    let queue = http.json("/api/queues/%2F/q");
    (queue["messages_ready"].as_u64().unwrap(), queue["messages_unacknowledged"].as_u64().unwrap())
}

/// What is told to a queue has no answer.
fn until_counts(http: &Http, ready: u64, unacked: u64) {
    while counts(http) != (ready, unacked) {}
}

async fn three(arguments: FieldTable) -> (Bench, Http) {
    let (bench, http) = managed().await;
    bench.declare("q", arguments).await;
    for body in ["a", "b", "c"] {
        bench.publish("", "q", body).await;
    }
    (bench, http)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_taken_is_unacked_until_it_is_settled() {
    let (_bench, http) = three(table(&[
        ("x-dead-letter-exchange", string("")),
        ("x-dead-letter-routing-key", string("dead")),
    ]))
    .await;
    http.put("/api/queues/%2F/dead", &json!({}));
    let first = take(&http, &json!({ "count": 2 }));
    assert_eq!((payloads(&first), counts(&http)), (vec!["a", "b"], (1, 2)));
    assert_eq!([&first["messages"][0]["redelivered"], &first["lease_ms"]], [&json!(false), &json!(30_000)]);
    let second = take(&http, &json!({ "count": 2 }));
    assert_eq!(payloads(&second), ["c"]);
    let nothing = take(&http, &json!({}));
    assert_eq!((payloads(&nothing).len(), &nothing["lease"]), (0, &Value::Null));
    let ids = json!([first["messages"][0]["id"]]);
    let partly = settle(&http, &first["lease"], &json!({ "action": "ack", "ids": ids })).json();
    assert_eq!(partly, json!({ "settled": 1, "left": 1 }));
    let again = settle(&http, &first["lease"], &json!({ "action": "ack", "ids": ids })).json();
    assert_eq!(again, json!({ "settled": 0, "left": 1 }), "settled already");
    assert_eq!(settle(&http, &first["lease"], &json!({ "action": "requeue" })).json()["settled"], 1);
    until_counts(&http, 1, 1);
    assert_eq!(settle(&http, &second["lease"], &json!({ "action": "reject" })).json()["settled"], 1);
    while http.json("/api/queues/%2F/dead")["messages"] != 1 {}
    let back = take(&http, &json!({ "count": 5 }));
    assert_eq!((payloads(&back), &back["messages"][0]["redelivered"]), (vec!["b"], &json!(true)));
    assert_eq!(settle(&http, &back["lease"], &json!({ "action": "ack" })).status, 200);
    until_counts(&http, 0, 0);
    for lease in [&first["lease"], &second["lease"], &back["lease"], &json!(99)] {
        let twice = settle(&http, lease, &json!({ "action": "ack" }));
        assert_eq!((twice.status, twice.refusal().1.as_str()), (404, "not_found"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_request_waits_for_what_comes_later() {
    let (bench, http) = managed().await;
    bench.declare("q", FieldTable::default()).await;
    let waiting = http.clone();
    let waiting = std::thread::spawn(move || take(&waiting, &json!({ "count": 5, "wait_ms": 60_000 })));
    while http.json("/api/queues/%2F/q")["consumers"] != 1 {}
    bench.publish("", "q", "late").await;
    let taken = waiting.join().unwrap();
    assert_eq!(payloads(&taken), ["late"]);
    assert_eq!(http.json("/api/queues/%2F/q")["consumers"], 0);
    assert_eq!(settle(&http, &taken["lease"], &json!({ "action": "ack" })).json()["settled"], 1);
    assert_eq!(take(&http, &json!({ "wait_ms": 1 }))["messages"], json!([]));
    let waiting = http.clone();
    let waiting = std::thread::spawn(move || waiting.post(TAKE, &json!({ "wait_ms": 60_000 })));
    while http.json("/api/queues/%2F/q")["consumers"] != 1 {}
    http.delete("/api/queues/%2F/q");
    assert_eq!(waiting.join().unwrap().status, 404, "the queue went meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn who_waits_keeps_no_auto_delete_queue_and_ends_none() {
    let (bench, http) = managed().await;
    http.put("/api/queues/%2F/q", &json!({ "auto_delete": true }));
    assert_eq!(take(&http, &json!({ "wait_ms": 1 }))["messages"], json!([]));
    bench.publish("", "q", "a").await;
    let taken = take(&http, &json!({ "wait_ms": 60_000 }));
    assert_eq!(settle(&http, &taken["lease"], &json!({ "action": "requeue" })).status, 200);
    until_counts(&http, 1, 0);
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "ct", BasicConsumeOptions::default()).await;
    next(&mut consumer).await;
    let waiting = http.clone();
    let waiting = std::thread::spawn(move || waiting.post(TAKE, &json!({ "wait_ms": 300 })));
    while http.json("/api/queues/%2F/q")["consumers"] != 2 {}
    channel.basic_cancel("ct".into(), Default::default()).await.unwrap();
    waiting.join().unwrap();
    assert_eq!(http.get("/api/queues/%2F/q").status, 404, "its last consumer left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_not_settled_in_time_goes_back_as_failed() {
    let (_bench, http) = three(table(&[("x-delivery-limit", AMQPValue::LongInt(10))])).await;
    let taken = take(&http, &json!({ "count": 3, "lease_ms": 100 }));
    until_counts(&http, 3, 0);
    assert_eq!(settle(&http, &taken["lease"], &json!({ "action": "ack" })).status, 404);
    let again = take(&http, &json!({ "count": 3, "lease_ms": 200 }));
    assert_eq!(payloads(&again), ["a", "b", "c"]);
    assert_eq!(again["messages"][0]["properties"]["headers"]["x-delivery-count"], 1);
    let renewed = settle(&http, &again["lease"], &json!({ "action": "renew", "lease_ms": 900_000 }));
    assert_eq!(renewed.json(), json!({ "settled": 0, "left": 3 }));
    // Another lease of the same time that began later has ended.
    http.put("/api/queues/%2F/other", &json!({}));
    http.post(
        "/api/exchanges/%2F/amq.default/publish",
        &json!({
        "routing_key": "other", "payload": "x", "payload_encoding": "string", "properties": {} }),
    );
    let other = http.post("/api/coney/queues/%2F/other/messages/take", &json!({ "lease_ms": 300 })).json();
    assert_eq!(payloads(&other), ["x"]);
    while http.json("/api/queues/%2F/other")["messages_ready"] != 1 {}
    assert_eq!(counts(&http), (0, 3));
}

/// A client that keeps its connection, and takes all three.
fn connected(http: &Http, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(http.address()).unwrap();
    let head = format!(
        "POST {TAKE} HTTP/1.1\r\nhost: x\r\nauthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 4096];
    let count = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_lease_ends_with_its_connection_if_that_is_wanted() {
    let (_bench, http) = three(FieldTable::default()).await;
    let client = connected(&http, r#"{"count":2,"while_connected":true,"lease_ms":900000}"#);
    let other = connected(&http, r#"{"count":1,"lease_ms":900000}"#);
    assert_eq!(counts(&http), (0, 3));
    drop(other);
    drop(client);
    until_counts(&http, 2, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn only_who_took_may_settle_and_nobody_has_too_many() {
    let (bench, http) = three(FieldTable::default()).await;
    let rights = |read: &str| json!({ "configure": "", "write": "", "read": read });
    for (name, read) in [("ann", ".*"), ("bob", ".*"), ("eve", "")] {
        http.put(&format!("/api/users/{name}"), &json!({ "password": "p", "tags": "management" }));
        http.put(&format!("/api/permissions/%2F/{name}"), &rights(read));
    }
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| http.user(name, "p"));
    assert_eq!(eve.post(TAKE, &json!({})).status, 401);
    let taken = take(&ann, &json!({}));
    for other in [&bob, &http] {
        for action in ["ack", "renew"] {
            assert_eq!(settle(other, &taken["lease"], &json!({ "action": action })).status, 404);
        }
    }
    assert_eq!(settle(&ann, &taken["lease"], &json!({ "action": "nothing" })).status, 400);
    assert_eq!(settle(&ann, &taken["lease"], &json!({ "action": "ack", "ids": "all" })).status, 400);
    for wrong in [
        json!({ "count": 0 }),
        json!({ "count": 1001 }),
        json!({ "wait_ms": 60_001 }),
        json!({ "lease_ms": 99 }),
        json!({ "lease_ms": 900_001 }),
        json!({ "wait_ms": -1 }),
    ] {
        assert_eq!(ann.post(TAKE, &wrong).status, 400, "{wrong}");
    }
    for number in 0..70 {
        bench.publish("", "q", &number.to_string()).await;
    }
    for _ in 1..64 {
        assert_eq!(take(&ann, &json!({}))["messages"].as_array().unwrap().len(), 1);
    }
    assert_eq!(ann.post(TAKE, &json!({})).status, 503);
    assert_eq!(payloads(&take(&bob, &json!({}))).len(), 1, "others can");
    assert_eq!(settle(&ann, &taken["lease"], &json!({ "action": "ack" })).status, 200);
    assert_eq!(payloads(&take(&ann, &json!({}))).len(), 1);
}

/// Whatever a broker that is killed had on lease is there again.
#[test]
fn a_broker_that_is_killed_has_what_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (process, http) = killable(dir.path());
    http.put("/api/queues/%2F/q", &json!({ "durable": true }));
    for payload in ["a", "b"] {
        let message = json!({ "routing_key": "q", "payload": payload, "payload_encoding": "string",
            "properties": { "delivery_mode": 2 } });
        assert_eq!(http.post("/api/exchanges/%2F/amq.default/publish", &message).status, 200);
    }
    assert_eq!(payloads(&take(&http, &json!({ "count": 2 }))), ["a", "b"]);
    process.kill();
    let (_process, http) = killable(dir.path());
    assert_eq!(payloads(&take(&http, &json!({ "count": 2 }))), ["a", "b"]);
}
