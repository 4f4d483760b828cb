//! Chains of TTLs.

use std::time::Duration;

use coney::PeekState;
use lapin::types::AMQPValue;

use super::support::*;

#[tokio::test]
async fn an_order_waits_a_minute_and_then_an_hour() {
    let (_broker, world) = start().await;
    let channel = connect(&world.uri().unwrap()).await.unwrap();
    declare(&channel, "orders", &[]).await;
    for (name, minutes, then) in [("wait.1m", 1, "wait.1h"), ("wait.1h", 60, "orders")] {
        let arguments = [
            ("x-message-ttl", AMQPValue::LongInt(minutes * 60_000)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(then)),
        ];
        declare(&channel, name, &arguments).await;
    }
    let begin = world.clock().now();
    publish(&channel, "wait.1m", "1", Default::default()).await.unwrap();
    let moved = world.clock().advance_until_idle().await.unwrap();
    let minutes = |ms: u64| Duration::from_millis(ms - begin.as_millis()).as_secs() / 60;
    let told: Vec<_> = moved.steps.iter().map(|step| (&*step.queue, minutes(step.at.as_millis()))).collect();
    assert_eq!(told, [("wait.1m", 1), ("wait.1h", 61)]);
    assert_eq!(world.messages("orders", PeekState::Ready).await.unwrap().len(), 1);
}
