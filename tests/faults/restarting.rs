//! A world starts again, as after a SIGKILL.

use coney::Window;
use lapin::BasicProperties;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde_json::json;

use super::stage::{PATIENCE, Stage, builder, connect, consumer, delivered, ends, publish, stage, stage_on};

/// Has: a durable queue with a message that is acked, one that is unacked, one that is ready and one that is transient; a queue and an
/// exchange that are transient, an exclusive queue.
async fn furnished(stage: &Stage) {
    let channel = stage.channel();
    for options in
        [QueueDeclareOptions::default(), QueueDeclareOptions { exclusive: true, ..Default::default() }]
    {
        let name = if options.exclusive { "mine" } else { "transient" };
        channel.queue_declare(name.into(), options, FieldTable::default()).await.unwrap();
    }
    for (name, durable) in [("kept", true), ("gone", false)] {
        let options = ExchangeDeclareOptions { durable, ..Default::default() };
        let kind = lapin::ExchangeKind::Direct;
        channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await.unwrap();
    }
    stage.bench.bind("q", "kept", "k", FieldTable::default()).await;
    for body in ["acked", "unacked", "ready"] {
        publish(channel, "q", body).await;
    }
    stage.bench.publish_with("", "q", b"transient", BasicProperties::default()).await;
}

async fn is_as_after_a_crash(stage: &Stage) {
    let broker = &stage.bench.broker;
    let names = ["q", "transient", "mine"].map(|name| broker.queue(stage.world.name(), name).is_some());
    assert_eq!(names, [true, false, false]);
    assert_eq!(stage.counts("q").await, (2, 0));
    let channel = stage.again().await;
    let there = ExchangeDeclareOptions { passive: true, ..Default::default() };
    channel.exchange_declare("kept".into(), Default::default(), there, FieldTable::default()).await.unwrap();
    let mut worker = consumer(&channel, "q").await;
    let (body, redelivered, _) = delivered(&mut worker).await;
    assert_eq!((body.as_str(), redelivered), ("unacked", true));
    assert_eq!(delivered(&mut worker).await.0, "ready");
    let other = stage.again().await;
    let gone = other.exchange_declare("gone".into(), Default::default(), there, FieldTable::default()).await;
    assert_eq!(super::stage::how(&gone.unwrap_err()), "404");
}

#[tokio::test]
async fn it_is_as_after_a_crash() {
    goes_through_a_crash(&stage().await).await;
}

/// With a store the queues are read from there, as at a start.
#[tokio::test]
async fn it_is_as_after_a_crash_with_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let stage = stage_on(builder().data_dir(dir.path()).start().await.unwrap(), "~stored").await;
    goes_through_a_crash(&stage).await;
    stage.bench.broker.shutdown().await.unwrap();
    drop(dir);
}

/// What is out of memory is no exception: transient messages are in pages there, which a crash loses.
#[tokio::test]
async fn what_was_out_of_memory_is_as_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let window = Window::of(4000);
    let broker = builder().data_dir(dir.path()).window(window).start().await.unwrap();
    let stage = stage_on(broker, "~stored").await;
    for number in 0..200 {
        let properties = BasicProperties::default().with_delivery_mode(1 + number % 2);
        let body = format!("{number:0100}");
        stage.bench.publish_with("", "q", body.as_bytes(), properties).await;
    }
    stage.world.restart().await;
    assert_eq!(stage.counts("q").await, (100, 0));
    let channel = stage.again().await;
    let mut worker = consumer(&channel, "q").await;
    for number in (1..200).step_by(2) {
        let (body, redelivered, tag) = delivered(&mut worker).await;
        assert_eq!((body, redelivered), (format!("{number:0100}"), false));
        super::stage::ack(&channel, tag, false).await;
    }
    assert_eq!(publish(&channel, "q", "new").await, "ack");
    assert_eq!(delivered(&mut worker).await.0, "new");
    stage.bench.broker.shutdown().await.unwrap();
    drop(dir);
}

async fn goes_through_a_crash(stage: &Stage) {
    furnished(stage).await;
    let channel = stage.bench.channel().await;
    channel.basic_qos(2, Default::default()).await.unwrap();
    let mut worker = consumer(&channel, "q").await;
    let (_, _, tag) = delivered(&mut worker).await;
    super::stage::ack(&channel, tag, false).await;
    delivered(&mut worker).await;
    stage.until("q", (1, 2)).await;
    stage.world.restart().await;
    ends(&mut worker).await;
    is_as_after_a_crash(stage).await;
}

#[tokio::test]
async fn a_rule_restarts_it_and_other_worlds_go_on() {
    let stage = stage().await;
    let elsewhere = connect(&stage.bench.broker, "~elsewhere").await.unwrap();
    publish(stage.channel(), "q", "1").await;
    let fault = stage.rule(json!({"on": "time", "every_ms": 20, "do": "restart"}));
    tokio::time::timeout(PATIENCE, fault.fired()).await.unwrap();
    let other = stage.again().await;
    assert_eq!(publish(&other, "q", "2").await, "ack");
    assert_eq!(stage.counts("q").await, (2, 0));
    assert!(elsewhere.create_channel().await.is_ok());
    let lost = async {
        while stage.bench.connection.status().connected() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, lost).await.unwrap();
}
