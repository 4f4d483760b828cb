//! Deliveries, acks, prefetch, and the life of consumers and queues.

use futures_lite::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicQosOptions, BasicRecoverOptions, BasicRejectOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};

use crate::support::client::{Bench, code, connect, consume, next, string, table, text};

const ACK: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };

#[tokio::test]
async fn prefetch_is_exact_per_consumer_and_per_channel() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    for number in 0..10 {
        bench.publish("", "q", &number.to_string()).await;
    }
    for (global, taken) in [(false, 6), (true, 3)] {
        let channel = bench.channel().await;
        channel.basic_qos(3, BasicQosOptions { global }).await.unwrap();
        let mut first = consume(&channel, "q", "first", ACK).await;
        let mut second = consume(&channel, "q", "second", ACK).await;
        bench.until_ready("q", 10 - taken).await;
        let held = if global {
            vec![next(&mut first).await]
        } else {
            vec![next(&mut first).await, next(&mut second).await]
        };
        for delivery in &held {
            delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
        bench.until_ready("q", 10 - taken - held.len() as u32).await;
        channel.close(200, "done".into()).await.unwrap();
        for _ in &held {
            bench.publish("", "q", "more").await;
        }
        bench.until_ready("q", 10).await;
    }
}

#[tokio::test]
async fn what_is_not_acked_comes_back_in_order_and_redelivered() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    for body in ["a", "b", "c", "d"] {
        bench.publish("", "q", body).await;
    }
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "q", "c", ACK).await;
    let mut got = Vec::new();
    for _ in 0..4 {
        got.push(next(&mut consumer).await);
    }
    channel.basic_cancel("c".into(), BasicCancelOptions::default()).await.unwrap();
    got[1].ack(BasicAckOptions::default()).await.unwrap();
    got[2].nack(BasicNackOptions { multiple: false, requeue: true }).await.unwrap();
    got[0].reject(BasicRejectOptions { requeue: true }).await.unwrap();
    bench.until_ready("q", 2).await;
    channel.basic_recover(BasicRecoverOptions { requeue: true }).await.unwrap();
    bench.until_ready("q", 3).await;
    let mut seen = Vec::new();
    while let Some(message) = bench.get("q").await {
        seen.push((text(&message.delivery.data), message.delivery.redelivered));
    }
    assert_eq!(seen, ["a", "c", "d"].map(|body| (body.to_owned(), true)));
}

#[tokio::test]
async fn multiple_settles_all_up_to_the_tag() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    for body in ["a", "b", "c"] {
        bench.publish("", "q", body).await;
    }
    let channel = bench.channel().await;
    let mut tags = Vec::new();
    for _ in 0..3 {
        let got = channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        tags.push(got.delivery.delivery_tag);
    }
    channel.basic_ack(tags[1], BasicAckOptions { multiple: true }).await.unwrap();
    channel.basic_nack(tags[2], BasicNackOptions { multiple: true, requeue: true }).await.unwrap();
    bench.until_ready("q", 1).await;
    assert_eq!(bench.bodies("q").await, ["c"]);
}

#[tokio::test]
async fn consumers_take_turns_and_nothing_comes_after_cancel_ok() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let no_ack = BasicConsumeOptions { no_ack: true, ..ACK };
    let mut first = consume(&bench.channel, "q", "first", no_ack).await;
    let mut second = consume(&bench.channel, "q", "second", no_ack).await;
    for body in ["1", "2", "3", "4"] {
        bench.publish("", "q", body).await;
    }
    for expected in [["1", "2"], ["3", "4"]] {
        assert_eq!([text(&next(&mut first).await.data), text(&next(&mut second).await.data)], expected);
    }
    for tag in ["first", "second"] {
        bench.channel.basic_cancel(tag.into(), BasicCancelOptions::default()).await.unwrap();
    }
    bench.publish("", "q", "5").await;
    assert_eq!((bench.counts("q").await, bench.bodies("q").await), ((1, 0), vec!["5".to_owned()]));
}

#[tokio::test]
async fn a_consumer_hears_that_its_queue_is_gone() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let mut consumer = consume(&bench.channel().await, "q", "c", ACK).await;
    bench.publish("", "q", "last").await;
    assert_eq!(text(&next(&mut consumer).await.data), "last");
    bench.channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), consumer.next()).await;
    assert!(ended.expect("the consumer was not cancelled").is_none());
}

#[tokio::test]
async fn exclusive_queues_go_with_their_connection_and_auto_delete_ones_with_their_consumer() {
    let bench = Bench::start().await;
    let owner = connect(&bench.broker).await;
    let channel = owner.create_channel().await.unwrap();
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare("mine".into(), exclusive, FieldTable::default()).await.unwrap();
    owner.close(200, "bye".into()).await.unwrap();
    // It is gone when close-ok comes, so the name is free.
    bench.declare("mine", FieldTable::default()).await;
    let auto_delete = QueueDeclareOptions { auto_delete: true, ..Default::default() };
    bench.channel.queue_declare("auto".into(), auto_delete, FieldTable::default()).await.unwrap();
    consume(&bench.channel, "auto", "c", ACK).await;
    bench.channel.basic_cancel("c".into(), BasicCancelOptions::default()).await.unwrap();
    let again =
        bench.channel.queue_declare("auto".into(), QueueDeclareOptions::default(), FieldTable::default());
    // Not equivalent to what it was: it has to be gone to be declared so.
    again.await.unwrap();
}

#[tokio::test]
async fn priorities_single_active_consumer_and_purge() {
    let bench = Bench::start().await;
    bench.declare("p", table(&[("x-max-priority", AMQPValue::LongInt(5))])).await;
    for (body, priority) in [("low", 0), ("high", 5), ("mid", 3)] {
        let properties = lapin::BasicProperties::default().with_priority(priority);
        bench.publish_with("", "p", body.as_bytes(), properties).await;
    }
    assert_eq!(bench.bodies("p").await, ["high", "mid", "low"]);
    bench.declare("s", table(&[("x-single-active-consumer", AMQPValue::Boolean(true))])).await;
    let mut active = consume(&bench.channel, "s", "active", ACK).await;
    let mut waiting = consume(&bench.channel, "s", "waiting", ACK).await;
    bench.publish("", "s", "1").await;
    next(&mut active).await.ack(BasicAckOptions::default()).await.unwrap();
    bench.channel.basic_cancel("active".into(), BasicCancelOptions::default()).await.unwrap();
    bench.publish("", "s", "2").await;
    assert_eq!(text(&next(&mut waiting).await.data), "2");
    for body in ["a", "b"] {
        bench.publish("", "p", body).await;
    }
    assert_eq!(bench.channel.queue_purge("p".into(), QueuePurgeOptions::default()).await.unwrap(), 2);
    assert_eq!(bench.counts("p").await, (0, 0));
}

#[tokio::test]
async fn a_channel_exception_closes_one_channel() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let mut consumer = consume(&bench.channel, "q", "c", ACK).await;
    let bad = bench.channel().await;
    let missing = bad.basic_get("missing".into(), BasicGetOptions::default()).await.unwrap_err();
    assert_eq!(code(&missing), 404);
    let invalid = bench.channel().await;
    let arguments = table(&[("x-overflow", string("spill"))]);
    let refused = invalid.queue_declare("x".into(), QueueDeclareOptions::default(), arguments).await;
    assert_eq!(code(&refused.unwrap_err()), 406);
    bench.publish("", "q", "still here").await;
    assert_eq!(text(&next(&mut consumer).await.data), "still here");
}

#[tokio::test]
async fn a_connection_that_is_being_closed_gives_back_at_once() {
    use crate::support::raw::{Closed, Raw};

    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    bench.publish("", "q", "held").await;
    let address = bench.broker.address().unwrap();
    let holder = tokio::task::spawn_blocking(move || {
        let mut raw = Raw::with_channel(address);
        raw.raw_method(1, 60, 70, b"\0\0\x01q\0");
        while !matches!(raw.next(), Some(amq_protocol::frame::AMQPFrame::Body(..))) {}
        raw.raw_method(1, 99, 99, &[]);
        assert!(matches!(raw.closed(), Closed::Connection(503, _, _)));
        // It never answers the close, and never hangs up.
        raw
    });
    let holder = holder.await.unwrap();
    bench.until_ready("q", 1).await;
    assert!(bench.get("q").await.unwrap().delivery.redelivered);
    drop(holder);
}
