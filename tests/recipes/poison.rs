//! A poison message goes to the dead letters.

use coney::{Countable, PeekState};
use lapin::options::*;
use lapin::types::AMQPValue;

use super::support::*;

#[tokio::test]
async fn a_poison_message_goes_to_the_dead_and_others_pass() {
    let (_broker, world) = start().await;
    let channel = connect(&world.uri().unwrap()).await.unwrap();
    declare(&channel, "orders.dead", &[]).await;
    let arguments = [
        ("x-delivery-limit", AMQPValue::LongInt(2)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("orders.dead")),
    ];
    declare(&channel, "orders", &arguments).await;
    let mut consumer = consume(&channel, "orders", 1).await.unwrap();
    tokio::spawn(async move {
        while let Some(order) = next(&mut consumer).await {
            let settled = match &*order.data {
                b"poison" => order.acker.nack(BasicNackOptions { requeue: true, multiple: false }).await,
                _ => order.acker.ack(BasicAckOptions::default()).await,
            };
            settled.unwrap();
        }
    });
    for body in ["1", "poison", "2"] {
        publish(&channel, "orders", body, Default::default()).await.unwrap();
    }
    let done = world
        .queue("orders")
        .wait(|counts| counts.get(Countable::Messages) == 0 && counts.get(Countable::Acked) == 2);
    done.await.unwrap();
    let dead = world.messages("orders.dead", PeekState::Ready).await.unwrap();
    assert_eq!(dead[0].message.as_ref().unwrap().body(), b"poison");
}
