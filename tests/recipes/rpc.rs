//! An RPC times out.

use std::time::Duration;

use coney::Countable;
use lapin::BasicProperties;
use lapin::options::*;
use lapin::types::FieldTable;

use super::support::*;

#[tokio::test]
async fn a_request_that_nobody_waits_for_is_not_carried_out() {
    let (_broker, world) = start().await;
    let uri = world.uri().unwrap();
    let client = connect(&uri).await.unwrap();
    declare(&client, "quotes", &[]).await;
    let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let reply_to = "amq.rabbitmq.reply-to";
    let mut replies =
        client.basic_consume(reply_to.into(), "".into(), no_ack, FieldTable::default()).await.unwrap();
    // As long as the client waits for the answer.
    let properties = BasicProperties::default().with_reply_to(reply_to.into()).with_expiration("5000".into());

    publish(&client, "quotes", "late", properties.clone()).await.unwrap();
    world.queue("quotes").wait(|counts| counts.get(Countable::Ready) == 1).await.unwrap();
    world.clock().advance(Duration::from_secs(5)).await.unwrap();
    let server = connect(&uri).await.unwrap();
    let mut requests = consume(&server, "quotes", 1).await.unwrap();
    publish(&client, "quotes", "in time", properties).await.unwrap();

    let request = next(&mut requests).await.unwrap();
    assert_eq!(request.data, b"in time");
    let address = request.properties.reply_to().clone().unwrap();
    publish(&server, address.as_str(), "42", Default::default()).await.unwrap();
    request.acker.ack(BasicAckOptions::default()).await.unwrap();
    assert_eq!(next(&mut replies).await.unwrap().data, b"42");
}
