//! A broker that is killed fifty times in the middle of moving and replaying ten thousand messages: each of them is in exactly one place.

use amq_protocol::types::FieldTable;
use futures_lite::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicNackOptions};
use serde_json::{Value, json};

use crate::management::support::killable;
use crate::support::http::Http;
use crate::support::killing::channel_to;
use crate::support::process::Process;

const MESSAGES: usize = 10_000;
const KILLS: u64 = 50;

fn count(http: &Http, queue: &str) -> usize {
    http.json(&format!("/api/queues/%2F/{queue}"))["messages"].as_u64().unwrap().try_into().unwrap()
}

/// The payloads of a queue, which are numbers.
fn numbers(http: &Http, queue: &str) -> Vec<usize> {
    let saved = http.get(&format!("/api/coney/queues/%2F/{queue}/export"));
    let text = String::from_utf8(saved.body).unwrap();
    let number = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["payload"].as_str().unwrap().parse().unwrap()
    };
    text.lines().map(number).collect()
}

/// Ten thousand messages that a consumer of `work` rejected.
async fn dead_letters(process: &Process, http: &Http) {
    let dies = json!({ "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" });
    for (queue, arguments) in [("work", dies), ("dead", json!({}))] {
        let declaration = json!({ "durable": true, "arguments": arguments });
        assert_eq!(http.put(&format!("/api/queues/%2F/{queue}"), &declaration).status, 201);
    }
    let line = |number: usize| {
        json!({ "properties": { "delivery_mode": 2 }, "payload": number.to_string() }).to_string()
    };
    let lines: Vec<String> = (0..MESSAGES).map(line).collect();
    let loaded = http.send("POST", "/api/coney/queues/%2F/work/import", "", lines.join("\n").as_bytes());
    assert_eq!(loaded.json()["imported"], MESSAGES);
    let channel = channel_to(process).await;
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume("work".into(), "".into(), options, FieldTable::default()).await.unwrap();
    let mut last = 0;
    for _ in 0..MESSAGES {
        last = consumer.next().await.unwrap().unwrap().delivery_tag;
    }
    channel.basic_nack(last, BasicNackOptions { multiple: true, requeue: false }).await.unwrap();
    while count(http, "dead") < MESSAGES {}
}

/// One request that moves all there is, and a kill when some of them have arrived.
fn kill_within(process: Process, http: &Http, round: u64) {
    let is_replay = count(http, "dead") >= MESSAGES / 2;
    let (from, to) = if is_replay { ("dead", "work") } else { ("work", "dead") };
    let (action, body) =
        if is_replay { ("replay", json!({})) } else { ("move", json!({ "to": { "queue": to } })) };
    let (there, left) = (count(http, to), count(http, from));
    let moving = http.clone();
    let request = std::thread::spawn(move || {
        // The answer may never come.
        let path = format!("/api/coney/queues/%2F/{from}/messages/{action}");
        moving.try_send("POST", &path, body.to_string().as_bytes())
    });
    // Another part of them each time, the same in every run.
    let some = there + 1 + usize::try_from(round).unwrap() * 7919 % left;
    while count(http, to) < some && !request.is_finished() {}
    process.kill();
    let _ = request.join();
}

#[test]
#[ignore = "takes minutes"]
fn moves_that_are_killed_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut process, mut http) = killable(dir.path());
    tokio::runtime::Runtime::new().unwrap().block_on(dead_letters(&process, &http));
    let mut parted = 0;
    for round in 0..KILLS {
        kill_within(process, &http, round);
        (process, http) = killable(dir.path());
        let [work, dead] = ["work", "dead"].map(|queue| numbers(&http, queue));
        parted += usize::from(!work.is_empty() && !dead.is_empty());
        let mut all = [work, dead].concat();
        all.sort_unstable();
        assert!(all == (0..MESSAGES).collect::<Vec<_>>(), "round {round}: {} messages", all.len());
    }
    println!("{KILLS} kills, {parted} of them in the middle");
    assert!(parted > 10, "too few were killed in the middle: {parted}");
}
