//! `/api/coney/journal`, `history` and `failures`: why a message is where it is.

use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;

use lapin::options::{BasicGetOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::support::managed;
use crate::support::client::{Bench, string, table};
use crate::support::http::Http;

/// A queue whose dead letters go to another.
async fn failing(bench: &Bench, arguments: &[(&str, AMQPValue)]) {
    let dead_letters =
        [("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string("dead"))];
    bench.declare("work", table(&[&dead_letters[..], arguments].concat())).await;
    bench.declare("dead", FieldTable::default()).await;
}

async fn reject(bench: &Bench, queue: &str) {
    let got = bench.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap().unwrap();
    got.reject(BasicRejectOptions { requeue: false }).await.unwrap();
}

/// A publish that dies: it is in the dead-letter queue when this returns.
async fn publish_and_reject(bench: &Bench, count: u32) {
    for number in 1..=count {
        bench.publish("", "work", &format!("hello {number}")).await;
        reject(bench, "work").await;
        bench.until_ready("dead", number).await;
    }
}

fn events(http: &Http, query: &str) -> Vec<Value> {
    http.json(&format!("/api/coney/journal/%2F?{query}"))["events"].as_array().unwrap().clone()
}

fn history(http: &Http, query: &str) -> Vec<Value> {
    http.json(&format!("/api/coney/history/%2F?{query}"))["messages"].as_array().unwrap().clone()
}

fn position(http: &Http, queue: &str) -> u64 {
    http.json(&format!("/api/coney/queues/%2F/{queue}/messages"))[0]["id"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_dead_letter_is_told_with_who_and_why() {
    let (bench, http) = managed().await;
    failing(&bench, &[]).await;
    publish_and_reject(&bench, 1).await;
    let event = &events(&http, "what=dead-lettered")[0];
    for (key, value) in [
        ("what", json!("dead-lettered")),
        ("vhost", json!("/")),
        ("queue", json!("work")),
        ("count", json!(1)),
        ("exchange", json!("")),
        ("routing_key", json!("work")),
        ("user", json!("guest")),
        ("reason", json!("rejected")),
        ("to", json!(["dead"])),
    ] {
        assert_eq!(event[key], value, "{key} of {event}");
    }
    let connection = event["connection"].as_str().unwrap();
    let peer = connection.split(" -> ").next().unwrap();
    let sentence = event["sentence"].as_str().unwrap();
    assert_eq!(sentence, format!("dead-lettered to 'dead': user 'guest' at {peer} rejected it"));
    assert_eq!(event["setting"], Value::Null, "nothing but the consumer is the cause");
    let now = http.json("/api/overview")["node"].is_string();
    assert!(now && event["at"].as_u64().unwrap() > 1_700_000_000_000, "{event}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_journal_is_read_in_pages_and_by_filters() {
    let (bench, http) = managed().await;
    failing(&bench, &[]).await;
    publish_and_reject(&bench, 5).await;
    let deaths = "/api/coney/journal/%2F?what=dead-lettered";
    let all = events(&http, "what=dead-lettered");
    assert_eq!(all.len(), 5);
    let page = http.json(&format!("{deaths}&limit=2"));
    assert_eq!(page["events"].as_array().unwrap()[..], all[..2]);
    let rest = http.json(&format!("{deaths}&after={}", page["cursor"].as_str().unwrap()));
    assert_eq!(rest["events"].as_array().unwrap()[..], all[2..]);
    assert_eq!((&rest["lost"], &page["lost"]), (&json!(0), &json!(0)));
    let newest = http.json(&format!("{deaths}&limit=2&newest=true"));
    assert_eq!(newest["events"].as_array().unwrap()[..], all[3..]);
    assert_eq!(http.json(&format!("{deaths}&after={}", u64::MAX / 4))["last"], newest["last"]);
    let somewhere = all[2]["position"].as_u64().unwrap();
    assert_eq!(events(&http, &format!("what=dead-lettered&queue=work&position={somewhere}")), all[2..3]);
    for (query, count) in [
        ("queue=dead", 5),
        ("queue=other", 0),
        ("exchange=", 5),
        ("exchange=amq.topic", 0),
        ("reason=rejected", 5),
        ("reason=expired", 0),
        ("contains=guest", 5),
        ("contains=nowhere", 0),
        ("message_id=none", 0),
    ] {
        assert_eq!(events(&http, &format!("what=dead-lettered&{query}")).len(), count, "{query}");
    }
    for wrong in ["what=nothing", "position=1", "limit=0", "after=x", "follow=html", "utc_offset_min=x"] {
        assert_eq!(http.get(&format!("{deaths}&{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(http.get("/api/coney/journal/none").status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn all_vhosts_are_read_together_as_far_as_one_may() {
    let (bench, http) = managed().await;
    failing(&bench, &[]).await;
    publish_and_reject(&bench, 2).await;
    assert_eq!(http.put("/api/vhosts/other", &json!({})).status, 201);
    let page = http.json("/api/coney/journal?what=dead-lettered");
    let vhosts: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| &event["vhost"]).collect();
    assert_eq!(vhosts, [&json!("/"); 2]);
    let cursor = page["cursor"].as_str().unwrap();
    let number = page["last"].as_u64().unwrap();
    assert!(cursor.contains(&format!("%2F={number}")) && cursor.contains("other="), "{cursor}");
    publish_and_more(&bench, 3).await;
    let cursor = percent_encoding::utf8_percent_encode(cursor, percent_encoding::NON_ALPHANUMERIC);
    let more = http.json(&format!("/api/coney/journal?what=dead-lettered&after={cursor}"));
    assert_eq!(more["events"].as_array().unwrap().len(), 1);
    let user = json!({ "password": "p", "tags": "management" });
    assert_eq!(http.put("/api/users/u", &user).status, 201);
    let user = http.user("u", "p");
    assert_eq!(user.json("/api/coney/journal")["events"], json!([]));
    assert_eq!(user.get("/api/coney/journal/%2F").status, 401);
    assert_eq!(user.json("/api/coney/failures"), json!([]));
}

/// One more, of which there were `total - 1`.
async fn publish_and_more(bench: &Bench, total: u32) {
    bench.publish("", "work", "more").await;
    reject(bench, "work").await;
    bench.until_ready("dead", total).await;
}

/// The data of the next event of a stream, and its id.
fn next_event(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> (String, Value) {
    let mut id = String::new();
    for line in lines {
        let line = line.unwrap();
        if let Some(text) = line.strip_prefix("id: ") {
            text.clone_into(&mut id);
        }
        if let Some(data) = line.strip_prefix("data: ") {
            return (id, serde_json::from_str(data).unwrap());
        }
    }
    panic!("the stream ended");
}

/// The lines of a stream of events, once it has begun.
fn follow(http: &Http, path: &str, headers: &str) -> impl Iterator<Item = std::io::Result<String>> + use<> {
    let mut stream = TcpStream::connect(http.address()).unwrap();
    let request = format!(
        "GET {path} HTTP/1.0\r\nhost: test\r\nauthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.next().unwrap().unwrap().contains("200"));
    let begun = lines.find(|line| line.as_ref().unwrap() == ": the journal");
    assert!(begun.is_some());
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn who_follows_is_told_what_is_new_and_goes_on_where_it_broke_off() {
    let (bench, http) = managed().await;
    failing(&bench, &[]).await;
    publish_and_reject(&bench, 1).await;
    let path = "/api/coney/journal/%2F?what=dead-lettered&follow=sse";
    let mut lines = follow(&http, path, "");
    publish_and_more(&bench, 2).await;
    let (id, data) = next_event(&mut lines);
    let event = &data["events"][0];
    assert_eq!(data["events"].as_array().unwrap().len(), 1, "not what was before");
    assert_eq!(
        (&event["what"], id.parse::<u64>().unwrap()),
        (&json!("dead-lettered"), data["last"].as_u64().unwrap())
    );
    drop(lines);
    publish_and_more(&bench, 3).await;
    let mut lines = follow(&http, path, &format!("last-event-id: {id}\r\n"));
    let (_, data) = next_event(&mut lines);
    assert_eq!(data["events"].as_array().unwrap().len(), 1);
    assert!(data["events"][0]["number"].as_u64() > event["number"].as_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn failures_are_grouped_and_the_newest_group_is_first() {
    let (bench, http) = managed().await;
    failing(&bench, &[("x-max-length", AMQPValue::LongInt(1))]).await;
    publish_and_reject(&bench, 3).await;
    for body in ["a", "b", "c"] {
        bench.publish("", "work", body).await;
    }
    bench.until_ready("dead", 5).await;
    let groups = http.json("/api/coney/failures/%2F?what=dead-lettered");
    let told: Vec<_> =
        groups.as_array().unwrap().iter().map(|group| (&group["reason"], &group["count"])).collect();
    assert_eq!(told, [(&json!("maxlen"), &json!(2)), (&json!("rejected"), &json!(3))]);
    let rejected = &groups[1];
    assert_eq!((&rejected["queue"], &rejected["to"]), (&json!("work"), &json!(["dead"])));
    let positions: Vec<u64> =
        rejected["positions"].as_array().unwrap().iter().map(|position| position.as_u64().unwrap()).collect();
    assert_eq!(positions.len(), 3);
    assert!(positions.is_sorted_by(|newer, older| newer > older), "{positions:?}");
    assert!(rejected["first"].as_u64() <= rejected["last"].as_u64());
    let all = http.json("/api/coney/failures?what=dead-lettered");
    assert_eq!(all, groups);
    let later = rejected["last"].as_u64().unwrap() + 3_600_000;
    assert_eq!(http.json(&format!("/api/coney/failures/%2F?since={later}")), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_message_is_told_where_it_is_and_why() {
    let (bench, http) = managed().await;
    failing(&bench, &[]).await;
    publish_and_reject(&bench, 1).await;
    let died = events(&http, "what=dead-lettered")[0]["position"].as_u64().unwrap();
    let told = history(&http, &format!("queue=work&position={died}"));
    let here = told.iter().find(|message| message["queue"] == "work").unwrap();
    assert_eq!((&here["state"], &here["steps"][0]["what"]), (&json!("gone"), &json!("dead-lettered")));
    assert_eq!(here["steps"][0]["event"]["queue"], "work");
    let there = position(&http, "dead");
    let told = history(&http, &format!("queue=dead&position={there}"));
    let it = told.iter().find(|message| message["queue"] == "dead").unwrap();
    assert_eq!((&it["state"], &it["now"]), (&json!("ready"), &json!("in 'dead', ready for a consumer")));
    let found = history(&http, "contains=hello");
    assert!(found.iter().any(|message| message["position"] == there), "{found:?}");
    for (query, status) in [("", 400), ("queue=work", 400), ("queue=none&position=1", 404)] {
        assert_eq!(http.get(&format!("/api/coney/history/%2F?{query}")).status, status, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn who_may_not_read_a_queue_is_not_told_how_its_messages_are() {
    let (bench, http) = managed().await;
    failing(&bench, &[]).await;
    publish_and_reject(&bench, 1).await;
    let there = position(&http, "dead");
    assert_eq!(http.put("/api/users/u", &json!({ "password": "p", "tags": "management" })).status, 201);
    let rights = json!({ "configure": "", "write": "", "read": "work" });
    assert_eq!(http.put("/api/permissions/%2F/u", &rights).status, 201);
    let user = http.user("u", "p");
    let told = history(&user, &format!("queue=dead&position={there}"));
    let it = told.iter().find(|message| message["queue"] == "dead").unwrap();
    assert_eq!((&it["state"], &it["now"]), (&json!("unknown"), &json!("you may not read 'dead'")));
    let found = history(&user, "contains=hello%201");
    assert!(found.iter().all(|message| message["state"] != "ready"), "{found:?}");
}

fn names_of(found: &[Value], key: &str) -> Vec<String> {
    found.iter().map(|event| event[key].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_goes_well_is_told_while_it_is_recorded() {
    let (bench, http) = managed().await;
    failing(&bench, &[]).await;
    let recordings = "/api/coney/recordings/%2F";
    bench.publish("", "work", "before").await;
    let begun = http.post(recordings, &json!({ "queue": "work", "next": 1 }));
    assert_eq!(
        (begun.status, &begun.json()["queue"], &begun.json()["recorded"]),
        (201, &json!("work"), &json!(0))
    );
    let id = begun.json()["id"].as_u64().unwrap();
    for body in ["recorded", "after"] {
        bench.publish("", "work", body).await;
    }
    let one = &http.json(recordings)[0];
    assert_eq!((&one["id"], &one["recorded"], &one["next"]), (&json!(id), &json!(1), &json!(1)));
    for _ in 0..3 {
        let got = bench.channel.basic_get("work".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        got.ack(lapin::options::BasicAckOptions::default()).await.unwrap();
    }
    bench.until_ready("work", 0).await;
    let told = names_of(&events(&http, "what=published,confirmed,enqueued,delivered,acked"), "what");
    assert_eq!(told, ["published", "enqueued", "confirmed", "delivered", "acked"]);
    assert_eq!(http.json(recordings), json!([]), "it has enough");
    let position = events(&http, "what=enqueued")[0]["position"].as_u64().unwrap();
    let way = &history(&http, &format!("queue=work&position={position}"))[0];
    let steps = names_of(way["steps"].as_array().unwrap(), "what");
    assert_eq!(steps, ["published", "enqueued", "confirmed", "delivered", "acked"]);
    assert_eq!((&way["state"], &way["now"]), (&json!("gone"), &json!("not in this queue any more")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_recorded_publish_is_told_with_its_bindings_and_its_confirm() {
    let (bench, http) = managed().await;
    bench.declare("orders", FieldTable::default()).await;
    for (name, kind, arguments) in [
        ("shop", "topic", json!({})),
        ("eu", "headers", json!({})),
        ("strict", "direct", json!({ "alternate-exchange": "shop" })),
    ] {
        let exchange = json!({ "type": kind, "arguments": arguments });
        assert_eq!(http.put(&format!("/api/exchanges/%2F/{name}"), &exchange).status, 201);
    }
    let arguments = json!({ "x-match": "all", "tenant": "a" });
    for (path, binding) in [
        ("/api/bindings/%2F/e/shop/e/eu", json!({ "routing_key": "eu.#" })),
        ("/api/bindings/%2F/e/eu/q/orders", json!({ "arguments": arguments })),
    ] {
        assert_eq!(http.post(path, &binding).status, 201);
    }
    assert_eq!(http.post("/api/coney/recordings/%2F", &json!({ "exchange": "strict" })).status, 201);
    let message = json!({
        "properties": { "headers": { "tenant": "a" } },
        "routing_key": "eu.new", "payload": "x", "payload_encoding": "string",
    });
    let answer = http.post("/api/exchanges/%2F/strict/publish", &message);
    assert_eq!(answer.json()["routed"], json!(true));
    let event = &events(&http, "what=published")[0];
    let ends =
        |binding: &Value| [&binding["source"], &binding["destination"]].map(Value::to_string).join(" ");
    let bindings: Vec<String> = event["bindings"].as_array().unwrap().iter().map(ends).collect();
    assert_eq!(bindings, [r#""shop" "eu""#, r#""eu" "orders""#]);
    assert_eq!(event["bindings"][1]["arguments"], arguments);
    assert_eq!(event["alternates"], json!([{ "exchange": "strict", "alternate": "shop" }]));
    assert_eq!((&event["to"], &event["bindings_left_out"]), (&json!(["orders"]), &json!(0)));
    let sentence = event["sentence"].as_str().unwrap();
    let by = "routed to 'orders' by alternate exchange 'shop', binding 'eu.#' of exchange 'shop' to exchange 'eu', ";
    assert!(sentence.contains(by), "{sentence}");
    let confirmed = &events(&http, "what=confirmed&queue=orders")[0];
    assert_eq!((&confirmed["user"], &confirmed["delivery_tag"]), (&json!("guest"), &json!(1)));
    assert!(confirmed["after_us"].as_u64().is_some_and(|after| after < 60_000_000), "{confirmed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_recording_is_begun_and_ended_by_who_may() {
    let (_bench, http) = managed().await;
    let path = "/api/coney/recordings/%2F";
    for rule in [
        json!({ "all": true }),
        json!({ "exchange": "amq.topic" }),
        json!({ "message_id": "1" }),
        json!({ "header": { "tenant": 7 } }),
    ] {
        let answer = http.post(path, &rule);
        let begun = answer.json();
        let (key, value) = rule.as_object().unwrap().iter().next().unwrap();
        let value = if key == "header" { json!({ "tenant": "7" }) } else { value.clone() };
        assert_eq!((answer.status, &begun[key]), (201, &value));
        let hour = begun["until"].as_u64().unwrap() - begun["since"].as_u64().unwrap();
        // Both are read from the clock, one after the other.
        assert!((3_599_000..=3_600_000).contains(&hour), "{hour}");
        let one = format!("{path}/{}", begun["id"]);
        assert_eq!([http.delete(&one).status, http.delete(&one).status], [204, 404]);
    }
    for wrong in [
        json!({}),
        json!({ "all": false }),
        json!({ "all": true, "queue": "q" }),
        json!({ "header": {} }),
        json!({ "header": { "a": 1, "b": 2 } }),
        json!({ "all": true, "next": 0 }),
        json!({ "all": true, "until": 5 }),
    ] {
        assert_eq!(http.post(path, &wrong).status, 400, "{wrong}");
    }
    assert_eq!(http.put("/api/users/u", &json!({ "password": "p", "tags": "monitoring" })).status, 201);
    let rights = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    assert_eq!(http.put("/api/permissions/%2F/u", &rights).status, 201);
    let user = http.user("u", "p");
    assert_eq!((user.get(path).status, user.post(path, &json!({ "all": true })).status), (200, 401));
}

/// A queue in which messages are tried twice more, and what is told of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_message_that_fails_is_told_step_by_step_with_the_settings_that_were_in_play() {
    let (bench, http) = managed().await;
    let policy = json!({ "pattern": "^work$", "definition": { "delivery-limit": 1 }, "apply-to": "queues" });
    assert_eq!(http.put("/api/policies/%2F/careful", &policy).status, 201);
    failing(&bench, &[]).await;
    bench.publish("", "work", "hello").await;
    for _ in 0..2 {
        let got = bench.channel.basic_get("work".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        got.reject(BasicRejectOptions { requeue: true }).await.unwrap();
        bench.counts("work").await;
    }
    bench.until_ready("dead", 1).await;
    let there = position(&http, "dead");
    let told = history(&http, &format!("queue=dead&position={there}"));
    let way = told.iter().find(|message| message["queue"] == "work").expect("the way leads back");
    let steps = way["steps"].as_array().unwrap();
    let sentences = names_of(steps, "sentence");
    assert_eq!(names_of(steps, "what"), ["failed", "dead-lettered"], "{sentences:?}");
    assert!(sentences[0].contains("for the 1st time, which failed; ready again"), "{sentences:?}");
    let why = "dead-lettered to 'dead': it was delivered 2 times without success (x-delivery-limit = 1 of policy 'careful')";
    assert!(
        sentences[1].contains("for the 2nd time, which failed; ") && sentences[1].contains(why),
        "{sentences:?}"
    );
    let edge = &told.iter().find(|message| message["queue"] == "dead").unwrap()["edges"][0];
    assert_eq!((&edge["how"], &edge["to"]["position"]), (&json!("dead-lettered"), &json!(there)));
}
