//! What the worker promises, with a broker inside the test.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]

mod worker;

use coney::faults::Occasion;
use coney::{Broker, BrokerHandle, Countable, PeekState, World};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::task::JoinHandle;

use crate::worker::{Ledger, QUEUE};

/// A worker in a world of its own.
struct Bench {
    _broker: BrokerHandle,
    world: World,
    channel: Channel,
    ledger: Ledger,
    worker: JoinHandle<()>,
}

impl Bench {
    async fn start() -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let broker = Broker::builder().ephemeral().listen(listen).test().start().await.unwrap();
        let world = broker.world().virtual_clock().create().await.unwrap();
        let uri = world.uri().unwrap();
        let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare("dead".into(), durable, FieldTable::default()).await.unwrap();
        let mut arguments = FieldTable::default();
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
        arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString("dead".into()));
        channel.queue_declare(QUEUE.into(), durable, arguments).await.unwrap();
        let ledger = Ledger::default();
        let worker = tokio::spawn(worker::run(uri, ledger.clone()));
        world.queue(QUEUE).wait(|counts| counts.get(Countable::Consumers) == 1).await.unwrap();
        Self { _broker: broker, world, channel, ledger, worker }
    }

    async fn publish(&self, id: &str, body: &str) {
        let properties = BasicProperties::default().with_delivery_mode(2).with_message_id(id.into());
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish("".into(), QUEUE.into(), options, body.as_bytes(), properties);
        assert!(sent.await.unwrap().await.unwrap().is_ack());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

#[tokio::test]
async fn parcels_are_booked() {
    let bench = Bench::start().await;
    for (id, body) in [("1", "ann 100"), ("2", "bob 30"), ("3", "ann 7")] {
        bench.publish(id, body).await;
    }
    bench.world.idle().await.unwrap();
    assert_eq!((bench.ledger.weight_of("ann"), bench.ledger.weight_of("bob")), (107, 30));
}

#[tokio::test]
async fn what_cannot_be_read_is_put_aside() {
    let bench = Bench::start().await;
    bench.publish("1", "ann heavy").await;
    bench.publish("2", "ann 7").await;
    bench.world.queue(QUEUE).idle().await.unwrap();
    assert_eq!(bench.ledger.weight_of("ann"), 7);
    assert_eq!(bench.world.messages("dead", PeekState::Ready).await.unwrap().len(), 1);
}

/// The connection dies with an ack on its way: the parcel is booked, and comes again.
#[tokio::test]
async fn a_parcel_whose_ack_is_lost_counts_once() {
    let bench = Bench::start().await;
    let lost = bench.world.on(Occasion::Ack).queue(QUEUE).reset().unwrap();
    bench.publish("1", "ann 100").await;
    lost.fired().await;
    let done = bench.world.queue(QUEUE).wait(|counts| counts.get(Countable::Messages) == 0);
    assert_eq!(done.await.unwrap().get(Countable::Redelivered), 1);
    assert_eq!(bench.ledger.weight_of("ann"), 100);
}
