//! A world controlled over AMQP alone, by the test exchange.

use lapin::options::BasicConsumeOptions;
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, Consumer};
use serde_json::{Value, json};

use super::support::{Bench, broker};
use crate::support::client::{next, string, table};

struct Requests<'a> {
    channel: &'a Channel,
    replies: Consumer,
}

impl<'a> Requests<'a> {
    async fn on(channel: &'a Channel) -> Self {
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let queue = "amq.rabbitmq.reply-to".into();
        let replies = channel.basic_consume(queue, "r".into(), options, Default::default()).await.unwrap();
        Self { channel, replies }
    }

    async fn ask(&mut self, key: &str, headers: &[(&str, AMQPValue)], body: &str) -> (i64, Value) {
        let properties = BasicProperties::default()
            .with_reply_to("amq.rabbitmq.reply-to".into())
            .with_correlation_id("7".into())
            .with_headers(table(headers));
        let sent = self.channel.basic_publish(
            "amq.test".into(),
            key.into(),
            Default::default(),
            body.as_bytes(),
            properties,
        );
        assert!(sent.await.unwrap().await.unwrap().is_ack());
        let reply = next(&mut self.replies).await;
        assert_eq!(reply.properties.correlation_id().as_ref().map(|id| id.as_str()), Some("7"));
        let headers = reply.properties.headers().clone().unwrap();
        let status = coney::protocol::value::as_integer(&headers.inner()["status"]).unwrap();
        (status, serde_json::from_slice(&reply.data).unwrap())
    }
}

#[tokio::test]
async fn time_is_moved_and_counts_are_waited_for() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    bench.declare("end", &[]).await;
    bench.delay("q", 1000, "end").await;
    bench.publish("q", "m", BasicProperties::default()).await;
    let mut requests = Requests::on(&bench.channel).await;
    let (status, clock) = requests.ask("clock", &[], "").await;
    assert_eq!((status, &clock["next"]["queue"]), (200, &json!("q")));
    let (status, moved) =
        requests.ask("clock.advance", &[("advance_ms", AMQPValue::LongInt(1000))], "").await;
    assert_eq!((status, &moved["steps"][0]["what"]), (200, &json!("expired")));
    let wanted = [("queue", string("end")), ("ready", string(">=1"))];
    let (status, counts) = requests.ask("wait", &wanted, "").await;
    assert_eq!((status, &counts["end"]["ready"]), (200, &json!(1)));
    let (status, unmet) =
        requests.ask("wait", &[("idle", string("1")), ("within_ms", AMQPValue::LongInt(10))], "").await;
    assert_eq!((status, &unmet["error"]), (408, &json!("timeout")));
    let (status, refused) = requests.ask("clock.stop", &[], "").await;
    assert!(status == 400 && refused["reason"].as_str().unwrap().contains("clock.advance"), "{refused}");
    let (status, _) = requests.ask("clock.advance", &[], r#"{"advance_ms": 5}"#).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn without_test_it_is_an_exchange_that_is_not_there() {
    let bench = crate::support::client::Bench::start().await;
    let sent = bench.channel.basic_publish(
        "amq.test".into(),
        "clock".into(),
        Default::default(),
        b"",
        Default::default(),
    );
    assert!(sent.await.unwrap().await.is_err());
}
