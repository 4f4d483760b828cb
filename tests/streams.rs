//! Streams on disk: what is confirmed is read again, over restarts and kills.

use std::path::Path;
use std::sync::{Arc, Mutex};

use coney::{Broker, BrokerHandle};
use futures_lite::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, Consumer};
use tokio::task::JoinSet;

use crate::support::client::{self, string, table};
use crate::support::killing::{self, channel_to, confirming, id_of, kill_publishers, publish_to};

async fn start(dir: &Path) -> (BrokerHandle, Channel) {
    let builder = Broker::builder().data_dir(dir).listen("127.0.0.1:0".parse().unwrap());
    let broker = builder.start().await.unwrap();
    let channel = client::confirming(&client::connect(&broker).await).await;
    (broker, channel)
}

async fn restart(broker: BrokerHandle, dir: &Path) -> (BrokerHandle, Channel) {
    broker.shutdown().await.unwrap();
    start(dir).await
}

async fn declare(channel: &Channel, arguments: &[(&str, AMQPValue)]) {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = table(arguments);
    arguments.insert("x-queue-type".into(), string("stream"));
    channel.queue_declare("s".into(), options, arguments).await.unwrap();
}

async fn publish(channel: &Channel, bodies: impl IntoIterator<Item = String>) {
    let mut confirms = Vec::new();
    for body in bodies {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let confirm = channel.basic_publish("".into(), "s".into(), options, body.as_bytes(), properties);
        confirms.push(confirm.await.unwrap());
    }
    for confirm in confirms {
        assert!(confirm.await.unwrap().is_ack());
    }
}

async fn consume(channel: &Channel, prefetch: u16, offset: AMQPValue) -> Consumer {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.unwrap();
    let (options, arguments) = (BasicConsumeOptions::default(), table(&[("x-stream-offset", offset)]));
    channel.basic_consume("s".into(), "c".into(), options, arguments).await.unwrap()
}

/// The next messages, acked: bodies with their offsets.
async fn read(consumer: &mut Consumer, count: usize) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    for _ in 0..count {
        let delivery = consumer.next().await.unwrap().unwrap();
        let headers = delivery.properties.headers().clone().unwrap();
        let Some(AMQPValue::LongLongInt(offset)) = headers.inner().get("x-stream-offset") else {
            panic!("{headers:?}")
        };
        all.push((String::from_utf8(delivery.data.clone()).unwrap(), *offset));
        delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
    }
    all
}

fn numbered(range: std::ops::Range<i64>) -> Vec<(String, i64)> {
    range.map(|number| (number.to_string(), number)).collect()
}

fn bodies(range: std::ops::Range<i64>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

async fn first_offset(channel: &Channel) -> i64 {
    let mut consumer = consume(channel, 1, string("first")).await;
    let first = read(&mut consumer, 1).await[0].1;
    channel.basic_cancel("c".into(), Default::default()).await.unwrap();
    first
}

#[tokio::test]
async fn what_was_confirmed_is_read_after_a_restart_and_offsets_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel) = start(dir.path()).await;
    declare(&channel, &[]).await;
    publish(&channel, bodies(0..500)).await;
    let (broker, channel) = restart(broker, dir.path()).await;
    publish(&channel, bodies(500..600)).await;
    let mut consumer = consume(&channel, 50, string("first")).await;
    assert_eq!(read(&mut consumer, 600).await, numbered(0..600));
    let (broker, channel) = restart(broker, dir.path()).await;
    let mut consumer = consume(&channel, 50, AMQPValue::LongLongInt(450)).await;
    assert_eq!(read(&mut consumer, 150).await, numbered(450..600));
    broker.shutdown().await.unwrap();
}

/// More than its memory, by several readers at several places.
#[tokio::test]
async fn what_is_not_in_memory_is_read_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel) = start(dir.path()).await;
    declare(&channel, &[]).await;
    let padding = "x".repeat(10_000);
    publish(&channel, (0..3000).map(|number| format!("{number:04}{padding}"))).await;
    for offset in [0, 1500, 2999] {
        let own = client::connect(&broker).await.create_channel().await.unwrap();
        let mut consumer = consume(&own, 20, AMQPValue::LongLongInt(offset)).await;
        for expected in offset..3000 {
            let delivery = consumer.next().await.unwrap().unwrap();
            assert_eq!(delivery.data[..4], *format!("{expected:04}").as_bytes());
            delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
        }
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn whole_segments_go_and_stay_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel) = start(dir.path()).await;
    let small = [
        ("x-max-length-bytes", AMQPValue::LongInt(2000)),
        ("x-stream-max-segment-size-bytes", AMQPValue::LongInt(500)),
    ];
    declare(&channel, &small).await;
    for number in 0..200 {
        publish(&channel, bodies(number..number + 1)).await;
    }
    let first = first_offset(&channel).await;
    assert!(first > 50, "{first}");
    let (broker, channel) = restart(broker, dir.path()).await;
    assert_eq!(first_offset(&channel).await, first);
    let mut consumer = consume(&channel, 50, string("first")).await;
    assert_eq!(read(&mut consumer, (200 - first) as usize).await, numbered(first..200));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_is_deleted_leaves_nothing_to_one_of_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel) = start(dir.path()).await;
    declare(&channel, &[]).await;
    publish(&channel, bodies(0..100)).await;
    channel.queue_delete("s".into(), QueueDeleteOptions::default()).await.unwrap();
    declare(&channel, &[]).await;
    publish(&channel, ["new".to_owned()]).await;
    let (broker, channel) = restart(broker, dir.path()).await;
    let mut consumer = consume(&channel, 10, string("first")).await;
    assert_eq!(read(&mut consumer, 1).await, [("new".to_owned(), 0)]);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_policy_trims_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel) = start(dir.path()).await;
    declare(&channel, &[("x-stream-max-segment-size-bytes", AMQPValue::LongInt(100))]).await;
    for number in 0..100 {
        publish(&channel, bodies(number..number + 1)).await;
    }
    assert_eq!(first_offset(&channel).await, 0);
    let policy = coney::policy::Policy {
        name: "short".to_owned(),
        kind: coney::policy::PolicyKind::User,
        pattern: "^s$".to_owned(),
        apply_to: coney::policy::ApplyTo::Streams,
        priority: 0,
        definition: table(&[("max-length-bytes", AMQPValue::LongInt(500))]),
    };
    broker.put_policy("/", policy).await.unwrap();
    let first = first_offset(&channel).await;
    assert!(first > 50, "{first}");
    broker.shutdown().await.unwrap();
}

/// A broker without a data directory keeps streams in memory.
#[tokio::test]
async fn an_ephemeral_broker_has_streams() {
    let broker = Broker::builder().ephemeral().listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    let channel = client::confirming(&client::connect(&broker).await).await;
    declare(&channel, &[]).await;
    publish(&channel, bodies(0..100)).await;
    for _ in 0..2 {
        let mut consumer = consume(&channel, 10, string("first")).await;
        assert_eq!(read(&mut consumer, 100).await, numbered(0..100));
        channel.basic_cancel("c".into(), Default::default()).await.unwrap();
    }
    broker.shutdown().await.unwrap();
}

/// How often the broker is killed.
const KILLS: u64 = 12;

/// The message at each offset, as it was seen.
#[derive(Default)]
struct Known(Vec<u64>);

impl Known {
    /// A message is at an offset: the one that anybody ever saw there.
    fn see(&mut self, offset: usize, id: u64) {
        match self.0.get(offset) {
            Some(known) => assert_eq!(*known, id, "offset {offset} was given twice"),
            None => {
                assert_eq!(offset, self.0.len(), "an offset was left out");
                self.0.push(id);
            }
        }
    }
}

async fn follow(channel: &Channel, known: &Mutex<Known>, until: impl Fn(&Known) -> bool) {
    // The broker may be killed at any moment.
    if channel.basic_qos(100, BasicQosOptions::default()).await.is_err() {
        return;
    }
    let (options, arguments) =
        (BasicConsumeOptions::default(), table(&[("x-stream-offset", string("first"))]));
    let consumer = channel.basic_consume("s".into(), "".into(), options, arguments).await;
    let Ok(mut consumer) = consumer else { return };
    while let Some(Ok(delivery)) = consumer.next().await {
        let headers = delivery.properties.headers().clone().unwrap();
        let Some(AMQPValue::LongLongInt(offset)) = headers.inner().get("x-stream-offset") else {
            panic!("{headers:?}")
        };
        known.lock().unwrap().see(usize::try_from(*offset).unwrap(), id_of(&delivery.data));
        if delivery.acker.ack(BasicAckOptions::default()).await.is_err() || until(&known.lock().unwrap()) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_confirmed_message_is_lost_and_no_offset_given_twice_by_kills() {
    let dir = tempfile::tempdir().unwrap();
    let (known, published) = (Arc::new(Mutex::new(Known::default())), Arc::new(Mutex::default()));
    for round in 0..KILLS {
        let process = killing::start(dir.path());
        declare(
            &channel_to(&process).await,
            &[("x-stream-max-segment-size-bytes", AMQPValue::LongInt(20_000))],
        )
        .await;
        let mut clients = JoinSet::new();
        for _ in 0..2 {
            clients.spawn(publish_to("s", confirming(&process).await, Arc::clone(&published)));
        }
        let (channel, follower) = (channel_to(&process).await, Arc::clone(&known));
        clients.spawn(async move { follow(&channel, &follower, |_| false).await });
        kill_publishers(process, clients, round, &published).await;
    }
    let process = killing::start(dir.path());
    let confirmed = std::mem::take(&mut published.lock().unwrap().confirmed);
    let all_seen = |Known(seen): &Known| confirmed.is_subset(&seen.iter().copied().collect());
    follow(&channel_to(&process).await, &known, all_seen).await;
    assert!(all_seen(&known.lock().unwrap()) && confirmed.len() > KILLS as usize);
    process.kill();
}
