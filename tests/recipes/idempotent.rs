//! Is my consumer idempotent?

use std::collections::HashSet;

use coney::faults::Occasion;
use lapin::BasicProperties;
use lapin::options::*;

use super::support::*;

#[tokio::test]
async fn an_order_that_comes_twice_is_charged_once() {
    let (_broker, world) = start().await;
    let channel = connect(&world.uri().unwrap()).await.unwrap();
    declare(&channel, "orders", &[]).await;
    let mut consumer = consume(&channel, "orders", 10).await.unwrap();
    let _twice = world.on(Occasion::Deliver).queue("orders").duplicate().unwrap();
    let properties = BasicProperties::default().with_message_id("order-1".into());
    publish(&channel, "orders", "", properties).await.unwrap();

    let (mut charged, mut done) = (Vec::new(), HashSet::new());
    for _ in 0..2 {
        let order = next(&mut consumer).await.unwrap();
        let id = order.properties.message_id().clone().unwrap().to_string();
        if done.insert(id.clone()) {
            charged.push(id);
        }
        order.acker.ack(BasicAckOptions::default()).await.unwrap();
    }
    world.idle().await.unwrap();
    assert_eq!(charged, ["order-1"]);
}
