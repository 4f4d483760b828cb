//! Snapshots: a world as it was, made again.

use std::time::Duration;

use coney::{Countable, OperationError, PeekState, PeekedMessage};
use lapin::options::{
    BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, ExchangeKind};

use super::support::{Bench, broker, no_arguments};
use crate::support::client::{next, string, table};

fn persistent() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2)
}

/// A queue that delays what fails by a minute, and one that parks it.
async fn queues(bench: &Bench) {
    let failing = [
        ("x-queue-type", string("quorum")),
        ("x-delivery-limit", AMQPValue::LongInt(5)),
        ("x-delayed-retry-type", string("failed")),
        ("x-delayed-retry-min", AMQPValue::LongInt(60_000)),
        ("x-delayed-retry-max", AMQPValue::LongInt(60_000)),
    ];
    bench.declare("q", &failing).await;
    bench.declare("end", &[]).await;
    bench.delay("ttl", 90_000, "end").await;
    let kind = ExchangeKind::Custom("x-delayed-message".into());
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let arguments = table(&[("x-delayed-type", string("fanout"))]);
    bench.channel.exchange_declare("later".into(), kind, options, arguments).await.unwrap();
    let bound = QueueBindOptions::default();
    bench.channel.queue_bind("end".into(), "later".into(), "".into(), bound, no_arguments()).await.unwrap();
    bench.declare("s", &[("x-queue-type", string("stream"))]).await;
}

/// Three messages in `q`: the first has failed and waits, the second is unacked, the third ready. One each in the others.
async fn messages(bench: &Bench) -> lapin::Consumer {
    for body in ["failed", "held", "ready"] {
        bench.publish("q", body, persistent()).await;
    }
    bench.publish("ttl", "expires", BasicProperties::default()).await;
    bench.publish("s", "streamed", BasicProperties::default()).await;
    let delay = persistent().with_headers(table(&[("x-delay", AMQPValue::LongInt(30_000))]));
    let sent = bench.channel.basic_publish("later".into(), "".into(), Default::default(), b"due", delay);
    assert!(sent.await.unwrap().await.unwrap().is_ack());
    bench.channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    let mut consumer =
        bench.channel.basic_consume("q".into(), "c".into(), options, no_arguments()).await.unwrap();
    let failed = next(&mut consumer).await;
    failed.acker.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    next(&mut consumer).await;
    bench.world.queue("q").wait(|counts| counts.get(Countable::Delayed) == 1).await.unwrap();
    consumer
}

fn bodies(messages: Vec<PeekedMessage>) -> Vec<(String, bool)> {
    let body = |message: PeekedMessage| {
        (String::from_utf8_lossy(message.message.unwrap().body()).into_owned(), message.redelivered)
    };
    messages.into_iter().map(body).collect()
}

#[tokio::test]
async fn every_state_comes_back_with_the_time_it_had_left() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    queues(&bench).await;
    let _consumer = messages(&bench).await;
    bench.world.clock().advance(Duration::from_secs(10)).await.unwrap();
    bench.world.take_snapshot("s").await.unwrap();
    let begin = bench.world.clock().now();
    drop(bench);
    let again = Bench::of(broker.world().virtual_clock().with_snapshot("s")).await;
    assert_eq!(again.world.clock().now(), begin, "its clock goes on there");
    let ready = again.world.messages("q", PeekState::Ready).await.unwrap();
    assert_eq!(bodies(ready), [("held".to_owned(), true), ("ready".to_owned(), false)]);
    let delayed = again.world.messages("q", PeekState::Delayed).await.unwrap();
    assert_eq!(delayed[0].attempts.as_ref().unwrap().acquired, 1);
    assert_eq!(delayed[0].due.unwrap().as_millis() - begin.as_millis(), 50_000);
    assert_eq!(bodies(again.world.messages("s", PeekState::Ready).await.unwrap())[0].0, "streamed");
    let moved = again.world.clock().advance(Duration::from_secs(80)).await.unwrap();
    let steps: Vec<_> =
        moved.steps.iter().map(|step| (step.at.as_millis() - begin.as_millis(), step.what.name())).collect();
    assert_eq!(steps, [(20_000, "due"), (50_000, "released"), (80_000, "expired")]);
    assert_eq!(again.bodies("q").await, ["failed", "held", "ready"]);
    assert_eq!(again.bodies("end").await, ["due", "expires"]);
}

/// More than is read from the disk at a time, of a queue and of a stream.
#[tokio::test]
async fn large_messages_on_disk_are_all_in_it() {
    const LARGE: usize = 3 * 1024 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let config = coney::config::Config {
        data_dir: Some(dir.path().into()),
        queue_bytes_in_memory: 2048,
        test: true,
        ..coney::config::Config::default()
    };
    let builder = coney::Broker::builder().config(config).listen("127.0.0.1:0".parse().unwrap());
    let broker = builder.start().await.unwrap();
    let bench = Bench::on(&broker).await;
    bench.declare("q", &[]).await;
    bench.declare("s", &[("x-queue-type", string("stream"))]).await;
    for number in 0..8 {
        for queue in ["q", "s"] {
            bench.publish(queue, &number.to_string().repeat(LARGE), persistent()).await;
        }
    }
    let snapshot = bench.world.take_snapshot("large").await.unwrap();
    let bodies: Vec<u8> = snapshot.messages.iter().map(|message| message.message.body()[0]).collect();
    assert_eq!(String::from_utf8(bodies).unwrap(), "0123456701234567");
    drop(bench);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_that_is_not_there_makes_no_world() {
    let broker = broker().await;
    let refused = broker.world().named("w").with_snapshot("none").create().await.unwrap_err();
    assert!(matches!(&refused, OperationError::NoSnapshot(name) if name == "none"), "{refused}");
    assert_eq!(broker.vhosts(), ["/"]);
}

#[cfg(feature = "management")]
#[test]
fn a_file_makes_the_same_in_another_broker() {
    use coney::Broker;

    use crate::support::broker::Embedded;
    use crate::support::http::Http;

    let start = || {
        let embedded = Embedded::managed(Broker::builder().ephemeral().test());
        let http = Http::new(embedded.broker().http_addresses()[0]);
        (embedded, http)
    };
    let (embedded, http) = start();
    let bench = embedded.wait(async {
        let bench = Bench::on(embedded.broker()).await;
        queues(&bench).await;
        let consumer = messages(&bench).await;
        (bench, consumer)
    });
    let world = bench.0.world.name().to_owned();
    let taken = http.post(&format!("/api/coney/worlds/{world}/snapshots/s"), &serde_json::json!({}));
    assert_eq!((taken.status, &taken.json()["messages"]), (201, &serde_json::json!(6)), "{taken:?}");
    let lines = http.get("/api/coney/snapshots/s").body;
    let (other, elsewhere) = start();
    assert_eq!(elsewhere.send("PUT", "/api/coney/snapshots/copy", "", &lines).status, 201);
    assert_eq!(elsewhere.send("PUT", "/api/coney/snapshots/copy", "", b"{}").status, 400);
    let connected = other
        .wait(super::support::enter(&format!("amqp://guest:guest@{}/~a%3Bsnapshot%3Dcopy", other.address())));
    let counts =
        elsewhere.json("/api/coney/worlds/~a;snapshot=copy/counts?queue=q&queue=end&queue=ttl&queue=s");
    let of = |queue: &str| ["ready", "unacked", "delayed"].map(|what| counts[queue][what].as_u64().unwrap());
    assert_eq!([of("q"), of("end"), of("ttl"), of("s")], [[2, 0, 1], [0, 0, 0], [1, 0, 0], [1, 0, 0]]);
    assert_eq!(elsewhere.delete("/api/coney/snapshots/copy").status, 204);
    assert_eq!(elsewhere.json("/api/coney/snapshots"), serde_json::json!([]));
    embedded.wait(async { drop(bench) });
    other.wait(connected.close(200, "".into())).unwrap();
}

#[tokio::test]
async fn exclusive_queues_are_left_out() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    bench.channel.queue_declare("mine".into(), exclusive, no_arguments()).await.unwrap();
    bench.declare("q", &[]).await;
    let snapshot = bench.world.take_snapshot("s").await.unwrap();
    let names: Vec<&str> = snapshot.definitions["queues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|queue| queue["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["q"]);
}
