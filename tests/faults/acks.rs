//! `on: ack`, `nack` and `reject`.

use lapin::options::{BasicNackOptions, BasicRejectOptions};
use serde_json::json;

use super::stage::{ack, consumer, delivered, ends, is_idle, publish, stage};

#[tokio::test]
async fn a_dropped_ack_was_never_sent() {
    let stage = stage().await;
    let fault = stage.rule(json!({"on": "ack", "match": {"queue": "q", "message_id": "*"}, "do": "drop"}));
    let mut worker = consumer(stage.channel(), "q").await;
    let known = lapin::BasicProperties::default().with_message_id("7".into());
    stage.bench.publish_with("", "q", b"1", known).await;
    publish(stage.channel(), "q", "2").await;
    let tags = [delivered(&mut worker).await.2, delivered(&mut worker).await.2];
    for tag in tags {
        ack(stage.channel(), tag, false).await;
    }
    stage.until("q", (0, 1)).await;
    assert_eq!(fault.count(), 1);
    // The client may say it again: the first never came.
    ack(stage.channel(), tags[0], false).await;
    stage.until("q", (0, 0)).await;
    assert!(stage.channel().status().connected());
}

#[tokio::test]
async fn an_ack_for_many_is_looked_at_as_one_for_each() {
    let stage = stage().await;
    let fault = stage.rule(json!({"on": "ack", "skip": 2, "do": "drop"}));
    let channel = stage.bench.channel().await;
    let mut worker = consumer(&channel, "q").await;
    for body in ["1", "2", "3", "4", "5"] {
        publish(stage.channel(), "q", body).await;
    }
    for _ in 0..4 {
        delivered(&mut worker).await;
    }
    let (_, _, last) = delivered(&mut worker).await;
    ack(&channel, last, true).await;
    stage.until("q", (0, 1)).await;
    assert_eq!(fault.count(), 1);
    channel.close(200, "bye".into()).await.unwrap();
    stage.until("q", (1, 0)).await;
    assert_eq!(stage.bench.bodies("q").await, ["3"]);
}

/// What a crash between the sync and the answer does: the client has acked, and is given the message again.
#[tokio::test]
async fn an_acked_message_is_delivered_again() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "ack", "do": "redeliver"}));
    let mut worker = consumer(stage.channel(), "q").await;
    publish(stage.channel(), "q", "1").await;
    let (_, redelivered, tag) = delivered(&mut worker).await;
    assert!(!redelivered);
    ack(stage.channel(), tag, false).await;
    let (body, redelivered, tag) = delivered(&mut worker).await;
    assert_eq!((body.as_str(), redelivered), ("1", true));
    ack(stage.channel(), tag, false).await;
    stage.until("q", (0, 0)).await;
    assert!(is_idle(&mut worker).await);
}

#[tokio::test]
async fn the_connection_ends_at_the_nth_ack_which_does_not_count() {
    for action in ["reset", "close"] {
        let stage = stage().await;
        let _fault =
            stage.rule(json!({"on": "ack", "match": {"consumer_tag": "work*"}, "skip": 1, "do": action}));
        let mut worker = consumer(stage.channel(), "q").await;
        for body in ["1", "2", "3"] {
            publish(stage.channel(), "q", body).await;
        }
        for _ in 0..3 {
            let (_, _, tag) = delivered(&mut worker).await;
            if stage.channel().basic_ack(tag, Default::default()).await.is_err() {
                break;
            }
        }
        ends(&mut worker).await;
        stage.until("q", (2, 0)).await;
        let other = stage.again().await;
        let mut again = consumer(&other, "q").await;
        let (body, redelivered, _) = delivered(&mut again).await;
        assert_eq!((body.as_str(), redelivered), ("2", true), "{action}");
    }
}

#[tokio::test]
async fn nacks_and_rejects_are_events_of_their_own() {
    let stage = stage().await;
    let _on_nack = stage.rule(json!({"on": "nack", "do": "drop"}));
    let _on_reject = stage.rule(json!({"on": "reject", "do": "drop"}));
    let mut worker = consumer(stage.channel(), "q").await;
    for body in ["1", "2"] {
        publish(stage.channel(), "q", body).await;
    }
    let (_, _, first) = delivered(&mut worker).await;
    let (_, _, second) = delivered(&mut worker).await;
    let channel = stage.channel();
    channel.basic_nack(first, BasicNackOptions { requeue: true, ..Default::default() }).await.unwrap();
    channel.basic_reject(second, BasicRejectOptions { requeue: true }).await.unwrap();
    assert!(is_idle(&mut worker).await, "neither came back");
    assert_eq!(stage.seen_and_fired(), [(1, 1), (1, 1)]);
    ack(channel, second, true).await;
    stage.until("q", (0, 0)).await;
}
