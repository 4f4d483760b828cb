//! Confirms, returns, transactions, properties, bodies, direct reply-to, and what becomes of messages that die.

use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions, ConfirmSelectOptions,
};
use lapin::protocol::basic::AMQPProperties;
use lapin::types::{AMQPValue, DecimalValue, FieldTable};
use lapin::{BasicProperties, Confirmation};

use crate::support::client::{Bench, consume, next, string, table, text};

#[tokio::test]
async fn an_unroutable_mandatory_message_is_returned_before_its_ack() {
    let bench = Bench::start().await;
    let confirmation = bench.publish_with("", "nowhere", b"back", BasicProperties::default()).await;
    let Confirmation::Ack(Some(returned)) = confirmation else { panic!("{confirmation:?}") };
    assert_eq!((returned.reply_code, returned.reply_text.as_str()), (312, "NO_ROUTE"));
    assert_eq!(
        (text(&returned.delivery.data), returned.delivery.routing_key.as_str()),
        ("back".into(), "nowhere")
    );
}

#[tokio::test]
async fn a_full_queue_nacks_and_takes_again_when_there_is_room() {
    let bench = Bench::start().await;
    let arguments = [("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", string("reject-publish"))];
    bench.declare("full", table(&arguments)).await;
    bench.publish("", "full", "first").await;
    let refused = bench.publish_with("", "full", b"second", BasicProperties::default()).await;
    assert!(refused.is_nack(), "{refused:?}");
    assert_eq!(bench.bodies("full").await, ["first"]);
    bench.publish("", "full", "third").await;
}

#[tokio::test]
async fn many_confirms_each_come_once() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let mut open = Vec::new();
    for number in 0..5000_u32 {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        let key = if number % 7 == 0 { "nowhere" } else { "q" };
        open.push(
            bench.channel.basic_publish("".into(), key.into(), options, b"m", properties).await.unwrap(),
        );
    }
    for confirm in open {
        assert!(confirm.await.unwrap().is_ack());
    }
    assert_eq!(bench.counts("q").await.0, 5000 - 5000_u32.div_ceil(7));
}

fn every_type() -> FieldTable {
    let nested = table(&[("deep", AMQPValue::FieldArray(vec![AMQPValue::LongInt(-7), string("s")].into()))]);
    table(&[
        ("bool", AMQPValue::Boolean(true)),
        ("i8", AMQPValue::ShortShortInt(-8)),
        ("u8", AMQPValue::ShortShortUInt(8)),
        ("i16", AMQPValue::ShortInt(-16)),
        ("u16", AMQPValue::ShortUInt(16)),
        ("i32", AMQPValue::LongInt(-32)),
        ("u32", AMQPValue::LongUInt(32)),
        ("i64", AMQPValue::LongLongInt(-64)),
        ("f32", AMQPValue::Float(1.5)),
        ("f64", AMQPValue::Double(-2.5)),
        ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 314 })),
        ("string", string("text")),
        ("bytes", AMQPValue::ByteArray(vec![0, 255].into())),
        ("time", AMQPValue::Timestamp(1_700_000_000)),
        ("void", AMQPValue::Void),
        ("table", AMQPValue::FieldTable(nested)),
    ])
}

fn all_properties() -> AMQPProperties {
    BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("utf-8".into())
        .with_headers(every_type())
        .with_delivery_mode(1)
        .with_priority(3)
        .with_correlation_id("c".into())
        .with_reply_to("r".into())
        .with_expiration("60000".into())
        .with_message_id("m".into())
        .with_timestamp(1_700_000_000)
        .with_type("t".into())
        .with_user_id("guest".into())
        .with_app_id("a".into())
        .with_cluster_id("x".into())
}

#[tokio::test]
async fn properties_headers_and_bodies_arrive_as_sent() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for body in [&b""[..], b"small", &large] {
        bench.publish_with("", "q", body, all_properties()).await;
        let got = bench.get("q").await.unwrap();
        assert!(got.delivery.data == body, "a body of {} bytes", body.len());
        assert_eq!(got.delivery.properties, all_properties());
    }
}

#[tokio::test]
async fn cc_and_bcc_are_further_keys() {
    let bench = Bench::start().await;
    for queue in ["to", "cc", "bcc"] {
        bench.declare(queue, FieldTable::default()).await;
    }
    let keys = |key: &str| AMQPValue::FieldArray(vec![string(key)].into());
    let headers = table(&[("CC", keys("cc")), ("BCC", keys("bcc")), ("other", string("kept"))]);
    bench.publish_with("", "to", b"m", BasicProperties::default().with_headers(headers)).await;
    for queue in ["to", "cc", "bcc"] {
        let got = bench.get(queue).await.unwrap();
        let headers = got.delivery.properties.headers().clone().unwrap();
        assert_eq!(headers, table(&[("CC", keys("cc")), ("other", string("kept"))]), "{queue}");
    }
}

#[tokio::test]
async fn a_reply_goes_straight_to_the_requester() {
    let bench = Bench::start().await;
    bench.declare("rpc", FieldTable::default()).await;
    let client = bench.channel().await;
    let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut replies = consume(&client, "amq.rabbitmq.reply-to", "c", no_ack).await;
    let request = BasicProperties::default().with_reply_to("amq.rabbitmq.reply-to".into());
    let options = BasicPublishOptions::default();
    client.basic_publish("".into(), "rpc".into(), options, b"ping", request).await.unwrap();
    bench.until_ready("rpc", 1).await;
    let got = bench.get("rpc").await.unwrap();
    let address = got.delivery.properties.reply_to().clone().unwrap();
    assert!(address.as_str().starts_with("amq.rabbitmq.reply-to."));
    // It is mandatory, and an address is no queue: it returns, before its ack, and arrives all the same.
    let confirmation = bench.publish_with("", address.as_str(), b"pong", BasicProperties::default()).await;
    assert!(matches!(confirmation, Confirmation::Ack(Some(_))), "{confirmation:?}");
    assert_eq!(text(&next(&mut replies).await.data), "pong");
    client.close(200, "gone".into()).await.unwrap();
}

#[tokio::test]
async fn a_transaction_counts_when_it_is_committed() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    bench.publish("", "q", "old").await;
    let channel = bench.channel().await;
    channel.tx_select().await.unwrap();
    let take = async || channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    let publish = async |body: &'static [u8]| {
        let options = BasicPublishOptions::default();
        channel
            .basic_publish("".into(), "q".into(), options, body, BasicProperties::default())
            .await
            .unwrap();
    };
    let old = take().await;
    publish(b"dropped").await;
    channel.basic_ack(old.delivery.delivery_tag, Default::default()).await.unwrap();
    channel.tx_rollback().await.unwrap();
    assert_eq!(bench.counts("q").await.0, 0);
    publish(b"new").await;
    channel.basic_ack(old.delivery.delivery_tag, Default::default()).await.unwrap();
    assert_eq!(bench.counts("q").await.0, 0);
    channel.tx_commit().await.unwrap();
    assert_eq!(bench.bodies("q").await, ["new"]);
    channel.close(200, "done".into()).await.unwrap();
    assert_eq!(bench.counts("q").await.0, 0);
}

fn dead_lettering(more: &[(&str, AMQPValue)]) -> FieldTable {
    let dead = [("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string("dead"))];
    table(&[&dead[..], more].concat())
}

fn deaths(delivery: &Delivery) -> Vec<(String, String, i64)> {
    let headers = delivery.properties.headers().clone().unwrap();
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death").cloned() else {
        panic!("{headers:?}")
    };
    let read = |death: &AMQPValue| {
        let AMQPValue::FieldTable(death) = death else { panic!("{death:?}") };
        let text_of = |key: &str| match death.inner().get(key) {
            Some(AMQPValue::LongString(value)) => text(value.as_bytes()),
            other => panic!("{key}: {other:?}"),
        };
        let Some(AMQPValue::LongLongInt(count)) = death.inner().get("count") else { panic!("{death:?}") };
        (text_of("queue"), text_of("reason"), *count)
    };
    deaths.as_slice().iter().map(read).collect()
}

#[tokio::test]
async fn messages_die_of_four_causes_with_their_history() {
    let bench = Bench::start().await;
    bench.declare("dead", FieldTable::default()).await;
    bench.declare("rejecting", dead_lettering(&[])).await;
    bench.declare("expiring", dead_lettering(&[("x-message-ttl", AMQPValue::LongInt(1))])).await;
    bench.declare("short", dead_lettering(&[("x-max-length", AMQPValue::LongInt(1))])).await;
    for queue in ["rejecting", "expiring", "short"] {
        bench.publish("", queue, queue).await;
    }
    bench.publish("", "short", "stays").await;
    let got = bench.channel.basic_get("rejecting".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    got.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    bench.until_ready("dead", 3).await;
    let mut seen = Vec::new();
    while let Some(message) = bench.get("dead").await {
        let headers = message.delivery.properties.headers().clone().unwrap();
        for key in ["x-first-death-queue", "x-last-death-queue"] {
            assert_eq!(headers.inner().get(key), Some(&string(&text(&message.delivery.data))));
        }
        seen.extend(deaths(&message.delivery));
    }
    seen.sort();
    let death = |queue: &str, reason: &str| (queue.to_owned(), reason.to_owned(), 1);
    assert_eq!(
        seen,
        [death("expiring", "expired"), death("rejecting", "rejected"), death("short", "maxlen")]
    );
    assert_eq!(bench.bodies("short").await, ["stays"]);
}

#[tokio::test]
async fn repeated_deaths_are_counted_and_a_circle_ends() {
    let bench = Bench::start().await;
    bench.declare("dead", dead_lettering_to("work")).await;
    bench.declare("work", dead_lettering(&[])).await;
    let properties = BasicProperties::default().with_expiration("600000".into());
    bench.publish_with("", "work", b"m", properties).await;
    for _ in 0..2 {
        for queue in ["work", "dead"] {
            bench.until_ready(queue, 1).await;
            let got =
                bench.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap().unwrap();
            got.reject(BasicRejectOptions { requeue: false }).await.unwrap();
        }
    }
    bench.until_ready("work", 1).await;
    let got = bench.get("work").await.unwrap();
    let death = |queue: &str| (queue.to_owned(), "rejected".to_owned(), 2);
    assert_eq!(deaths(&got.delivery), [death("dead"), death("work")]);
    assert_eq!(got.delivery.properties.expiration(), &None);
    // Nobody rejects here: expired back into the queue where it expired before, it is dropped.
    let itself = [("x-dead-letter-exchange", string("")), ("x-message-ttl", AMQPValue::LongInt(1))];
    bench.declare("circle", table(&itself)).await;
    bench.publish("", "circle", "m").await;
    bench.until_ready("circle", 0).await;
    assert_eq!(bench.broker.counters().dead_lettered.expired.value(), 1);
}

fn dead_lettering_to(queue: &str) -> FieldTable {
    table(&[("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string(queue))])
}

#[tokio::test]
async fn a_full_target_takes_dead_letters_all_the_same() {
    let bench = Bench::start().await;
    let full = [("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", string("reject-publish"))];
    bench.declare("dead", table(&full)).await;
    bench.publish("", "dead", "there before").await;
    bench.declare("work", dead_lettering(&[("x-max-length", AMQPValue::LongInt(1))])).await;
    for body in ["a", "b", "c"] {
        bench.publish("", "work", body).await;
    }
    bench.until_ready("dead", 3).await;
    assert_eq!(bench.bodies("dead").await, ["there before", "a", "b"]);
}

#[tokio::test]
async fn ttl_and_expiry_run_out() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    for (body, ttl) in [("short", "1"), ("long", "600000")] {
        let properties = BasicProperties::default().with_expiration(ttl.into());
        bench.publish_with("", "q", body.as_bytes(), properties).await;
    }
    bench.until_ready("q", 1).await;
    assert_eq!(bench.bodies("q").await, ["long"]);
    let properties = BasicProperties::default().with_expiration("0".into());
    bench.publish_with("", "q", b"now or never", properties).await;
    assert_eq!(bench.counts("q").await.0, 0);
}

#[tokio::test]
async fn a_stop_tells_clients_and_flushes_confirms() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let channel = bench.channel().await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let options = BasicPublishOptions::default();
    let sent = channel
        .basic_publish("".into(), "q".into(), options, b"m", BasicProperties::default())
        .await
        .unwrap();
    let stopped = tokio::spawn(bench.broker.shutdown());
    // Confirmed, or closed before it was read: never left open.
    let told =
        tokio::time::timeout(std::time::Duration::from_secs(10), sent).await.expect("left without a word");
    assert!(told.is_err() || told.unwrap().is_ack());
    stopped.await.unwrap().unwrap();
}
