//! `on: publish`.

use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation};
use serde_json::json;

use super::stage::{PATIENCE, how, outcome, publish, send, stage};
use crate::support::client::text;

#[tokio::test]
async fn a_dropped_publish_is_confirmed_and_nowhere() {
    let stage = stage().await;
    let fault = stage.rule(json!({"on": "publish", "match": {"queue": "q"}, "skip": 1, "do": "drop"}));
    for body in ["1", "2", "3"] {
        assert_eq!(publish(stage.channel(), "q", body).await, "ack");
    }
    assert_eq!(stage.bench.bodies("q").await, ["1", "3"]);
    assert_eq!((fault.count(), stage.seen_and_fired()), (1, vec![(2, 1)]), "done, it sees no more");
}

#[tokio::test]
async fn a_nacked_publish_is_nowhere() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "publish", "do": "nack"}));
    assert_eq!(publish(stage.channel(), "q", "1").await, "nack");
    assert_eq!(publish(stage.channel(), "q", "2").await, "ack");
    assert_eq!(stage.bench.bodies("q").await, ["2"]);
}

#[tokio::test]
async fn a_returned_publish_comes_back_with_312() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "publish", "do": "return"}));
    let confirmation = send(stage.channel(), "q", "1").await.await.unwrap();
    let Confirmation::Ack(Some(returned)) = confirmation else { panic!("{confirmation:?}") };
    assert_eq!((returned.reply_code, text(&returned.delivery.data)), (312, "1".to_owned()));
    assert_eq!(stage.counts("q").await, (0, 0));
}

#[tokio::test]
async fn a_duplicate_is_there_twice_and_confirmed_once() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "publish", "do": "duplicate"}));
    assert_eq!(publish(stage.channel(), "q", "1").await, "ack");
    assert_eq!(publish(stage.channel(), "q", "2").await, "ack");
    assert_eq!(stage.bench.bodies("q").await, ["1", "1", "2"]);
}

#[tokio::test]
async fn a_refused_publish_closes_its_channel_with_the_code() {
    let stage = stage().await;
    let refusal = json!({"on": "publish", "do": "refuse", "code": 404, "text": "no exchange today"});
    let _fault = stage.rule(refusal);
    assert_eq!(publish(stage.channel(), "q", "1").await, "404");
    assert!(stage.bench.connection.status().connected(), "of the channel alone");
    assert_eq!(stage.counts("q").await, (0, 0));
}

#[tokio::test]
async fn the_connection_is_closed_or_reset_at_the_nth_publish() {
    for (action, expected) in [("close", "320"), ("reset", "lost")] {
        let stage = stage().await;
        let _fault = stage.rule(json!({"on": "publish", "skip": 2, "do": action}));
        for body in ["1", "2"] {
            assert_eq!(publish(stage.channel(), "q", body).await, "ack");
        }
        assert_eq!(publish(stage.channel(), "q", "3").await, expected, "{action}");
        stage.until("q", (2, 0)).await;
    }
}

/// A program that publishes at full speed has more behind the one that is hit: none of it is taken in.
#[tokio::test]
async fn nothing_behind_a_reset_is_taken_in() {
    let stage = stage().await;
    let fault = stage.rule(json!({"on": "publish", "skip": 5, "do": "reset"}));
    for body in 0..100 {
        let options = BasicPublishOptions::default();
        let body = body.to_string();
        let sent = stage.channel().basic_publish(
            "".into(),
            "q".into(),
            options,
            body.as_bytes(),
            BasicProperties::default(),
        );
        if sent.await.is_err() {
            break;
        }
    }
    tokio::time::timeout(PATIENCE, fault.fired()).await.unwrap();
    stage.until("q", (5, 0)).await;
}

/// Publishes that are as the one before are taken in a shorter way, many at a time: not those that are sent after a rule was made.
#[tokio::test]
async fn a_rule_that_is_made_in_the_midst_of_a_flood_sees_all_that_is_sent_after_it() {
    let stage = stage().await;
    let mut confirms = Vec::new();
    for round in 0..5_u64 {
        for _ in 0..300 {
            confirms.push(send(stage.channel(), "q", "goes").await);
        }
        let fault = stage.rule(json!({"on": "publish", "do": "drop", "times": 0}));
        for _ in 0..100 {
            confirms.push(send(stage.channel(), "q", "dropped").await);
        }
        for confirm in confirms.drain(..) {
            assert_eq!(outcome(confirm).await, "ack");
        }
        assert!(fault.count() >= 100, "round {round}: {}", fault.count());
    }
    let bodies = stage.bench.bodies("q").await;
    assert!(bodies.iter().all(|body| body == "goes"), "{} were not dropped", bodies.len());
    assert!(bodies.len() > 300, "{}", bodies.len());
}

#[tokio::test]
async fn messages_are_told_by_what_is_in_them() {
    let stage = stage().await;
    let mut headers = FieldTable::default();
    headers.insert("tenant".into(), AMQPValue::LongString("acme".into()));
    let meant = BasicProperties::default()
        .with_message_id("m-7".into())
        .with_app_id("billing".into())
        .with_headers(headers);
    let patterns = json!({
        "message_id": "m-*", "app_id": "bill?ng", "header.tenant": "acme", "exchange": "", "routing_key": "q", "user": "guest",
        "channel": stage.channel().id(),
    });
    let fault = stage.rule(json!({"on": "publish", "match": patterns, "times": 0, "do": "drop"}));
    for properties in [meant.clone(), BasicProperties::default(), meant.with_message_id("x".into())] {
        stage.bench.publish_with("", "q", b"1", properties).await;
    }
    assert_eq!((fault.count(), stage.counts("q").await), (1, (2, 0)));
}

#[tokio::test]
async fn a_transactions_publishes_meet_rules_at_their_commit() {
    let stage = stage().await;
    let fault = stage.rule(json!({"on": "publish", "skip": 1, "do": "drop"}));
    let channel = stage.bench.channel().await;
    channel.tx_select().await.unwrap();
    for body in ["1", "2", "3"] {
        let options = BasicPublishOptions::default();
        channel
            .basic_publish("".into(), "q".into(), options, body.as_bytes(), BasicProperties::default())
            .await
            .unwrap();
    }
    // A round trip: all of them have come.
    stage.bench.counts("q").await;
    channel.basic_qos(1, lapin::options::BasicQosOptions::default()).await.unwrap();
    assert_eq!(fault.count(), 0);
    channel.tx_commit().await.unwrap();
    assert_eq!((fault.count(), stage.bench.bodies("q").await), (1, vec!["1".to_owned(), "3".to_owned()]));
}

#[tokio::test]
async fn a_refused_transaction_does_nothing() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "publish", "skip": 1, "do": "nack"}));
    let channel = stage.bench.channel().await;
    channel.tx_select().await.unwrap();
    for body in ["1", "2"] {
        let options = BasicPublishOptions::default();
        channel
            .basic_publish("".into(), "q".into(), options, body.as_bytes(), BasicProperties::default())
            .await
            .unwrap();
    }
    let refused = channel.tx_commit().await.unwrap_err();
    assert_eq!((how(&refused), stage.counts("q").await), ("406".to_owned(), (0, 0)));
}
