//! The real binary, killed with SIGKILL under load: what was confirmed is never lost.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use tokio::task::JoinSet;

use crate::support::killing::{
    Publication, Verdict, channel_to, confirming, consume, id_of, kill_under, moment, publish, start,
};

/// How often the broker is killed, if `CONEY_KILLS` says nothing else.
const KILLS: u64 = 20;
/// When, after its start.
const SOONEST: Duration = Duration::from_millis(60);
const LATEST: Duration = Duration::from_millis(300);
const PUBLISHERS: u64 = 2;
const QUEUE: &str = "crash";

/// What the clients know.
#[derive(Default)]
struct Ledger {
    confirmed: HashSet<u64>,
    delivered: HashSet<u64>,
    next: u64,
}

type Shared = Arc<Mutex<Ledger>>;

async fn declare(channel: &Channel) {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await.unwrap();
}

/// Publishes numbered messages until the broker is gone.
async fn publish_numbers(channel: Channel, ledger: Shared) {
    let next = || {
        let mut ledger = ledger.lock().unwrap();
        ledger.next += 1;
        Some(Publication::new(ledger.next, "", QUEUE))
    };
    let confirmed = |id| {
        ledger.lock().unwrap().confirmed.insert(id);
    };
    publish(channel, next, confirmed).await;
}

async fn round(dir: &Path, number: u64, ledger: &Shared) {
    let process = start(dir);
    declare(&channel_to(&process).await).await;
    let mut clients = JoinSet::new();
    for _ in 0..PUBLISHERS {
        clients.spawn(publish_numbers(confirming(&process).await, Arc::clone(ledger)));
    }
    let delivered = Arc::clone(ledger);
    clients.spawn(consume(channel_to(&process).await, QUEUE, move |delivery| {
        delivered.lock().unwrap().delivered.insert(id_of(&delivery.data));
        Verdict::Ack
    }));
    let confirmed = || ledger.lock().unwrap().confirmed.len();
    let before = confirmed();
    kill_under(process, clients, moment(number, SOONEST, LATEST), || confirmed() > before).await;
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
    let kills = std::env::var("CONEY_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let ledger = Shared::default();
    for number in 0..kills {
        round(dir.path(), number, &ledger).await;
    }
    let process = start(dir.path());
    let left = drain(&channel_to(&process).await, &ledger).await;
    let ledger = ledger.lock().unwrap();
    let lost: Vec<u64> = ledger.confirmed.difference(&ledger.delivered).copied().collect();
    println!(
        "{kills} kills, {} confirmed, {left} left at the end, {} lost",
        ledger.confirmed.len(),
        lost.len()
    );
    assert!(ledger.confirmed.len() > kills as usize);
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
