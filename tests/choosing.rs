//! Exchanges that send each message to one of their bindings, as a client sees them.

use std::path::Path;

use coney::{Broker, BrokerHandle};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};

use crate::support::client::{Bench, code, connect, string, table, text};

const QUEUES: [&str; 4] = ["q0", "q1", "q2", "q3"];
const MESSAGES: u64 = 80;

fn kind(name: &str) -> ExchangeKind {
    ExchangeKind::Custom(name.to_owned())
}

/// Declares `x` and its queues, all durable, and binds them with a weight of 1.
async fn build(channel: &Channel, exchange: &str, arguments: FieldTable) {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare("x".into(), kind(exchange), options, arguments).await.unwrap();
    // A local random one takes no keys.
    let key = if exchange == "x-local-random" { "" } else { "1" };
    for queue in QUEUES {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
        let bound = channel.queue_bind(
            queue.into(),
            "x".into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.unwrap();
    }
}

/// Publishes so many messages made from their numbers, and says which came to which queue.
async fn homes(channel: &Channel, message: impl Fn(u64) -> (String, BasicProperties)) -> Vec<Vec<u64>> {
    for number in 0..MESSAGES {
        let (key, properties) = message(number);
        let (options, body) = (BasicPublishOptions::default(), number.to_string());
        let sent =
            channel.basic_publish("x".into(), key.as_str().into(), options, body.as_bytes(), properties);
        assert!(sent.await.unwrap().await.unwrap().is_ack());
    }
    let mut homes = Vec::new();
    for queue in QUEUES {
        let mut numbers = Vec::new();
        while let Some(message) =
            channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
        {
            numbers.push(text(&message.delivery.data).parse().unwrap());
        }
        homes.push(numbers);
    }
    assert_eq!(homes.iter().map(|numbers| numbers.len() as u64).sum::<u64>(), MESSAGES, "each in one queue");
    homes
}

fn by_key(number: u64) -> (String, BasicProperties) {
    (format!("order.{number}"), BasicProperties::default())
}

fn used(homes: &[Vec<u64>]) -> usize {
    homes.iter().filter(|numbers| !numbers.is_empty()).count()
}

/// The route of the last exchange and key is kept by the channel: not where more than the key decides.
#[tokio::test]
async fn what_decides_is_looked_at_in_every_message() {
    let headers = |number: u64| {
        let headers = table(&[("h", AMQPValue::LongLongInt(number as i64))]);
        ("k".to_owned(), BasicProperties::default().with_headers(headers))
    };
    let id =
        |number: u64| ("k".to_owned(), BasicProperties::default().with_message_id(number.to_string().into()));
    let bench = Bench::start().await;
    build(&bench.channel, "x-consistent-hash", table(&[("hash-header", string("h"))])).await;
    assert_eq!(used(&homes(&bench.channel, headers).await), 4);
    assert_eq!(used(&homes(&bench.channel, by_key).await), 1, "without the header");
    let bench = Bench::start().await;
    build(&bench.channel, "x-consistent-hash", table(&[("hash-property", string("message_id"))])).await;
    assert_eq!(used(&homes(&bench.channel, id).await), 4);
    for name in ["x-random", "x-local-random"] {
        let bench = Bench::start().await;
        build(&bench.channel, name, FieldTable::default()).await;
        assert_eq!(used(&homes(&bench.channel, |_| ("k".to_owned(), BasicProperties::default())).await), 4);
    }
}

async fn start(dir: &Path) -> (BrokerHandle, Channel) {
    let builder = Broker::builder().data_dir(dir).listen("127.0.0.1:0".parse().unwrap());
    let broker = builder.start().await.unwrap();
    let channel = connect(&broker).await.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (broker, channel)
}

#[tokio::test]
async fn keys_keep_their_queues_across_a_restart() {
    for name in ["x-consistent-hash", "x-modulus-hash"] {
        let dir = tempfile::tempdir().unwrap();
        let (broker, channel) = start(dir.path()).await;
        build(&channel, name, FieldTable::default()).await;
        let before = homes(&channel, by_key).await;
        assert_eq!(used(&before), 4);
        broker.shutdown().await.unwrap();

        let (broker, channel) = start(dir.path()).await;
        assert_eq!(homes(&channel, by_key).await, before, "{name}");
        // Equivalent: else this is a 406.
        build(&channel, name, FieldTable::default()).await;
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn dead_letters_are_hashed_as_well() {
    let bench = Bench::start().await;
    build(&bench.channel, "x-consistent-hash", table(&[("hash-property", string("message_id"))])).await;
    let arguments = [("x-dead-letter-exchange", string("x")), ("x-max-length", AMQPValue::LongInt(0))];
    bench.declare("short", table(&arguments)).await;
    for number in 0..40 {
        let properties = BasicProperties::default().with_message_id(number.to_string().into());
        bench.publish_with("", "short", b"m", properties).await;
    }
    let mut reached = 0;
    let mut total = 0;
    while total < 40 {
        (reached, total) = (0, 0);
        for queue in QUEUES {
            let (ready, _) = bench.counts(queue).await;
            (reached, total) = (reached + u32::from(ready > 0), total + ready);
        }
    }
    assert_eq!((reached, total), (4, 40));
}

#[tokio::test]
async fn a_weight_is_a_number_above_zero() {
    let bench = Bench::start().await;
    build(&bench.channel, "x-consistent-hash", FieldTable::default()).await;
    for key in ["0", "abc"] {
        let channel = bench.channel().await;
        let options = QueueBindOptions::default();
        let bound =
            channel.queue_bind("q0".into(), "x".into(), key.into(), options, FieldTable::default()).await;
        assert_eq!(code(&bound.unwrap_err()), 406);
    }
}
