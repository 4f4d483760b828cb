//! The clock of a world stands still until it is moved, and stops where something happens.

use std::time::Duration;

use coney::{ClockMove, Countable, OperationError, Step, StepKind};
use futures_lite::StreamExt as _;
use lapin::BasicProperties;
use lapin::ExchangeKind;
use lapin::options::{
    BasicConsumeOptions, BasicRejectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::AMQPValue;

use super::support::{Bench, broker, no_arguments};
use crate::support::client::{next, string, table};

const HOUR: Duration = Duration::from_secs(3600);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// How long after the world's beginning, what, where, how many.
fn told(steps: &[Step], begin: coney::time::Timestamp) -> Vec<(u64, &str, StepKind, u64)> {
    let told = steps
        .iter()
        .map(|step| (step.at.as_millis() - begin.as_millis(), &*step.queue, step.what, step.messages));
    told.collect()
}

#[tokio::test]
async fn a_chain_of_ttls_ends_at_the_right_times() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    let begin = bench.world.clock().now();
    bench.declare("end", &[]).await;
    bench.delay("second", 2000, "end").await;
    bench.delay("first", 1000, "second").await;
    bench.publish("first", "m", BasicProperties::default()).await;
    let moved = bench.world.clock().advance(ms(999)).await.unwrap();
    assert_eq!(told(&moved.steps, begin), []);
    let moved = bench.world.clock().advance(ms(2000)).await.unwrap();
    assert_eq!(told(&moved.steps, begin), [(1000, "first", StepKind::Expired, 1)]);
    assert_eq!(bench.ready("end").await, 0);
    let moved = bench.world.clock().advance(ms(1)).await.unwrap();
    assert_eq!(told(&moved.steps, begin), [(3000, "second", StepKind::Expired, 1)]);
    assert_eq!(bench.bodies("end").await, ["m"]);
    assert_eq!(moved.now.as_millis() - begin.as_millis(), 3000);
    let died = bench.world.counts().await.unwrap();
    assert_eq!(died.get(Countable::Dead), 2);
}

#[tokio::test]
async fn nothing_happens_by_itself_and_connections_live_through_hours() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    bench.declare("q", &[("x-message-ttl", AMQPValue::LongInt(1))]).await;
    bench.publish("q", "m", BasicProperties::default()).await;
    // The system's clock passes the TTL many times over.
    bench.world.queue("q").wait(|counts| counts.get(Countable::Ready) == 1).quiet(ms(50)).await.unwrap();
    bench.world.clock().advance(24 * HOUR).await.unwrap();
    assert_eq!(bench.ready("q").await, 0);
    bench.publish("q", "later", BasicProperties::default()).await;
    assert_eq!(bench.bodies("q").await, ["later"]);
}

#[tokio::test]
async fn retries_come_one_after_the_other() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    let begin = bench.world.clock().now();
    let arguments = [
        ("x-delayed-retry-type", string("failed")),
        ("x-delayed-retry-min", AMQPValue::LongInt(1000)),
        ("x-delayed-retry-max", AMQPValue::LongInt(60_000)),
        ("x-queue-type", string("quorum")),
        ("x-delivery-limit", AMQPValue::LongInt(3)),
    ];
    bench.declare("q", &arguments).await;
    bench.publish("q", "m", BasicProperties::default().with_delivery_mode(2)).await;
    let options = BasicConsumeOptions::default();
    let mut consumer =
        bench.channel.basic_consume("q".into(), "c".into(), options, no_arguments()).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        delivery.acker.reject(BasicRejectOptions { requeue: true }).await.unwrap();
        bench.world.queue("q").wait(|counts| counts.get(Countable::Delayed) == 1).await.unwrap();
        let moved = bench.world.clock().advance_to_next().await.unwrap();
        times.extend(told(&moved.steps, begin).into_iter().map(|(at, _, what, count)| (at, what, count)));
    }
    let expected = [1000, 3000, 6000].map(|at| (at, StepKind::Released, 1));
    assert_eq!(times, expected);
}

#[tokio::test]
async fn a_delayed_exchange_a_queues_expiry_and_an_ack_timeout_follow_it() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    let begin = bench.world.clock().now();
    let kind = ExchangeKind::Custom("x-delayed-message".into());
    let options = ExchangeDeclareOptions::default();
    let arguments = table(&[("x-delayed-type", string("fanout"))]);
    bench.channel.exchange_declare("x".into(), kind, options, arguments).await.unwrap();
    let closes =
        [("x-consumer-timeout", AMQPValue::LongInt(60_000)), ("x-consumer-timeout-action", string("close"))];
    bench.declare("to", &closes).await;
    bench
        .channel
        .queue_bind("to".into(), "x".into(), "".into(), QueueBindOptions::default(), no_arguments())
        .await
        .unwrap();
    let unused = QueueDeclareOptions::default();
    let expires = table(&[("x-expires", AMQPValue::LongInt(7000))]);
    bench.channel.queue_declare("unused".into(), unused, expires).await.unwrap();
    let delay = table(&[("x-delay", AMQPValue::LongInt(5000))]);
    let properties = BasicProperties::default().with_headers(delay);
    let sent = bench.channel.basic_publish("x".into(), "".into(), Default::default(), b"m", properties);
    assert!(sent.await.unwrap().await.unwrap().is_ack());
    let mut consumer = bench
        .channel
        .basic_consume("to".into(), "c".into(), BasicConsumeOptions::default(), no_arguments())
        .await
        .unwrap();
    let moved = bench.world.clock().advance(ms(7000)).await.unwrap();
    let told_of = told(&moved.steps, begin);
    assert!(
        matches!(told_of[..], [(5000, _, StepKind::Due, 1), (7000, "unused", StepKind::QueueExpired, 1)]),
        "{told_of:?}"
    );
    next(&mut consumer).await;
    let moved = bench.world.clock().advance(ms(60_000)).await.unwrap();
    assert_eq!(told(&moved.steps, begin), [(65_000, "to", StepKind::TimedOut, 1)]);
    // The channel is closed for it, as ever: what its consumer is given until then comes first.
    while let Ok(Some(Ok(_))) = tokio::time::timeout(Duration::from_secs(10), consumer.next()).await {}
    assert!(!bench.channel.status().connected());
}

#[tokio::test]
async fn it_goes_forward_only_and_only_if_it_is_the_worlds_own() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    let clock = bench.world.clock();
    let past = clock.advance_to(coney::time::Timestamp::from_millis(5)).await;
    assert!(matches!(&past, Err(OperationError::Clock(text)) if text.contains("past")), "{past:?}");
    let real = broker.world().create().await.unwrap();
    let refused = real.clock().advance(ms(1)).await.unwrap_err();
    assert!(matches!(&refused, OperationError::RealClock(name) if name == real.name()), "{refused}");
}

#[tokio::test]
async fn a_cycle_of_timers_meets_the_step_limit() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    // A message that a consumer of the broker's own keeps alive: each retry is released, and nobody takes it.
    let arguments =
        [("x-consumer-timeout", AMQPValue::LongInt(1000)), ("x-consumer-timeout-action", string("requeue"))];
    bench.declare("q", &arguments).await;
    bench.publish("q", "m", BasicProperties::default()).await;
    let consumer = bench
        .channel
        .basic_consume("q".into(), "c".into(), BasicConsumeOptions::default(), no_arguments())
        .await
        .unwrap();
    bench.world.queue("q").wait(|counts| counts.get(Countable::Unacked) == 1).await.unwrap();
    let limited = bench.world.clock().advance_in_steps(ClockMove::UntilIdle, 20).await.unwrap_err();
    let text = limited.to_string();
    assert_eq!(text, "step limit of 20 reached: 'timed-out' on queue 'q' comes every 1000 ms");
    drop(consumer);
}

#[tokio::test]
async fn a_hundred_thousand_timers_at_one_instant() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    bench.declare("end", &[]).await;
    bench.delay("q", 1000, "end").await;
    let mut confirms = Vec::new();
    for _ in 0..100_000 {
        let options = Default::default();
        let sent =
            bench.channel.basic_publish("".into(), "q".into(), options, b"m", BasicProperties::default());
        confirms.push(sent.await.unwrap());
    }
    for confirm in confirms {
        assert!(confirm.await.unwrap().is_ack());
    }
    let moved = bench.world.clock().advance(ms(1000)).await.unwrap();
    let expired: u64 = moved.steps.iter().map(|step| step.messages).sum();
    assert_eq!((expired, bench.ready("end").await), (100_000, 100_000));
}
