//! What is so as long as a rule is there: `block`, `pause`, `slow`, `silence`.

use std::time::Duration;

use lapin::types::FieldTable;
use serde_json::json;

use crate::support::raw::{Publish, Raw};

use super::stage::{
    A_WHILE, Stage, consumer, declare, delivered, is_idle, now, outcome, publish, send, stage,
};

#[tokio::test]
async fn blocked_publishers_are_told_and_not_read_until_the_rule_goes() {
    let stage = stage().await;
    publish(stage.channel(), "q", "1").await;
    let fault = stage.rule(json!({"do": "block", "reason": "low on test disk", "match": {"user": "guest"}}));
    until(|| stage.bench.connection.status().blocked()).await;
    // lapin waits by itself when it is told.
    let mut blocked = std::pin::pin!(async { outcome(send(stage.channel(), "q", "2").await).await });
    assert!(tokio::time::timeout(A_WHILE, &mut blocked).await.is_err(), "it was read");
    assert_eq!(stage.counts("q").await, (1, 0));
    drop(fault);
    assert_eq!(blocked.await, "ack");
    until(|| !stage.bench.connection.status().blocked()).await;
}

/// A client that does not care for connection.blocked.
#[test]
fn what_a_blocked_publisher_sends_is_not_read() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = runtime.block_on(super::stage::builder().ephemeral().start()).unwrap();
    let world = broker.world_named("/").unwrap();
    let mut raw = Raw::with_channel(broker.address().unwrap());
    raw.declare("q", |_| {});
    let publish = Publish { key: "q", ..Publish::default() }.with_body(b"1");
    raw.send(&publish);
    assert_eq!(raw.count("q"), 1);
    let fault = {
        let _context = runtime.enter();
        world.always().block("low").unwrap()
    };
    runtime.block_on(fault.fired());
    raw.send(&publish);
    let count = || runtime.block_on(broker.queue("/", "q").unwrap().counts()).unwrap().ready;
    runtime
        .block_on(async { tokio::time::timeout(A_WHILE, std::future::pending::<()>()).await })
        .unwrap_err();
    assert_eq!(count(), 1);
    drop(fault);
    runtime.block_on(async {
        let read = async {
            while broker.queue("/", "q").unwrap().counts().await.unwrap().ready < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(super::stage::PATIENCE, read).await.expect("it is not read");
    });
    let told: Vec<_> = raw.waiting_frames().iter().map(|frame| format!("{frame:?}")).collect();
    assert!(told[0].contains("Blocked(Blocked { reason: ShortString(\"low\") })"), "{told:?}");
}

async fn until(is_so: impl Fn() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::stage::PATIENCE, waits).await.expect("it never was so");
}

#[tokio::test]
async fn a_paused_queue_delivers_nothing_and_others_do() {
    let stage = stage().await;
    declare(stage.channel(), "other").await;
    let fault = stage.rule(json!({"do": "pause", "match": {"queue": "q*"}}));
    let (mut paused, mut other) = (consumer(stage.channel(), "q").await, None);
    let another = stage.bench.channel().await;
    other.replace(consumer(&another, "other").await);
    declare(stage.channel(), "q2").await;
    let third = stage.bench.channel().await;
    let mut new = consumer(&third, "q2").await;
    for queue in ["q", "other", "q2"] {
        publish(stage.channel(), queue, "1").await;
    }
    assert_eq!(delivered(other.as_mut().unwrap()).await.0, "1");
    assert!(
        is_idle(&mut paused).await && is_idle(&mut new).await,
        "one that is declared later is paused, too"
    );
    assert_eq!((stage.counts("q").await, fault.count()), ((1, 0), 2));
    drop(fault);
    assert_eq!(
        (delivered(&mut paused).await.0, delivered(&mut new).await.0),
        ("1".to_owned(), "1".to_owned())
    );
}

#[tokio::test]
async fn a_paused_stream_delivers_nothing() {
    let stage = stage().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), lapin::types::AMQPValue::LongString("stream".into()));
    let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    stage.channel().queue_declare("s".into(), durable, arguments).await.unwrap();
    let fault = stage.world.always().queue("s").pause().unwrap();
    let channel = stage.bench.channel().await;
    channel.basic_qos(10, lapin::options::BasicQosOptions::default()).await.unwrap();
    let mut reader = consumer(&channel, "s").await;
    publish(stage.channel(), "s", "1").await;
    assert!(is_idle(&mut reader).await);
    drop(fault);
    publish(stage.channel(), "s", "2").await;
    assert_eq!(delivered(&mut reader).await.0, "1");
}

#[tokio::test]
async fn a_slow_connection_reads_and_writes_so_many_bytes_a_second() {
    let stage = stage().await;
    let fault = stage.rule(json!({"do": "slow", "bytes_per_s": 20_000, "match": {"connection": "*"}}));
    let since = now();
    let body = "x".repeat(10_000);
    assert_eq!(publish(stage.channel(), "q", &body).await, "ack");
    let taken = since.elapsed();
    assert!(taken >= Duration::from_millis(400), "{taken:?}");
    let got = stage.bench.get("q").await.unwrap();
    assert_eq!(got.delivery.data.len(), 10_000);
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    drop(fault);
    let since = now();
    assert_eq!(publish(stage.channel(), "q", &body).await, "ack");
    assert!(since.elapsed() < Duration::from_millis(400), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_silent_connection_is_neither_read_nor_written_to_and_goes_on_when_the_rule_goes() {
    let stage = stage().await;
    let mut worker = consumer(stage.channel(), "q").await;
    let fault = silenced(&stage).await;
    let mut silent = std::pin::pin!(outcome(send(stage.channel(), "q", "1").await));
    assert!(tokio::time::timeout(A_WHILE, &mut silent).await.is_err());
    stage
        .bench
        .broker
        .publish(stage.world.name(), coney::NewMessage { routing_key: "q", body: b"2", ..Default::default() })
        .await
        .unwrap();
    assert!(is_idle(&mut worker).await);
    assert!(stage.bench.connection.status().connected());
    drop(fault);
    assert_eq!(silent.await, "ack");
    let bodies = [delivered(&mut worker).await.0, delivered(&mut worker).await.0];
    assert_eq!(bodies, ["2", "1"]);
}

/// A rule that is so for the connection from the moment when it hits.
async fn silenced(stage: &Stage) -> coney::Fault {
    let fault = stage.world.always().silence().unwrap();
    fault.fired().await;
    fault
}

#[tokio::test]
async fn a_silent_connection_ends_with_its_world() {
    let stage = stage().await;
    let _fault = silenced(&stage).await;
    stage.world.restart().await;
    assert_eq!(stage.world.faults().len(), 1, "rules outlast a restart");
}
