//! Retry with backoff.

use std::time::Duration;

use coney::{Countable, StepKind};
use lapin::options::*;
use lapin::types::AMQPValue;

use super::support::*;

#[tokio::test]
async fn an_order_is_tried_again_after_one_and_two_minutes() {
    let (_broker, world) = start().await;
    let channel = connect(&world.uri().unwrap()).await.unwrap();
    let arguments = [
        ("x-queue-type", text("quorum")),
        ("x-delayed-retry-type", text("failed")),
        ("x-delayed-retry-min", AMQPValue::LongInt(60_000)),
        ("x-delayed-retry-max", AMQPValue::LongInt(600_000)),
    ];
    declare(&channel, "orders", &arguments).await;
    let mut consumer = consume(&channel, "orders", 1).await.unwrap();
    publish(&channel, "orders", "1", Default::default()).await.unwrap();
    for minutes in [1, 2] {
        let order = next(&mut consumer).await.unwrap();
        order.acker.reject(BasicRejectOptions { requeue: true }).await.unwrap();
        world.queue("orders").wait(|counts| counts.get(Countable::Delayed) == 1).await.unwrap();
        let moved = world.clock().advance(Duration::from_secs(60 * minutes)).await.unwrap();
        assert_eq!(moved.steps[0].what, StepKind::Released);
    }
    next(&mut consumer).await.unwrap().acker.ack(BasicAckOptions::default()).await.unwrap();
    world.idle().await.unwrap();
}
