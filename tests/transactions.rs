//! Transactions: what a commit does, in which order it tells, and what a rollback leaves as it was.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic, channel, queue, tx};
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, BasicRejectOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};

use crate::support::broker::Embedded;
use crate::support::client::{Bench, code, string, table};
use crate::support::raw::{Closed, Raw, declare, encode, publish, raw_frame};

async fn transaction(bench: &Bench) -> Channel {
    let channel = bench.channel().await;
    channel.tx_select().await.unwrap();
    channel
}

async fn send(channel: &Channel, key: &str, body: &str) {
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default().with_delivery_mode(2);
    channel.basic_publish("".into(), key.into(), options, body.as_bytes(), properties).await.unwrap();
}

/// Takes that many messages, unacked; gives their tags.
async fn take(channel: &Channel, queue: &str, count: usize) -> Vec<u64> {
    let mut tags = Vec::new();
    for _ in 0..count {
        let got = channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap();
        tags.push(got.expect("nothing to get").delivery.delivery_tag);
    }
    tags
}

async fn with_messages(bodies: &[&str]) -> Bench {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    for body in bodies {
        bench.publish("", "q", body).await;
    }
    bench
}

#[tokio::test]
async fn each_commit_has_its_own_work_and_a_second_select_changes_nothing() {
    let bench = with_messages(&[]).await;
    let channel = transaction(&bench).await;
    for body in ["a", "b"] {
        send(&channel, "q", body).await;
        channel.tx_select().await.unwrap();
        assert_eq!(bench.counts("q").await.0, 0, "{body} is there before its commit");
        channel.tx_commit().await.unwrap();
        assert_eq!(bench.bodies("q").await, [body]);
    }
    channel.tx_commit().await.unwrap();
    channel.tx_rollback().await.unwrap();
    assert_eq!(bench.counts("q").await.0, 0);
}

#[tokio::test]
async fn every_way_to_settle_waits_for_the_commit() {
    let bench = with_messages(&["acked", "acked too", "requeued", "rejected", "kept"]).await;
    let channel = transaction(&bench).await;
    let tags = take(&channel, "q", 5).await;
    channel.basic_ack(tags[1], BasicAckOptions { multiple: true }).await.unwrap();
    channel.basic_nack(tags[2], BasicNackOptions { multiple: false, requeue: true }).await.unwrap();
    channel.basic_reject(tags[3], BasicRejectOptions { requeue: false }).await.unwrap();
    // An answer of the channel: what came before it was taken in.
    channel.tx_select().await.unwrap();
    assert_eq!(bench.counts("q").await.0, 0);
    channel.tx_commit().await.unwrap();
    assert_eq!(bench.bodies("q").await, ["requeued"]);
    channel.close(200, "done".into()).await.unwrap();
    bench.until_ready("q", 1).await;
    assert_eq!(bench.bodies("q").await, ["kept"]);
}

#[tokio::test]
async fn a_rollback_redelivers_nothing_and_what_it_took_back_can_be_settled_otherwise() {
    let bench = with_messages(&["a", "b", "c"]).await;
    let channel = transaction(&bench).await;
    let tags = take(&channel, "q", 3).await;
    channel.basic_ack(tags[2], BasicAckOptions { multiple: true }).await.unwrap();
    send(&channel, "q", "never").await;
    channel.tx_rollback().await.unwrap();
    assert_eq!(bench.counts("q").await.0, 0);
    channel.basic_ack(tags[0], BasicAckOptions::default()).await.unwrap();
    channel.basic_nack(tags[1], BasicNackOptions { multiple: false, requeue: true }).await.unwrap();
    channel.tx_commit().await.unwrap();
    assert_eq!(bench.bodies("q").await, ["b"]);
    channel.close(200, "done".into()).await.unwrap();
    bench.until_ready("q", 1).await;
    assert_eq!(bench.bodies("q").await, ["c"]);
}

#[tokio::test]
async fn what_is_settled_in_a_transaction_is_settled_once() {
    for committed in [false, true] {
        let bench = with_messages(&["a"]).await;
        let channel = transaction(&bench).await;
        let tags = take(&channel, "q", 1).await;
        channel.basic_ack(tags[0], BasicAckOptions::default()).await.unwrap();
        if committed {
            channel.tx_commit().await.unwrap();
        }
        channel.basic_ack(tags[0], BasicAckOptions::default()).await.unwrap();
        assert!(channel.tx_commit().await.is_err(), "the second ack closed the channel");
        bench.until_ready("q", u32::from(!committed)).await;
    }
}

#[tokio::test]
async fn a_channel_that_ends_takes_its_open_transaction_along() {
    let bench = with_messages(&["a"]).await;
    let channel = transaction(&bench).await;
    let tags = take(&channel, "q", 1).await;
    channel.basic_ack(tags[0], BasicAckOptions::default()).await.unwrap();
    send(&channel, "q", "never").await;
    channel.close(200, "done".into()).await.unwrap();
    bench.until_ready("q", 1).await;
    assert_eq!(bench.bodies("q").await, ["a"]);
}

/// RabbitMQ's answer; what the queues took stays there.
#[tokio::test]
async fn a_commit_that_a_queue_refuses_in_part_fails() {
    let limits = [("x-overflow", string("reject-publish")), ("x-max-length", AMQPValue::LongInt(1))];
    let bench = Bench::start().await;
    bench.declare("limited", table(&limits)).await;
    let channel = transaction(&bench).await;
    send(&channel, "limited", "a").await;
    channel.tx_commit().await.unwrap();
    assert_eq!(bench.bodies("limited").await, ["a"]);
    for body in ["b", "c"] {
        send(&channel, "limited", body).await;
    }
    assert_eq!(code(&channel.tx_commit().await.unwrap_err()), 406);
    assert_eq!(bench.bodies("limited").await, ["b"]);
}

/// RabbitMQ 4.0's answer; what the other queues took stays there.
#[tokio::test]
async fn a_commit_of_a_publish_to_a_queue_that_went_fails() {
    let bench = with_messages(&[]).await;
    bench.declare("stays", FieldTable::default()).await;
    let channel = transaction(&bench).await;
    send(&channel, "q", "a").await;
    send(&channel, "stays", "b").await;
    bench.channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap();
    assert_eq!(code(&channel.tx_commit().await.unwrap_err()), 406);
    assert_eq!(bench.bodies("stays").await, ["b"]);
}

fn method(channel: u16, method: AMQPClass) -> Vec<u8> {
    encode(&AMQPFrame::Method(channel, method))
}

/// An empty message from channel 1.
fn empty(key: &str, mandatory: bool) -> Vec<u8> {
    let AMQPClass::Basic(basic::AMQPMethod::Publish(publish)) = publish("", key) else {
        panic!("no publish")
    };
    let publish = basic::AMQPMethod::Publish(basic::Publish { mandatory, ..publish });
    let header = raw_frame(2, 1, &[&[0, 60, 0, 0][..], &[0; 8], &[0, 0]].concat());
    [method(1, AMQPClass::Basic(publish)), header].concat()
}

fn select_and_commit() -> [Vec<u8>; 2] {
    [tx::AMQPMethod::Select(tx::Select {}), tx::AMQPMethod::Commit(tx::Commit {})]
        .map(|class| method(1, AMQPClass::Tx(class)))
}

fn is_commit_ok(frame: Option<&AMQPFrame>) -> bool {
    matches!(frame, Some(AMQPFrame::Method(1, AMQPClass::Tx(tx::AMQPMethod::CommitOk(_)))))
}

#[test]
fn mandatory_messages_that_went_nowhere_return_before_commit_ok() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    raw.declare("q", |_| ());
    let [select, commit] = select_and_commit();
    let messages = [("nowhere", false), ("q", true), ("lost", true), ("q", false)]
        .map(|(key, mandatory)| empty(key, mandatory));
    raw.send(&[select, messages.concat(), commit].concat());
    let mut frames = std::iter::from_fn(|| raw.next()).skip(1);
    let returned = frames.next();
    let Some(AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Return(returned)))) = returned else {
        panic!("{returned:?}")
    };
    assert_eq!((returned.reply_code, returned.routing_key.as_str()), (312, "lost"));
    assert!(matches!(frames.next(), Some(AMQPFrame::Header(..))));
    let last = frames.next();
    assert!(is_commit_ok(last.as_ref()), "{last:?}");
}

/// The queue ends between the publish and the commit, and nobody has said so yet.
#[test]
fn a_commit_does_not_wait_for_a_queue_that_ends_before_it_but_fails() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    raw.open_channel(2);
    raw.declare("q", |method| method.auto_delete = true);
    let consume = basic::Consume {
        queue: "q".into(),
        consumer_tag: "t".into(),
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    };
    raw.method(2, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
    assert!(raw.next().is_some());
    let [select, commit] = select_and_commit();
    let close = channel::Close { reply_code: 200, reply_text: "".into(), class_id: 0, method_id: 0 };
    let close = method(2, AMQPClass::Channel(channel::AMQPMethod::Close(close)));
    raw.send(&[select, empty("q", false), close, commit].concat());
    let mut frames = std::iter::from_fn(|| raw.next()).skip(2);
    let answer = frames.next();
    let Some(AMQPFrame::Method(1, AMQPClass::Channel(channel::AMQPMethod::Close(close)))) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((close.reply_code, close.class_id, close.method_id), (406, 90, 20));
    raw.open_channel(3);
    let passive = queue::Declare { passive: true, ..declare("q") };
    raw.method(3, AMQPClass::Queue(queue::AMQPMethod::Declare(passive)));
    let answer = raw.closed();
    assert!(matches!(answer, Closed::Channel(404, ..)), "{answer:?}");
}
