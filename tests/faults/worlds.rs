//! What goes wrong in one world has nothing to do with another.

use serde_json::json;

use super::stage::{A_WHILE, connect, consumer, declare, delivered, publish, send, stage};
use crate::support::client::confirming;

#[tokio::test]
async fn faults_of_one_world_do_not_touch_another() {
    let stage = stage().await;
    let elsewhere = connect(&stage.bench.broker, "~elsewhere").await.unwrap();
    let usual = connect(&stage.bench.broker, "/").await.unwrap();
    let rules = [
        json!({"on": "publish", "do": "drop", "times": 0}),
        json!({"on": "confirm", "do": "drop", "times": 0}),
        json!({"on": "deliver", "do": "drop", "times": 0}),
        json!({"on": "ack", "do": "reset", "times": 0}),
        json!({"on": "declare", "do": "refuse", "times": 0}),
        json!({"on": "open", "do": "refuse", "times": 0}),
        json!({"do": "block"}),
        json!({"do": "pause"}),
        json!({"do": "slow", "bytes_per_s": 1}),
    ];
    let _faults: Vec<_> = rules.into_iter().map(|rule| stage.rule(rule)).collect();
    for connection in [&elsewhere, &usual] {
        let channel = confirming(connection).await;
        declare(&channel, "q").await;
        let mut worker = consumer(&channel, "q").await;
        assert_eq!(publish(&channel, "q", "1").await, "ack");
        let (body, redelivered, tag) = delivered(&mut worker).await;
        assert_eq!((body.as_str(), redelivered), ("1", false));
        super::stage::ack(&channel, tag, false).await;
        assert!(!connection.status().blocked() && connection.status().connected());
    }
    connect(&stage.bench.broker, "~elsewhere").await.unwrap();
    let stuck = send(stage.channel(), "q", "1").await;
    assert!(tokio::time::timeout(A_WHILE, stuck).await.is_err(), "where they are, they hit");
}

#[tokio::test]
async fn a_broker_that_is_not_for_tests_has_no_worlds() {
    let bench = crate::support::client::Bench::start().await;
    assert!(bench.broker.world_named("/").is_err());
}
