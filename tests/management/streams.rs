//! What the API tells of a stream: what is in it stays there, and is read past those who read it.

use serde_json::{Value, json};

use super::support::killable;
use crate::support::http::Http;

const MESSAGES: u64 = 250;

fn fill(http: &Http) {
    let arguments = json!({ "durable": true, "arguments": { "x-queue-type": "stream" } });
    assert_eq!(http.put("/api/queues/%2F/s", &arguments).status, 201);
    let lines: Vec<String> =
        (0..MESSAGES).map(|number| json!({ "payload": number.to_string() }).to_string()).collect();
    let loaded = http.send("POST", "/api/coney/queues/%2F/s/import", "", lines.join("\n").as_bytes());
    assert_eq!(loaded.json()["imported"], MESSAGES);
}

/// Offsets and payloads.
fn look(http: &Http, query: &str) -> Vec<(u64, Option<String>)> {
    let found = http.json(&format!("/api/coney/queues/%2F/s/messages?{query}"));
    let payload = |message: &Value| message["payload"].as_str().map(str::to_owned);
    found
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (message["id"].as_u64().unwrap(), payload(message)))
        .collect()
}

#[test]
fn messages_that_are_on_disk_are_read_by_their_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let (process, http) = killable(dir.path());
    fill(&http);
    process.kill();
    let (_process, http) = killable(dir.path());
    let unread = look(&http, "limit=2");
    assert_eq!(unread, [(0, None), (1, None)], "a look reads nothing unless it is told to");
    let read = |offset: u64| (offset, Some(offset.to_string()));
    assert_eq!(look(&http, "offset=198&limit=3&read=true"), [read(198), read(199), read(200)]);
    assert_eq!(look(&http, "read=true"), (0..100).map(read).collect::<Vec<_>>());
    assert_eq!(look(&http, "position=77"), [read(77)]);
    assert_eq!(look(&http, &format!("position={MESSAGES}")), []);
}

#[test]
fn a_stream_that_nobody_reads_is_no_problem_and_has_no_ack_timeout() {
    let dir = tempfile::tempdir().unwrap();
    let (_process, http) = killable(dir.path());
    fill(&http);
    let problems = http.json("/api/coney/problems");
    let about_it = problems["problems"].as_array().unwrap().iter().filter(|it| it["target"]["name"] == "s");
    assert_eq!(about_it.collect::<Vec<_>>(), Vec::<&Value>::new());
    let settings = http.json("/api/coney/queues/%2F/s/settings");
    let names: Vec<&Value> = settings.as_array().unwrap().iter().map(|setting| &setting["name"]).collect();
    assert_eq!(names, ["x-queue-type"]);
    let history = http.json("/api/coney/history/%2F?queue=s&position=3");
    assert_eq!(history["messages"][0]["now"], "in the stream 's', for all who read it");
}

/// To say that nothing was purged or saved would be the worst answer.
#[test]
fn nothing_is_taken_out_of_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let (_process, http) = killable(dir.path());
    fill(&http);
    let base = "/api/coney/queues/%2F/s";
    let answers = [
        http.post(&format!("{base}/purge"), &json!({ "undo_s": 60 })),
        http.post(&format!("{base}/messages/move"), &json!({ "to": { "queue": "s" } })),
        http.post(&format!("{base}/messages/delete"), &json!({ "ids": [1] })),
        http.get(&format!("{base}/export")),
    ];
    for answer in answers {
        let (status, _, reason) = answer.refusal();
        let expected = "540 NOT_IMPLEMENTED - nothing is taken out of a stream, it is read by consumers: queue 's' in vhost '/'";
        assert_eq!((status, reason), (400, json!(expected)));
    }
    assert_eq!(http.json("/api/queues/%2F/s")["messages"], MESSAGES);
}
