//! Cursors of streams, and queues that are fed from streams: nothing is passed over, over restarts and kills.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use coney::{Broker, BrokerHandle};
use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, Consumer};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::client::{self, string, table};
use crate::support::http::Http;
use crate::support::killing::{self, Verdict, channel_to, confirming, id_of, kill_publishers, publish_to};

async fn start(dir: &Path) -> (BrokerHandle, Http) {
    let any = "127.0.0.1:0".parse().unwrap();
    let builder = Broker::builder().data_dir(dir).listen(any).http(any);
    let broker = builder.start().await.unwrap();
    let http = Http::new(broker.http_addresses()[0]);
    (broker, http)
}

async fn declare(channel: &Channel, queue: &str, arguments: &[(&str, AMQPValue)]) -> lapin::Result<()> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, table(arguments)).await.map(drop)
}

async fn declare_stream(channel: &Channel, queue: &str) {
    declare(channel, queue, &[("x-queue-type", string("stream"))]).await.unwrap();
}

async fn publish(channel: &Channel, range: std::ops::Range<u64>) {
    let mut confirms = Vec::new();
    for number in range {
        // Not persistent: a stream stores it all the same.
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let body = number.to_string();
        let confirm = channel.basic_publish("".into(), "s".into(), options, body.as_bytes(), properties);
        confirms.push(confirm.await.unwrap());
    }
    for confirm in confirms {
        assert!(confirm.await.unwrap().is_ack());
    }
}

async fn consume(channel: &Channel, queue: &str, prefetch: u16, arguments: &[(&str, AMQPValue)]) -> Consumer {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    channel.basic_consume(queue.into(), "c".into(), options, table(arguments)).await.unwrap()
}

async fn next(consumer: &mut Consumer) -> (u64, Delivery) {
    let delivery = consumer.next().await.unwrap().unwrap();
    (std::str::from_utf8(&delivery.data).unwrap().parse().unwrap(), delivery)
}

async fn ack(delivery: &Delivery) {
    delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
}

fn cursor(name: &str) -> [(&'static str, AMQPValue); 2] {
    [("x-stream-cursor", string(name)), ("x-stream-offset", string("first"))]
}

#[tokio::test]
async fn a_reader_goes_on_after_a_restart_where_it_acked() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, _) = start(dir.path()).await;
    let channel = client::confirming(&client::connect(&broker).await).await;
    declare_stream(&channel, "s").await;
    publish(&channel, 0..100).await;
    let mut consumer = consume(&channel, "s", 10, &cursor("billing")).await;
    for expected in 0..40 {
        let (number, delivery) = next(&mut consumer).await;
        assert_eq!((number, delivery.redelivered), (expected, false));
        ack(&delivery).await;
    }
    // An answer after the acks.
    channel.basic_cancel("c".into(), BasicCancelOptions::default()).await.unwrap();
    broker.shutdown().await.unwrap();

    let (broker, _) = start(dir.path()).await;
    let channel = client::confirming(&client::connect(&broker).await).await;
    let mut consumer = consume(&channel, "s", 10, &cursor("billing")).await;
    for expected in 40..100 {
        let (number, delivery) = next(&mut consumer).await;
        assert_eq!(number, expected);
        // The last ack and the cancel may have come together.
        assert!(number == 49 || delivery.redelivered == (number < 50), "{number}");
        ack(&delivery).await;
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_second_reader_takes_over_when_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, _) = start(dir.path()).await;
    let channel = client::confirming(&client::connect(&broker).await).await;
    declare_stream(&channel, "s").await;
    publish(&channel, 0..10).await;
    let first = client::connect(&broker).await;
    let mut consumer = consume(&first.create_channel().await.unwrap(), "s", 5, &cursor("c")).await;
    let second = client::connect(&broker).await.create_channel().await.unwrap();
    let mut waiting = consume(&second, "s", 50, &cursor("c")).await;
    for expected in 0..3 {
        let (number, delivery) = next(&mut consumer).await;
        assert_eq!(number, expected);
        if number != 1 {
            ack(&delivery).await;
        }
    }
    first.close(200, "bye".into()).await.unwrap();
    for expected in [1, 3, 4, 5, 6, 7, 8, 9] {
        let (number, delivery) = next(&mut waiting).await;
        assert_eq!(number, expected);
        ack(&delivery).await;
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_are_seen_moved_and_deleted_over_http() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, http) = start(dir.path()).await;
    let channel = client::confirming(&client::connect(&broker).await).await;
    declare_stream(&channel, "s").await;
    publish(&channel, 0..10).await;
    let path = |rest: &str| format!("/api/coney/queues/%2F/s/cursors{rest}");
    let put = |body: serde_json::Value| http.put(&path("/c"), &body);
    assert_eq!(put(json!({ "offset": 4 })).json(), json!({ "name": "c", "offset": 4 }));
    assert_eq!(put(json!({ "offset": "-2" })).json(), json!({ "name": "c", "offset": 8 }));
    assert_eq!(put(json!({ "timestamp": 0 })).json(), json!({ "name": "c", "offset": 0 }));
    for wrong in
        [json!({}), json!({ "offset": "soon" }), json!({ "offset": true }), json!({ "timestamp": "x" })]
    {
        assert_eq!(put(wrong.clone()).status, 400, "{wrong}");
    }
    assert_eq!(http.put(&path("/amq.c"), &json!({ "offset": 0 })).status, 400);
    let mut consumer = consume(&channel, "s", 3, &cursor("c")).await;
    let (_, delivery) = next(&mut consumer).await;
    ack(&delivery).await;
    let (number, _) = next(&mut consumer).await;
    assert_eq!(number, 1);
    let listed = loop {
        let listed = http.get(&path("")).json();
        // The ack may still be on its way.
        if listed[0]["offset"] != json!(0) {
            break listed;
        }
    };
    let [of_it] = listed.as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&of_it["name"], &of_it["offset"], &of_it["lag"]), (&json!("c"), &json!(1), &json!(9)));
    assert_eq!((&of_it["consumer_tag"], &of_it["waiting"]), (&json!("c"), &json!(0)));
    assert_eq!(http.delete(&path("/c")).status, 400);
    channel.close(200, "bye".into()).await.unwrap();
    assert_eq!(http.delete(&path("/c")).status, 204);
    assert_eq!(http.delete(&path("/c")).status, 404);
    assert_eq!(http.get("/api/coney/queues/%2F/none/cursors").status, 404);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_shown_from_any_place() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, _) = start(dir.path()).await;
    let channel = client::confirming(&client::connect(&broker).await).await;
    declare_stream(&channel, "s").await;
    publish(&channel, 0..300).await;
    broker.shutdown().await.unwrap();
    // Nothing is in memory now.
    let (broker, http) = start(dir.path()).await;
    let shown = |query: &str| {
        let answer = http.get(&format!("/api/coney/queues/%2F/s/messages?{query}"));
        assert_eq!(answer.status, 200, "{:?}", answer.json());
        let messages = answer.json();
        let shown = messages.as_array().unwrap().iter().map(|message| {
            assert_eq!(message["payload"], message["id"].to_string());
            message["id"].as_u64().unwrap()
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(shown("from=first&limit=3"), [0, 1, 2]);
    assert_eq!(shown("from=250"), (250..300).collect::<Vec<_>>());
    assert_eq!(shown("from=-2"), [298, 299]);
    assert_eq!(shown("from_timestamp=0&limit=1"), [0]);
    assert_eq!(shown("from=1D&limit=1"), [0]);
    assert_eq!(shown("from=next"), [0_u64; 0]);
    assert_eq!(shown("position=123"), [123]);
    assert_eq!(http.get("/api/coney/queues/%2F/s/messages?from=nowhere").status, 400);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_share_what_a_queue_is_fed_and_what_fails_is_dead_lettered() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, http) = start(dir.path()).await;
    let channel = client::confirming(&client::connect(&broker).await).await;
    declare_stream(&channel, "s").await;
    declare(&channel, "dead", &[]).await.unwrap();
    publish(&channel, 0..5000).await;
    let arguments = [
        ("x-stream-source", string("s")),
        ("x-stream-offset", string("first")),
        ("x-queue-type", string("quorum")),
        ("x-delivery-limit", AMQPValue::LongInt(2)),
        ("x-dead-letter-exchange", string("")),
        ("x-dead-letter-routing-key", string("dead")),
    ];
    declare(&channel, "work", &arguments).await.unwrap();
    publish(&channel, 5000..6000).await;
    let counts = Arc::new(Mutex::new(vec![0_u8; 6000]));
    let mut workers = JoinSet::new();
    for _ in 0..2 {
        let channel = client::connect(&broker).await.create_channel().await.unwrap();
        let counts = Arc::clone(&counts);
        workers.spawn(async move {
            let mut consumer = consume(&channel, "work", 50, &[]).await;
            loop {
                let (number, delivery) = next(&mut consumer).await;
                counts.lock().unwrap()[usize::try_from(number).unwrap()] += 1;
                match number % 1000 {
                    7 => {
                        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                        delivery.acker.nack(requeue).await.unwrap();
                    }
                    _ => ack(&delivery).await,
                }
            }
        });
    }
    let mut dead = consume(&channel, "dead", 50, &[]).await;
    let mut letters = Vec::new();
    while letters.len() < 6 {
        let (number, delivery) = next(&mut dead).await;
        let headers = delivery.properties.headers().clone().unwrap();
        let offset = headers.inner().get("x-stream-offset");
        assert_eq!(offset, Some(&AMQPValue::LongLongInt(i64::try_from(number).unwrap())));
        letters.push(number);
        ack(&delivery).await;
    }
    letters.sort_unstable();
    assert_eq!(letters, [7, 1007, 2007, 3007, 4007, 5007]);
    let queue = || http.get("/api/queues/%2F/work").json();
    while queue()["messages"] != json!(0) || counts.lock().unwrap().contains(&0) {
        tokio::task::yield_now().await;
    }
    // Once each, and what failed three times.
    let counts = counts.lock().unwrap().clone();
    for (number, count) in counts.iter().enumerate() {
        assert_eq!(*count, if number % 1000 == 7 { 3 } else { 1 }, "{number}");
    }
    // It reads with a cursor of its own, which goes with it; the stream stays.
    let cursors = || http.get("/api/coney/queues/%2F/s/cursors").json();
    assert_eq!(cursors()[0]["name"], "amq.queue.work");
    assert_eq!(cursors()[0]["lag"], 0);
    workers.shutdown().await;
    channel.queue_delete("work".into(), QueueDeleteOptions::default()).await.unwrap();
    while cursors() != json!([]) {
        tokio::task::yield_now().await;
    }
    assert_eq!(http.get("/api/queues/%2F/s").json()["messages"], 6000);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_fed_only_as_much_as_it_can_take_and_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, http) = start(dir.path()).await;
    let channel = client::confirming(&client::connect(&broker).await).await;
    declare_stream(&channel, "s").await;
    publish(&channel, 0..7000).await;
    let arguments = [("x-stream-source", string("s")), ("x-stream-offset", string("first"))];
    declare(&channel, "work", &arguments).await.unwrap();
    let ready = |http: &Http| http.get("/api/queues/%2F/work").json()["messages_ready"].as_u64().unwrap();
    while ready(&http) < 2000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ready(&http), 2000);
    let mut consumer = consume(&channel, "work", 100, &[]).await;
    for expected in 0..3000 {
        let (number, delivery) = next(&mut consumer).await;
        assert_eq!(number, expected);
        ack(&delivery).await;
    }
    channel.basic_cancel("c".into(), BasicCancelOptions::default()).await.unwrap();
    broker.shutdown().await.unwrap();

    let (broker, _) = start(dir.path()).await;
    let channel = client::confirming(&client::connect(&broker).await).await;
    publish(&channel, 7000..7100).await;
    let mut consumer = consume(&channel, "work", 100, &[]).await;
    for expected in 3000..7100 {
        let (number, delivery) = next(&mut consumer).await;
        assert_eq!(number, expected);
        ack(&delivery).await;
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_source_has_to_be_a_stream_that_is_there_and_may_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, _) = start(dir.path()).await;
    let connection = client::connect(&broker).await;
    let channel = client::confirming(&connection).await;
    let refused = async |source: AMQPValue, durable: bool| {
        let channel = connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions { durable, ..QueueDeclareOptions::default() };
        let arguments = table(&[("x-stream-source", source)]);
        channel.queue_declare("work".into(), options, arguments).await.unwrap_err().to_string()
    };
    assert!(refused(string("s"), true).await.contains("no queue 's'"));
    declare(&channel, "q", &[]).await.unwrap();
    assert!(refused(string("q"), true).await.contains("queue 'q' in vhost '/' is not a stream"));
    declare_stream(&channel, "s").await;
    assert!(refused(string("s"), false).await.contains("durable"));
    assert!(refused(AMQPValue::LongInt(1), true).await.contains("x-stream-source"));
    declare(&channel, "work", &[("x-stream-source", string("s"))]).await.unwrap();
    for round in 0..2 {
        publish(&channel, round..round + 1).await;
        let mut consumer = consume(&channel, "work", 10, &[]).await;
        let (number, delivery) = next(&mut consumer).await;
        assert_eq!(number, round);
        ack(&delivery).await;
        channel.basic_cancel("c".into(), BasicCancelOptions::default()).await.unwrap();
        channel.queue_delete("s".into(), QueueDeleteOptions::default()).await.unwrap();
        declare_stream(&channel, "s").await;
    }
    broker.shutdown().await.unwrap();
}

/// How often the broker is killed.
const KILLS: u64 = 10;

/// What clients know.
#[derive(Default)]
struct Known {
    /// Acked by somebody who read with the cursor, or who consumed from the queue that is fed.
    read: HashSet<u64>,
    worked: HashSet<u64>,
}

/// Reads with a cursor until the broker is gone, or as long as it is to.
async fn read(channel: Channel, known: Arc<Mutex<Known>>, goes_on: impl Fn(&Known) -> bool) {
    if channel.basic_qos(20, BasicQosOptions::default()).await.is_err() {
        return;
    }
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume("s".into(), "".into(), options, table(&cursor("c"))).await;
    let Ok(mut consumer) = consumer else { return };
    while let Some(Ok(delivery)) = consumer.next().await {
        known.lock().unwrap().read.insert(id_of(&delivery.data));
        if delivery.acker.ack(BasicAckOptions::default()).await.is_err() || !goes_on(&known.lock().unwrap()) {
            return;
        }
    }
}

async fn work(channel: Channel, known: Arc<Mutex<Known>>) {
    let verdict = |delivery: &Delivery| {
        known.lock().unwrap().worked.insert(id_of(&delivery.data));
        Verdict::Ack
    };
    killing::consume(channel, "work", verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_pass_over_nothing_that_was_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let (known, published) = (Arc::new(Mutex::new(Known::default())), Arc::new(Mutex::default()));
    for round in 0..KILLS {
        let process = killing::start(dir.path());
        let channel = channel_to(&process).await;
        let small = [
            ("x-queue-type", string("stream")),
            ("x-stream-max-segment-size-bytes", AMQPValue::LongInt(20_000)),
        ];
        declare(&channel, "s", &small).await.unwrap();
        declare(&channel, "work", &[("x-stream-source", string("s")), ("x-stream-offset", string("first"))])
            .await
            .unwrap();
        let mut clients = JoinSet::new();
        clients.spawn(publish_to("s", confirming(&process).await, Arc::clone(&published)));
        for _ in 0..2 {
            clients.spawn(read(channel_to(&process).await, Arc::clone(&known), |_| true));
            clients.spawn(work(channel_to(&process).await, Arc::clone(&known)));
        }
        kill_publishers(process, clients, round, &published).await;
    }
    let process = killing::start(dir.path());
    let confirmed = std::mem::take(&mut published.lock().unwrap().confirmed);
    let (reader, worker) = (channel_to(&process).await, channel_to(&process).await);
    let working = tokio::spawn(work(worker, Arc::clone(&known)));
    read(reader, Arc::clone(&known), |known| !confirmed.is_subset(&known.read)).await;
    while !confirmed.is_subset(&known.lock().unwrap().worked) {
        tokio::task::yield_now().await;
    }
    working.abort();
    assert!(confirmed.len() > KILLS as usize);
    process.kill();
}
