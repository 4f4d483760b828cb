//! The differential judge: Coney compared with itself differs in nothing, and what is put into one of two brokers is found.

use std::sync::Arc;
use std::time::Duration;

use coney::{Broker, BrokerHandle};
use conformance::differential::judge::{self, Options, Pair, Verdict};
use conformance::differential::known::Known;
use conformance::differential::{report, text};
use conformance::target::Target;

/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

async fn broker() -> (BrokerHandle, Target) {
    let listen = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::builder().ephemeral().listen(listen).start().await.unwrap();
    let uri = format!("amqp://guest:guest@{}/", broker.address().unwrap());
    (broker, Target::parse(&uri, PATIENCE).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coney_does_as_coney_does() {
    let (left, left_target) = broker().await;
    let (right, right_target) = broker().await;
    let pair = Arc::new(Pair { left: left_target, right: right_target, known: Known::default() });
    let options = Options { seeds: 1..=12, operations: 80, jobs: 4 };
    let verdicts = judge::run(&pair, &options, |_, _| {}).await;
    assert_eq!(verdicts.len(), 12);
    assert!(report::passed(&verdicts), "{}", report::summary(&verdicts, "left", "right"));
    left.shutdown().await.unwrap();
    right.shutdown().await.unwrap();
}

/// A queue that only one of two brokers has, under the very name that the program uses, is a difference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_state_is_another_observation() {
    let (left, left_target) = broker().await;
    let (right, right_target) = broker().await;
    let mut raw = conformance::raw::Raw::open(&right_target).await.unwrap();
    raw.open_channel(1).await.unwrap();
    raw.declare("there", 0, Vec::new()).await.unwrap();
    raw.publish("", "there", "m").await;
    raw.until_ready("there", 1).await.unwrap();
    let pair = Pair { left: left_target, right: right_target, known: Known::default() };
    let program = text::parse("A1 queue.declare q1\nA1 basic.publish \"\" there mandatory body=m\n").unwrap();
    let Verdict::Different(finding) = pair.judge(&program).await else { panic!("the return is missed") };
    assert_eq!(finding.operation(), "A1 basic.publish \"\" there mandatory body=m");
    assert_eq!(finding.difference.left, ["A1 returned 312 NO_ROUTE m.0 from \"\" there"]);
    assert!(finding.difference.right.is_empty());
    raw.close().await;
    left.shutdown().await.unwrap();
    right.shutdown().await.unwrap();
}
