//! The part that all recipes share, as docs/testing.md prints it.

use coney::{Broker, BrokerHandle, World};
use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};

/// A broker in this process, and a world with a virtual clock on it.
pub async fn start() -> (BrokerHandle, World) {
    let listen = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::builder().ephemeral().listen(listen).test().start().await.unwrap();
    let world = broker.world().virtual_clock().create().await.unwrap();
    (broker, world)
}

/// A channel with confirms, on a connection of its own.
pub async fn connect(uri: &str) -> lapin::Result<Channel> {
    let connection = Connection::connect(uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

pub async fn declare(channel: &Channel, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, table).await.unwrap();
}

/// Returns when the broker has the message.
pub async fn publish(
    channel: &Channel,
    queue: &str,
    body: &str,
    properties: BasicProperties,
) -> lapin::Result<()> {
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties).await?.await?;
    Ok(())
}

pub async fn consume(channel: &Channel, queue: &str, prefetch: u16) -> lapin::Result<Consumer> {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    channel
        .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
}

/// The next delivery; none if the channel is closed.
pub async fn next(consumer: &mut Consumer) -> Option<Delivery> {
    consumer.next().await?.ok()
}

pub fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
