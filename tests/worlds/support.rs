//! A world with a channel on it.

use coney::{Broker, BrokerHandle, World, WorldBuilder};
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::support::client::{confirming, string, table};

/// A broker that tests may control.
pub async fn broker() -> BrokerHandle {
    Broker::builder().ephemeral().listen("127.0.0.1:0".parse().unwrap()).test().start().await.unwrap()
}

/// A world, and a channel in confirm mode on it.
pub struct Bench {
    pub world: World,
    pub channel: Channel,
    /// Open as long as this is there.
    _connection: Connection,
}

impl Bench {
    pub async fn of(builder: WorldBuilder) -> Self {
        let world = builder.create().await.unwrap();
        let connection = enter(&world.uri().unwrap()).await;
        let channel = confirming(&connection).await;
        Self { world, channel, _connection: connection }
    }

    /// With a clock of its own.
    pub async fn on(broker: &BrokerHandle) -> Self {
        Self::of(broker.world().virtual_clock()).await
    }

    pub async fn declare(&self, name: &str, arguments: &[(&str, AMQPValue)]) {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(name.into(), durable, table(arguments)).await.unwrap();
    }

    pub async fn publish(&self, queue: &str, body: &str, properties: BasicProperties) {
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties);
        assert!(sent.await.unwrap().await.unwrap().is_ack());
    }

    /// A queue whose messages go to another after so many ms.
    pub async fn delay(&self, name: &str, ms: i32, to: &str) {
        let arguments = [
            ("x-message-ttl", AMQPValue::LongInt(ms)),
            ("x-dead-letter-exchange", string("")),
            ("x-dead-letter-routing-key", string(to)),
        ];
        self.declare(name, &arguments).await;
    }

    /// The bodies of what is ready in a queue.
    pub async fn bodies(&self, queue: &str) -> Vec<String> {
        let messages = self.world.messages(queue, coney::PeekState::Ready).await.unwrap();
        let body = |message: coney::PeekedMessage| {
            String::from_utf8_lossy(message.message.unwrap().body()).into_owned()
        };
        messages.into_iter().map(body).collect()
    }

    pub async fn ready(&self, queue: &str) -> u64 {
        self.world.queue(queue).counts().await.unwrap().get(coney::Countable::Ready)
    }
}

pub async fn enter(uri: &str) -> Connection {
    Connection::connect(uri, ConnectionProperties::default()).await.unwrap()
}

pub fn no_arguments() -> FieldTable {
    FieldTable::default()
}
