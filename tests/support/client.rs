//! A broker in memory with a lapin channel on it, and short words for what tests do with it.

use std::time::Duration;

use coney::{Broker, BrokerHandle};
use futures_lite::StreamExt;
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ErrorKind};

/// Far longer than any delivery takes: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A broker and a channel in confirm mode.
pub struct Bench {
    pub broker: BrokerHandle,
    pub connection: Connection,
    pub channel: Channel,
}

impl Bench {
    pub async fn start() -> Self {
        let builder = Broker::builder().ephemeral().listen("127.0.0.1:0".parse().unwrap());
        Self::on(builder.start().await.unwrap()).await
    }

    /// On a broker that is running.
    pub async fn on(broker: BrokerHandle) -> Self {
        let connection = connect(&broker).await;
        Self::with(broker, connection).await
    }

    /// On a connection of one's own.
    pub async fn with(broker: BrokerHandle, connection: Connection) -> Self {
        let channel = confirming(&connection).await;
        Self { broker, connection, channel }
    }

    /// Another channel, not in confirm mode.
    pub async fn channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }

    pub async fn declare(&self, name: &str, arguments: FieldTable) {
        let options = QueueDeclareOptions::default();
        self.channel.queue_declare(name.into(), options, arguments).await.unwrap();
    }

    pub async fn bind(&self, queue: &str, exchange: &str, key: &str, arguments: FieldTable) {
        let options = QueueBindOptions::default();
        self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments).await.unwrap();
    }

    /// Publishes and waits for the confirm.
    pub async fn publish_with(
        &self,
        exchange: &str,
        key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Confirmation {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let sent = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await;
        sent.unwrap().await.unwrap()
    }

    pub async fn publish(&self, exchange: &str, key: &str, body: &str) {
        let confirmation =
            self.publish_with(exchange, key, body.as_bytes(), BasicProperties::default()).await;
        assert!(confirmation.is_ack(), "{confirmation:?}");
    }

    /// Takes the head of a queue, acked.
    pub async fn get(&self, queue: &str) -> Option<BasicGetMessage> {
        self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
    }

    /// Takes everything that is ready in a queue.
    pub async fn bodies(&self, queue: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        while let Some(message) = self.get(queue).await {
            bodies.push(text(&message.delivery.data));
        }
        bodies
    }

    /// Ready messages and consumers.
    pub async fn counts(&self, queue: &str) -> (u32, u32) {
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = self.channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap();
        (queue.message_count(), queue.consumer_count())
    }

    /// Waits until a queue has that many ready messages.
    pub async fn until_ready(&self, queue: &str, count: u32) {
        let counted = async {
            while self.counts(queue).await.0 != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, counted).await.expect("the count is not reached");
    }
}

pub async fn connect(broker: &BrokerHandle) -> Connection {
    let uri = format!("amqp://guest:guest@{}/%2f", broker.address().unwrap());
    Connection::connect(&uri, ConnectionProperties::default()).await.unwrap()
}

/// A channel in confirm mode.
pub async fn confirming(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

pub async fn consume(channel: &Channel, queue: &str, tag: &str, options: BasicConsumeOptions) -> Consumer {
    channel.basic_consume(queue.into(), tag.into(), options, FieldTable::default()).await.unwrap()
}

/// The next delivery.
pub async fn next(consumer: &mut Consumer) -> Delivery {
    tokio::time::timeout(PATIENCE, consumer.next()).await.expect("no delivery").unwrap().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A table of strings and numbers.
pub fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert((*key).into(), value.clone());
    }
    table
}

pub fn string(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// The reply code that an error carries.
pub fn code(error: &lapin::Error) -> u16 {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_id(),
        other => panic!("not a protocol error: {other:?}"),
    }
}
