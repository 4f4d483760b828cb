//! `on: time`: by the clock of the world.

use std::time::Duration;

use coney::faults::{Action, Occasion};
use serde_json::json;

use super::stage::{PATIENCE, connect, how, publish, stage, stage_on};

#[tokio::test]
async fn all_connections_of_the_world_are_closed() {
    let stage = stage().await;
    let other = stage.again().await;
    let elsewhere = connect(&stage.bench.broker, "~elsewhere").await.unwrap();
    let fault =
        stage.rule(json!({"on": "time", "every_ms": 30, "do": "close-all", "code": 320, "text": "tea time"}));
    tokio::time::timeout(PATIENCE, fault.fired()).await.unwrap();
    for channel in [stage.channel(), &other] {
        let closed = async {
            loop {
                if let Err(error) = channel.basic_qos(1, Default::default()).await {
                    return error;
                }
            }
        };
        let error = tokio::time::timeout(PATIENCE, closed).await.unwrap();
        assert!(["320", "lost"].contains(&how(&error).as_str()), "{error}");
    }
    assert!(elsewhere.create_channel().await.is_ok());
    assert_eq!(stage.seen_and_fired(), [(1, 1)], "once, as nothing else was said");
}

#[tokio::test]
async fn publishers_are_blocked_and_unblocked_at_their_times() {
    let stage = stage().await;
    publish(stage.channel(), "q", "1").await;
    let block = stage.rule(json!({"on": "time", "every_ms": 20, "do": "block", "reason": "low"}));
    let blocked = async {
        while !stage.bench.connection.status().blocked() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, blocked).await.unwrap();
    drop(block);
    let _unblock = stage.rule(json!({"on": "time", "every_ms": 20, "do": "unblock"}));
    assert_eq!(publish(stage.channel(), "q", "2").await, "ack");
    assert!(!stage.bench.connection.status().blocked());
}

/// A clock of the world's own stands still, and so does the rule; what it does is done when the move is.
#[tokio::test]
async fn a_rule_goes_by_the_clock_of_its_world() {
    let broker = super::stage::builder().ephemeral().start().await.unwrap();
    let stage = stage_on(broker, "~still;clock=virtual").await;
    publish(stage.channel(), "q", "1").await;
    let fault =
        stage.world.on(Occasion::Time { every_ms: 60_000 }).skip(1).times(2).act(Action::Restart).unwrap();
    for (minutes, fired) in [(1, 0), (1, 1), (5, 2)] {
        stage.world.clock().advance(Duration::from_secs(60 * minutes)).await.unwrap();
        assert_eq!(fault.count(), fired, "after {minutes} more");
    }
    assert_eq!(stage.world.faults()[0].rule.text(), "every 60000 ms: restart");
    assert!(stage.world.faults()[0].is_done());
    let again = stage.again().await;
    assert_eq!(publish(&again, "q", "2").await, "ack");
    assert_eq!(stage.counts("q").await, (2, 0));
}

#[tokio::test]
async fn a_rule_that_is_removed_does_nothing_more() {
    let stage = stage().await;
    let fault = stage.rule(json!({"on": "time", "every_ms": 5, "times": 0, "do": "unblock"}));
    tokio::time::timeout(PATIENCE, fault.fired()).await.unwrap();
    let count = || {
        let journal = stage.bench.broker.journal(stage.world.name()).unwrap();
        let mut count = 0;
        journal.each(|event| count += usize::from(event.fault().is_some()));
        count
    };
    drop(fault);
    let before = count();
    assert!(before > 0);
    tokio::time::timeout(super::stage::A_WHILE, std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(count(), before);
}
