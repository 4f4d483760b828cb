//! `on: deliver`.

use std::time::Duration;

use coney::Countable;
use lapin::options::{BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::ShortString;
use serde_json::json;

use super::stage::{ack, consumer, delivered, ends, is_idle, now, publish, stage};
use crate::support::client::{consume, next, text};

#[tokio::test]
async fn a_duplicate_has_a_tag_of_its_own_and_either_settles_both() {
    let stage = stage().await;
    let _fault = stage
        .rule(json!({"on": "deliver", "times": 0, "do": "duplicate", "match": {"consumer_tag": "worker"}}));
    let mut worker = consumer(stage.channel(), "q").await;
    for (body, order) in [("1", [0, 1]), ("2", [1, 0])] {
        publish(stage.channel(), "q", body).await;
        let both = [delivered(&mut worker).await, delivered(&mut worker).await];
        assert_eq!((both[0].0.as_str(), both[0].1), (body, false));
        assert_eq!((both[1].0.as_str(), both[1].1), (body, true));
        assert_eq!(both[1].2, both[0].2 + 1);
        stage.until("q", (0, 1)).await;
        ack(stage.channel(), both[order[0]].2, false).await;
        stage.until("q", (0, 0)).await;
        ack(stage.channel(), both[order[1]].2, false).await;
    }
    let counts = stage.world.queue("q").counts().await.unwrap();
    assert_eq!((counts.get(Countable::Delivered), counts.get(Countable::Redelivered)), (4, 2));
    // What was settled twice closed nothing.
    publish(stage.channel(), "q", "3").await;
    assert_eq!(delivered(&mut worker).await.0, "3");
    let (_, _, last) = delivered(&mut worker).await;
    ack(stage.channel(), last, true).await;
    stage.until("q", (0, 0)).await;
    assert!(stage.channel().status().connected());
}

#[tokio::test]
async fn a_dropped_delivery_stays_unacked_and_comes_when_its_channel_goes() {
    let stage = stage().await;
    let fault = stage.rule(json!({"on": "deliver", "match": {"queue": "q"}, "do": "drop"}));
    let channel = stage.bench.channel().await;
    let mut worker = consumer(&channel, "q").await;
    for body in ["1", "2"] {
        publish(stage.channel(), "q", body).await;
    }
    let (body, _, tag) = delivered(&mut worker).await;
    assert_eq!((body.as_str(), tag, fault.count()), ("2", 2, 1));
    assert_eq!(stage.counts("q").await, (0, 2));
    ack(&channel, tag, false).await;
    stage.until("q", (0, 1)).await;
    channel.close(200, ShortString::from("bye")).await.unwrap();
    stage.until("q", (1, 0)).await;
    let got = stage.bench.get("q").await.unwrap();
    assert_eq!((text(&got.delivery.data), got.delivery.redelivered), ("1".to_owned(), true));
}

#[tokio::test]
async fn a_delayed_delivery_comes_later_and_others_do_not_wait_for_it() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "deliver", "do": "delay", "delay_ms": 300}));
    let mut worker = consumer(stage.channel(), "q").await;
    let since = now();
    publish(stage.channel(), "q", "1").await;
    publish(stage.channel(), "q", "2").await;
    assert_eq!(delivered(&mut worker).await.0, "2");
    assert!(since.elapsed() < Duration::from_millis(300));
    let (body, _, tag) = delivered(&mut worker).await;
    assert_eq!((body.as_str(), tag), ("1", 2), "its tag is in the order of the wire");
    assert!(since.elapsed() >= Duration::from_millis(300), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_corrupted_delivery_has_another_byte_and_the_queue_has_the_message_as_it_was() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "deliver", "do": "corrupt"}));
    let mut worker = consumer(stage.channel(), "q").await;
    publish(stage.channel(), "q", "abc").await;
    let broken = next(&mut worker).await;
    assert_eq!(broken.data, [b'a' ^ 0xFF, b'b', b'c']);
    broken.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.unwrap();
    assert_eq!(delivered(&mut worker).await.0, "abc");
}

#[tokio::test]
async fn reordered_deliveries_come_behind_those_that_follow_them() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "deliver", "do": "reorder", "count": 3, "skip": 1}));
    let mut worker = consumer(stage.channel(), "q").await;
    for body in ["1", "2", "3", "4", "5"] {
        publish(stage.channel(), "q", body).await;
    }
    let mut bodies = Vec::new();
    for tag in 1..=5 {
        let (body, _, its) = delivered(&mut worker).await;
        assert_eq!(its, tag);
        bodies.push(body);
    }
    assert_eq!(bodies, ["1", "3", "4", "2", "5"]);
}

#[tokio::test]
async fn a_reordered_delivery_with_nothing_behind_it_comes_after_a_second() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "deliver", "do": "reorder"}));
    let mut worker = consumer(stage.channel(), "q").await;
    let since = now();
    publish(stage.channel(), "q", "1").await;
    assert_eq!(delivered(&mut worker).await.0, "1");
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
}

#[tokio::test]
async fn the_connection_ends_at_a_delivery_and_the_message_comes_back() {
    for action in ["reset", "close"] {
        let stage = stage().await;
        let fault = stage.rule(json!({"on": "deliver", "skip": 1, "do": action}));
        let publisher = stage.again().await;
        let mut worker = consumer(stage.channel(), "q").await;
        publish(&publisher, "q", "1").await;
        let (_, _, tag) = delivered(&mut worker).await;
        ack(stage.channel(), tag, false).await;
        stage.until("q", (0, 0)).await;
        publish(&publisher, "q", "2").await;
        ends(&mut worker).await;
        assert_eq!(fault.count(), 1, "{action}");
        stage.until("q", (1, 0)).await;
    }
}

#[tokio::test]
async fn a_consumer_that_goes_has_what_was_held_back_for_it() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "deliver", "do": "delay", "delay_ms": 3_600_000}));
    let channel = stage.bench.channel().await;
    let mut worker = consumer(&channel, "q").await;
    publish(stage.channel(), "q", "1").await;
    stage.until("q", (0, 1)).await;
    assert!(is_idle(&mut worker).await);
    channel.basic_cancel("worker".into(), lapin::options::BasicCancelOptions::default()).await.unwrap();
    assert_eq!(delivered(&mut worker).await.0, "1");
}

/// With auto-ack there is nothing to settle: the second is one more message.
#[tokio::test]
async fn a_duplicate_without_acks_is_delivered_twice() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "deliver", "do": "duplicate"}));
    stage.channel().basic_qos(10, BasicQosOptions::default()).await.unwrap();
    let auto = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut worker = consume(stage.channel(), "q", "auto", auto).await;
    publish(stage.channel(), "q", "1").await;
    publish(stage.channel(), "q", "2").await;
    let bodies =
        [delivered(&mut worker).await.0, delivered(&mut worker).await.0, delivered(&mut worker).await.0];
    assert_eq!(bodies, ["1", "1", "2"]);
}
