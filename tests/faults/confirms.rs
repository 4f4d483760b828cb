//! `on: confirm`: the message is safe, and its publisher hears of it otherwise than usual.

use std::time::Duration;

use coney::faults::Occasion;
use serde_json::json;

use super::stage::{A_WHILE, now, outcome, publish, send, stage};
use crate::support::client::confirming;

#[tokio::test]
async fn a_confirm_that_is_dropped_never_comes_whatever_is_confirmed_after_it() {
    let stage = stage().await;
    let fault = stage.rule(json!({"on": "confirm", "match": {"queue": "q"}, "do": "drop"}));
    let lost = send(stage.channel(), "q", "1").await;
    assert_eq!(publish(stage.channel(), "q", "2").await, "ack");
    drop(fault);
    // Without rules many are confirmed at once, by one method: it must not say 'and all before'.
    let mut sent = Vec::new();
    for body in 3..50 {
        sent.push(send(stage.channel(), "q", &body.to_string()).await);
    }
    for confirm in sent {
        assert_eq!(outcome(confirm).await, "ack");
    }
    assert!(tokio::time::timeout(A_WHILE, lost).await.is_err(), "it was confirmed");
    assert_eq!(stage.counts("q").await, (49, 0), "the message itself is there");
}

#[tokio::test]
async fn a_nack_is_a_lie() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "confirm", "skip": 1, "do": "nack"}));
    for (body, expected) in [("1", "ack"), ("2", "nack"), ("3", "ack")] {
        assert_eq!(publish(stage.channel(), "q", body).await, expected);
    }
    assert_eq!(stage.bench.bodies("q").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_delayed_confirm_comes_late_and_others_do_not_wait_for_it() {
    let stage = stage().await;
    let _fault = stage.rule(json!({"on": "confirm", "do": "delay", "delay_ms": 400}));
    let since = now();
    let late = send(stage.channel(), "q", "1").await;
    assert_eq!(publish(stage.channel(), "q", "2").await, "ack");
    assert!(since.elapsed() < Duration::from_millis(400), "the second did not wait");
    assert_eq!(outcome(late).await, "ack");
    assert!(since.elapsed() >= Duration::from_millis(400), "{:?}", since.elapsed());
}

/// The confirm that got lost: the message is there, and its publisher does not know.
#[tokio::test]
async fn the_connection_ends_instead_of_a_confirm() {
    for (action, expected) in [("reset", "lost"), ("close", "320")] {
        let stage = stage().await;
        let _fault = stage.rule(json!({"on": "confirm", "match": {"queue": "q"}, "skip": 3, "do": action}));
        for body in ["1", "2", "3"] {
            assert_eq!(publish(stage.channel(), "q", body).await, "ack");
        }
        assert_eq!(publish(stage.channel(), "q", "4").await, expected);
        stage.until("q", (4, 0)).await;
    }
}

#[tokio::test]
async fn a_rule_of_the_handle_tells_when_it_hits_and_goes_with_its_guard() {
    let stage = stage().await;
    let other = confirming(&stage.bench.connection).await;
    let fault = stage.world.on(Occasion::Confirm).queue("q").skip(1).times(1).nack().unwrap();
    assert_eq!((fault.count(), publish(&other, "q", "1").await), (0, "ack".to_owned()));
    let (fired, nacked) = tokio::join!(fault.fired(), publish(&other, "q", "2"));
    assert_eq!((fired, nacked.as_str(), fault.count()), ((), "nack", 1));
    let events = stage.bench.broker.journal(stage.world.name()).unwrap();
    let mut told = Vec::new();
    events.each(|event| told.extend(event.fault().cloned()));
    assert_eq!(told.len(), 1);
    assert_eq!((&*told[0].id, &*told[0].rule), (&*fault.id(), "on confirm of queue 'q': nack"));
    drop(fault);
    assert_eq!(stage.world.faults().len(), 0);
    let refused = stage.world.on(Occasion::Confirm).pause().unwrap_err().to_string();
    assert!(refused.starts_with("'pause' does not fit 'confirm': expected drop"), "{refused}");
}
