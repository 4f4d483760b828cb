//! A slow consumer.

use std::time::Duration;

use coney::{Countable, StepKind};
use lapin::options::*;
use lapin::types::AMQPValue;

use super::support::*;

#[tokio::test]
async fn a_consumer_that_takes_too_long_loses_its_message_to_another() {
    let (_broker, world) = start().await;
    let uri = world.uri().unwrap();
    let slow = connect(&uri).await.unwrap();
    let arguments =
        [("x-consumer-timeout", AMQPValue::LongInt(60_000)), ("x-consumer-timeout-action", text("close"))];
    declare(&slow, "orders", &arguments).await;
    let mut held = consume(&slow, "orders", 1).await.unwrap();
    let channel = connect(&uri).await.unwrap();
    publish(&channel, "orders", "1", Default::default()).await.unwrap();
    next(&mut held).await.unwrap();

    let mut consumer = consume(&channel, "orders", 1).await.unwrap();
    assert!(world.clock().advance(Duration::from_secs(59)).await.unwrap().steps.is_empty());
    let moved = world.clock().advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(moved.steps[0].what, StepKind::TimedOut);
    next(&mut consumer).await.unwrap().acker.ack(BasicAckOptions::default()).await.unwrap();
    world.queue("orders").wait(|counts| counts.get(Countable::Acked) == 1).await.unwrap();
    while next(&mut held).await.is_some() {}
    assert!(!slow.status().connected());
}
