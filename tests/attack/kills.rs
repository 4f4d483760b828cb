//! A broker that is killed a hundred times under everything that it can do: failure policies, dead letters, transactions, dedup,
//! numbered publishers, delays, fanout, queues that are longer than their memory.
//!
//! What was confirmed is in one place or was acked; what was acked, and is known to be on the disk, does not come back; and what
//! moves or comes in once is there once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};
use tokio::task::JoinSet;

use crate::support::client::{string, table};
use crate::support::killing::{
    Publication, Verdict, channel_to, confirming, consume, id_of, kill_under, moment, publish, send, start,
};
use crate::support::process::Process;

const KILLS: u64 = 100;
/// When, after its start.
const SOONEST: Duration = Duration::from_millis(5);
const LATEST: Duration = Duration::from_millis(305);
/// Messages that each publisher sends between two kills: what is left at the end has to be looked at.
const ROUND_MAX: usize = 800;
/// For all that is to come after the last kill.
const PATIENCE: Duration = Duration::from_secs(60);
/// Worth writing once for several queues.
const FANOUT_BYTES: usize = 6000;

/// Queues that nobody consumes before the end: each message is to be there once.
const KEPT: [&str; 10] =
    ["dead", "lengths", "fan2", "fan3", "due", "once", "numbers", "tx-from", "tx-to", "tx-beside"];
/// Queues whose consumers ack, sooner or later, most of what they get.
const CONSUMED: [&str; 5] = ["plain", "failing", "parking", "timing", "fan1"];

/// What the clients know.
#[derive(Default)]
struct Ledger {
    next: u64,
    /// By where they were published to.
    confirmed: BTreeMap<&'static str, BTreeSet<u64>>,
    /// By queue: what a consumer acked.
    acked: BTreeMap<&'static str, BTreeSet<u64>>,
    /// Of `plain`: acked before something that was confirmed.
    acked_for_good: BTreeSet<u64>,
    /// Keys that were sent and not confirmed: they are sent again.
    unconfirmed_keys: BTreeSet<u64>,
    /// The numbered publisher's messages up to here are confirmed.
    numbered: u64,
    /// What was in the kept queues at the end, and how often.
    found: BTreeMap<&'static str, BTreeMap<u64, usize>>,
}

impl Ledger {
    fn new_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn confirm(&mut self, target: &'static str, id: u64) {
        self.confirmed.entry(target).or_default().insert(id);
    }

    fn confirmed(&self) -> usize {
        self.confirmed.values().map(BTreeSet::len).sum()
    }

    fn is_acked(&self, queue: &str, id: u64) -> bool {
        self.acked.get(queue).is_some_and(|acked| acked.contains(&id))
    }

    fn count(&self, queue: &str, id: u64) -> usize {
        self.found.get(queue).and_then(|found| found.get(&id)).copied().unwrap_or(0)
    }

    /// Whether it is where it has to be, so far as anybody knows.
    fn is_there(&self, target: &str, id: u64) -> bool {
        let found = |queue| self.count(queue, id) > 0;
        match target {
            "failing" if is_doomed(id) => found("dead"),
            "ttl" => found("dead"),
            "lengths" => found("dead") || found("lengths"),
            "fan" => self.is_acked("fan1", id) && found("fan2") && found("fan3"),
            "later" => found("due"),
            "tx" => found("tx-beside") && (found("tx-from") || found("tx-to")),
            "once" | "numbers" => found(target),
            consumed => self.is_acked(consumed, id),
        }
    }

    fn missing(&self) -> Vec<(&'static str, u64)> {
        let all = self.confirmed.iter().flat_map(|(target, ids)| ids.iter().map(|id| (*target, *id)));
        all.filter(|(target, id)| !self.is_there(target, *id)).collect()
    }

    /// What is to be once is not there twice.
    fn check_once(&self) {
        for (queue, found) in &self.found {
            let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
            assert!(twice.is_empty(), "twice in {queue}: {twice:?}");
        }
        let in_both = |one: &str, other: &str| {
            let found = self.found.get(one).into_iter().flat_map(BTreeMap::keys).copied();
            found.filter(|id| self.count(other, *id) > 0).collect::<Vec<_>>()
        };
        for (one, other) in [("lengths", "dead"), ("tx-from", "tx-to")] {
            assert_eq!(in_both(one, other), [0; 0], "in {one} and in {other}");
        }
        let beside: Vec<u64> = self.found["tx-beside"].keys().copied().collect();
        let mut moved: Vec<u64> =
            self.found["tx-from"].keys().chain(self.found["tx-to"].keys()).copied().collect();
        moved.sort_unstable();
        assert_eq!(moved, beside, "a transaction was cut in two");
        let numbers: Vec<u64> = self.found["numbers"].keys().copied().collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "a number is missing");
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap()
    }
}

/// Messages of `failing` that no consumer ever acks.
const fn is_doomed(id: u64) -> bool {
    is_failing(id) || is_rejected(id)
}

const fn is_failing(id: u64) -> bool {
    id.is_multiple_of(3)
}

const fn is_rejected(id: u64) -> bool {
    id % 7 == 1
}

fn int(value: i32) -> AMQPValue {
    AMQPValue::LongInt(value)
}

/// A durable queue.
async fn queue(channel: &Channel, name: &str, arguments: &[(&str, AMQPValue)]) {
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(name.into(), durable, table(arguments)).await.unwrap();
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind, arguments: &[(&str, AMQPValue)]) {
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(name.into(), kind, durable, table(arguments)).await.unwrap();
}

async fn bind(channel: &Channel, queue: &str, exchange: &str) {
    let options = QueueBindOptions::default();
    channel
        .queue_bind(queue.into(), exchange.into(), "".into(), options, FieldTable::default())
        .await
        .unwrap();
}

/// The same in every round: what is there already has to be as it was.
async fn declare(channel: &Channel) {
    for name in ["plain", "dead", "fan1", "fan2", "fan3", "due", "numbers", "tx-from", "tx-to", "tx-beside"] {
        queue(channel, name, &[]).await;
    }
    let dies = [("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string("dead"))];
    let retries = [
        ("x-delivery-limit", int(2)),
        ("x-delayed-retry-type", string("failed")),
        ("x-delayed-retry-min", int(10)),
    ];
    queue(channel, "failing", &[&dies[..], &retries].concat()).await;
    queue(channel, "ttl", &[&dies[..], &[("x-message-ttl", int(100))]].concat()).await;
    queue(channel, "lengths", &[&dies[..], &[("x-max-length", int(20))]].concat()).await;
    queue(channel, "parking", &[("x-parking-after", int(1)), ("x-parking-ttl", int(50))]).await;
    queue(channel, "timing", &[("x-consumer-timeout", int(100))]).await;
    let dedup = [("x-message-deduplication", AMQPValue::Boolean(true)), ("x-cache-size", int(1_000_000))];
    queue(channel, "once", &dedup).await;
    exchange(channel, "fan", ExchangeKind::Fanout, &[]).await;
    let delayed = ExchangeKind::Custom("x-delayed-message".into());
    exchange(channel, "later", delayed, &[("x-delayed-type", string("fanout"))]).await;
    for (name, source) in [("fan1", "fan"), ("fan2", "fan"), ("fan3", "fan"), ("due", "later")] {
        bind(channel, name, source).await;
    }
}

fn with_headers(entries: &[(&str, AMQPValue)]) -> BasicProperties {
    BasicProperties::default().with_headers(table(entries)).with_delivery_mode(2)
}

/// A message for one of these queues and exchanges.
fn message_for(target: &'static str, id: u64) -> Publication {
    match target {
        "fan" => Publication { bytes: FANOUT_BYTES, ..Publication::new(id, "fan", "") },
        "later" => {
            let properties = with_headers(&[("x-delay", int((id % 300) as i32))]);
            Publication { properties, ..Publication::new(id, "later", "") }
        }
        queue => Publication::new(id, "", queue),
    }
}

/// Publishes to these in turn.
async fn publish_in_turn(channel: Channel, ledger: Shared, targets: &'static [&'static str]) {
    let mut targets_of = BTreeMap::new();
    let sent = Mutex::new(&mut targets_of);
    let mut turns = targets.iter().cycle().take(ROUND_MAX);
    let next = || {
        let target = turns.next()?;
        let id = ledger.lock().new_id();
        sent.lock().unwrap().insert(id, *target);
        Some(message_for(target, id))
    };
    let confirmed = |id| ledger.lock().confirm(sent.lock().unwrap()[&id], id);
    publish(channel, next, confirmed).await;
}

/// Sends each key twice, and again after a kill until it is confirmed.
async fn publish_keys(channel: Channel, ledger: Shared) {
    let mut keys: Vec<u64> = ledger.lock().unconfirmed_keys.iter().copied().collect();
    keys.extend((keys.len()..ROUND_MAX / 2).map(|_| ledger.lock().new_id()));
    let mut copies = keys.into_iter().flat_map(|key| [key, key]);
    let next = || {
        let key = copies.next()?;
        let mut ledger = ledger.lock();
        if !ledger.confirmed.get("once").is_some_and(|confirmed| confirmed.contains(&key)) {
            ledger.unconfirmed_keys.insert(key);
        }
        let properties = with_headers(&[("x-deduplication-header", string(&key.to_string()))]);
        Some(Publication { properties, ..Publication::new(key, "", "once") })
    };
    let confirmed = |key| {
        let mut ledger = ledger.lock();
        ledger.unconfirmed_keys.remove(&key);
        ledger.confirm("once", key);
    };
    publish(channel, next, confirmed).await;
}

/// Numbers its messages, and goes on after a kill with the first that was not confirmed.
async fn publish_numbers(channel: Channel, ledger: Shared) {
    let mut numbers = (ledger.lock().numbered + 1..).take(ROUND_MAX);
    let next = || {
        let number = numbers.next()?;
        let properties = with_headers(&[
            ("x-publisher-id", string("publisher")),
            ("x-publishing-id", AMQPValue::LongLongInt(number as i64)),
        ]);
        Some(Publication { properties, ..Publication::new(number, "", "numbers") })
    };
    let confirmed = |number| {
        let mut ledger = ledger.lock();
        ledger.numbered = ledger.numbered.max(number);
        ledger.confirm("numbers", number);
    };
    publish(channel, next, confirmed).await;
}

/// Transactions that publish to two queues, and ones that move a message from one queue to another.
async fn transact(channel: Channel, ledger: Shared) -> Option<()> {
    channel.tx_select().await.ok()?;
    for _ in 0..ROUND_MAX {
        let id = ledger.lock().new_id();
        drop(send(&channel, Publication::new(id, "", "tx-from")).await?);
        drop(send(&channel, Publication::new(id, "", "tx-beside")).await?);
        channel.tx_commit().await.ok()?;
        ledger.lock().confirm("tx", id);
        if id.is_multiple_of(2) {
            let got = channel.basic_get("tx-from".into(), BasicGetOptions::default()).await.ok()?;
            let got = got.expect("what was committed can be got");
            drop(send(&channel, Publication::new(id_of(&got.data), "", "tx-to")).await?);
            got.delivery.ack(BasicAckOptions::default()).await.ok()?;
            channel.tx_commit().await.ok()?;
        }
    }
    Some(())
}

/// Acks, and now and then publishes to the same queue: when that is confirmed, the acks before it are on the disk as well.
async fn work(channel: Channel, ledger: Shared) -> Option<()> {
    use futures_lite::StreamExt as _;
    const ACKS: usize = 10;
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume("plain".into(), "".into(), options, FieldTable::default()).await;
    let mut consumer = consuming.ok()?;
    let mut acked = Vec::new();
    while let Some(Ok(delivery)) = consumer.next().await {
        let id = id_of(&delivery.data);
        assert!(!ledger.lock().acked_for_good.contains(&id), "{id} came back after its ack");
        // Before, as the broker may have the ack when the client is stopped in the middle of it.
        note_ack(&ledger, "plain", id);
        delivery.ack(BasicAckOptions::default()).await.ok()?;
        acked.push(id);
        if acked.len() == ACKS {
            let receipt = ledger.lock().new_id();
            let confirm = send(&channel, Publication::new(receipt, "", "plain")).await?;
            assert!(confirm.await.ok()?.is_ack());
            let mut ledger = ledger.lock();
            ledger.confirm("plain", receipt);
            ledger.acked_for_good.extend(acked.drain(..));
        }
    }
    Some(())
}

fn note_ack(ledger: &Shared, queue: &'static str, id: u64) {
    ledger.lock().acked.entry(queue).or_default().insert(id);
}

/// What a consumer of the queue does with a message.
fn verdict(queue: &str, delivery: &Delivery) -> Verdict {
    let id = id_of(&delivery.data);
    match queue {
        "failing" if is_failing(id) => Verdict::Reject { requeue: true },
        "failing" if is_rejected(id) => Verdict::Reject { requeue: false },
        "parking" if id.is_multiple_of(4) && !delivery.redelivered => Verdict::Reject { requeue: true },
        "timing" if id.is_multiple_of(5) && !delivery.redelivered => Verdict::Nothing,
        _ => Verdict::Ack,
    }
}

/// Consumers of all that are consumed, but for `plain`.
async fn start_consumers(process: &Process, ledger: &Shared, clients: &mut JoinSet<()>) {
    for queue in CONSUMED.into_iter().filter(|queue| *queue != "plain") {
        let ledger = ledger.clone();
        clients.spawn(consume(channel_to(process).await, queue, move |delivery| {
            let verdict = verdict(queue, delivery);
            if verdict == Verdict::Ack {
                note_ack(&ledger, queue, id_of(&delivery.data));
            }
            verdict
        }));
    }
    let worker = work(confirming(process).await, ledger.clone());
    clients.spawn(async move { worker.await.unwrap_or_default() });
}

async fn start_publishers(process: &Process, ledger: &Shared, clients: &mut JoinSet<()>) {
    for targets in [&["plain", "failing", "parking", "timing"][..], &["ttl", "lengths", "fan", "later"]] {
        clients.spawn(publish_in_turn(confirming(process).await, ledger.clone(), targets));
    }
    clients.spawn(publish_keys(confirming(process).await, ledger.clone()));
    clients.spawn(publish_numbers(confirming(process).await, ledger.clone()));
    let transactions = transact(channel_to(process).await, ledger.clone());
    clients.spawn(async move { transactions.await.unwrap_or_default() });
}

async fn round(dir: &Path, number: u64, ledger: &Shared) {
    let process = start(dir);
    declare(&channel_to(&process).await).await;
    let mut clients = JoinSet::new();
    start_consumers(&process, ledger, &mut clients).await;
    start_publishers(&process, ledger, &mut clients).await;
    let before = ledger.lock().confirmed();
    let is_progress = || ledger.lock().confirmed() > before;
    kill_under(process, clients, moment(number, SOONEST, LATEST), is_progress).await;
}

/// Messages that are taken from a queue before others have their turn.
const TAKEN_AT_ONCE: usize = 500;

/// Takes some of what is in the kept queues.
async fn take_kept(channel: &Channel, ledger: &Shared) {
    for queue in KEPT {
        let no_ack = BasicGetOptions { no_ack: true };
        for _ in 0..TAKEN_AT_ONCE {
            let Some(message) = channel.basic_get(queue.into(), no_ack).await.unwrap() else { break };
            let id = id_of(&message.data);
            *ledger.lock().found.entry(queue).or_default().entry(id).or_default() += 1;
        }
    }
}

/// Lets consumers go on until everything is where it has to be, if it ever is.
async fn settle(process: &Process, ledger: &Shared) {
    let mut clients = JoinSet::new();
    start_consumers(process, ledger, &mut clients).await;
    let channel = channel_to(process).await;
    // As long as there is less to wait for each time, a slow machine is no fault.
    let mut missing = ledger.lock().missing();
    while !missing.is_empty() {
        let gets_less = async {
            loop {
                take_kept(&channel, ledger).await;
                let now = ledger.lock().missing();
                if now.len() < missing.len() {
                    return now;
                }
            }
        };
        let Ok(now) = tokio::time::timeout(PATIENCE, gets_less).await else { break };
        missing = now;
    }
    assert!(missing.is_empty(), "{} are lost: {:?}", missing.len(), &missing[..missing.len().min(50)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_hundred_kills_under_a_mixed_load_lose_nothing_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Shared::default();
    for number in 0..KILLS {
        round(dir.path(), number, &ledger).await;
    }
    let process = start(dir.path());
    settle(&process, &ledger).await;
    let ledger = ledger.lock();
    for (target, ids) in &ledger.confirmed {
        println!("{target}: {} confirmed", ids.len());
        assert!(ids.len() > KILLS as usize, "{target} had next to no load");
    }
    println!("plain: {} acked for good", ledger.acked_for_good.len());
    assert!(ledger.acked_for_good.len() > KILLS as usize);
    ledger.check_once();
}
