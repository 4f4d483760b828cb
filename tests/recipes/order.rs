//! Order per key.

use std::sync::{Arc, Mutex};

use coney::faults::Occasion;
use lapin::Consumer;
use lapin::options::*;
use lapin::types::AMQPValue;

use super::support::*;

type Handled = Arc<Mutex<Vec<String>>>;

async fn work(mut consumer: Consumer, handled: Handled) {
    while let Some(order) = next(&mut consumer).await {
        handled.lock().unwrap().push(String::from_utf8(order.data.clone()).unwrap());
        let _ = order.acker.ack(BasicAckOptions::default()).await;
    }
}

#[tokio::test]
async fn orders_of_a_customer_stay_in_order_when_a_consumer_dies() {
    let (_broker, world) = start().await;
    let uri = world.uri().unwrap();
    let channel = connect(&uri).await.unwrap();
    declare(&channel, "orders", &[("x-single-active-consumer", AMQPValue::Boolean(true))]).await;
    let handled = Handled::default();
    // One is active, the other stands by. With a higher prefetch the first would go on with what it has when it is already replaced.
    for _ in 0..2 {
        let consumer = consume(&connect(&uri).await.unwrap(), "orders", 1).await.unwrap();
        tokio::spawn(work(consumer, Arc::clone(&handled)));
    }
    let dies = world.on(Occasion::Ack).skip(2).reset().unwrap();
    for number in 0..3 {
        for customer in ["ann", "bob"] {
            publish(&channel, "orders", &format!("{customer}-{number}"), Default::default()).await.unwrap();
        }
    }
    world.idle().await.unwrap();
    assert_eq!(dies.count(), 1);
    assert_eq!(*handled.lock().unwrap(), ["ann-0", "bob-0", "ann-1", "ann-1", "bob-1", "ann-2", "bob-2"]);
}
