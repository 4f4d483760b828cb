//! Statistics as a program that embeds the broker reads them: exact, and true as soon as a client has its answer.

use std::time::Duration;

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, channel as channel_class};
use coney::statistics::{ChannelCounters, ExchangeCounters, QueueCounters};
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicPublishOptions, BasicRejectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Confirmation};

use crate::support::client::{Bench, string, table};
use crate::support::raw::{self, Raw};

fn queue(bench: &Bench, name: &str) -> QueueCounters {
    bench.broker.queue("/", name).unwrap().statistics().read()
}

fn exchange(bench: &Bench, name: &str) -> ExchangeCounters {
    bench.broker.exchange_statistics("/", name).unwrap().read()
}

fn channel(bench: &Bench, number: u16) -> ChannelCounters {
    bench.broker.connections()[0].channel(number).unwrap().statistics.read()
}

#[tokio::test]
async fn a_queue_counts_what_clients_did_with_its_messages() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    for body in ["one", "two", "three", "four"] {
        bench.publish("", "q", body).await;
    }
    assert_eq!(
        queue(&bench, "q"),
        QueueCounters { published: 4, confirmed: 4, bytes_in: 15, ..Default::default() }
    );
    let get = async || bench.channel.basic_get("q".into(), Default::default()).await.unwrap().unwrap();
    let first = get().await;
    first.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.unwrap();
    let first = get().await;
    assert!(first.redelivered);
    first.ack(BasicAckOptions::default()).await.unwrap();
    get().await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let no_ack = lapin::options::BasicGetOptions { no_ack: true };
    for body in [&b"three"[..], b"four"] {
        let got = bench.channel.basic_get("q".into(), no_ack).await.unwrap().unwrap();
        assert_eq!(got.data, body);
    }
    assert!(bench.channel.basic_get("q".into(), no_ack).await.unwrap().is_none());
    let expected = QueueCounters {
        published: 4,
        confirmed: 4,
        got: 3,
        got_no_ack: 2,
        got_empty: 1,
        acked: 1,
        redelivered: 1,
        returned: 1,
        dropped_rejected: 1,
        bytes_in: 15,
        bytes_out: 18,
        ..Default::default()
    };
    assert_eq!(queue(&bench, "q"), expected);
    let counted = channel(&bench, bench.channel.id());
    let expected = ChannelCounters {
        published: 4,
        published_confirm: 4,
        routed: 4,
        confirmed: 4,
        got: 3,
        got_no_ack: 2,
        got_empty: 1,
        acked: 1,
        rejected: 2,
        redelivered: 1,
        ..Default::default()
    };
    assert_eq!(counted, expected);
}

#[tokio::test]
async fn an_exchange_counts_what_it_routes_and_what_it_cannot() {
    let bench = Bench::start().await;
    for name in ["a", "b"] {
        bench.declare(name, FieldTable::default()).await;
        bench.bind(name, "amq.fanout", "", FieldTable::default()).await;
    }
    bench.publish("amq.fanout", "", "to both").await;
    bench.publish("", "a", "to one").await;
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let properties = BasicProperties::default();
    let sent = bench.channel.basic_publish("".into(), "nobody".into(), options, b"lost", properties).await;
    let confirmation = sent.unwrap().await.unwrap();
    assert!(matches!(confirmation, Confirmation::Ack(Some(_))), "{confirmation:?}");
    let fanout = ExchangeCounters { published_in: 1, published_out: 2, unroutable: 0 };
    assert_eq!(exchange(&bench, "amq.fanout"), fanout);
    assert_eq!(exchange(&bench, ""), ExchangeCounters { published_in: 2, published_out: 1, unroutable: 1 });
    assert_eq!(channel(&bench, bench.channel.id()).returned, 1);
    assert!(bench.broker.exchange_statistics("/", "no such exchange").is_none());
}

#[tokio::test]
async fn dead_letters_are_counted_by_reason_and_where_they_come_from_and_go() {
    let bench = Bench::start().await;
    bench.declare("dead", FieldTable::default()).await;
    bench.bind("dead", "amq.direct", "q", FieldTable::default()).await;
    bench.declare("q", table(&[("x-dead-letter-exchange", string("amq.direct"))])).await;
    bench.publish("", "q", "bad").await;
    let got = bench.channel.basic_get("q".into(), Default::default()).await.unwrap().unwrap();
    got.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    // Whoever has the dead letter finds it counted.
    while bench.channel.basic_get("dead".into(), Default::default()).await.unwrap().is_none() {}
    assert_eq!(queue(&bench, "q").dead_lettered_rejected, 1);
    assert_eq!(queue(&bench, "dead").published, 1);
    let direct = ExchangeCounters { published_in: 1, published_out: 1, unroutable: 0 };
    assert_eq!(exchange(&bench, "amq.direct"), direct);
}

#[tokio::test]
async fn a_connection_counts_frames_and_bytes_and_rates_are_told_for_a_window() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let connection = bench.broker.connections().remove(0);
    let before = connection.statistics.read();
    bench.publish("", "q", &"x".repeat(1000)).await;
    let after = connection.statistics.read();
    assert_eq!(after.frames_in - before.frames_in, 3, "method, header, body");
    assert_eq!(after.frames_out - before.frames_out, 1, "the confirm");
    assert!(after.bytes_in - before.bytes_in > 1000, "{after:?}");
    let queue = bench.broker.queue("/", "q").unwrap();
    let minute_ago = queue.statistics().read_before(bench.broker.now(), Duration::from_secs(60));
    assert_eq!(minute_ago, QueueCounters::default());
    assert_eq!(queue.statistics().read().published - minute_ago.published, 1);
}

#[tokio::test]
async fn what_a_channel_did_before_it_went_is_counted() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    let address = bench.broker.address().unwrap();
    let closed = tokio::task::spawn_blocking(move || {
        // In one write, so that the broker has all of it in one batch: the channel is gone before anybody could look.
        let header = [&[0, 60, 0, 0][..], &1_u64.to_be_bytes(), &[0, 0]].concat();
        let publish = raw::encode(&AMQPFrame::Method(1, raw::publish("", "q")));
        let message = [publish, raw::raw_frame(2, 1, &header), raw::raw_frame(3, 1, b"m")].concat();
        let close = channel_class::AMQPMethod::Close(channel_class::Close::default());
        let close = raw::encode(&AMQPFrame::Method(1, AMQPClass::Channel(close)));
        let mut raw = Raw::with_channel(address);
        raw.send(&[message.repeat(3), close].concat());
        raw.next()
    });
    let close_ok = closed.await.unwrap();
    assert!(matches!(
        close_ok,
        Some(AMQPFrame::Method(1, AMQPClass::Channel(channel_class::AMQPMethod::CloseOk(_))))
    ));
    assert_eq!(exchange(&bench, "").published_in, 3);
    assert_eq!(bench.broker.channel_totals().published, 3);
}

#[tokio::test]
async fn memory_is_known_by_what_it_is_kept_for() {
    let bench = Bench::start().await;
    let kept = |kind| {
        let kinds = bench.broker.memory_by_kind();
        kinds.iter().find(|(name, _)| *name == kind).map(|(_, bytes)| *bytes).unwrap()
    };
    bench.declare("q", FieldTable::default()).await;
    let body = "a".repeat(100_000);
    let channel = bench.channel().await;
    channel.tx_select().await.unwrap();
    let publish = channel.basic_publish(
        "".into(),
        "q".into(),
        BasicPublishOptions::default(),
        body.as_bytes(),
        BasicProperties::default(),
    );
    publish.await.unwrap();
    // Whoever has an answer finds counted what came before it.
    channel.basic_qos(1, Default::default()).await.unwrap();
    assert!(kept("transactions") > body.len(), "{}", kept("transactions"));
    assert!(kept("queues") > 0 && kept("clients") > 0);
    channel.tx_commit().await.unwrap();
    channel.basic_get("q".into(), Default::default()).await.unwrap().unwrap();
    channel.basic_qos(1, Default::default()).await.unwrap();
    assert_eq!(kept("transactions"), 0);
    assert!(kept("deliveries") > 0 && kept("messages") > body.len());
}
