//! The real binary, killed with SIGKILL under load: what was confirmed is never lost.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::support::process::{Process, coney};

/// How often the broker is killed.
const KILLS: u64 = 20;
/// Publishes in flight per publisher.
const WINDOW: usize = 50;
const PUBLISHERS: u64 = 2;
const QUEUE: &str = "crash";

/// What the clients know.
#[derive(Default)]
struct Ledger {
    confirmed: HashSet<u64>,
    delivered: HashSet<u64>,
    next: u64,
}

/// A broker that keeps next to nothing of a queue in memory: a handful of messages at the head, the rest on disk.
fn start(dir: &Path) -> Process {
    let arguments = ["--amqp", "127.0.0.1:0", "--log", "warn", "--queue-memory", "2k", "--data-dir"];
    Process::run(coney().args(arguments).arg(dir))
}

async fn channel_to(process: &Process) -> Channel {
    let connection = Connection::connect(&process.uri(), ConnectionProperties::default()).await.unwrap();
    // The connection lives as long as its channel.
    connection.create_channel().await.unwrap()
}

type Shared = Arc<Mutex<Ledger>>;

async fn declare(channel: &Channel) {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await.unwrap();
}

/// Publishes numbered messages, `WINDOW` in flight, until the broker is gone.
async fn publish(channel: Channel, ledger: Shared) {
    let properties = BasicProperties::default().with_delivery_mode(2);
    loop {
        let mut window = Vec::new();
        for _ in 0..WINDOW {
            let id = {
                let mut ledger = ledger.lock().unwrap();
                ledger.next += 1;
                ledger.next
            };
            let body = id.to_be_bytes();
            let options = BasicPublishOptions::default();
            let sent =
                channel.basic_publish("".into(), QUEUE.into(), options, &body, properties.clone()).await;
            match sent {
                Ok(confirm) => window.push((id, confirm)),
                Err(_) => break,
            }
        }
        if window.is_empty() {
            return;
        }
        for (id, confirm) in window {
            match confirm.await {
                Ok(confirmation) if confirmation.is_ack() => {
                    ledger.lock().unwrap().confirmed.insert(id);
                }
                Ok(other) => panic!("not an ack: {other:?}"),
                Err(_) => return,
            }
        }
    }
}

fn id_of(body: &[u8]) -> u64 {
    u64::from_be_bytes(body.try_into().unwrap())
}

/// Takes and acks messages until the broker is gone.
async fn consume(channel: Channel, ledger: Shared) {
    channel.basic_qos(20, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()).await.unwrap();
    while let Some(Ok(delivery)) = consumer.next().await {
        ledger.lock().unwrap().delivered.insert(id_of(&delivery.data));
        if delivery.ack(BasicAckOptions::default()).await.is_err() {
            return;
        }
    }
}

/// Random moments, the same in every run.
fn moment(round: u64) -> Duration {
    Duration::from_millis(60 + (round * 7919 + 13) % 240)
}

async fn round(dir: &Path, number: u64, ledger: &Shared) {
    let process = start(dir);
    declare(&channel_to(&process).await).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..PUBLISHERS {
        let channel = channel_to(&process).await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        clients.spawn(publish(channel, Arc::clone(ledger)));
    }
    clients.spawn(consume(channel_to(&process).await, Arc::clone(ledger)));
    let before = ledger.lock().unwrap().confirmed.len();
    // The load runs for a while, and at least until something was confirmed.
    let _ = tokio::time::timeout(moment(number), std::future::pending::<()>()).await;
    while ledger.lock().unwrap().confirmed.len() == before {
        tokio::task::yield_now().await;
    }
    process.kill();
    // What they have not heard by now they cannot hear any more.
    clients.shutdown().await;
}

async fn drain(channel: &Channel, ledger: &Shared) -> usize {
    let mut count = 0;
    while let Some(message) = channel.basic_get(QUEUE.into(), BasicGetOptions { no_ack: true }).await.unwrap()
    {
        ledger.lock().unwrap().delivered.insert(id_of(&message.data));
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_confirmed_message_is_lost_by_twenty_kills() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Shared::default();
    for number in 0..KILLS {
        round(dir.path(), number, &ledger).await;
    }
    let process = start(dir.path());
    let left = drain(&channel_to(&process).await, &ledger).await;
    let ledger = ledger.lock().unwrap();
    let lost: Vec<u64> = ledger.confirmed.difference(&ledger.delivered).copied().collect();
    println!(
        "{KILLS} kills, {} confirmed, {left} left at the end, {} lost",
        ledger.confirmed.len(),
        lost.len()
    );
    assert!(ledger.confirmed.len() > KILLS as usize);
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unacked_messages_come_back_redelivered_and_transient_ones_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let process = start(dir.path());
    let channel = channel_to(&process).await;
    declare(&channel).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for (id, mode) in [(1_u64, 2), (2, 2), (3, 1)] {
        let properties = BasicProperties::default().with_delivery_mode(mode);
        let options = BasicPublishOptions::default();
        let sent =
            channel.basic_publish("".into(), QUEUE.into(), options, &id.to_be_bytes(), properties).await;
        assert!(sent.unwrap().await.unwrap().is_ack());
    }
    let got = channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await.unwrap().unwrap();
    assert_eq!((id_of(&got.data), got.redelivered), (1, false));
    // The mark of the delivery rides with the next commit: this publish's.
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default().with_delivery_mode(2);
    let sent =
        channel.basic_publish("".into(), QUEUE.into(), options, &4_u64.to_be_bytes(), properties).await;
    assert!(sent.unwrap().await.unwrap().is_ack());
    process.kill();

    let process = start(dir.path());
    let channel = channel_to(&process).await;
    let mut seen = Vec::new();
    while let Some(got) = channel.basic_get(QUEUE.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        seen.push((id_of(&got.data), got.redelivered));
    }
    assert_eq!(seen, [(1, true), (2, false), (4, false)]);
}
