//! `on:` a method.

use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde_json::json;

use super::stage::{declare, how, now, publish, stage};
use crate::support::client::consume;

#[tokio::test]
async fn a_declare_is_refused_with_the_code_and_the_text() {
    for (code, is_connection) in
        [(403, false), (404, false), (405, false), (406, false), (541, true), (506, true)]
    {
        let stage = stage().await;
        let _fault = stage.rule(json!({
            "on": "declare", "match": {"queue": "new*"}, "do": "refuse", "code": code, "text": "not today",
        }));
        let channel = stage.bench.channel().await;
        declare(&channel, "other").await;
        let options = QueueDeclareOptions::default();
        let refused =
            channel.queue_declare("new-1".into(), options, FieldTable::default()).await.unwrap_err();
        assert_eq!(how(&refused), code.to_string());
        assert!(refused.to_string().contains("not today"), "{refused}");
        assert_eq!(stage.bench.connection.status().connected(), !is_connection, "{code}");
        assert!(stage.bench.broker.queue(stage.world.name(), "new-1").is_none());
    }
}

#[tokio::test]
async fn any_method_can_be_refused_by_its_name() {
    for method in [
        "queue.bind",
        "basic.consume",
        "get",
        "qos",
        "confirm.select",
        "tx.select",
        "queue.purge",
        "channel.open",
    ] {
        let stage = stage().await;
        let fault = stage.rule(json!({"on": method, "do": "refuse", "code": 406}));
        let outcome = call(&stage, method).await;
        assert_eq!(outcome.map_err(|error| how(&error)), Err("406".to_owned()), "{method}");
        assert_eq!(fault.count(), 1);
    }
}

async fn call(stage: &super::stage::Stage, method: &str) -> lapin::Result<()> {
    if method == "channel.open" {
        return stage.bench.connection.create_channel().await.map(drop);
    }
    let channel = stage.bench.channel().await;
    let nothing = FieldTable::default;
    match method {
        "queue.bind" => {
            channel
                .queue_bind(
                    "q".into(),
                    "amq.topic".into(),
                    "k".into(),
                    QueueBindOptions::default(),
                    nothing(),
                )
                .await
        }
        "basic.consume" => {
            channel.basic_consume("q".into(), "c".into(), Default::default(), nothing()).await.map(drop)
        }
        "get" => channel.basic_get("q".into(), BasicGetOptions::default()).await.map(drop),
        "qos" => channel.basic_qos(1, BasicQosOptions::default()).await,
        "confirm.select" => channel.confirm_select(Default::default()).await,
        "tx.select" => channel.tx_select().await,
        "queue.purge" => channel.queue_purge("q".into(), Default::default()).await.map(drop),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_connection_is_closed_or_reset_at_a_method() {
    for (action, expected) in [("close", "320"), ("reset", "lost")] {
        let stage = stage().await;
        let _fault = stage.rule(json!({"on": "consume", "do": action}));
        let channel = stage.bench.channel().await;
        let refused =
            channel.basic_consume("q".into(), "c".into(), Default::default(), FieldTable::default()).await;
        assert_eq!(how(&refused.map(drop).unwrap_err()), expected, "{action}");
    }
}

#[tokio::test]
async fn a_delayed_method_is_done_after_that_time_and_once() {
    let stage = stage().await;
    let fault = stage.rule(json!({"on": "queue.declare", "do": "delay", "delay_ms": 250}));
    let since = now();
    declare(stage.channel(), "later").await;
    assert!(since.elapsed() >= Duration::from_millis(250), "{:?}", since.elapsed());
    assert_eq!((fault.count(), stage.seen_and_fired()), (1, vec![(1, 1)]));
    assert_eq!(publish(stage.channel(), "later", "1").await, "ack");
}

/// An empty name is the queue that was declared last.
#[tokio::test]
async fn a_method_names_its_queue_as_the_broker_understands_it() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "basic.consume", "match": {"queue": "mine", "consumer_tag": "c"}, "do": "refuse", "code": 403}));
    let channel = stage.bench.channel().await;
    declare(&channel, "mine").await;
    drop(consume(&channel, "q", "c", Default::default()).await);
    let refused =
        channel.basic_consume("".into(), "c".into(), Default::default(), FieldTable::default()).await;
    assert_eq!(how(&refused.map(drop).unwrap_err()), "403");
}
