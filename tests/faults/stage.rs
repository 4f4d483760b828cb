//! A broker for tests with a client in a world of its own.

use std::time::{Duration, Instant};

use coney::config::Config;
use coney::faults::Rule;
use coney::{Broker, BrokerBuilder, BrokerHandle, Fault, WorldHandle};
use futures_lite::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ErrorKind, PublisherConfirm,
};
use serde_json::Value;

use crate::support::client::{Bench, confirming, consume, next, text};

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// What does not come in this time does not come: what is looked for would come in a round trip.
pub const A_WHILE: Duration = Duration::from_millis(150);

#[expect(clippy::disallowed_methods, reason = "how long a client waited is for the client's clock to tell")]
pub fn now() -> Instant {
    Instant::now()
}

/// A client in a world, with a durable queue `q`.
pub struct Stage {
    pub bench: Bench,
    pub world: WorldHandle,
}

pub fn builder() -> BrokerBuilder {
    let config = Config { test: true, ..Config::default() };
    Broker::builder().config(config).listen("127.0.0.1:0".parse().unwrap())
}

pub async fn stage() -> Stage {
    stage_on(builder().ephemeral().start().await.unwrap(), "~stage").await
}

pub async fn stage_on(broker: BrokerHandle, world: &str) -> Stage {
    let connection = connect(&broker, world).await.unwrap();
    let bench = Bench::with(broker, connection).await;
    declare(&bench.channel, "q").await;
    let world = bench.broker.world_named(world).unwrap();
    Stage { bench, world }
}

pub async fn connect(broker: &BrokerHandle, world: &str) -> lapin::Result<Connection> {
    let escaped = world.replace(';', "%3B").replace('=', "%3D").replace('/', "%2f");
    let uri = format!("amqp://guest:guest@{}/{escaped}", broker.address().unwrap());
    let connecting = Connection::connect(&uri, ConnectionProperties::default());
    tokio::time::timeout(PATIENCE, connecting).await.expect("no answer to the handshake")
}

pub async fn declare(channel: &Channel, queue: &str) {
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
}

pub fn persistent() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2)
}

/// Publishes to a queue; the confirm is yet to come.
pub async fn send(channel: &Channel, queue: &str, body: &str) -> PublisherConfirm {
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), persistent()).await.unwrap()
}

/// How a publish ended: `ack`, `nack`, `lost` (the connection went), or the code of the error.
pub async fn outcome(confirm: PublisherConfirm) -> String {
    let ended = tokio::time::timeout(PATIENCE, confirm).await.expect("no confirm");
    match ended {
        Ok(confirmation) if confirmation.is_ack() => "ack".to_owned(),
        Ok(confirmation) if confirmation.is_nack() => "nack".to_owned(),
        Ok(confirmation) => panic!("not confirmed: {confirmation:?}"),
        Err(error) => how(&error),
    }
}

/// Publishes and says how that ended.
pub async fn publish(channel: &Channel, queue: &str, body: &str) -> String {
    outcome(send(channel, queue, body).await).await
}

/// The code of an error, or `lost`: the socket is gone.
pub fn how(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_id().to_string(),
        ErrorKind::IOError(_) | ErrorKind::InvalidConnectionState(_) | ErrorKind::InvalidChannelState(..) => {
            "lost".to_owned()
        }
        other => panic!("unexpected: {other:?}"),
    }
}

/// A consumer that acks by itself, and up to `prefetch` messages that it was given.
pub async fn consumer(channel: &Channel, queue: &str) -> Consumer {
    consume(channel, queue, "worker", BasicConsumeOptions::default()).await
}

/// The next delivery: its body, whether it was redelivered, and its tag.
pub async fn delivered(consumer: &mut Consumer) -> (String, bool, u64) {
    let delivery = next(consumer).await;
    (text(&delivery.data), delivery.redelivered, delivery.delivery_tag)
}

/// Nothing is delivered for a while.
pub async fn is_idle(consumer: &mut Consumer) -> bool {
    tokio::time::timeout(A_WHILE, consumer.next()).await.is_err()
}

/// The consumer's stream ends, with an error or without.
pub async fn ends(consumer: &mut Consumer) {
    let end = async { while let Some(Ok(_)) = consumer.next().await {} };
    tokio::time::timeout(PATIENCE, end).await.expect("the consumer goes on");
}

pub async fn ack(channel: &Channel, tag: u64, multiple: bool) {
    channel.basic_ack(tag, BasicAckOptions { multiple }).await.unwrap();
}

impl Stage {
    /// A rule as tests write it.
    pub fn rule(&self, json: Value) -> Fault {
        let Value::Object(fields) = json else { panic!("an object is expected") };
        self.world.add_fault(Rule::parse(&fields).unwrap())
    }

    pub fn channel(&self) -> &Channel {
        &self.bench.channel
    }

    /// Another client in the same world.
    pub async fn again(&self) -> Channel {
        confirming(&connect(&self.bench.broker, self.world.name()).await.unwrap()).await
    }

    /// Ready and unacked messages of a queue, as the broker knows them.
    pub async fn counts(&self, queue: &str) -> (usize, usize) {
        let counts = self.bench.broker.queue(self.world.name(), queue).unwrap().counts().await.unwrap();
        (counts.ready, counts.unacked)
    }

    /// Waits until the queue has so many ready and unacked messages.
    pub async fn until(&self, queue: &str, wanted: (usize, usize)) {
        let reached = async {
            while self.counts(queue).await != wanted {
                tokio::task::yield_now().await;
            }
        };
        let counts = tokio::time::timeout(PATIENCE, reached).await;
        assert!(counts.is_ok(), "{:?} instead of {wanted:?}", self.counts(queue).await);
    }

    /// What each rule has seen and hit.
    pub fn seen_and_fired(&self) -> Vec<(u64, u64)> {
        self.world.faults().iter().map(|rule| (rule.seen, rule.fired)).collect()
    }
}
