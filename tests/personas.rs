//! What other brokers do otherwise: refused by a broker, or a world, that stands in for one, and noted by each. Codes and texts of all rows are
//! cases of the conformance suite, which runs on each persona as well.

use coney::config::Config;
use coney::persona::Persona;
use coney::{Broker, BrokerBuilder, BrokerHandle};
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use serde_json::{Value, json};

use crate::support::broker::Embedded;
use crate::support::client::{code, consume, string, table};
use crate::support::http::Http;
use crate::support::raw::Raw;

const DURABLE: QueueDeclareOptions = QueueDeclareOptions {
    durable: true,
    passive: false,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};
const TRANSIENT: QueueDeclareOptions = QueueDeclareOptions { durable: false, ..DURABLE };

async fn start(builder: BrokerBuilder) -> (BrokerHandle, Http) {
    let any = "127.0.0.1:0".parse().unwrap();
    let broker = builder.ephemeral().listen(any).http(any).start().await.unwrap();
    let http = Http::new(broker.http_addresses()[0]);
    (broker, http)
}

/// A client that calls itself so.
async fn client(broker: &BrokerHandle, vhost: &str, name: &str) -> (Connection, Channel) {
    let uri = format!("amqp://guest:guest@{}/{vhost}", broker.address().unwrap());
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connection = Connection::connect(&uri, properties).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn declare(
    channel: &Channel,
    name: &str,
    options: QueueDeclareOptions,
    arguments: &[(&str, AMQPValue)],
) -> lapin::Result<()> {
    channel.queue_declare(name.into(), options, table(arguments)).await.map(drop)
}

fn quorum() -> (&'static str, AMQPValue) {
    ("x-queue-type", string("quorum"))
}

/// Rule, place, how often, outcome.
fn rows(answer: &Value) -> Vec<(String, String, u64, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    let row = |entry: &Value| {
        let count = entry["count"].as_u64().unwrap();
        (text(entry, "rule"), text(entry, "where"), count, text(entry, "outcome"))
    };
    answer.as_array().unwrap().iter().map(row).collect()
}

fn row(rule: &str, place: &str, count: u64, outcome: &str) -> (String, String, u64, String) {
    (rule.to_owned(), place.to_owned(), count, outcome.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coney_takes_what_others_refuse_and_tells_of_it() {
    let (broker, http) = start(Broker::builder()).await;
    let (_connection, channel) = client(&broker, "%2f", "billing").await;
    assert_eq!(http.json("/api/coney/lint"), json!([]));
    for _ in 0..2 {
        declare(&channel, "tmp", TRANSIENT, &[]).await.unwrap();
    }
    let limits = [quorum(), ("x-max-priority", AMQPValue::LongInt(3))];
    declare(&channel, "ranked", DURABLE, &limits).await.unwrap();
    let transient =
        row("transient-queue", "queue 'tmp' (declared by app 'billing')", 2, "refused 541 INTERNAL_ERROR");
    let ranked = "queue 'ranked' (declared by app 'billing')";
    let priority = row("classic-argument-on-quorum", ranked, 1, "refused 406 PRECONDITION_FAILED");
    let no_limit = row("quorum-without-limit", ranked, 1, "differs");
    let found = http.json("/api/coney/lint?target=rabbitmq-4.3");
    assert_eq!(rows(&found), [transient, priority.clone()]);
    assert_eq!(found[0]["vhost"], "/");
    assert_eq!(found[0]["target"], "rabbitmq-4.3");
    assert_eq!(found[0]["fix"], "declare it durable or exclusive");
    assert!(found[0]["text"].as_str().unwrap().starts_with("Feature `transient_nonexcl_queues`"));
    let text =
        "invalid arg 'x-max-priority' for queue 'ranked' in vhost '/' of queue type rabbit_quorum_queue";
    assert_eq!(found[1]["text"], text);
    assert_eq!(rows(&http.json("/api/coney/lint?target=rabbitmq-3.13")), [priority, no_limit.clone()]);
    assert_eq!(rows(&http.json("/api/coney/lint?target=lavinmq-2")), [no_limit]);
    assert_eq!(http.json("/api/coney/lint?target=coney"), json!([]));
    assert_eq!(http.json("/api/coney/lint").as_array().unwrap().len(), 1 + 3 + 2, "all targets");
    let (status, _, reason) = http.get("/api/coney/lint?target=rabbitmq").refusal();
    let names = "target: expected one of coney, rabbitmq-3.13, rabbitmq-4.0, rabbitmq-4.3, lavinmq-2";
    assert_eq!((status, reason), (400, json!(names)));
    assert_eq!(http.get("/api/coney/worlds/%2F/lint").status, 404, "without --test");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_world_stands_in_for_another_broker_and_others_do_not() {
    let (broker, http) = start(Broker::builder().test()).await;
    let options = json!({ "persona": "rabbitmq-4.3" });
    let made = http.put("/api/coney/worlds/strict", &options);
    assert_eq!((made.status, &made.json()["persona"]), (201, &json!("rabbitmq-4.3")));
    assert_eq!(http.put("/api/coney/worlds/strict", &json!({})).status, 409, "made with other options");
    assert_eq!(http.put("/api/coney/worlds/w", &json!({ "persona": "x" })).status, 400);
    let named = "~named;persona=rabbitmq-4.3".replace('~', "%7e").replace(';', "%3b");
    for vhost in ["strict", &named] {
        let (connection, channel) = client(&broker, vhost, "billing").await;
        let refused = declare(&channel, "tmp", TRANSIENT, &[]).await.unwrap_err();
        assert_eq!(code(&refused), 541);
        assert!(!connection.status().connected(), "541 ends the connection");
    }
    let (connection, channel) = client(&broker, "strict", "billing").await;
    let version = [("x-queue-version", AMQPValue::LongInt(1))];
    assert_eq!(code(&declare(&channel, "q", DURABLE, &version).await.unwrap_err()), 406);
    let channel = connection.create_channel().await.unwrap();
    declare(&channel, "q", DURABLE, &[]).await.unwrap();
    let (_other, channel) = client(&broker, "%2f", "billing").await;
    declare(&channel, "tmp", TRANSIENT, &[]).await.unwrap();
    declare(&channel, "q", DURABLE, &version).await.unwrap();
    assert_eq!(http.json("/api/coney/worlds")[0]["persona"], "rabbitmq-4.3");
    let of_world = http.json("/api/coney/worlds/strict/lint?target=rabbitmq-4.3");
    let rules: Vec<String> = rows(&of_world).into_iter().map(|(rule, ..)| rule).collect();
    assert_eq!(rules, ["transient-queue", "queue-version-1"], "what was refused is told as well");
    let world = broker.world().persona(Persona::LavinMq2).create().await.unwrap();
    let connection =
        Connection::connect(&world.uri().unwrap(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (kind, options) = (ExchangeKind::Custom("x-random".into()), ExchangeDeclareOptions::default());
    let refused = channel.exchange_declare("x".into(), kind, options, FieldTable::default()).await;
    assert_eq!(code(&refused.unwrap_err()), 406);
    drop(world);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stands_in_for_another_says_so_and_keeps_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let builder = || Broker::builder().data_dir(dir.path()).listen(any).http(any);
    let broker = builder().start().await.unwrap();
    let (_connection, channel) = client(&broker, "%2f", "a").await;
    let version = [("x-queue-version", AMQPValue::LongInt(1))];
    declare(&channel, "old", DURABLE, &version).await.unwrap();
    broker.shutdown().await.unwrap();
    let broker = builder().persona(Persona::RabbitMq43).start().await.unwrap();
    let (connection, channel) = client(&broker, "%2f", "a").await;
    declare(&channel, "old", DURABLE, &version).await.unwrap();
    assert_eq!(code(&declare(&channel, "new", DURABLE, &version).await.unwrap_err()), 406);
    let http = Http::new(broker.http_addresses()[0]);
    let (status, _, reason) =
        http.put("/api/queues/%2F/tmp", &json!({ "durable": false, "arguments": {} })).refusal();
    assert_eq!(status, 400);
    assert!(reason.as_str().unwrap().starts_with("Feature `transient_nonexcl_queues`"), "{reason}");
    assert_eq!(http.json("/api/overview")["rabbitmq_version"], "4.3.5");
    drop(connection);
    broker.shutdown().await.unwrap();
}

/// What is wrong with a value is told before what does not go together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_come_in_rabbitmqs_order() {
    let (broker, _http) = start(Broker::builder().persona(Persona::RabbitMq43)).await;
    let (connection, channel) = client(&broker, "%2f", "a").await;
    let wrong = [("x-message-ttl", AMQPValue::LongInt(-1)), ("x-max-age", string("1h"))];
    let refused = declare(&channel, "q", TRANSIENT, &wrong).await.unwrap_err();
    assert!(refused.to_string().contains("{value_negative,-1}"), "{refused}");
    let channel = connection.create_channel().await.unwrap();
    let refused = declare(&channel, "q", TRANSIENT, &wrong[1..]).await.unwrap_err();
    assert!(refused.to_string().contains("x-max-age"), "{refused}");
    let channel = connection.create_channel().await.unwrap();
    let refused = declare(&channel, "q", TRANSIENT, &[quorum()]).await.unwrap_err();
    assert_eq!(code(&refused), 541, "before 406 for a quorum queue that is not durable");
    broker.shutdown().await.unwrap();
}

/// RabbitMQ 4.3 does not look at `global`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefetch_of_a_channel_is_each_consumers_where_there_is_none() {
    for (persona, prefetches) in [(Persona::RabbitMq40, [0, 2]), (Persona::RabbitMq43, [2, 0])] {
        let (broker, http) = start(Broker::builder().persona(persona)).await;
        let (_connection, channel) = client(&broker, "%2f", "a").await;
        declare(&channel, "q", DURABLE, &[]).await.unwrap();
        channel.basic_qos(2, BasicQosOptions { global: true }).await.unwrap();
        // One that is dropped is cancelled.
        let _one = consume(&channel, "q", "one", BasicConsumeOptions::default()).await;
        let _two = consume(&channel, "q", "two", BasicConsumeOptions::default()).await;
        let limits = ["prefetch_count", "global_prefetch_count"];
        let shown = http.json("/api/channels");
        assert_eq!(limits.map(|limit| shown[0][limit].as_u64()), prefetches.map(Some), "{persona}");
        let queue = http.json("/api/queues/%2F/q");
        let consumers = queue["consumer_details"].as_array().unwrap();
        let of_consumers: Vec<_> =
            consumers.iter().map(|consumer| consumer["prefetch_count"].as_u64()).collect();
        assert_eq!(of_consumers, [Some(prefetches[0]); 2], "{persona}");
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_settlements_and_smells_are_told() {
    let (broker, http) = start(Broker::builder()).await;
    let (_connection, channel) = client(&broker, "%2f", "loader").await;
    let dead = [("x-dead-letter-exchange", string("graveyard"))];
    declare(&channel, "q", DURABLE, &dead).await.unwrap();
    let _all = consume(&channel, "q", "all", BasicConsumeOptions::default()).await;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let large = vec![0; 17_000_000];
    channel.basic_publish("".into(), "nowhere".into(), options, &large, properties.clone()).await.unwrap();
    // It makes no sense, and ends the channel.
    channel.basic_publish("amq.settle".into(), "".into(), options, b"", properties).await.unwrap();
    let path = "/api/coney/lint?target=rabbitmq-4.0";
    while http.json(path).as_array().unwrap().len() < 2 {}
    let place = "messages (published by app 'loader')";
    let size = row("message-size", place, 1, "refused 406 PRECONDITION_FAILED");
    assert_eq!(rows(&http.json(path)), [size, row("settle-exchange", place, 1, "refused 404 NOT_FOUND")]);
    let text = "message size 17000000 is larger than configured max size 16777216";
    assert_eq!(http.json(path)[0]["text"], text);
    let all = http.json("/api/coney/lint");
    let smells: Vec<_> = rows(&all).into_iter().filter(|(.., outcome)| outcome == "smell").collect();
    let unbound = row("dead-letters-go-nowhere", "queue 'q' (as it is now)", 1, "smell");
    let greedy = row("no-prefetch", "consumer of queue 'q' (consumed by app 'loader')", 1, "smell");
    assert_eq!(smells, [greedy, unbound]);
    let body = json!({ "type": "fanout", "durable": true });
    assert_eq!(http.put("/api/exchanges/%2F/graveyard", &body).status, 201);
    assert_eq!(http.post("/api/bindings/%2F/e/graveyard/q/q", &json!({})).status, 201);
    let all = http.json("/api/coney/lint");
    assert!(rows(&all).iter().all(|(rule, ..)| rule != "dead-letters-go-nowhere"), "{all}");
    broker.shutdown().await.unwrap();
}

/// Each sees what was found where they may enter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_are_for_those_who_may_enter() {
    let (broker, http) = start(Broker::builder()).await;
    let (_connection, channel) = client(&broker, "%2f", "a").await;
    declare(&channel, "tmp", TRANSIENT, &[]).await.unwrap();
    http.put("/api/users/u", &json!({ "password": "p", "tags": "management" }));
    assert_eq!(http.user("u", "p").json("/api/coney/lint"), json!([]));
    http.put("/api/permissions/%2F/u", &json!({ "configure": "", "write": "", "read": "" }));
    assert_eq!(http.user("u", "p").json("/api/coney/lint").as_array().unwrap().len(), 1);
    http.put("/api/users/plain", &json!({ "password": "p", "tags": "" }));
    assert_eq!(http.user("plain", "p").get("/api/coney/lint").status, 401);
    broker.shutdown().await.unwrap();
}

#[test]
fn clients_are_told_which_broker_it_stands_in_for() {
    for (persona, product, version) in [
        (Persona::RabbitMq313, "RabbitMQ", "3.13.7"),
        (Persona::RabbitMq40, "RabbitMQ", "4.0.9"),
        (Persona::RabbitMq43, "RabbitMQ", "4.3.5"),
        (Persona::LavinMq2, "LavinMQ", "2.9.1"),
        (Persona::Coney, "RabbitMQ", &Config::default().server_version),
    ] {
        let broker = Embedded::build(Broker::builder().ephemeral().persona(persona));
        let mut raw = Raw::connect(broker.address());
        raw.send(b"AMQP\x00\x00\x09\x01");
        let start = raw.expect_start();
        let property = |name: &str| {
            let value = start.server_properties.inner().get(name)?.as_long_string()?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        assert_eq!(
            (property("product").as_deref(), property("version").as_deref()),
            (Some(product), Some(version))
        );
        let name = (persona != Persona::Coney).then(|| persona.name().to_owned());
        assert_eq!(property("coney_persona"), name);
    }
}
