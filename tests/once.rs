//! Messages that come in once: deduplication by queue and by exchange, numbered publishers, over crashes as well.

use coney::policy::Policy;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use tokio::sync::watch;

use crate::support::client::{Bench, code, string, table};
use crate::support::process::Process;

const ON: (&str, AMQPValue) = ("x-message-deduplication", AMQPValue::Boolean(true));

/// A persistent message with a deduplication header.
fn keyed(key: &str) -> BasicProperties {
    let headers = table(&[("x-deduplication-header", string(key))]);
    BasicProperties::default().with_headers(headers).with_delivery_mode(2)
}

fn numbered(publisher: &str, epoch: i64, number: i64) -> BasicProperties {
    let headers = table(&[
        ("x-publisher-id", string(publisher)),
        ("x-publisher-epoch", AMQPValue::LongLongInt(epoch)),
        ("x-publishing-id", AMQPValue::LongLongInt(number)),
    ]);
    BasicProperties::default().with_headers(headers).with_delivery_mode(2)
}

async fn acked(bench: &Bench, exchange: &str, body: &str, properties: BasicProperties) {
    let confirmation = bench.publish_with(exchange, "q", body.as_bytes(), properties).await;
    assert_eq!(confirmation, Confirmation::Ack(None), "{body}");
}

async fn declare_exchange(bench: &Bench, name: &str, kind: &str, arguments: &[(&str, AMQPValue)]) {
    let kind = ExchangeKind::Custom(kind.into());
    let options = ExchangeDeclareOptions::default();
    bench.channel.exchange_declare(name.into(), kind, options, table(arguments)).await.unwrap();
}

#[tokio::test]
async fn a_duplicate_is_confirmed_and_not_enqueued() {
    let bench = Bench::start().await;
    bench.declare("q", table(&[ON])).await;
    for (body, key) in [("1", "a"), ("2", "b"), ("again", "a"), ("again", "b"), ("3", "c")] {
        acked(&bench, "", body, keyed(key)).await;
    }
    assert_eq!(bench.bodies("q").await, ["1", "2", "3"]);
    assert_eq!(bench.broker.counters().dropped.duplicate.value(), 2);
}

#[tokio::test]
async fn the_message_id_is_a_key_and_without_one_nothing_is_a_duplicate() {
    let bench = Bench::start().await;
    bench.declare("q", table(&[ON])).await;
    for body in ["1", "again"] {
        acked(&bench, "", body, BasicProperties::default().with_message_id("id".into())).await;
    }
    for body in ["2", "3"] {
        acked(&bench, "", body, BasicProperties::default()).await;
    }
    assert_eq!(bench.bodies("q").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn another_header_can_have_the_key() {
    let bench = Bench::start().await;
    bench.declare("q", table(&[ON, ("x-deduplication-header", string("order"))])).await;
    for (body, order) in [("1", 7), ("again", 7), ("2", 8)] {
        let headers = table(&[("order", AMQPValue::LongInt(order))]);
        acked(&bench, "", body, BasicProperties::default().with_headers(headers)).await;
    }
    assert_eq!(bench.bodies("q").await, ["1", "2"]);
}

#[tokio::test]
async fn a_policy_can_turn_it_on() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let policy = Policy::new("once", "^q$", "message-deduplication", AMQPValue::Boolean(true));
    bench.broker.put_policy("/", policy).await.unwrap();
    for body in ["1", "again"] {
        acked(&bench, "", body, keyed("a")).await;
    }
    assert_eq!(bench.bodies("q").await, ["1"]);
}

#[tokio::test]
async fn an_exchange_lets_no_duplicate_through_to_any_queue() {
    let bench = Bench::start().await;
    declare_exchange(&bench, "x", "fanout", &[ON]).await;
    for queue in ["one", "two"] {
        bench.declare(queue, FieldTable::default()).await;
        bench.bind(queue, "x", "", FieldTable::default()).await;
    }
    for (body, key) in [("1", "a"), ("again", "a"), ("2", "b")] {
        acked(&bench, "x", body, keyed(key)).await;
    }
    for queue in ["one", "two"] {
        assert_eq!(bench.bodies(queue).await, ["1", "2"], "{queue}");
        // Through another exchange the key is another.
        let confirmation = bench.publish_with("", queue, b"direct", keyed("a")).await;
        assert_eq!(confirmation, Confirmation::Ack(None));
        assert_eq!(bench.bodies(queue).await, ["direct"]);
    }
}

#[tokio::test]
async fn the_plugins_exchange_type_routes_to_every_binding_and_deduplicates() {
    let bench = Bench::start().await;
    declare_exchange(&bench, "x", "x-message-deduplication", &[("x-cache-size", AMQPValue::LongInt(1))])
        .await;
    bench.declare("q", FieldTable::default()).await;
    bench.bind("q", "x", "another key", FieldTable::default()).await;
    for (body, key) in [("1", "a"), ("again", "a"), ("2", "b"), ("3", "a")] {
        acked(&bench, "x", body, keyed(key)).await;
    }
    assert_eq!(bench.bodies("q").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused() {
    let bench = Bench::start().await;
    let wrong = [
        ("direct", ("x-cache-size", AMQPValue::LongInt(0)), "0 is not a number from 1 to 10000000"),
        ("direct", ("x-cache-ttl", string("soon")), "\"expected integer, got longstr\""),
        ("x-random", ON, "not possible for exchanges of type x-random"),
    ];
    for (kind, (key, value), why) in wrong {
        let channel = bench.channel().await;
        let arguments = table(&[ON, (key, value)]);
        let kind = ExchangeKind::Custom(kind.into());
        let options = ExchangeDeclareOptions::default();
        let error = channel.exchange_declare("x".into(), kind, options, arguments).await.unwrap_err();
        assert_eq!(code(&error), 406);
        let text = format!("invalid arg '{key}' for exchange 'x' in vhost '/': {why}");
        assert!(error.to_string().contains(&text), "{error}");
    }
    let channel = bench.channel().await;
    let arguments = table(&[ON, ("x-cache-ttl", AMQPValue::LongInt(-1))]);
    let declared = channel.queue_declare("q".into(), QueueDeclareOptions::default(), arguments).await;
    let error = declared.unwrap_err().to_string();
    let text =
        "invalid arg 'x-cache-ttl' for queue 'q' in vhost '/': -1 is not a number from 1 to 4294967295";
    assert!(error.contains(text), "{error}");
}

#[tokio::test]
async fn a_gap_and_an_old_epoch_are_nacked() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    for (epoch, number, wanted) in [
        (1, 1, true),
        (1, 2, true),
        (1, 2, true),
        (1, 4, false),
        (1, 3, true),
        (0, 4, false),
        (2, 1, true),
        (1, 4, false),
    ] {
        let body = format!("{epoch}.{number}");
        let properties = numbered("p", epoch, number);
        let confirmation = bench.publish_with("", "q", body.as_bytes(), properties).await;
        assert_eq!(confirmation.is_ack(), wanted, "{body}");
    }
    assert_eq!(bench.bodies("q").await, ["1.1", "1.2", "1.3", "2.1"]);
    assert_eq!(bench.broker.counters().dropped.out_of_turn.value(), 3);
}

#[tokio::test]
async fn a_gap_in_a_transaction_fails_its_commit() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let channel = bench.channel().await;
    channel.tx_select().await.unwrap();
    for number in [1, 3] {
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), "q".into(), options, b"", numbered("p", 0, number)).await;
        drop(sent.unwrap());
    }
    assert_eq!(code(&channel.tx_commit().await.unwrap_err()), 406);
}

#[tokio::test]
async fn a_mark_without_a_number_closes_the_channel() {
    let bench = Bench::start().await;
    let headers = table(&[("x-publisher-id", string("p"))]);
    let properties = BasicProperties::default().with_headers(headers);
    let options = BasicPublishOptions::default();
    let sent = bench.channel.basic_publish("".into(), "q".into(), options, b"", properties).await.unwrap();
    let error = sent.await.unwrap_err();
    assert_eq!(code(&error), 406);
    assert!(error.to_string().contains("invalid header 'x-publishing-id'"), "{error}");
}

async fn confirming(process: &Process) -> Channel {
    let connection = Connection::connect(&process.uri(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

async fn declare(channel: &Channel, arguments: FieldTable) -> u32 {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("q".into(), options, arguments).await.unwrap().message_count()
}

/// Messages in flight.
const IN_FLIGHT: i64 = 400;

/// Publishes the messages from `next` on, as many as may be in flight, and waits for their confirms until the broker is gone;
/// gives the first that is not confirmed.
async fn publish_from(channel: &Channel, next: i64, end: i64, confirmed: &watch::Sender<i64>) -> i64 {
    let mut sent = Vec::new();
    for number in next..end.min(next + IN_FLIGHT) {
        let properties = numbered("producer", 0, number);
        let options = BasicPublishOptions::default();
        let body = number.to_string();
        let publish =
            channel.basic_publish("".into(), "q".into(), options, body.as_bytes(), properties).await;
        match publish {
            Ok(confirm) => sent.push((number, confirm)),
            Err(_) => break,
        }
    }
    confirmed.send_replace(next);
    for (number, confirm) in sent {
        match confirm.await {
            Ok(Confirmation::Ack(_)) => drop(confirmed.send_replace(number + 1)),
            Ok(other) => panic!("{number} is not confirmed: {other:?}"),
            Err(_) => break,
        }
    }
    *confirmed.borrow()
}

/// What a numbered publisher resends after a crash comes in once, in order, whatever was confirmed before.
#[tokio::test]
async fn a_numbered_publisher_survives_crashes_without_a_duplicate() {
    const KILLS: i64 = 8;
    let dir = tempfile::tempdir().unwrap();
    let mut next = 1;
    for kill in 0..KILLS {
        let process = Process::start(dir.path());
        let channel = confirming(&process).await;
        declare(&channel, FieldTable::default()).await;
        let (confirmed, mut progress) = watch::channel(next);
        let publisher = tokio::spawn(async move {
            let mut next = next;
            loop {
                let before = next;
                next = publish_from(&channel, next, i64::MAX, &confirmed).await;
                if next == before {
                    return next;
                }
            }
        });
        // In the middle of those in flight: some of them are stored and their confirms have not been seen when it dies.
        let goal = next + 2 * IN_FLIGHT + 1 + 40 * kill;
        progress.wait_for(|confirmed| *confirmed >= goal).await.unwrap();
        process.kill();
        next = publisher.await.unwrap();
    }
    let process = Process::start(dir.path());
    let channel = confirming(&process).await;
    let end = publish_from(&channel, next, next + IN_FLIGHT, &watch::Sender::new(0)).await;
    assert_eq!(end, next + IN_FLIGHT, "what was not confirmed is taken now");
    assert_eq!(i64::from(declare(&channel, FieldTable::default()).await), end - 1);
    for number in 1..end {
        let got = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
        assert_eq!(got.delivery.data, number.to_string().as_bytes());
    }
}

#[tokio::test]
async fn the_window_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = table(&[ON, ("x-cache-size", AMQPValue::LongInt(100))]);
    let publish = async |channel: &Channel, key: &str| {
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), "q".into(), options, b"m", keyed(key)).await.unwrap();
        assert_eq!(sent.await.unwrap(), Confirmation::Ack(None));
    };
    for _ in 0..2 {
        let process = Process::start(dir.path());
        let channel = confirming(&process).await;
        declare(&channel, arguments.clone()).await;
        for key in ["a", "b", "a"] {
            publish(&channel, key).await;
        }
        process.kill();
    }
    let process = Process::start(dir.path());
    assert_eq!(declare(&confirming(&process).await, arguments).await, 2);
}
