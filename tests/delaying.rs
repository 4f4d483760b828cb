//! Delayed exchanges: messages that are routed when their time has come.

#![expect(clippy::disallowed_methods, reason = "how long a client waited is for the client's clock to tell")]

use std::path::Path;
use std::time::{Duration, Instant};

use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};

use crate::support::client::{Bench, code, consume, next, string, table, text};
use crate::support::process::{Process, coney};

const NO_ACK: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: true, exclusive: false, nowait: false };

fn delayed(ms: i32) -> BasicProperties {
    let headers = table(&[("x-delay", AMQPValue::LongInt(ms))]);
    BasicProperties::default().with_headers(headers).with_delivery_mode(2)
}

async fn declare_exchange(channel: &Channel, kind: &str, durable: bool, arguments: &[(&str, AMQPValue)]) {
    let kind = ExchangeKind::Custom(kind.into());
    let options = ExchangeDeclareOptions { durable, ..Default::default() };
    channel.exchange_declare("x".into(), kind, options, table(arguments)).await.unwrap();
}

/// An exchange that delays, with a queue bound to it.
async fn bench(inner: &str) -> Bench {
    let bench = Bench::start().await;
    declare_exchange(&bench.channel, "x-delayed-message", false, &[("x-delayed-type", string(inner))]).await;
    bench.declare("q", FieldTable::default()).await;
    bench.bind("q", "x", "q", FieldTable::default()).await;
    bench
}

async fn publish(bench: &Bench, key: &str, body: &str, properties: BasicProperties) {
    let confirmation = bench.publish_with("x", key, body.as_bytes(), properties).await;
    assert_eq!(confirmation, Confirmation::Ack(None));
}

#[tokio::test]
async fn messages_come_when_they_are_due_and_not_before() {
    let bench = bench("direct").await;
    let start = Instant::now();
    for (body, ms) in [("late", 300), ("soon", 100), ("at once", 0)] {
        publish(&bench, "q", body, delayed(ms)).await;
    }
    publish(&bench, "q", "no delay", BasicProperties::default()).await;
    let mut consumer = consume(&bench.channel, "q", "c", NO_ACK).await;
    for (body, least_ms, header) in
        [("at once", 0, Some(0)), ("no delay", 0, None), ("soon", 100, Some(-100)), ("late", 300, Some(-300))]
    {
        let delivery = next(&mut consumer).await;
        assert_eq!(text(&delivery.data), body);
        assert!(start.elapsed() >= Duration::from_millis(least_ms), "{body} is early");
        let headers = delivery.properties.headers().clone().unwrap_or_default();
        let delay = headers.inner().get("x-delay").map(|value| match value {
            AMQPValue::LongInt(number) => i64::from(*number),
            AMQPValue::LongLongInt(number) => *number,
            other => panic!("{other:?}"),
        });
        assert_eq!(delay, header, "{body}");
        assert_eq!((delivery.exchange.as_str(), delivery.routing_key.as_str()), ("x", "q"));
    }
}

#[tokio::test]
async fn it_routes_as_its_inner_type_when_the_time_has_come() {
    let bench = bench("topic").await;
    publish(&bench, "a.b", "m", delayed(1000)).await;
    // Bound while the message waits.
    bench.declare("later", FieldTable::default()).await;
    bench.bind("later", "x", "a.*", FieldTable::default()).await;
    bench.until_ready("later", 1).await;
    assert_eq!(bench.counts("q").await.0, 0);
}

#[tokio::test]
async fn blind_copies_arrive_and_say_nothing() {
    let bench = bench("direct").await;
    bench.declare("copy", FieldTable::default()).await;
    bench.bind("copy", "x", "copy", FieldTable::default()).await;
    let headers = table(&[
        ("x-delay", AMQPValue::LongInt(30)),
        ("BCC", AMQPValue::FieldArray(vec![string("copy")].into())),
    ]);
    publish(&bench, "q", "m", BasicProperties::default().with_headers(headers)).await;
    bench.until_ready("copy", 1).await;
    let copy = bench.get("copy").await.unwrap().delivery;
    assert!(!copy.properties.headers().clone().unwrap().inner().contains_key("BCC"));
    bench.until_ready("q", 1).await;
}

#[tokio::test]
async fn a_ttl_begins_when_the_delay_is_over() {
    let bench = bench("fanout").await;
    publish(&bench, "q", "lives", delayed(100).with_expiration("60000".into())).await;
    bench.until_ready("q", 1).await;
    let got = bench.get("q").await.unwrap().delivery;
    assert_eq!(got.properties.expiration().as_ref().map(|ttl| ttl.as_str()), Some("60000"));
    publish(&bench, "q", "dies", delayed(30).with_expiration("0".into())).await;
    while bench.broker.counters().dropped.dead.expired.value() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.counts("q").await.0, 0);
}

#[tokio::test]
async fn lavinmqs_argument_lets_any_exchange_delay() {
    let bench = Bench::start().await;
    declare_exchange(&bench.channel, "direct", false, &[("x-delayed-exchange", AMQPValue::Boolean(true))])
        .await;
    bench.declare("q", FieldTable::default()).await;
    bench.bind("q", "x", "q", FieldTable::default()).await;
    let start = Instant::now();
    publish(&bench, "q", "m", delayed(100)).await;
    bench.until_ready("q", 1).await;
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_dead_letter_waits_too() {
    let bench = bench("direct").await;
    let arguments = [
        ("x-dead-letter-exchange", string("x")),
        ("x-dead-letter-routing-key", string("q")),
        ("x-message-ttl", 0.into()),
    ];
    bench.declare("source", table(&arguments)).await;
    let start = Instant::now();
    let confirmation = bench.publish_with("", "source", b"m", delayed(100)).await;
    assert_eq!(confirmation, Confirmation::Ack(None));
    bench.until_ready("q", 1).await;
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_queue_that_wants_each_message_once_knows_delayed_ones() {
    let bench = bench("direct").await;
    bench.declare("once", table(&[("x-message-deduplication", AMQPValue::Boolean(true))])).await;
    bench.bind("once", "x", "k", FieldTable::default()).await;
    for body in ["1", "again"] {
        publish(&bench, "k", body, delayed(30).with_message_id("id".into())).await;
    }
    publish(&bench, "k", "2", delayed(60)).await;
    bench.until_ready("once", 2).await;
    assert_eq!(bench.bodies("once").await, ["1", "2"]);
}

#[tokio::test]
async fn what_waits_goes_with_its_exchange() {
    let bench = bench("direct").await;
    publish(&bench, "q", "m", delayed(1500)).await;
    bench.channel.exchange_delete("x".into(), ExchangeDeleteOptions::default()).await.unwrap();
    declare_exchange(&bench.channel, "x-delayed-message", false, &[("x-delayed-type", string("direct"))])
        .await;
    bench.bind("q", "x", "q", FieldTable::default()).await;
    publish(&bench, "q", "new", delayed(1600)).await;
    bench.until_ready("q", 1).await;
    assert_eq!(bench.bodies("q").await, ["new"]);
}

#[tokio::test]
async fn declares_that_make_no_sense_are_refused() {
    let bench = bench("direct").await;
    type Wrong = (&'static str, Vec<(&'static str, AMQPValue)>, &'static str);
    let wrong: [Wrong; 4] = [
        ("y", vec![], "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
        (
            "y",
            vec![("x-delayed-type", string("x-delayed-message"))],
            "Invalid argument, 'x-delayed-type' must be an existing exchange type",
        ),
        ("y", vec![("x-delayed-type", AMQPValue::LongInt(1))], "must be an existing exchange type"),
        (
            "x",
            vec![("x-delayed-type", string("topic"))],
            "inequivalent arg 'x-delayed-type' for exchange 'x'",
        ),
    ];
    for (name, arguments, expected) in wrong {
        let channel = bench.channel().await;
        let kind = ExchangeKind::Custom("x-delayed-message".into());
        let options = ExchangeDeclareOptions::default();
        let error =
            channel.exchange_declare(name.into(), kind, options, table(&arguments)).await.unwrap_err();
        assert_eq!(code(&error), 406);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// A broker that keeps next to nothing in memory.
fn start(dir: &Path) -> Process {
    let arguments = ["--amqp", "127.0.0.1:0", "--log", "warn", "--queue-memory", "2k", "--data-dir"];
    Process::run(coney().args(arguments).arg(dir))
}

async fn channel(process: &Process) -> Channel {
    let connection = Connection::connect(&process.uri(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

/// Durable messages wait on over SIGKILLs, most of them out of memory; those that were due meanwhile come at once.
#[tokio::test]
async fn what_was_confirmed_waits_on_after_a_crash() {
    const MESSAGES: i32 = 500;
    let dir = tempfile::tempdir().unwrap();
    let process = start(dir.path());
    let first = channel(&process).await;
    declare_exchange(&first, "x-delayed-message", true, &[("x-delayed-type", string("direct"))]).await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    first.queue_declare("q".into(), durable, FieldTable::default()).await.unwrap();
    let bind = QueueBindOptions::default();
    first.queue_bind("q".into(), "x".into(), "q".into(), bind, FieldTable::default()).await.unwrap();
    let begin = Instant::now();
    let due_ms = |number: i32| 100 + (number * 37) % 1500;
    let mut confirms = Vec::new();
    for number in 0..MESSAGES {
        let body = number.to_be_bytes();
        let options = BasicPublishOptions::default();
        let sent = first.basic_publish("x".into(), "q".into(), options, &body, delayed(due_ms(number))).await;
        confirms.push(sent.unwrap());
    }
    for confirm in confirms {
        assert_eq!(confirm.await.unwrap(), Confirmation::Ack(None));
    }
    process.kill();
    start(dir.path()).kill();
    let process = start(dir.path());
    let second = channel(&process).await;
    let mut consumer = consume(&second, "q", "c", NO_ACK).await;
    let mut seen = vec![false; MESSAGES as usize];
    for _ in 0..MESSAGES {
        let delivery = next(&mut consumer).await;
        let number = i32::from_be_bytes(delivery.data[..].try_into().unwrap());
        assert!(begin.elapsed() >= Duration::from_millis(due_ms(number) as u64), "{number} is early");
        assert!(!std::mem::replace(&mut seen[number as usize], true), "{number} came twice");
    }
}
