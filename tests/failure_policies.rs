//! What becomes of messages that come back: delivery limits, delayed retries, parking, ack timeouts, the settle exchange.

use std::path::Path;

use coney::{Broker, BrokerHandle};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions, BasicRejectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::support::client::{Bench, code, consume, next, string, table, text};

const ACK: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
const REQUEUE: BasicRejectOptions = BasicRejectOptions { requeue: true };

fn int(number: i32) -> AMQPValue {
    AMQPValue::LongInt(number)
}

fn headers(delivery: &Delivery) -> FieldTable {
    delivery.properties.headers().clone().unwrap_or_default()
}

fn number(table: &FieldTable, key: &str) -> Option<i64> {
    table.inner().get(key).and_then(|value| value.as_long_long_int())
}

/// The newest entry of a dead letter's history.
fn death(delivery: &Delivery) -> FieldTable {
    let headers = headers(delivery);
    let deaths = headers.inner().get("x-death").and_then(|value| value.as_array()).unwrap();
    deaths.as_slice()[0].as_field_table().unwrap().clone()
}

fn word(table: &FieldTable, key: &str) -> String {
    let value = table.inner().get(key).and_then(|value| value.as_long_string());
    value.map(ToString::to_string).unwrap_or_default()
}

/// Publishes to the settle exchange on the delivery's channel.
async fn settle(channel: &Channel, delivery: &Delivery, verb: &str, more: &[(&str, AMQPValue)]) {
    let tag = AMQPValue::LongLongInt(delivery.delivery_tag as i64);
    let mut headers = table(&[("delivery-tag", tag), ("verb", string(verb))]);
    for (key, value) in more {
        headers.insert((*key).into(), value.clone());
    }
    let properties = BasicProperties::default().with_headers(headers);
    let options = BasicPublishOptions::default();
    channel.basic_publish("amq.settle".into(), "".into(), options, b"", properties).await.unwrap();
}

/// A dead letter's queue, and the arguments that lead to it.
async fn graveyard(bench: &Bench) -> Vec<(&'static str, AMQPValue)> {
    bench.declare("dead", FieldTable::default()).await;
    vec![("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string("dead"))]
}

#[tokio::test]
async fn a_message_fails_as_often_as_its_limit_says_and_takes_its_history_along() {
    let bench = Bench::start().await;
    let mut arguments = graveyard(&bench).await;
    arguments.push(("x-delivery-limit", int(2)));
    bench.declare("q", table(&arguments)).await;
    bench.publish("", "q", "m").await;
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "worker", ACK).await;
    for attempt in 0..3 {
        let delivery = next(&mut consumer).await;
        let wanted = (attempt > 0).then_some(attempt);
        let counts = ["x-delivery-count", "x-acquired-count"].map(|key| number(&headers(&delivery), key));
        assert_eq!(counts, [wanted; 2]);
        assert_eq!(delivery.redelivered, attempt > 0);
        if attempt < 2 {
            delivery.reject(REQUEUE).await.unwrap();
        } else {
            settle(&channel, &delivery, "nack", &[("error", string("no such customer"))]).await;
        }
    }
    bench.until_ready("dead", 1).await;
    let dead = bench.get("dead").await.unwrap().delivery;
    let death = death(&dead);
    assert_eq!((word(&death, "reason"), word(&death, "queue")), ("delivery_limit".into(), "q".into()));
    assert_eq!((number(&death, "attempts"), word(&death, "consumer-tag")), (Some(3), "worker".into()));
    assert!(word(&death, "connection").starts_with("127.0.0.1:"), "{death:?}");
    assert_eq!(word(&death, "error"), "no such customer");
    for key in ["first-attempt", "last-attempt"] {
        assert!(matches!(death.inner().get(key), Some(AMQPValue::Timestamp(seconds)) if *seconds > 0));
    }
}

#[tokio::test]
async fn a_quorum_queue_has_a_limit_of_twenty() {
    let bench = Bench::start().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let arguments = table(&[("x-queue-type", string("quorum"))]);
    bench.channel.queue_declare("q".into(), durable, arguments).await.unwrap();
    bench.publish("", "q", "m").await;
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "c", ACK).await;
    for _ in 0..21 {
        next(&mut consumer).await.nack(BasicNackOptions { requeue: true, multiple: false }).await.unwrap();
    }
    let counters = bench.broker.counters();
    while counters.dropped.dead.delivery_limit.value() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.counts("q").await.0, 0);
}

#[tokio::test]
async fn a_failed_message_waits_while_others_pass() {
    let bench = Bench::start().await;
    let retry = [("x-delayed-retry-type", string("failed")), ("x-delayed-retry-min", int(100))];
    bench.declare("q", table(&retry)).await;
    for body in ["a", "b"] {
        bench.publish("", "q", body).await;
    }
    let channel = bench.channel().await;
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let mut consumer = consume(&channel, "q", "c", ACK).await;
    let failed = next(&mut consumer).await;
    let since = coney::Clock::system();
    failed.reject(REQUEUE).await.unwrap();
    let other = next(&mut consumer).await;
    assert_eq!(text(&other.data), "b");
    let counts = bench.broker.queue("/", "q").unwrap().counts().await.unwrap();
    assert_eq!((counts.delayed, counts.ready), (1, 0));
    other.nack(BasicNackOptions { requeue: true, multiple: false }).await.unwrap();
    let other = next(&mut consumer).await;
    assert_eq!(text(&other.data), "b", "what is returned does not wait here");
    other.ack(BasicAckOptions::default()).await.unwrap();
    let again = next(&mut consumer).await;
    assert_eq!((text(&again.data).as_str(), again.redelivered), ("a", true));
    assert!(since.now().as_micros() >= 100_000, "{:?}", since.now());
}

#[tokio::test]
async fn parked_messages_are_out_of_the_way_until_they_are_released() {
    let bench = Bench::start().await;
    let parking = [("x-parking-after", int(1)), ("x-parking-ttl", int(3_600_000))];
    bench.declare("q", table(&parking)).await;
    for body in ["a", "b"] {
        bench.publish("", "q", body).await;
    }
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "c", ACK).await;
    for _ in 0..2 {
        next(&mut consumer).await.reject(REQUEUE).await.unwrap();
    }
    let queue = bench.broker.queue("/", "q").unwrap();
    while queue.counts().await.unwrap().parked < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.counts("q").await.0, 0);
    assert_eq!(queue.release_parked().await, Some(2));
    next(&mut consumer).await.ack(BasicAckOptions::default()).await.unwrap();
    next(&mut consumer).await.reject(REQUEUE).await.unwrap();
    while queue.counts().await.unwrap().parked < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.drop_parked().await, Some(1));
    assert_eq!(queue.counts().await.unwrap().parked, 0);
}

#[tokio::test]
async fn a_message_that_is_not_acked_in_time_comes_back() {
    let bench = Bench::start().await;
    bench.declare("q", table(&[("x-consumer-timeout", int(50))])).await;
    bench.publish("", "q", "m").await;
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "c", ACK).await;
    let late = next(&mut consumer).await;
    let again = next(&mut consumer).await;
    assert!(again.redelivered);
    // Too late: no error, and nothing to do with the second delivery.
    late.ack(BasicAckOptions::default()).await.unwrap();
    again.ack(BasicAckOptions::default()).await.unwrap();
    let queue = bench.broker.queue("/", "q").unwrap();
    while queue.counts().await.unwrap().unacked > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.counts("q").await.0, 0);
    assert!(bench.broker.counters().ack_timeouts.value() >= 1);
}

#[tokio::test]
async fn a_timeout_can_close_the_channel_or_cancel_the_consumer() {
    let bench = Bench::start().await;
    for action in ["close", "cancel"] {
        let arguments = [("x-consumer-timeout", int(50)), ("x-consumer-timeout-action", string(action))];
        bench.declare(action, table(&arguments)).await;
        bench.publish("", action, "m").await;
        let channel = bench.channel().await;
        let mut consumer = consume(&channel, action, "c", ACK).await;
        next(&mut consumer).await;
        bench.until_ready(action, 1).await;
        let acked = channel.basic_qos(1, BasicQosOptions::default()).await;
        if action == "close" {
            let error = acked.unwrap_err();
            assert!(!channel.status().connected(), "{error}");
        } else {
            acked.unwrap();
            assert_eq!(bench.counts(action).await, (1, 0));
        }
    }
}

#[tokio::test]
async fn a_consumer_says_what_is_to_become_of_its_messages() {
    let bench = Bench::start().await;
    let mut arguments = graveyard(&bench).await;
    arguments.push(("x-consumer-timeout", int(300)));
    bench.declare("q", table(&arguments)).await;
    for body in ["ack", "nack", "term", "park", "progress"] {
        bench.publish("", "q", body).await;
    }
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "c", ACK).await;
    for _ in 0..4 {
        let delivery = next(&mut consumer).await;
        let verb = text(&delivery.data);
        let more = if verb == "nack" { vec![("delay", int(30))] } else { vec![("error", string("why"))] };
        settle(&channel, &delivery, &verb, &more).await;
    }
    let slow = next(&mut consumer).await;
    let again = next(&mut consumer).await;
    assert_eq!((text(&again.data).as_str(), again.redelivered), ("nack", true));
    again.ack(BasicAckOptions::default()).await.unwrap();
    bench.until_ready("dead", 1).await;
    let dead = bench.get("dead").await.unwrap().delivery;
    assert_eq!((text(&dead.data).as_str(), word(&death(&dead), "error")), ("term", "why".into()));
    let counts = bench.broker.queue("/", "q").unwrap().counts().await.unwrap();
    assert_eq!((counts.parked, counts.unacked), (1, 1));
    let since = coney::Clock::system();
    while since.now().as_micros() < 600_000 {
        settle(&channel, &slow, "progress", &[]).await;
        bench.counts("q").await;
    }
    assert_eq!(bench.broker.counters().ack_timeouts.value(), 0);
    slow.ack(BasicAckOptions::default()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_settled_closes_the_channel() {
    let bench = Bench::start().await;
    let rows = [
        (table(&[("verb", string("ack"))]), "delivery-tag"),
        (table(&[("verb", string("ack")), ("delivery-tag", int(9))]), "unknown delivery tag 9"),
        (
            table(&[("verb", string("eat")), ("delivery-tag", int(1))]),
            "expected ack, commit, nack, term, park",
        ),
    ];
    for (headers, part) in rows {
        let channel = bench.channel().await;
        channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
        let properties = BasicProperties::default().with_headers(headers);
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("amq.settle".into(), "".into(), options, b"", properties).await;
        // The close comes in the place of the confirm, so that nothing else can meet it first.
        let error = sent.unwrap().await.unwrap_err();
        assert_eq!(code(&error), 406);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn with_the_ack_policy_all_one_ack_settles_what_came_before() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    for body in ["a", "b", "c"] {
        bench.publish("", "q", body).await;
    }
    let channel = bench.channel().await;
    let arguments = table(&[("x-ack-policy", string("all"))]);
    let mut consumer = channel.basic_consume("q".into(), "c".into(), ACK, arguments).await.unwrap();
    let got = [next(&mut consumer).await, next(&mut consumer).await, next(&mut consumer).await];
    got[1].ack(BasicAckOptions::default()).await.unwrap();
    channel.close(200, "done".into()).await.unwrap();
    bench.until_ready("q", 1).await;
    assert_eq!(bench.bodies("q").await, ["c"]);
}

#[tokio::test]
async fn values_that_are_not_allowed_are_refused_with_those_that_are() {
    let bench = Bench::start().await;
    let steps = AMQPValue::FieldArray(vec![int(5), int(0)].into());
    let rows = [
        ("x-delivery-limit", int(-2), "-1 (none)"),
        ("x-delivery-limit", string("many"), "expected integer"),
        ("x-delivery-count-mode", string("some"), "all, failed"),
        ("x-delayed-retry-type", string("now"), "disabled, all, failed, returned"),
        ("x-delayed-retry-min", int(0), "from 1 to"),
        ("x-delayed-retry-multiplier", AMQPValue::Double(0.5), "from 1 to 1000"),
        ("x-delayed-retry-steps", steps, "from 1 to"),
        ("x-delayed-retry-jitter", int(101), "from 0 to 100"),
        ("x-parking-after", int(0), "from 1 to"),
        ("x-parking-limit", int(0), "from 1 to"),
        ("x-consumer-timeout", int(-1), "from 0 to"),
        ("x-consumer-timeout-action", string("shout"), "requeue, cancel, close"),
    ];
    for (key, value, part) in rows {
        let channel = bench.channel().await;
        let options = QueueDeclareOptions::default();
        let error = channel.queue_declare("q".into(), options, table(&[(key, value)])).await.unwrap_err();
        assert_eq!(code(&error), 406, "{key}");
        assert!(error.to_string().contains(part) && error.to_string().contains(key), "{error}");
    }
    bench.declare("q", FieldTable::default()).await;
    for (key, value) in [("x-ack-policy", string("none")), ("x-consumer-timeout", string("soon"))] {
        let channel = bench.channel().await;
        let consumed = channel.basic_consume("q".into(), "c".into(), ACK, table(&[(key, value)])).await;
        assert_eq!(code(&consumed.unwrap_err()), 406, "{key}");
    }
}

async fn start_on(dir: &Path) -> (BrokerHandle, Channel, Connection) {
    let builder = Broker::builder().data_dir(dir).listen("127.0.0.1:0".parse().unwrap());
    let broker = builder.start().await.unwrap();
    let uri = format!("amqp://guest:guest@{}/%2f", broker.address().unwrap());
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (broker, channel, connection)
}

/// Attempts, waits and parking are as durable as the messages.
#[tokio::test]
async fn attempts_and_waits_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, channel, connection) = start_on(dir.path()).await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let arguments = table(&[
        ("x-delivery-limit", int(5)),
        ("x-delayed-retry-type", string("failed")),
        ("x-delayed-retry-min", int(60_000)),
    ]);
    channel.queue_declare("q".into(), durable, arguments).await.unwrap();
    channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
    for body in ["counted", "waiting"] {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let sent = channel
            .basic_publish("".into(), "q".into(), BasicPublishOptions::default(), body.as_bytes(), properties)
            .await;
        assert!(sent.unwrap().await.unwrap().is_ack());
    }
    let mut consumer = consume(&channel, "q", "c", ACK).await;
    let (counted, waiting) = (next(&mut consumer).await, next(&mut consumer).await);
    counted.nack(BasicNackOptions { requeue: true, multiple: false }).await.unwrap();
    waiting.reject(REQUEUE).await.unwrap();
    assert_eq!(text(&next(&mut consumer).await.data), "counted");
    connection.close(200, "done".into()).await.unwrap();
    broker.shutdown().await.unwrap();

    let (broker, channel, _connection) = start_on(dir.path()).await;
    let got = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    assert_eq!(text(&got.delivery.data), "counted");
    assert_eq!(number(&headers(&got.delivery), "x-delivery-count"), Some(2));
    assert!(channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap().is_none());
    let counts = broker.queue("/", "q").unwrap().counts().await.unwrap();
    assert_eq!((counts.delayed, counts.ready), (1, 0));
    broker.shutdown().await.unwrap();
}
