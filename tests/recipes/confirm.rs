//! The confirm that got lost.

use coney::PeekState;
use coney::faults::Occasion;
use lapin::BasicProperties;

use super::support::*;

/// Publishes again until there is a confirm.
async fn publish_for_sure(uri: &str, queue: &str, body: &str, properties: BasicProperties) {
    loop {
        let Ok(channel) = connect(uri).await else { continue };
        if publish(&channel, queue, body, properties.clone()).await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn a_lost_confirm_loses_no_order() {
    let (_broker, world) = start().await;
    let uri = world.uri().unwrap();
    declare(&connect(&uri).await.unwrap(), "orders", &[]).await;
    let lost = world.on(Occasion::Confirm).queue("orders").reset().unwrap();
    let properties = BasicProperties::default().with_delivery_mode(2).with_message_id("order-1".into());
    publish_for_sure(&uri, "orders", "1", properties).await;
    assert_eq!(lost.count(), 1);
    // It is there twice: consumers have to be idempotent.
    assert_eq!(world.messages("orders", PeekState::Ready).await.unwrap().len(), 2);
}
