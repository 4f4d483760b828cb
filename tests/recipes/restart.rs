//! The broker restarts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coney::Countable;
use coney::faults::Occasion;
use lapin::BasicProperties;
use lapin::options::*;

use super::support::*;

type Handled = Arc<Mutex<BTreeSet<String>>>;

/// Connects again whenever the connection is lost.
async fn work_for_ever(uri: String, handled: Handled) {
    loop {
        let Ok(channel) = connect(&uri).await else { continue };
        let Ok(mut consumer) = consume(&channel, "orders", 10).await else { continue };
        while let Some(order) = next(&mut consumer).await {
            handled.lock().unwrap().insert(String::from_utf8(order.data.clone()).unwrap());
            // If the connection is lost just then, lapin waits for ever. The order comes again.
            let ack = order.acker.ack(BasicAckOptions::default());
            let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(1), ack).await else { break };
        }
    }
}

#[tokio::test]
async fn a_restart_of_the_broker_loses_no_order() {
    let (_broker, world) = start().await;
    let uri = world.uri().unwrap();
    let channel = connect(&uri).await.unwrap();
    declare(&channel, "orders", &[]).await;
    let numbers: BTreeSet<String> = (0..10).map(|number| number.to_string()).collect();
    for number in &numbers {
        publish(&channel, "orders", number, BasicProperties::default().with_delivery_mode(2)).await.unwrap();
    }
    let crash = world.on(Occasion::Ack).skip(4).reset().unwrap();
    let handled = Handled::default();
    let worker = tokio::spawn(work_for_ever(uri, Arc::clone(&handled)));
    crash.fired().await;
    world.restart().await;
    world.queue("orders").wait(|counts| counts.get(Countable::Messages) == 0).await.unwrap();
    assert_eq!(*handled.lock().unwrap(), numbers);
    worker.abort();
}
