//! Exchanges and bindings, as a client sees them.

use lapin::ExchangeKind;
use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};

use crate::support::client::{Bench, code, string, table, text};

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind, arguments: FieldTable) {
    channel.exchange_declare(name.into(), kind, ExchangeDeclareOptions::default(), arguments).await.unwrap();
}

#[tokio::test]
async fn direct_fanout_and_topic_route_as_their_names_say() {
    let bench = Bench::start().await;
    for queue in ["a", "b", "t"] {
        bench.declare(queue, FieldTable::default()).await;
    }
    bench.bind("a", "amq.direct", "k", FieldTable::default()).await;
    bench.bind("a", "amq.direct", "k", FieldTable::default()).await;
    bench.bind("a", "amq.fanout", "", FieldTable::default()).await;
    bench.bind("b", "amq.fanout", "x", FieldTable::default()).await;
    for pattern in ["*.b.#", "#.c", "a.#"] {
        bench.bind("t", "amq.topic", pattern, FieldTable::default()).await;
    }
    bench.publish("amq.direct", "k", "direct").await;
    bench.publish("amq.direct", "other", "nowhere").await;
    bench.publish("amq.fanout", "k", "fanout").await;
    for key in ["a.b.c", "x.b", "c", "x.y", ""] {
        bench.publish("amq.topic", key, key).await;
    }
    assert_eq!(bench.bodies("a").await, ["direct", "fanout"]);
    assert_eq!(bench.bodies("b").await, ["fanout"]);
    // Matched by several patterns, delivered once.
    assert_eq!(bench.bodies("t").await, ["a.b.c", "x.b", "c"]);
}

#[tokio::test]
async fn headers_match_in_four_ways() {
    let bench = Bench::start().await;
    for kind in ["all", "any", "all-with-x", "any-with-x"] {
        bench.declare(kind, FieldTable::default()).await;
        let arguments = [
            ("x-match", string(kind)),
            ("k", string("v")),
            ("n", AMQPValue::LongInt(1)),
            ("x-h", string("v")),
        ];
        bench.bind(kind, "amq.headers", "", table(&arguments)).await;
    }
    let headers = [
        ("kn", table(&[("k", string("v")), ("n", AMQPValue::LongLongInt(1))])),
        ("k", table(&[("k", string("v")), ("n", AMQPValue::LongInt(2))])),
        ("x", table(&[("x-h", string("v"))])),
    ];
    for (body, headers) in headers {
        let properties = BasicProperties::default().with_headers(headers);
        bench.publish_with("amq.headers", "", body.as_bytes(), properties).await;
    }
    assert_eq!(bench.bodies("all").await, ["kn"]);
    assert_eq!(bench.bodies("any").await, ["kn", "k"]);
    assert_eq!(bench.bodies("all-with-x").await, Vec::<String>::new());
    assert_eq!(bench.bodies("any-with-x").await, ["kn", "k", "x"]);
}

#[tokio::test]
async fn exchanges_bind_to_exchanges_and_may_go_in_circles() {
    let bench = Bench::start().await;
    for name in ["one", "two"] {
        exchange(&bench.channel, name, ExchangeKind::Fanout, FieldTable::default()).await;
    }
    for (destination, source) in [("two", "one"), ("one", "two")] {
        let options = ExchangeBindOptions::default();
        let bound = bench.channel.exchange_bind(
            destination.into(),
            source.into(),
            "".into(),
            options,
            FieldTable::default(),
        );
        bound.await.unwrap();
    }
    bench.declare("q", FieldTable::default()).await;
    bench.bind("q", "two", "", FieldTable::default()).await;
    bench.bind("q", "one", "", FieldTable::default()).await;
    bench.publish("one", "", "once").await;
    assert_eq!(bench.bodies("q").await, ["once"]);
}

#[tokio::test]
async fn what_matches_nothing_goes_to_the_alternate_exchange() {
    let bench = Bench::start().await;
    exchange(&bench.channel, "rest", ExchangeKind::Fanout, FieldTable::default()).await;
    let arguments = table(&[("alternate-exchange", string("rest"))]);
    exchange(&bench.channel, "main", ExchangeKind::Direct, arguments).await;
    for (queue, from) in [("matched", "main"), ("unmatched", "rest")] {
        bench.declare(queue, FieldTable::default()).await;
        bench.bind(queue, from, "k", FieldTable::default()).await;
    }
    bench.publish("main", "k", "known").await;
    bench.publish("main", "other", "unknown").await;
    assert_eq!(bench.bodies("matched").await, ["known"]);
    assert_eq!(bench.bodies("unmatched").await, ["unknown"]);
}

#[tokio::test]
async fn an_auto_delete_exchange_goes_with_its_last_binding() {
    let bench = Bench::start().await;
    let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
    let kind = ExchangeKind::Direct;
    bench
        .channel
        .exchange_declare("temp".into(), kind.clone(), options, FieldTable::default())
        .await
        .unwrap();
    bench.declare("q", FieldTable::default()).await;
    bench.bind("q", "temp", "k", FieldTable::default()).await;
    let none = FieldTable::default();
    bench.channel.queue_unbind("q".into(), "temp".into(), "k".into(), none).await.unwrap();
    let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let gone =
        bench.channel().await.exchange_declare("temp".into(), kind, passive, FieldTable::default()).await;
    assert_eq!(code(&gone.unwrap_err()), 404);
}

#[tokio::test]
async fn a_route_is_forgotten_when_the_topology_changes() {
    let bench = Bench::start().await;
    exchange(&bench.channel, "x", ExchangeKind::Direct, FieldTable::default()).await;
    bench.declare("q", FieldTable::default()).await;
    bench.publish("x", "k", "before").await;
    bench.bind("q", "x", "k", FieldTable::default()).await;
    bench.publish("x", "k", "bound").await;
    bench.channel.queue_unbind("q".into(), "x".into(), "k".into(), FieldTable::default()).await.unwrap();
    bench.publish("x", "k", "after").await;
    assert_eq!(bench.bodies("q").await, ["bound"]);
    bench.channel.exchange_delete("x".into(), ExchangeDeleteOptions::default()).await.unwrap();
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let named = bench.channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
    assert!(text(named.name().as_str().as_bytes()).starts_with("amq.gen-"));
}
