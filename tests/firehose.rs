//! `amq.rabbitmq.trace` of a vhost that is traced: the keys and headers are those that RabbitMQ 4.0.5 sends.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use crate::management::support::managed;
use crate::support::client::{Bench, confirming, connect, consume, next, string, table, text};
use crate::support::http::Http;

fn set_tracing(http: &Http, is_on: bool) {
    assert_eq!(http.put("/api/vhosts/%2F", &json!({ "tracing": is_on })).status, 204);
}

/// A broker with a queue that gets all that is traced.
async fn traced() -> (Bench, Http) {
    let (bench, http) = managed().await;
    for queue in ["q", "traces"] {
        bench.declare(queue, FieldTable::default()).await;
    }
    bench.bind("traces", "amq.rabbitmq.trace", "#", FieldTable::default()).await;
    bench.bind("q", "amq.topic", "a.*", FieldTable::default()).await;
    set_tracing(&http, true);
    (bench, http)
}

async fn trace(bench: &Bench) -> BasicGetMessage {
    let got = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            // Its own deliveries are not traced: the queue runs empty.
            if let Some(got) = bench.get("traces").await {
                return got;
            }
            tokio::task::yield_now().await;
        }
    });
    got.await.expect("a trace")
}

fn headers(got: &BasicGetMessage) -> FieldTable {
    got.delivery.properties.headers().clone().unwrap()
}

fn header(got: &BasicGetMessage, key: &str) -> AMQPValue {
    headers(got).inner().get(key).unwrap_or_else(|| panic!("no {key}")).clone()
}

fn list(texts: &[&str]) -> AMQPValue {
    AMQPValue::FieldArray(texts.iter().map(|text| string(text)).collect::<Vec<_>>().into())
}

fn keys(got: &BasicGetMessage) -> Vec<String> {
    headers(got).inner().keys().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_publish_is_copied_with_where_it_went_and_who_sent_it() {
    let (bench, _http) = traced().await;
    let own = table(&[("h", string("v")), ("n", AMQPValue::LongInt(5))]);
    let properties = BasicProperties::default()
        .with_headers(own.clone())
        .with_message_id("m1".into())
        .with_content_type("text/plain".into())
        .with_delivery_mode(2)
        .with_priority(3)
        .with_timestamp(1_700_000_000);
    bench.publish_with("amq.topic", "a.b", b"hello", properties).await;
    let got = trace(&bench).await;
    let delivery = &got.delivery;
    assert_eq!(
        (delivery.exchange.as_str(), delivery.routing_key.as_str()),
        ("amq.rabbitmq.trace", "publish.amq.topic")
    );
    assert_eq!(delivery.data, b"hello");
    let told = [
        "channel",
        "connection",
        "exchange_name",
        "node",
        "properties",
        "routed_queues",
        "routing_keys",
        "user",
        "vhost",
    ];
    assert_eq!(keys(&got), told);
    for (key, value) in [
        ("exchange_name", string("amq.topic")),
        ("routing_keys", list(&["a.b"])),
        ("routed_queues", list(&["q"])),
        ("user", string("guest")),
        ("vhost", string("/")),
        ("channel", AMQPValue::LongInt(1)),
    ] {
        assert_eq!(header(&got, key), value, "{key}");
    }
    let AMQPValue::LongString(connection) = header(&got, "connection") else { panic!("no text") };
    assert!(connection.to_string().contains(" -> "));
    let properties = table(&[
        ("headers", AMQPValue::FieldTable(own)),
        ("message_id", string("m1")),
        ("content_type", string("text/plain")),
        ("delivery_mode", AMQPValue::LongInt(2)),
        ("priority", AMQPValue::LongInt(3)),
        ("timestamp", AMQPValue::LongInt(1_700_000_000)),
    ]);
    assert_eq!(header(&got, "properties"), AMQPValue::FieldTable(properties));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_publish_in_a_transaction_is_copied_when_it_comes() {
    let (bench, _http) = traced().await;
    let connection = connect(&bench.broker).await;
    let channel = connection.create_channel().await.unwrap();
    channel.tx_select().await.unwrap();
    for (key, queues) in [("a.b", list(&["q"])), ("nowhere", list(&[]))] {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = channel.basic_publish("amq.topic".into(), key.into(), options, b"held", properties).await;
        drop(sent.unwrap());
        let got = trace(&bench).await;
        assert_eq!(got.delivery.data, b"held");
        assert_eq!(header(&got, "routing_keys"), list(&[key]));
        assert_eq!(header(&got, "routed_queues"), queues);
    }
    // What became of it is not told.
    channel.tx_rollback().await.unwrap();
    assert_eq!(bench.counts("q").await.0, 0);
    channel.tx_commit().await.unwrap();
    assert!(bench.get("traces").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn gets_and_deliveries_are_copied_and_what_goes_nowhere_too() {
    let (bench, _http) = traced().await;
    bench.publish("", "q", "one").await;
    assert_eq!(trace(&bench).await.delivery.routing_key.as_str(), "publish.");
    bench.publish_with("amq.topic", "nowhere", b"lost", BasicProperties::default()).await;
    let got = trace(&bench).await;
    assert_eq!((header(&got, "routed_queues"), text(&got.delivery.data)), (list(&[]), "lost".to_owned()));
    assert_eq!(header(&got, "properties"), AMQPValue::FieldTable(FieldTable::default()));
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "ct", BasicConsumeOptions::default()).await;
    next(&mut consumer).await;
    let got = trace(&bench).await;
    assert_eq!(
        (got.delivery.routing_key.as_str(), text(&got.delivery.data)),
        ("deliver.q", "one".to_owned())
    );
    assert_eq!(header(&got, "redelivered"), AMQPValue::LongInt(0));
    assert!(!headers(&got).inner().contains_key("routed_queues"));
    channel.close(200, "".into()).await.unwrap();
    bench.until_ready("q", 1).await;
    assert_eq!(bench.get("q").await.map(|got| text(&got.delivery.data)), Some("one".to_owned()));
    let got = trace(&bench).await;
    assert_eq!(
        (got.delivery.routing_key.as_str(), header(&got, "redelivered")),
        ("deliver.q", AMQPValue::LongInt(1))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nothing_is_copied_when_tracing_is_off_or_in_another_vhost() {
    let (bench, http) = traced().await;
    set_tracing(&http, false);
    bench.publish("", "q", "untraced").await;
    assert_eq!(bench.get("q").await.map(|got| text(&got.delivery.data)), Some("untraced".to_owned()));
    set_tracing(&http, true);
    bench.publish("", "q", "traced").await;
    assert_eq!(text(&trace(&bench).await.delivery.data), "traced");
    // A client that was there before tracing began, and one that comes later, are traced alike.
    let late = connect(&bench.broker).await;
    let channel = confirming(&late).await;
    let sent =
        channel.basic_publish("".into(), "q".into(), Default::default(), b"late", BasicProperties::default());
    sent.await.unwrap().await.unwrap();
    assert_eq!(text(&trace(&bench).await.delivery.data), "late");
}
