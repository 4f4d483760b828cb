//! `on: connect` and `open`.

use std::time::Duration;

use coney::faults::Occasion;
use serde_json::json;

use super::stage::{A_WHILE, connect, how, now, stage};
use crate::support::raw::{Raw, open, start_ok};

#[tokio::test]
async fn an_entrance_is_refused_with_the_code() {
    for (on, code, expected) in [("connect", None, "403"), ("open", None, "530"), ("open", Some(541), "541")]
    {
        let stage = stage().await;
        let fault = stage.rule(json!({"on": on, "match": {"user": "guest"}, "do": "refuse", "code": code, "text": "closed today"}));
        let refused = connect(&stage.bench.broker, stage.world.name()).await.unwrap_err();
        assert_eq!(how(&refused), expected, "{on}");
        assert!(refused.to_string().contains("closed today"), "{refused}");
        assert_eq!(fault.count(), 1);
        connect(&stage.bench.broker, stage.world.name()).await.unwrap();
    }
}

#[tokio::test]
async fn an_entrance_is_reset() {
    for on in ["connect", "open"] {
        let stage = stage().await;
        let _fault = stage.rule(json!({"on": on, "do": "reset"}));
        let refused = connect(&stage.bench.broker, stage.world.name()).await.unwrap_err();
        assert_eq!(how(&refused), "lost", "{on}");
    }
}

/// Not closed, which a client would take for a broker that ends in order.
#[test]
fn a_reset_is_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let stage = runtime.block_on(stage());
    let _fault = stage.rule(json!({"on": "open", "do": "reset"}));
    let mut raw = Raw::connect(stage.bench.broker.address().unwrap());
    raw.send(b"AMQP\x00\x00\x09\x01");
    raw.expect_start();
    raw.method(0, start_ok("PLAIN", b"\0guest\0guest", true));
    let tune = raw.expect_tune();
    raw.method(0, crate::support::raw::tune_ok(tune.channel_max, 131_072, 0));
    raw.method(0, open(stage.world.name()));
    let error = raw.exchange(b"").unwrap_err();
    assert!(error.kind() != std::io::ErrorKind::UnexpectedEof, "{error}");
}

#[tokio::test]
async fn an_entrance_takes_longer() {
    for on in ["connect", "open"] {
        let stage = stage().await;
        let _fault = stage.rule(json!({"on": on, "do": "delay", "delay_ms": 250}));
        let since = now();
        connect(&stage.bench.broker, stage.world.name()).await.unwrap();
        assert!(since.elapsed() >= Duration::from_millis(250), "{on}: {:?}", since.elapsed());
    }
}

#[tokio::test]
async fn an_entrance_has_no_answer_until_the_rule_goes() {
    for on in [Occasion::Connect, Occasion::Open] {
        let stage = stage().await;
        let fault = stage.world.on(on).silence().unwrap();
        let (broker, world) = (&stage.bench.broker, stage.world.name());
        let mut connecting = std::pin::pin!(connect(broker, world));
        assert!(tokio::time::timeout(A_WHILE, &mut connecting).await.is_err(), "it was answered");
        fault.fired().await;
        drop(fault);
        assert_eq!(how(&connecting.await.unwrap_err()), "lost");
    }
}
