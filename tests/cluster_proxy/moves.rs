//! Vhosts that move from one shard to another, with all that is in them.

use std::time::Duration;

use coney::server::Door;
use futures_lite::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};
use tokio::time::timeout;

use super::shards::{Three, confirming, publish, take};
use super::{PATIENCE, connect_to, request};

fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

async fn declare(channel: &Channel, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), durable, table(arguments)).await.unwrap();
}

async fn send(channel: &Channel, exchange: &str, key: &str, body: &[u8], headers: &[(&str, AMQPValue)]) {
    let properties = BasicProperties::default().with_delivery_mode(2).with_headers(table(headers));
    let published =
        channel.basic_publish(exchange.into(), key.into(), BasicPublishOptions::default(), body, properties);
    assert!(published.await.unwrap().await.unwrap().is_ack());
}

async fn exchange(channel: &Channel, name: &str, kind: &str, arguments: &[(&str, AMQPValue)]) {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let kind = ExchangeKind::Custom(kind.into());
    channel.exchange_declare(name.into(), kind, durable, table(arguments)).await.unwrap();
}

async fn bind(channel: &Channel, exchange: &str, queue: &str) {
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.into(), exchange.into(), "k".into(), options, none).await.unwrap();
}

async fn move_to(three: &Three, node: usize, vhost: &str, shard: usize) -> (u16, String) {
    let wish = format!("{{\"vhost\":\"{vhost}\",\"shard\":{shard}}}");
    three.ask(node, "POST", "/api/coney/cluster/move", &wish).await
}

async fn shard_of(three: &Three, path: &str) -> u64 {
    three.json(0, path).await["shard"].as_u64().unwrap_or(0)
}

/// How many [`fill`] makes.
const QUEUES: usize = 7;

/// Messages of every kind in a vhost.
async fn fill(three: &Three, vhost: &str, is_first: bool) {
    let connection = connect_to(three.amqp(0), vhost).await.unwrap();
    let channel = confirming(&connection).await;
    declare(&channel, "plain", &[]).await;
    for number in 0..100 {
        assert!(publish(&channel, "plain", format!("{number}").as_bytes()).await);
    }
    // Every second one goes, and the others stay unacked: what is left of a chunk is noted.
    let getting = connection.create_channel().await.unwrap();
    for number in 0..100_u32 {
        if number % 2 == 0 && is_first {
            let got = getting.basic_get("plain".into(), Default::default()).await.unwrap().unwrap();
            assert_eq!(got.delivery.data, number.to_string().as_bytes());
            got.delivery.ack(BasicAckOptions::default()).await.unwrap();
            assert!(getting.basic_get("plain".into(), Default::default()).await.unwrap().is_some());
        }
    }
    exchange(&channel, "all", "fanout", &[]).await;
    for queue in ["left", "right"] {
        declare(&channel, queue, &[("x-max-priority", AMQPValue::ShortShortInt(3))]).await;
        bind(&channel, "all", queue).await;
    }
    // Large enough to be kept once for both.
    for byte in 0..3 {
        send(&channel, "all", "k", &vec![byte; 50_000], &[]).await;
    }
    exchange(&channel, "later", "x-delayed-message", &[("x-delayed-type", text("direct"))]).await;
    declare(&channel, "due", &[]).await;
    bind(&channel, "later", "due").await;
    send(&channel, "later", "k", b"late", &[("x-delay", AMQPValue::LongInt(4000))]).await;
    declare(&channel, "once", &[("x-message-deduplication", AMQPValue::Boolean(true))]).await;
    send(&channel, "", "once", b"first", &[("x-deduplication-header", text("key"))]).await;
    declare(&channel, "tried", &[("x-queue-type", text("quorum"))]).await;
    assert!(publish(&channel, "tried", b"twice").await);
    assert_eq!(attempt(&channel).await, None);
    declare(&channel, "log", &[("x-queue-type", text("stream"))]).await;
    for number in 0..10 {
        send(&channel, "", "log", format!("{number}").as_bytes(), &[]).await;
    }
    assert_eq!(read_log(&channel, 5).await, ["0", "1", "2", "3", "4"]);
    let policy = r#"{"pattern":"^plain$","apply-to":"queues","definition":{"max-length":5000}}"#;
    let path = format!("/api/policies/{}/p", vhost.replace("%2f", "%2F"));
    assert_eq!(three.ask(1, "PUT", &path, policy).await.0, 201);
}

/// Gets a message that is given back, and how often it was given back before.
async fn attempt(channel: &Channel) -> Option<AMQPValue> {
    let got = channel.basic_get("tried".into(), Default::default()).await.unwrap().unwrap();
    got.delivery.nack(BasicNackOptions { requeue: true, multiple: false }).await.unwrap();
    got.delivery.properties.headers().as_ref()?.inner().get("x-delivery-count").cloned()
}

/// Reads so many of the stream by its cursor, and acks them.
async fn read_log(channel: &Channel, count: u16) -> Vec<String> {
    channel.basic_qos(count, BasicQosOptions::default()).await.unwrap();
    let cursor = table(&[("x-stream-cursor", text("c")), ("x-stream-offset", text("first"))]);
    let options = BasicConsumeOptions::default();
    let mut consumer = channel.basic_consume("log".into(), "reader".into(), options, cursor).await.unwrap();
    let mut read = Vec::new();
    let mut last = None;
    while read.len() < usize::from(count) {
        let delivery = timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().unwrap();
        read.push(String::from_utf8(delivery.data.clone()).unwrap());
        last = Some(delivery);
    }
    last.unwrap().ack(BasicAckOptions { multiple: true }).await.unwrap();
    channel.basic_cancel("reader".into(), Default::default()).await.unwrap();
    // An ack is not waited for otherwise.
    channel.basic_qos(0, BasicQosOptions::default()).await.unwrap();
    read
}

async fn all(channel: &Channel, queue: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(body) = take(channel, queue).await {
        all.push(body);
    }
    all
}

/// Everything that [`fill`] has put there, once.
async fn check(three: &Three, vhost: &str, acked: usize) {
    let connection = connect_to(three.amqp(1), vhost).await.unwrap();
    let channel = confirming(&connection).await;
    let expected: Vec<Vec<u8>> = (0..100_usize)
        .filter(|number| number % 2 == 1 || *number >= acked * 2)
        .map(|number| number.to_string().into_bytes())
        .collect();
    assert_eq!(all(&channel, "plain").await, expected);
    for queue in ["left", "right"] {
        assert_eq!(all(&channel, queue).await, [0, 1, 2].map(|byte| vec![byte; 50_000]), "{queue}");
    }
    send(&channel, "", "once", b"again", &[("x-deduplication-header", text("key"))]).await;
    assert_eq!(all(&channel, "once").await, [b"first"]);
    assert_eq!(read_log(&channel, 5).await, ["5", "6", "7", "8", "9"]);
    assert_eq!(attempt(&channel).await, Some(AMQPValue::LongLongInt(1)));
    let due = async {
        loop {
            if let Some(body) = take(&channel, "due").await {
                return body;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, due).await.unwrap(), b"late");
    send(&channel, "later", "k", b"soon", &[("x-delay", AMQPValue::LongInt(10))]).await;
    let path = format!("/api/queues/{}/plain", vhost.replace("%2f", "%2F"));
    assert_eq!(three.json(2, &path).await["policy"], "p");
    send(&channel, "", "log", b"10", &[]).await;
    assert_eq!(read_log(&channel, 1).await, ["10"]);
    assert!(publish(&channel, "plain", b"new").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vhost_moves_with_messages_in_every_state_and_clients_find_it_where_it_is() {
    let three = Three::new().await;
    fill(&three, "one", true).await;
    let held = connect_to(three.amqp(2), "one").await.unwrap();
    let holding = held.create_channel().await.unwrap();
    let mut consumer = holding
        .basic_consume("left".into(), "h".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .unwrap();
    timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().unwrap();
    let other = connect_to(three.amqp(0), "two").await.unwrap();
    let moved = move_to(&three, 0, "one", 2).await;
    assert_eq!(moved.0, 204, "{}", moved.1);
    assert!(!held.status().connected(), "its clients are disconnected");
    assert!(other.status().connected(), "and no others");
    assert_eq!(shard_of(&three, "/api/vhosts/one").await, 2);
    check(&three, "one", 50).await;
    // The leader of the shard that it came to dies: it is all in that shard's log.
    three.hand_over(2, 0).await;
    let connection = connect_to(three.amqp(1), "one").await.unwrap();
    assert_eq!(all(&confirming(&connection).await, "plain").await, [b"new"]);
    // What it was copied from is gone: it does not come back with the vhost.
    assert_eq!(move_to(&three, 1, "one", 1).await.0, 204);
    let connection = connect_to(three.amqp(1), "one").await.unwrap();
    assert_eq!(all(&confirming(&connection).await, "plain").await, Vec::<Vec<u8>>::new());
    assert_eq!(move_to(&three, 1, "one", 1).await.0, 204, "it is there already");
    assert_eq!(move_to(&three, 1, "one", 9).await.0, 400);
    assert_eq!(move_to(&three, 1, "nowhere", 1).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_vhost_leaves_the_meta_shard_and_comes_back() {
    let three = Three::new().await;
    fill(&three, "%2f", false).await;
    let moved = move_to(&three, 1, "/", 1).await;
    assert_eq!(moved.0, 204, "{}", moved.1);
    assert_eq!(shard_of(&three, "/api/vhosts/%2F").await, 1);
    assert_eq!(three.json(0, "/api/queues").await.as_array().unwrap().len(), QUEUES);
    let moved = move_to(&three, 2, "/", 0).await;
    assert_eq!(moved.0, 204, "{}", moved.1);
    assert_eq!(shard_of(&three, "/api/vhosts/%2F").await, 0);
    assert_eq!(three.json(0, "/api/queues").await.as_array().unwrap().len(), QUEUES);
    check(&three, "%2f", 0).await;
}

/// Whatever the API can change in a vhost, as its own document lists it, it does not say that it has while that is closed.
async fn nothing_is_changed_in(three: &Three, vhost: &str) {
    // What is said of the vhost itself is the meta shard's.
    let of_meta = ["/api/vhosts/", "/api/permissions/", "/api/topic-permissions/", "/api/vhost-limits/"];
    let document = three.json(0, "/api/openapi.json").await;
    let (mut asked, mut unavailable) = (0, 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.contains("{vhost}") || of_meta.iter().any(|begin| path.starts_with(begin)) {
            continue;
        }
        let mut place = path.replace("{vhost}", vhost).replace("{component}", "shovel");
        while let Some((before, rest)) = place.split_once('{') {
            place = format!("{before}plain{}", rest.split_once('}').unwrap().1);
        }
        for method in ["put", "post", "delete"].iter().filter(|method| methods.get(**method).is_some()) {
            let (status, said) = three.ask(1, &method.to_uppercase(), &place, "{}").await;
            assert!(status >= 400, "{method} {place}: {status} {said}");
            asked += 1;
            unavailable += u32::from(status == 503);
        }
    }
    assert!(asked > 20 && unavailable > 10, "{unavailable} of {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_cannot_go_on_keeps_the_vhost_closed_and_is_done_again_or_given_up() {
    let three = Three::new().await;
    fill(&three, "one", true).await;
    for node in ["a", "b", "c"] {
        three.cluster.shards[1].0.cut_off(node, true);
    }
    let http = three.nodes[0].at(Door::Http);
    let wish = r#"{"vhost":"one","shard":2}"#;
    let first = tokio::spawn(async move { request(http, "POST", "/api/coney/cluster/move", wish).await });
    let refused = async { while three.ask(1, "GET", "/api/queues/one", "").await.0 != 503 {} };
    timeout(PATIENCE, refused).await.unwrap();
    let error = connect_to(three.amqp(0), "one").await.unwrap_err().to_string();
    assert!(error.contains("moves to another shard"), "{error}");
    first.abort();
    nothing_is_changed_in(&three, "one").await;
    // Given up: it is open again where it was.
    assert_eq!(move_to(&three, 0, "one", 1).await.0, 204);
    let connection = connect_to(three.amqp(0), "one").await.unwrap();
    assert!(connection.status().connected());
    for node in ["a", "b", "c"] {
        three.cluster.shards[1].0.cut_off(node, false);
    }
    let again = async { while move_to(&three, 1, "one", 2).await.0 != 204 {} };
    timeout(Duration::from_secs(90), again).await.unwrap();
    assert_eq!(shard_of(&three, "/api/vhosts/one").await, 2);
    check(&three, "one", 50).await;
    assert_eq!(three.json(2, "/api/queues/one").await.as_array().unwrap().len(), QUEUES);
}
