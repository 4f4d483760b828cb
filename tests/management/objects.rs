//! Queues, consumers, connections and channels: what is answered is what holds.

use amq_protocol::protocol::{AMQPClass, basic};
use amq_protocol::types::AMQPValue;
use futures_lite::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicQosOptions,
    BasicRejectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use serde_json::{Value, json};

use super::support::{Managed, managed};
use crate::support::client::{confirming, consume, next, string, table};
use crate::support::raw::{Closed, Raw, start_ok};

fn escaped(name: &Value) -> String {
    name.as_str().unwrap().replace(' ', "%20").replace(':', "%3A").replace('>', "%3E")
}

fn lengths(queue: &Value) -> [u64; 3] {
    ["messages", "messages_ready", "messages_unacknowledged"].map(|name| queue[name].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_get_after_an_answer_shows_its_effect() {
    let (bench, http) = managed().await;
    let queue = || http.json("/api/queues/%2F/q");
    for round in 0..20 {
        bench.declare("q", FieldTable::default()).await;
        let fresh = queue();
        assert_eq!(lengths(&fresh), [0, 0, 0]);
        assert_eq!(fresh["effective_policy_definition"], json!({}));
        let channel = confirming(&bench.connection).await;
        for count in 1..=3 {
            bench.publish("", "q", "hello").await;
            assert_eq!(lengths(&queue()), [count, count, 0], "round {round}");
        }
        channel.basic_qos(2, BasicQosOptions::default()).await.unwrap();
        let mut consumer = consume(&channel, "q", "ct", BasicConsumeOptions::default()).await;
        let (first, _second) = (next(&mut consumer).await, next(&mut consumer).await);
        let seen = queue();
        assert_eq!(lengths(&seen), [3, 1, 2]);
        assert_eq!(seen["message_bytes_unacknowledged"], 10);
        assert_eq!(seen["consumer_details"][0]["consumer_tag"], "ct");
        assert_eq!(seen["consumer_details"][0]["prefetch_count"], 2);
        first.nack(BasicNackOptions { requeue: false, ..BasicNackOptions::default() }).await.unwrap();
        // Whoever asks on the channel after it has an answer that comes after the nack.
        channel.queue_declare("q".into(), passive(), FieldTable::default()).await.unwrap();
        assert_eq!(queue()["messages"], 2);
        channel.close(200, "".into()).await.unwrap();
        assert_eq!(lengths(&queue()), [2, 2, 0]);
        assert_eq!(http.delete("/api/queues/%2F/q").status, 204);
        assert_eq!(http.get("/api/queues/%2F/q").status, 404);
    }
}

fn passive() -> QueueDeclareOptions {
    QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn looking_at_a_queue_is_no_use_of_it() {
    let (bench, http) = managed().await;
    bench.declare("q", table(&[("x-expires", AMQPValue::LongInt(300))])).await;
    // It goes, however often it is looked at.
    while http.get("/api/queues/%2F/q").status != 404 {
        http.json("/api/overview");
        http.json("/api/queues");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn lists_have_what_single_answers_have() {
    let (bench, http) = managed().await;
    for name in ["b", "a", "c"] {
        bench.declare(name, FieldTable::default()).await;
    }
    let channel = bench.channel().await;
    let _consumer = consume(&channel, "a", "tag", BasicConsumeOptions::default()).await;
    let queues = http.json("/api/queues");
    let names: Vec<&Value> = queues.as_array().unwrap().iter().map(|queue| &queue["name"]).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let one = http.json("/api/queues/%2F/a");
    let details = ["consumer_details", "deliveries", "incoming"];
    let keys = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let of_one: Vec<String> = keys(&one).into_iter().filter(|key| !details.contains(&key.as_str())).collect();
    assert_eq!(keys(&queues[0]), of_one);
    assert_eq!(keys(&http.json("/api/queues/detailed")[0]), keys(&one));
    let basic = http.json("/api/queues?disable_stats=true&enable_queue_totals=true")[0].clone();
    assert_eq!((basic["messages"].as_u64(), basic["memory"].as_u64()), (Some(0), None));
    assert_eq!(http.json("/api/queues?disable_stats=true")[0]["messages"], Value::Null);

    let connection = http.json("/api/connections")[0].clone();
    let name = escaped(&connection["name"]);
    assert_eq!(http.json(&format!("/api/connections/{name}"))["name"], connection["name"]);
    let channels = http.json(&format!("/api/connections/{name}/channels"));
    let with_consumer =
        channels.as_array().unwrap().iter().find(|channel| channel["consumer_count"] == 1).unwrap();
    let channel_name = escaped(&with_consumer["name"]);
    let channel = http.json(&format!("/api/channels/{channel_name}"));
    assert_eq!(channel["consumer_details"][0]["queue"], json!({ "name": "a", "vhost": "/" }));
    let consumers = http.json("/api/consumers/%2F");
    assert_eq!(consumers[0], channel["consumer_details"][0]);
    assert_eq!(consumers[0]["channel_details"]["name"], channel["name"]);
    let overview = http.json("/api/overview");
    assert_eq!(overview["object_totals"]["queues"], 3);
    assert_eq!(overview["object_totals"]["consumers"], 1);
    assert_eq!(overview["object_totals"]["connections"], 1);
}

#[test]
fn a_connection_that_is_closed_is_told_why() {
    let broker = Managed::start();
    let mut client = Raw::with_channel(broker.embedded.address());
    let all = broker.json("/api/connections");
    let [one] = &all.as_array().unwrap()[..] else { panic!("{all}") };
    let port = u64::from(broker.embedded.address().port());
    assert_eq!((one["port"].as_u64(), one["state"].as_str()), (Some(port), Some("running")));
    let name = escaped(&one["name"]);
    let path = format!("/api/connections/{name}");
    assert_eq!(broker.send("DELETE", &path, "x-reason: because\r\n", b"").status, 204);
    let closed = client.closed();
    let told = matches!(&closed, Closed::Connection(320, text, _) if text == "CONNECTION_FORCED - because");
    assert!(told, "{closed:?}");
    client.finish();
    while broker.get(&path).status != 404 {}
    assert_eq!(broker.get("/api/connections/none").status, 404);
    assert_eq!(broker.delete("/api/connections/none").status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_operator_cancels_a_consumer_and_what_it_has_stays_with_its_channel() {
    let (bench, http) = managed().await;
    bench.declare("q", FieldTable::default()).await;
    let mut consumer = consume(&bench.channel, "q", "a/b", BasicConsumeOptions::default()).await;
    bench.publish("", "q", "one").await;
    let held = next(&mut consumer).await;
    let channel = escaped(&http.json("/api/consumers/%2F")[0]["channel_details"]["name"]);
    let path = |channel: &str, tag: &str| format!("/api/coney/queues/%2F/q/consumers/{channel}/{tag}");
    assert_eq!(http.delete(&path(&channel, "other")).status, 404);
    assert_eq!(http.delete(&path("other", "a%2Fb")).status, 404);
    // Others may see it, and leave it alone.
    assert_eq!(http.put("/api/users/u", &json!({ "password": "p", "tags": "monitoring" })).status, 201);
    let rights = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    assert_eq!(http.put("/api/permissions/%2F/u", &rights).status, 201);
    assert_eq!(http.user("u", "p").delete(&path(&channel, "a%2Fb")).status, 401);
    assert_eq!(http.delete(&path(&channel, "a%2Fb")).status, 204);
    let told = tokio::time::timeout(std::time::Duration::from_secs(10), consumer.next()).await;
    assert!(told.expect("basic.cancel").is_none());
    assert_eq!(http.delete(&path(&channel, "a%2Fb")).status, 404);
    bench.publish("", "q", "two").await;
    assert_eq!(lengths(&http.json("/api/queues/%2F/q")), [2, 1, 1]);
    // Its channel acks, and goes on.
    held.ack(BasicAckOptions::default()).await.unwrap();
    assert_eq!(bench.bodies("q").await, ["two"]);
    assert_eq!(lengths(&http.json("/api/queues/%2F/q")), [0, 0, 0]);
    let cancelled = &http.json("/api/coney/journal/%2F?what=consumer-cancelled")["events"][0];
    for (key, value) in [("reason", "by-hand"), ("consumer_tag", "a/b"), ("queue", "q"), ("user", "guest")] {
        assert_eq!(cancelled[key], value, "{key} of {cancelled}");
    }
}

/// `messages_ready` is what autoscalers start consumers for.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_no_consumer_could_have_is_not_ready() {
    let (bench, http) = managed().await;
    let arguments = table(&[
        ("x-delayed-retry-type", string("all")),
        ("x-delayed-retry-min", AMQPValue::LongInt(1_000_000)),
    ]);
    bench.declare("q", arguments).await;
    for body in ["delayed", "ready"] {
        bench.publish("", "q", body).await;
    }
    let got = bench.channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    got.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    // A reject has no answer.
    while http.json("/api/queues/%2F/q")["messages_delayed"] != 1 {}
    let paths = ["/api/queues/%2F/q", "/api/queues/%2F/q?disable_stats=true&enable_queue_totals=true"];
    for path in paths {
        assert_eq!(lengths(&http.json(path)), [2, 1, 0], "{path}");
    }
    assert_eq!(lengths(&http.json("/api/overview")["queue_totals"]), [2, 1, 0]);
    assert_eq!(bench.counts("q").await.0, 1);
    let shown = http.json("/api/queues/%2F/q");
    assert_eq!((&shown["message_bytes"], &shown["message_bytes_ready"]), (&json!(12), &json!(5)));
}

/// A stream's consumer has nothing that could stay behind; others read on.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_operator_cancels_a_consumer_of_a_stream_and_others_read_on() {
    let (bench, http) = managed().await;
    let stream = table(&[("x-queue-type", string("stream"))]);
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    bench.channel.queue_declare("s".into(), durable, stream).await.unwrap();
    bench.channel.basic_qos(1, Default::default()).await.unwrap();
    let [mut cancelled, mut other] = [
        consume(&bench.channel, "s", "cancelled", BasicConsumeOptions::default()).await,
        consume(&bench.channel, "s", "other", BasicConsumeOptions::default()).await,
    ];
    bench.publish("", "s", "one").await;
    let (held, read) = (next(&mut cancelled).await, next(&mut other).await);
    let consumers = http.json("/api/consumers/%2F");
    let channel = escaped(&consumers[0]["channel_details"]["name"]);
    assert_eq!(consumers[1]["messages_missed"], 0, "{consumers}");
    let path = format!("/api/coney/queues/%2F/s/consumers/{channel}/cancelled");
    assert_eq!(http.delete(&path).status, 204);
    let told = tokio::time::timeout(std::time::Duration::from_secs(10), cancelled.next()).await;
    assert!(told.expect("basic.cancel").is_none());
    assert_eq!(http.delete(&path).status, 404);
    // A late ack is worth nothing, and does no harm.
    held.ack(BasicAckOptions::default()).await.unwrap();
    bench.publish("", "s", "two").await;
    read.ack(BasicAckOptions::default()).await.unwrap();
    let read = next(&mut other).await;
    assert_eq!((read.data.as_slice(), read.routing_key.as_str()), (&b"two"[..], "s"));
    let shown = http.json("/api/queues/%2F/s");
    assert_eq!(shown["consumers"], 1);
    // What is with a consumer is in the stream all the same.
    assert_eq!(lengths(&shown), [2, 2, 0]);
    assert_eq!(lengths(&http.json("/api/overview")["queue_totals"]), [2, 2, 0]);
    let event = &http.json("/api/coney/journal/%2F?what=consumer-cancelled")["events"][0];
    for (key, value) in
        [("reason", "by-hand"), ("consumer_tag", "cancelled"), ("queue", "s"), ("user", "guest")]
    {
        assert_eq!(event[key], value, "{key} of {event}");
    }
}

#[test]
fn a_client_that_cannot_take_it_is_not_told_of_the_end_of_its_consumer() {
    let broker = Managed::start();
    broker.declare("q", &json!({}));
    let mut client = Raw::connect(broker.embedded.address());
    client.send(b"AMQP\x00\x00\x09\x01");
    client.expect_start();
    // It announces no capability.
    client.method(0, start_ok("PLAIN", b"\0guest\0guest", false));
    client.tune_and_open(0, 131_072, 0);
    client.open_channel(1);
    let consume = basic::Consume {
        queue: "q".into(),
        consumer_tag: "ct".into(),
        no_local: false,
        no_ack: true,
        exclusive: false,
        nowait: true,
        arguments: FieldTable::default(),
    };
    client.method(1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
    client.declare("first", |_| ());
    let channel = escaped(&broker.json("/api/consumers/%2F")[0]["channel_details"]["name"]);
    assert_eq!(broker.delete(&format!("/api/coney/queues/%2F/q/consumers/{channel}/ct")).status, 204);
    assert_eq!(broker.json("/api/consumers/%2F"), json!([]));
    client.declare("other", |_| ());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn queues_are_made_and_deleted() {
    let (_bench, http) = managed().await;
    let put = |name: &str, body: Value| http.put(&format!("/api/queues/%2F/{name}"), &body);
    assert_eq!(put("q", json!({ "durable": "true", "arguments": { "x-max-length": 5 } })).status, 201);
    assert_eq!(put("q", json!({ "durable": true, "arguments": { "x-max-length": 5 } })).status, 204);
    let refused = put("q", json!({ "durable": false })).refusal();
    let reason =
        "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'";
    assert_eq!(refused, (400, "bad_request".to_owned(), json!(reason)));
    for (name, body, status, reason) in [
        ("z", json!({ "durable": "maybe" }), 400, json!(["not_boolean", "maybe"])),
        ("amq.z", json!({}), 401, json!("Access refused.")),
        (
            "z",
            json!({ "arguments": { "x-max-length": -1 } }),
            400,
            json!("invalid arg 'x-max-length' for queue 'z' in vhost '/': {value_negative,-1}"),
        ),
    ] {
        let (found, _, why) = put(name, body).refusal();
        assert_eq!((found, why), (status, reason));
    }
    assert_eq!(http.get("/api/queues/none").status, 404);
    assert_eq!(http.delete("/api/queues/%2F/q?if-empty=true&if-unused=true").status, 204);
    assert_eq!(http.delete("/api/queues/%2F/q").status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn health_checks_tell_the_truth() {
    let (bench, http) = managed().await;
    let port = bench.broker.address().unwrap().port();
    let node = http.json("/api/overview")["node"].as_str().unwrap().to_owned();
    for path in [
        "health/checks/alarms",
        "health/checks/local-alarms",
        "health/checks/virtual-hosts",
        "health/checks/node-is-quorum-critical",
        "health/checks/is-in-service",
        "health/checks/ready-to-serve-clients",
        "health/checks/metadata-store/initialized/with-data",
        "health/checks/certificate-expiration/1/weeks",
        "health/checks/quorum-queues-without-elected-leaders/all-vhosts/",
        "health/checks/protocol-listener/amqp091,management",
        &format!("health/checks/port-listener/{port}"),
        "healthchecks/node",
        &format!("healthchecks/node/{node}"),
        "aliveness-test/%2F",
    ] {
        assert_eq!(http.json(&format!("/api/{path}"))["status"], "ok", "{path}");
    }
    for (path, status) in [
        ("health/checks/port-listener/1", 503),
        ("health/checks/port-listener/x", 400),
        ("health/checks/protocol-listener/mqtt", 503),
        ("health/checks/certificate-expiration/x/weeks", 400),
        ("health/checks/certificate-expiration/1/lunch", 400),
        ("healthchecks/node/none", 404),
        ("aliveness-test/none", 404),
    ] {
        assert_eq!(http.get(&format!("/api/{path}")).status, status, "{path}");
    }
    bench.broker.block("by a test");
    let answer = http.get("/api/health/checks/alarms");
    assert_eq!((answer.status, answer.json()["alarms"][0]["resource"].clone()), (503, json!("by_hand")));
    bench.broker.unblock();
    assert_eq!(http.get("/api/health/checks/alarms").status, 200);
    let nodes = http.json("/api/nodes");
    assert!(nodes[0]["mem_used"].as_u64().unwrap() > 1_000_000 && nodes[0]["name"] == json!(node));
    assert!(http.json(&format!("/api/nodes/{node}/memory"))["memory"]["total"]["rss"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stream_tells_its_offsets_and_refuses_gets() {
    let (bench, http) = managed().await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let arguments = table(&[("x-queue-type", AMQPValue::LongString("stream".into()))]);
    bench.channel.queue_declare("s".into(), durable, arguments).await.unwrap();
    let stream = || http.json("/api/queues/%2F/s");
    let offsets =
        |stream: &Value| ["first_offset", "next_offset", "committed_offset"].map(|name| stream[name].clone());
    assert_eq!(offsets(&stream()), [json!(0), json!(0), json!(-1)]);
    for count in 1..=3 {
        bench.publish("", "s", "hello").await;
        let seen = stream();
        assert_eq!(lengths(&seen), [count, count, 0]);
        assert_eq!(offsets(&seen), [json!(0), json!(count), json!(count - 1)]);
        assert_eq!((&seen["type"], &seen["segments"]), (&json!("stream"), &json!(1)));
    }
    let get = json!({ "count": 1, "ackmode": "ack_requeue_true", "encoding": "auto" });
    let refused = http.post("/api/queues/%2F/s/get", &get).refusal();
    assert_eq!((refused.0, refused.1.as_str()), (400, "bad_request"), "{}", refused.2);
    assert_eq!(http.delete("/api/queues/%2F/s/contents").status, 400);
    assert_eq!(http.delete("/api/queues/%2F/s").status, 204);
}
