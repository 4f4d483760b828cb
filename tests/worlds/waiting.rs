//! Waiting for exact counts, and what a wait says that fails.

use std::time::Duration;

use coney::{Countable, WaitError};
use lapin::BasicProperties;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};

use super::support::{Bench, broker, no_arguments};
use crate::support::client::{next, string, table};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test]
async fn idle_counts_what_is_unacked_and_says_who_has_it() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    bench.declare("orders", &[]).await;
    bench.world.idle().await.unwrap();
    bench.publish("orders", "m", BasicProperties::default()).await;
    let ready = bench.world.idle().within(ms(50)).await.unwrap_err();
    assert_eq!(ready.to_string(), "queue 'orders': 1 ready; nobody consumes from it");
    let options = BasicConsumeOptions::default();
    let mut consumer =
        bench.channel.basic_consume("orders".into(), "worker".into(), options, no_arguments()).await.unwrap();
    let delivery = next(&mut consumer).await;
    let unacked = bench.world.queue("orders").idle().within(ms(50)).await.unwrap_err();
    let WaitError::Unmet(unmet) = &unacked else { panic!("{unacked}") };
    assert_eq!(unmet.counts[0].1.get(Countable::Unacked), 1);
    let text = unacked.to_string();
    assert!(
        text.starts_with("queue 'orders': 1 unacked: message 1 with consumer 'worker' of 127.0.0.1:"),
        "{text}"
    );
    assert!(text.ends_with("for 0.0 s"), "its clock stands still: {text}");
    delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
    let counts = bench.world.idle().await.unwrap();
    assert_eq!((counts.get(Countable::Acked), counts.get(Countable::Published)), (1, 1));
}

#[tokio::test]
async fn what_stays_in_a_stream_is_not_in_the_way_of_being_idle() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    bench.declare("log", &[("x-queue-type", string("stream"))]).await;
    bench.publish("log", "m", BasicProperties::default()).await;
    let counts = bench.world.idle().await.unwrap();
    assert_eq!(counts.get(Countable::Ready), 1, "it is there all the same");
    let options = BasicConsumeOptions::default();
    bench.channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let from = table(&[("x-stream-offset", string("first"))]);
    let mut reader = bench.channel.basic_consume("log".into(), "r".into(), options, from).await.unwrap();
    let read = next(&mut reader).await;
    assert!(bench.world.idle().within(ms(50)).await.is_err(), "somebody reads it");
    read.acker.ack(BasicAckOptions::default()).await.unwrap();
    bench.world.idle().await.unwrap();
}

#[tokio::test]
async fn a_wait_ends_when_it_holds_and_not_before() {
    let broker = broker().await;
    let bench = Bench::on(&broker).await;
    bench.declare("q", &[]).await;
    let handle = (*bench.world).clone();
    let waits = tokio::spawn(async move {
        handle
            .queue("q")
            .wait(|counts| counts.get(Countable::Ready) >= 3)
            .within(Duration::from_secs(20))
            .await
    });
    for count in 1..=3 {
        assert!(!waits.is_finished() || count > 3, "it ended with {count} too few");
        bench.publish("q", "m", BasicProperties::default()).await;
    }
    assert_eq!(waits.await.unwrap().unwrap().get(Countable::Ready), 3);
    let absent =
        bench.world.queue("none").wait(|counts| counts.get(Countable::Ready) > 0).within(ms(20)).await;
    assert_eq!(
        absent.unwrap_err().to_string(),
        "queue 'none': nothing counted\nqueue 'none': there is no such queue"
    );
}

/// A message goes round through five queues while it is asked, again and again, whether the world is idle: it never is.
#[tokio::test(flavor = "multi_thread")]
async fn idle_never_misses_a_message_between_two_queues() {
    let broker = broker().await;
    let bench = Bench::of(broker.world()).await;
    bench.channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    bench.declare("end", &[]).await;
    for round in 0..200 {
        let names: Vec<String> = (0..5).map(|step| format!("q{round}-{step}")).collect();
        for pair in names.windows(2) {
            bench.delay(&pair[0], 0, &pair[1]).await;
        }
        bench.delay(&names[4], 0, "end").await;
        bench.publish(&names[0], "m", BasicProperties::default()).await;
        // It is confirmed where it came in, and goes on. It is ready at the end before anything may call the world idle.
        let idle = bench.world.idle().within(ms(1)).await;
        assert!(idle.is_err(), "round {round}: {:?}", idle.unwrap());
    }
    let counts = bench.world.queue("end").wait(|counts| counts.get(Countable::Ready) == 200).await.unwrap();
    assert_eq!(counts.get(Countable::Dead), 200);
}

#[tokio::test]
async fn worlds_go_with_their_guards_and_others_are_not_touched() {
    let broker = broker().await;
    let (one, other) = (Bench::on(&broker).await, Bench::on(&broker).await);
    one.declare("q", &[]).await;
    let before = other.world.clock().now();
    one.world.clock().advance(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(other.world.clock().now(), before);
    let name = one.world.name().to_owned();
    one.world.delete().await.unwrap();
    assert!(broker.world_named(&name).is_err());
    // Its connection is closed, with the code for that.
    let refused = one.channel.queue_declare("q".into(), Default::default(), no_arguments()).await;
    assert!(refused.is_err());
    drop(other.world);
    let gone = async {
        while !broker.vhosts().iter().all(|name| name == "/") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the dropped world is still there");
}
