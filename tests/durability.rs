//! What outlives a restart, and what does not.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coney::Clock;
use coney::store::OpenOptions;
use coney::time::Timestamp;
use coney::{Broker, BrokerHandle};
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};

use crate::support::client;

async fn start(dir: &Path) -> (BrokerHandle, Channel) {
    start_at(dir, Clock::system()).await
}

async fn start_at(dir: &Path, clock: Clock) -> (BrokerHandle, Channel) {
    let builder = Broker::builder().data_dir(dir).listen("127.0.0.1:0".parse().unwrap());
    let broker = builder.clock(clock).start().await.unwrap();
    let channel = connect(&broker).await;
    (broker, channel)
}

async fn connect(broker: &BrokerHandle) -> Channel {
    client::confirming(&client::connect(broker).await).await
}

async fn restart(broker: BrokerHandle, dir: &Path) -> (BrokerHandle, Channel) {
    broker.shutdown().await.unwrap();
    start(dir).await
}

const DURABLE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: true,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};

async fn declare(channel: &Channel, name: &str, durable: bool, arguments: FieldTable) {
    let options = QueueDeclareOptions { durable, ..DURABLE };
    channel.queue_declare(name.into(), options, arguments).await.unwrap();
}

async fn bind(channel: &Channel, queue: &str, exchange: &str) {
    let options = QueueBindOptions::default();
    channel
        .queue_bind(queue.into(), exchange.into(), "".into(), options, FieldTable::default())
        .await
        .unwrap();
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8], mode: u8) {
    let properties = BasicProperties::default().with_delivery_mode(mode);
    let options = BasicPublishOptions::default();
    let confirm =
        channel.basic_publish(exchange.into(), key.into(), options, body, properties).await.unwrap();
    assert!(confirm.await.unwrap().is_ack());
}

async fn get(channel: &Channel, queue: &str) -> Option<Vec<u8>> {
    let message = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap();
    message.map(|message| message.delivery.data.clone())
}

async fn count(channel: &Channel, queue: &str) -> u32 {
    let passive = QueueDeclareOptions { passive: true, ..DURABLE };
    channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count()
}

async fn exists(channel: &Channel, queue: &str) -> bool {
    let passive = QueueDeclareOptions { passive: true, ..DURABLE };
    let answer = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
    answer.is_ok()
}

#[tokio::test]
async fn durable_things_survive_and_transient_ones_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel) = start(dir.path()).await;
    declare(&channel, "durable", true, FieldTable::default()).await;
    declare(&channel, "transient", false, FieldTable::default()).await;
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel
        .exchange_declare("topics".into(), ExchangeKind::Topic, options, FieldTable::default())
        .await
        .unwrap();
    for (exchange, key) in [("topics", "a.#"), ("amq.direct", "k")] {
        let bind = QueueBindOptions::default();
        channel
            .queue_bind("durable".into(), exchange.into(), key.into(), bind, FieldTable::default())
            .await
            .unwrap();
    }
    publish(&channel, "", "durable", b"kept", 2).await;
    publish(&channel, "", "durable", b"gone", 1).await;

    let (broker, channel) = restart(broker, dir.path()).await;
    publish(&channel, "topics", "a.b.c", b"by topic", 2).await;
    publish(&channel, "amq.direct", "k", b"by key", 2).await;
    let mut bodies = Vec::new();
    while let Some(body) = get(&channel, "durable").await {
        bodies.push(String::from_utf8(body).unwrap());
    }
    assert_eq!(bodies, ["kept", "by topic", "by key"]);
    assert!(!exists(&channel, "transient").await);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_was_acked_purged_or_deleted_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel) = start(dir.path()).await;
    for queue in ["acked", "purged", "deleted"] {
        declare(&channel, queue, true, FieldTable::default()).await;
        for body in [b"1", b"2"] {
            publish(&channel, "", queue, body, 2).await;
        }
    }
    let got = channel.basic_get("acked".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    got.ack(BasicAckOptions::default()).await.unwrap();
    channel.queue_purge("purged".into(), QueuePurgeOptions::default()).await.unwrap();
    publish(&channel, "", "purged", b"3", 2).await;
    channel.queue_delete("deleted".into(), QueueDeleteOptions::default()).await.unwrap();

    let (broker, channel) = restart(broker, dir.path()).await;
    assert_eq!(get(&channel, "acked").await.unwrap(), b"2");
    assert_eq!(get(&channel, "acked").await, None);
    assert_eq!(get(&channel, "purged").await.unwrap(), b"3");
    assert_eq!(get(&channel, "purged").await, None);
    assert!(!exists(&channel, "deleted").await);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn arguments_survive_with_their_types() {
    let dir = tempfile::tempdir().unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(2));
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
    arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString("dead".into()));
    let (broker, channel) = start(dir.path()).await;
    declare(&channel, "short", true, arguments.clone()).await;
    declare(&channel, "dead", true, FieldTable::default()).await;

    let (broker, channel) = restart(broker, dir.path()).await;
    // Equivalent: else this is a 406.
    declare(&channel, "short", true, arguments).await;
    for body in [b"1", b"2", b"3"] {
        publish(&channel, "", "short", body, 2).await;
    }
    assert_eq!(get(&channel, "short").await.unwrap(), b"2");

    // The dead letter moved for good.
    let (broker, channel) = restart(broker, dir.path()).await;
    assert_eq!(get(&channel, "dead").await.unwrap(), b"1");
    assert_eq!(get(&channel, "dead").await, None);
    assert_eq!(get(&channel, "short").await.unwrap(), b"3");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_ttl_goes_on_while_the_broker_is_down() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel) = start(dir.path()).await;
    declare(&channel, "q", true, FieldTable::default()).await;
    let properties = BasicProperties::default().with_delivery_mode(2);
    for (body, ttl) in [(b"short", "1"), (b"large", "600000")] {
        let options = BasicPublishOptions::default();
        let properties = properties.clone().with_expiration(ttl.into());
        channel.basic_publish("".into(), "q".into(), options, body, properties).await.unwrap().await.unwrap();
    }
    let (broker, channel) = restart(broker, dir.path()).await;
    assert_eq!(get(&channel, "q").await.unwrap(), b"large");
    broker.shutdown().await.unwrap();
}

/// Queues of every name, before and after their dead-letter queue's, are brought back at once: none of them may go to work
/// before the rest is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expired_while_the_broker_was_down_is_dead_lettered() {
    const QUEUES: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel) = start(dir.path()).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(3_600_000));
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("amq.direct".into()));
    arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString("dead".into()));
    declare(&channel, "zz", true, FieldTable::default()).await;
    let options = QueueBindOptions::default();
    channel
        .queue_bind("zz".into(), "amq.direct".into(), "dead".into(), options, FieldTable::default())
        .await
        .unwrap();
    for number in 0..QUEUES {
        let name = format!("q{number}");
        declare(&channel, &name, true, arguments.clone()).await;
        publish(&channel, "", &name, b"late", 2).await;
    }
    broker.shutdown().await.unwrap();
    let later =
        Clock::starting_at(Timestamp::from_millis(Clock::system().timestamp().as_millis() + 7_200_000));
    let (broker, channel) = start_at(dir.path(), later).await;
    // A dead letter that was lost never comes: all queues have told theirs when they are empty.
    for number in 0..QUEUES {
        let passive = QueueDeclareOptions { passive: true, ..DURABLE };
        let name = format!("q{number}");
        let queue =
            channel.queue_declare(name.as_str().into(), passive, FieldTable::default()).await.unwrap();
        assert_eq!(queue.message_count(), 0);
    }
    let mut dead = 0;
    while get(&channel, "zz").await.is_some() {
        dead += 1;
    }
    assert_eq!(dead, QUEUES);
    broker.shutdown().await.unwrap();
}

/// A large message to ten durable queues is on disk once, and every queue has it after a restart: those that lost it to an
/// ack no more, and a dead letter of it as well.
#[tokio::test]
async fn a_message_to_ten_queues_is_written_once() {
    const BODY_BYTES: usize = 64 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        open_files_max: 64,
        clock: Box::new(Default::default),
        dir: dir.path().into(),
        on_commit: Box::new(|| ()),
        on_failure: Box::new(|error| panic!("the store failed: {error}")),
    };
    let (store, recovered) = coney::store::open(options).unwrap();
    let builder = Broker::builder().store(store.handle(), recovered).listen("127.0.0.1:0".parse().unwrap());
    let broker = builder.start().await.unwrap();
    let channel = connect(&broker).await;
    let dead_letters = AMQPValue::LongString("amq.fanout".into());
    let mut arguments = FieldTable::default();
    arguments.insert("x-dead-letter-exchange".into(), dead_letters);
    declare(&channel, "source", true, arguments).await;
    for number in 0..10 {
        let name = format!("q{number}");
        declare(&channel, &name, true, FieldTable::default()).await;
        bind(&channel, &name, "amq.fanout").await;
    }
    let before = store.handle().stats().bytes_written;
    publish(&channel, "amq.fanout", "", &[1; BODY_BYTES], 2).await;
    publish(&channel, "", "source", &[2; BODY_BYTES], 2).await;
    let source =
        channel.basic_get("source".into(), BasicGetOptions { no_ack: false }).await.unwrap().unwrap();
    source.delivery.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    // Nobody answers a reject: the dead letter is there when it is counted.
    for number in 0..10 {
        while count(&channel, &format!("q{number}")).await < 2 {}
    }
    publish(&channel, "amq.fanout", "", b"last", 2).await;
    let written = store.handle().stats().bytes_written - before;
    assert!(written < 4 * BODY_BYTES as u64, "{written} bytes for three messages of {BODY_BYTES}");
    for number in 0..5 {
        assert!(get(&channel, &format!("q{number}")).await.unwrap() == [1; BODY_BYTES]);
    }
    broker.shutdown().await.unwrap();
    store.shutdown().unwrap();

    let (broker, channel) = start(dir.path()).await;
    for number in 0..10 {
        let name = format!("q{number}");
        if number >= 5 {
            assert!(get(&channel, &name).await.unwrap() == [1; BODY_BYTES]);
        }
        assert!(get(&channel, &name).await.unwrap() == [2; BODY_BYTES]);
        assert_eq!(get(&channel, &name).await.unwrap(), b"last");
        assert_eq!(get(&channel, &name).await, None);
    }
    broker.shutdown().await.unwrap();
}

/// A store that is busy with what one queue gave it holds up that queue, and nobody who gives it nothing.
#[tokio::test]
async fn who_stores_nothing_does_not_wait_for_the_store() {
    const MIB: usize = 1024 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let (commits, stands) = (Arc::clone(&gate), Arc::new(AtomicBool::new(false)));
    let stands_now = Arc::clone(&stands);
    // A queue that was ahead of the store before goes on, as with a store of the broker's own.
    let progress = Arc::new(tokio::sync::Notify::new());
    let commits_on = Arc::clone(&progress);
    let options = OpenOptions {
        open_files_max: 64,
        clock: Box::new(Default::default),
        dir: dir.path().into(),
        on_commit: Box::new(move || {
            stands_now.store(true, Ordering::Relaxed);
            commits_on.notify_waiters();
            drop(commits.blocking_lock());
            stands_now.store(false, Ordering::Relaxed);
        }),
        on_failure: Box::new(|error| panic!("the store failed: {error}")),
    };
    let (store, recovered) = coney::store::open(options).unwrap();
    let builder = Broker::builder().store(store.handle(), recovered).store_progress(progress);
    let broker = builder.listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    let (flood, other) = (connect(&broker).await, connect(&broker).await);
    declare(&flood, "stored", true, FieldTable::default()).await;
    declare(&other, "not", false, FieldTable::default()).await;
    let closed = gate.lock().await;
    // More than the store and the queue take: it does not come to its end.
    let flooding = tokio::spawn(async move {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let (options, body) = (BasicPublishOptions::default(), vec![1; MIB]);
        loop {
            flood
                .basic_publish("".into(), "stored".into(), options, &body, properties.clone())
                .await
                .unwrap();
        }
    });
    // From when the committer stands at the gate on, what is pending only grows.
    while !stands.load(Ordering::Relaxed) || store.handle().pending_bytes() <= 8 * MIB {
        assert_eq!(count(&other, "not").await, 0);
    }
    for number in 0..100_u8 {
        publish(&other, "", "not", &[number], 1).await;
        assert_eq!(get(&other, "not").await.unwrap(), [number]);
    }
    assert!(store.handle().pending_bytes() > 8 * MIB, "the store went on");
    flooding.abort();
    drop(closed);
    broker.shutdown().await.unwrap();
    store.shutdown().unwrap();
}
