//! What no broker refuses and is seldom what was wanted: the linter tells of it, and of nothing that is as it should be.

use coney::config::Config;
use coney::{Broker, BrokerHandle};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::support::client::{consume, next, string, table};
use crate::support::http::Http;

/// A broker with a client of a name.
struct Bench {
    broker: BrokerHandle,
    http: Http,
}

impl Bench {
    async fn start() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let builder = Broker::builder().config(config).ephemeral().listen(any).http(any);
        let broker = builder.start().await.unwrap();
        let http = Http::new(broker.http_addresses()[0]);
        Self { broker, http }
    }

    async fn connect(&self, name: &str) -> (Connection, Channel) {
        let uri = format!("amqp://guest:guest@{}/%2f", self.broker.address().unwrap());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = Connection::connect(&uri, properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// Rule, place and count of each smell.
    fn smells(&self) -> Vec<(String, String, u64)> {
        let found = self.http.json("/api/coney/lint");
        let smells = found.as_array().unwrap().iter().filter(|entry| entry["outcome"] == "smell");
        let text = |entry: &serde_json::Value| entry.as_str().unwrap().to_owned();
        smells
            .map(|entry| (text(&entry["rule"]), text(&entry["where"]), entry["count"].as_u64().unwrap()))
            .collect()
    }

    /// Waits for them: a client's end is noted after the client has seen it.
    async fn smells_become(&self, expected: &[(&str, &str, u64)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(rule, place, count)| ((*rule).to_owned(), (*place).to_owned(), *count))
            .collect();
        let wait = async {
            while self.smells() != expected {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), wait).await;
        assert!(waited.is_ok(), "{:?} instead of {expected:?}", self.smells());
    }
}

async fn declare(channel: &Channel, name: &str, durable: bool, arguments: &[(&str, AMQPValue)]) {
    let options = QueueDeclareOptions { durable, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, table(arguments)).await.unwrap();
}

async fn publish(channel: &Channel, queue: &str, mode: u8) {
    let properties = BasicProperties::default().with_delivery_mode(mode);
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish("".into(), queue.into(), options, b"m", properties).await.unwrap();
    sent.await.unwrap();
}

async fn confirming(channel: &Channel) {
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_queues_that_do_not_survive_alike() {
    let bench = Bench::start().await;
    let (_plain, channel) = bench.connect("plain").await;
    let (_careful, safe) = bench.connect("careful").await;
    confirming(&safe).await;
    declare(&channel, "durable", true, &[]).await;
    declare(&channel, "transient", false, &[]).await;
    for _ in 0..2 {
        publish(&safe, "durable", 2).await;
        publish(&safe, "transient", 1).await;
        assert_eq!(bench.smells(), [], "as it should be");
    }
    publish(&channel, "transient", 2).await;
    publish(&channel, "durable", 2).await;
    // Each is looked at once by a connection.
    publish(&channel, "durable", 1).await;
    bench
        .smells_become(&[
            ("persistent-in-transient-queue", "queue 'transient' (published by app 'plain')", 1),
            ("no-confirms", "queue 'durable' (published by app 'plain')", 1),
        ])
        .await;
    let (_other, channel) = bench.connect("other").await;
    publish(&channel, "durable", 1).await;
    let all = [
        ("persistent-in-transient-queue", "queue 'transient' (published by app 'plain')", 1),
        ("no-confirms", "queue 'durable' (published by app 'plain')", 1),
        ("transient-in-durable-queue", "queue 'durable' (published by app 'other')", 1),
    ];
    bench.smells_become(&all).await;
    bench.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_channels_for_one_message() {
    let bench = Bench::start().await;
    let (keeper, channel) = bench.connect("keeper").await;
    declare(&channel, "q", false, &[]).await;
    for _ in 0..9 {
        let (connection, channel) = bench.connect("hasty").await;
        publish(&channel, "q", 1).await;
        connection.close(200, "".into()).await.unwrap();
        let channel = keeper.create_channel().await.unwrap();
        publish(&channel, "q", 1).await;
        channel.close(200, "".into()).await.unwrap();
    }
    assert_eq!(bench.smells(), [], "it may be chance");
    for _ in 0..2 {
        let (connection, channel) = bench.connect("hasty").await;
        publish(&channel, "q", 1).await;
        connection.close(200, "".into()).await.unwrap();
    }
    let connections = ("connection-per-message", "connections (opened by app 'hasty')", 11);
    bench.smells_become(&[connections]).await;
    for _ in 0..2 {
        // One that publishes more is one to keep.
        for messages in [1, 2] {
            let channel = keeper.create_channel().await.unwrap();
            for _ in 0..messages {
                publish(&channel, "q", 1).await;
            }
            channel.close(200, "".into()).await.unwrap();
        }
    }
    let channels = ("channel-per-message", "channels (opened by app 'keeper')", 11);
    bench.smells_become(&[connections, channels]).await;
    bench.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passive_declares_in_a_loop() {
    let bench = Bench::start().await;
    let (_connection, channel) = bench.connect("poller").await;
    declare(&channel, "q", false, &[]).await;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    for _ in 0..99 {
        channel.queue_declare("q".into(), passive, FieldTable::default()).await.unwrap();
    }
    assert_eq!(bench.smells(), []);
    channel.queue_declare("q".into(), passive, FieldTable::default()).await.unwrap();
    let expected = ("passive-declares", "queue 'q' (looked for by app 'poller')", 100);
    bench.smells_become(&[expected]).await;
    bench.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_nobody_takes_from() {
    let bench = Bench::start().await;
    let (_connection, channel) = bench.connect("filler").await;
    confirming(&channel).await;
    declare(&channel, "heap", true, &[]).await;
    declare(&channel, "limited", true, &[("x-max-length", AMQPValue::LongInt(5000))]).await;
    declare(&channel, "taken", true, &[]).await;
    for queue in ["heap", "limited", "taken"] {
        let mut confirms = Vec::new();
        for _ in 0..1000 {
            let properties = BasicProperties::default().with_delivery_mode(2);
            let options = BasicPublishOptions::default();
            let sent = channel.basic_publish("".into(), queue.into(), options, b"m", properties);
            confirms.push(sent.await.unwrap());
        }
        for confirm in confirms {
            assert!(confirm.await.unwrap().is_ack());
        }
    }
    let got = channel.basic_get("taken".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    got.acker.ack(BasicAckOptions::default()).await.unwrap();
    bench.smells_become(&[("nobody-takes", "queue 'heap' (as it is now)", 1)]).await;
    channel.basic_get("heap".into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    bench.smells_become(&[]).await;
    bench.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_go_round() {
    let bench = Bench::start().await;
    let (_connection, channel) = bench.connect("stubborn").await;
    declare(&channel, "q", false, &[]).await;
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let mut consumer = consume(&channel, "q", "c", BasicConsumeOptions::default()).await;
    for _ in 0..10 {
        publish(&channel, "q", 1).await;
    }
    for round in 0..101 {
        let delivery = next(&mut consumer).await;
        if round == 99 {
            assert_eq!(bench.smells(), [], "nine times each, and one of them for the tenth");
        }
        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        delivery.acker.nack(requeue).await.unwrap();
    }
    bench.smells_become(&[("goes-round", "queue 'q' (as it is now)", 1)]).await;
    bench.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_that_messages_expire_through_in_a_circle() {
    let bench = Bench::start().await;
    let (_connection, channel) = bench.connect("a").await;
    let to =
        |queue: &str| [("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string(queue))];
    let ttl = ("x-message-ttl", AMQPValue::LongInt(3_600_000));
    let [exchange, key] = to("two");
    declare(&channel, "one", false, &[exchange, key, ttl.clone()]).await;
    // What is tried again comes back by a reject.
    let [exchange, key] = to("wait");
    declare(&channel, "work", false, &[exchange, key]).await;
    let [exchange, key] = to("work");
    declare(&channel, "wait", false, &[exchange, key, ttl.clone()]).await;
    assert_eq!(bench.smells(), [], "the way ends");
    let [exchange, key] = to("one");
    declare(&channel, "two", false, &[exchange, key, ttl]).await;
    let circle = ["queue 'one' (as it is now)", "queue 'two' (as it is now)"];
    bench.smells_become(&circle.map(|place| ("expires-in-circles", place, 1))).await;
    bench.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_each_finding_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lint.jsonl");
    let bench = Bench::with(Config { lint: Some(path.clone()), ..Config::default() }).await;
    let (_connection, channel) = bench.connect("billing").await;
    for _ in 0..2 {
        declare(&channel, "tmp", false, &[]).await;
    }
    publish(&channel, "tmp", 2).await;
    bench
        .smells_become(&[("persistent-in-transient-queue", "queue 'tmp' (published by app 'billing')", 1)])
        .await;
    let written = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown = |index: usize, key: &str| lines[index][key].as_str();
    assert_eq!(lines.len(), 2, "{written}");
    assert_eq!((shown(0, "rule"), shown(0, "target")), (Some("transient-queue"), Some("rabbitmq-4.3")));
    assert_eq!((shown(1, "rule"), shown(1, "target")), (Some("persistent-in-transient-queue"), None));
    assert_eq!(shown(1, "where"), Some("queue 'tmp' (published by app 'billing')"));
    bench.broker.shutdown().await.unwrap();
}
