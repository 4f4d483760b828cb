//! `amq.rabbitmq.event`: what is done over AMQP and over HTTP is told, by the keys and headers of RabbitMQ 4.0.5.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use coney::auth::Permission;
use coney::config::{Config, MemoryLimit};
use coney::{Broker, Readings};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, ExchangeBindOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use serde_json::{Value, json};

use crate::management::support::managed;
use crate::support::client::{Bench, code, connect, string, table};
use crate::support::http::Http;

/// Far longer than any event takes.
const PATIENCE: Duration = Duration::from_secs(10);

const EVENTS: &str = "amq.rabbitmq.event";

/// A broker whose events go to the queue `events`.
async fn listening() -> (Bench, Http) {
    let (bench, http) = managed().await;
    listen(&bench.channel, "events").await;
    (bench, http)
}

pub async fn listen(channel: &Channel, queue: &str) {
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
    let options = QueueBindOptions::default();
    channel
        .queue_bind(queue.into(), EVENTS.into(), "#".into(), options, FieldTable::default())
        .await
        .unwrap();
}

async fn try_next(channel: &Channel) -> Option<BasicGetMessage> {
    channel.basic_get("events".into(), BasicGetOptions { no_ack: true }).await.unwrap()
}

/// The next event.
pub async fn next(channel: &Channel) -> BasicGetMessage {
    let got = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(got) = try_next(channel).await {
                return got;
            }
            tokio::task::yield_now().await;
        }
    });
    got.await.expect("no event")
}

pub fn headers(got: &BasicGetMessage) -> FieldTable {
    got.delivery.properties.headers().clone().unwrap()
}

/// The next events have these keys, in this order, and these among their headers.
pub async fn expect(channel: &Channel, expected: &[(&str, &[(&str, AMQPValue)])]) {
    for (key, wanted) in expected {
        let got = next(channel).await;
        let headers = headers(&got);
        assert_eq!(got.delivery.routing_key.as_str(), *key, "{headers:?}");
        for (name, value) in *wanted {
            assert_eq!(headers.inner().get(*name), Some(value), "{key} {name}: {headers:?}");
        }
    }
}

const BY: &str = "user_who_performed_action";

fn by(user: &str) -> (&'static str, AMQPValue) {
    (BY, string(user))
}

fn number(value: i64) -> AMQPValue {
    AMQPValue::LongLongInt(value)
}

const fn flag(value: bool) -> AMQPValue {
    AMQPValue::Boolean(value)
}

fn tabled(key: &str, value: AMQPValue) -> AMQPValue {
    AMQPValue::FieldTable(table(&[(key, value)]))
}

fn done(http: &Http, method: &str, path: &str, body: &Value) {
    let answer = match method {
        "PUT" => http.put(path, body),
        "POST" => http.post(path, body),
        _ => http.delete(path),
    };
    assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_event_is_a_persistent_message_with_headers_alone() {
    let (bench, http) = listening().await;
    let got = next(&bench.channel).await;
    let delivery = &got.delivery;
    assert_eq!(
        (delivery.exchange.as_str(), delivery.routing_key.as_str(), delivery.data.len()),
        (EVENTS, "binding.created", 0)
    );
    assert_eq!(delivery.properties.delivery_mode(), &Some(2));
    let Some(AMQPValue::LongLongInt(at_ms)) = headers(&got).inner().get("timestamp_in_ms").cloned() else {
        panic!("no time")
    };
    assert_eq!(*delivery.properties.timestamp(), Some(u64::try_from(at_ms).unwrap() / 1000));
    let shown = http.json("/api/exchanges/%2F/amq.rabbitmq.event");
    assert_eq!(
        (&shown["type"], &shown["durable"], &shown["internal"], &shown["auto_delete"]),
        (&json!("topic"), &json!(true), &json!(true), &json!(false))
    );
    let exported = http.json("/api/definitions");
    let names: Vec<&Value> =
        exported["exchanges"].as_array().unwrap().iter().map(|exchange| &exchange["name"]).collect();
    assert!(!names.contains(&&json!(EVENTS)), "{names:?}");
    let options = ExchangeDeleteOptions::default();
    let refused = bench.channel().await.exchange_delete(EVENTS.into(), options).await.unwrap_err();
    assert_eq!(code(&refused), 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_made_and_deleted_over_amqp_is_told() {
    let (bench, _http) = listening().await;
    let channel = &bench.channel;
    let binding = |kind: &str, source: &str, destination: &str| {
        vec![
            ("source_name", string(source)),
            ("source_kind", string("exchange")),
            ("destination_kind", string(kind)),
            ("destination_name", string(destination)),
            ("vhost", string("/")),
            by("guest"),
        ]
    };
    expect(channel, &[("binding.created", &binding("queue", EVENTS, "events"))]).await;
    let arguments = table(&[("x-max-length", AMQPValue::LongInt(5))]);
    bench.declare("q", arguments.clone()).await;
    // A queue that is there is not made.
    bench.declare("q", arguments).await;
    let exchange = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
    channel.exchange_declare("x".into(), ExchangeKind::Topic, exchange, FieldTable::default()).await.unwrap();
    bench.bind("q", "x", "a.*", table(&[("k", AMQPValue::LongInt(1))])).await;
    let bind = ExchangeBindOptions::default();
    let (to, from) = ("amq.topic".into(), "amq.direct".into());
    channel.exchange_bind(to, from, "k".into(), bind, FieldTable::default()).await.unwrap();
    let limited = AMQPValue::FieldTable(table(&[
        ("x-max-length", AMQPValue::LongInt(5)),
        ("x-queue-type", string("classic")),
    ]));
    let queue = [
        ("name", string("q")),
        ("vhost", string("/")),
        ("type", string("rabbit_classic_queue")),
        ("durable", flag(false)),
        ("exclusive", flag(false)),
        ("arguments", limited),
        by("guest"),
    ];
    let exchange = [("name", string("x")), ("type", string("topic")), ("auto_delete", flag(true))];
    expect(
        channel,
        &[
            ("queue.created", &queue),
            ("exchange.created", &exchange),
            ("binding.created", &[("arguments", tabled("k", AMQPValue::LongInt(1)))]),
            ("binding.created", &binding("exchange", "amq.direct", "amq.topic")),
        ],
    )
    .await;
    channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap();
    let deleted = [("name", string("q")), ("vhost", string("/")), by("guest")];
    expect(
        channel,
        &[
            // It went with its last binding.
            ("exchange.deleted", &[("name", string("x")), by("guest")]),
            ("binding.deleted", &binding("queue", "x", "q")),
            ("queue.deleted", &deleted),
        ],
    )
    .await;
    let unbound = FieldTable::default();
    channel.queue_unbind("events".into(), EVENTS.into(), "#".into(), unbound).await.unwrap();
    bench.declare("untold", FieldTable::default()).await;
    assert!(try_next(channel).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn connections_channels_and_consumers_are_told_from_beginning_to_end() {
    let (bench, _http) = listening().await;
    let events = &bench.channel;
    next(events).await;
    let properties = ConnectionProperties::default().with_connection_name("worker".into());
    let uri = format!("amqp://guest:guest@{}/%2f", bench.broker.address().unwrap());
    let connection = Connection::connect(&uri, properties).await.unwrap();
    let login = [("name", string("guest")), ("auth_mechanism", string("PLAIN")), ("ssl", flag(false))];
    expect(events, &[("user.authentication.success", &login)]).await;
    let created = headers(&next(events).await);
    let name = created.inner()["name"].clone();
    let Some(AMQPValue::LongString(pid)) = created.inner().get("pid") else { panic!("{created:?}") };
    let pid = pid.to_string();
    assert_eq!(created.inner()["user_provided_name"], string("worker"));
    assert_eq!(created.inner()["vhost"], string("/"));
    let channel = connection.create_channel().await.unwrap();
    let own = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare("own".into(), own, FieldTable::default()).await.unwrap();
    let priority = table(&[("x-priority", AMQPValue::LongInt(3))]);
    let consume = |tag: &'static str| {
        channel.basic_consume("own".into(), tag.into(), BasicConsumeOptions::default(), priority.clone())
    };
    let _first = consume("ct").await.unwrap();
    channel.basic_cancel("ct".into(), BasicCancelOptions::default()).await.unwrap();
    let _second = consume("second").await.unwrap();
    let channel_pid = string(&format!("{pid} (1)"));
    let opened = [("connection", string(&pid)), ("pid", channel_pid.clone()), ("number", number(1))];
    let consumer = [
        ("queue", string("own")),
        ("vhost", string("/")),
        ("consumer_tag", string("ct")),
        ("channel", channel_pid.clone()),
        ("ack_required", flag(true)),
        ("prefetch_count", number(0)),
        ("arguments", AMQPValue::FieldTable(priority.clone())),
        by("guest"),
    ];
    let gone = [("consumer_tag", string("ct")), ("queue", string("own")), ("channel", channel_pid.clone())];
    expect(
        events,
        &[
            ("channel.created", &opened),
            ("queue.created", &[("exclusive", flag(true)), ("owner_pid", string(&pid))]),
            ("consumer.created", &consumer),
            ("consumer.deleted", &gone),
            ("consumer.created", &[("consumer_tag", string("second"))]),
        ],
    )
    .await;
    connection.close(200, "".into()).await.unwrap();
    expect(
        events,
        &[
            ("consumer.deleted", &[("consumer_tag", string("second")), ("queue", string("own"))]),
            ("channel.closed", &[("pid", channel_pid), by("guest")]),
            ("queue.deleted", &[("name", string("own")), by("rmq-internal")]),
            ("connection.closed", &[("name", name), ("user_provided_name", string("worker"))]),
        ],
    )
    .await;
}

/// As a queue's; RabbitMQ tells of the end of a stream's consumer alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stream_and_its_consumers_are_told() {
    let (bench, _http) = listening().await;
    let (events, channel) = (&bench.channel, bench.channel().await);
    next(events).await;
    let arguments = table(&[("x-queue-type", string("stream")), ("x-max-age", string("1D"))]);
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("s".into(), durable, arguments.clone()).await.unwrap();
    channel.basic_qos(10, Default::default()).await.unwrap();
    let from = table(&[("x-stream-offset", string("first"))]);
    let consume = |tag: &'static str| {
        channel.basic_consume("s".into(), tag.into(), BasicConsumeOptions::default(), from.clone())
    };
    let _first = consume("r1").await.unwrap();
    channel.basic_cancel("r1".into(), BasicCancelOptions::default()).await.unwrap();
    let _second = consume("r2").await.unwrap();
    events.queue_delete("s".into(), QueueDeleteOptions::default()).await.unwrap();
    let named = [("name", string("s")), ("vhost", string("/")), ("type", string("rabbit_stream_queue"))];
    let mut created = named.to_vec();
    created.extend([("durable", flag(true)), ("arguments", AMQPValue::FieldTable(arguments)), by("guest")]);
    let mut deleted = named.to_vec();
    deleted.push(by("guest"));
    let of = |tag: &str| [("queue", string("s")), ("vhost", string("/")), ("consumer_tag", string(tag))];
    let mut reader = of("r1").to_vec();
    reader.extend([("prefetch_count", number(10)), ("arguments", AMQPValue::FieldTable(from.clone()))]);
    expect(
        events,
        &[
            ("channel.created", &[]),
            ("queue.created", &created),
            ("consumer.created", &reader),
            ("consumer.deleted", &of("r1")),
            ("consumer.created", &of("r2")),
        ],
    )
    .await;
    let mut ends = [next(events).await, next(events).await];
    ends.sort_by_key(|end| end.delivery.routing_key.to_string());
    for (end, (key, wanted)) in
        ends.iter().zip([("consumer.deleted", &of("r2")[..]), ("queue.deleted", &deleted)])
    {
        assert_eq!(end.delivery.routing_key.as_str(), key);
        for (name, value) in wanted {
            assert_eq!(headers(end).inner().get(*name), Some(value), "{key} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_channel_error_and_a_refused_login_are_told() {
    let (bench, _http) = listening().await;
    let events = &bench.channel;
    next(events).await;
    let other = bench.channel().await;
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    assert_eq!(
        code(&other.queue_declare("none".into(), passive, FieldTable::default()).await.unwrap_err()),
        404
    );
    expect(events, &[("channel.created", &[("number", number(2))]), ("channel.closed", &[])]).await;
    let uri = format!("amqp://guest:wrong@{}/%2f", bench.broker.address().unwrap());
    Connection::connect(&uri, ConnectionProperties::default()).await.unwrap_err();
    let refused = [("name", string("guest")), ("error", string("the password is wrong"))];
    expect(events, &[("user.authentication.failure", &refused), ("connection.closed", &[])]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn users_and_permissions_are_told() {
    let (bench, http) = listening().await;
    let events = &bench.channel;
    next(events).await;
    let tags =
        |tags: &[&str]| AMQPValue::FieldArray(tags.iter().map(|tag| string(tag)).collect::<Vec<_>>().into());
    done(&http, "PUT", "/api/users/u", &json!({ "password": "p", "tags": "management" }));
    done(&http, "PUT", "/api/users/u", &json!({ "password": "p2", "tags": "monitoring" }));
    done(&http, "PUT", "/api/users/u", &json!({ "password_hash": "", "tags": "monitoring" }));
    let named = [("name", string("u")), by("guest")];
    expect(
        events,
        &[
            ("user.created", &named),
            ("user.tags.set", &[("name", string("u")), ("tags", tags(&["management"]))]),
            ("user.password.changed", &named),
            ("user.tags.set", &[("tags", tags(&["monitoring"]))]),
            ("user.password.cleared", &named),
        ],
    )
    .await;
    done(&http, "PUT", "/api/user-limits/u/max-channels", &json!({ "value": 5 }));
    done(&http, "DELETE", "/api/user-limits/u/max-channels", &Value::Null);
    let permission = json!({ "configure": "c", "write": "w", "read": "" });
    done(&http, "PUT", "/api/permissions/%2F/u", &permission);
    let topic = json!({ "exchange": "amq.topic", "write": "w", "read": "r" });
    done(&http, "PUT", "/api/topic-permissions/%2F/u", &topic);
    done(&http, "DELETE", "/api/topic-permissions/%2F/u", &Value::Null);
    done(&http, "DELETE", "/api/permissions/%2F/u", &Value::Null);
    done(&http, "DELETE", "/api/users/u", &Value::Null);
    let of_user = [("user", string("u")), ("vhost", string("/")), by("guest")];
    let limits = [("username", string("u")), ("name", string("limits"))];
    expect(
        events,
        &[
            ("user.limits.set", &[("username", string("u")), ("max-channels", number(5))]),
            ("user.limits.cleared", &limits),
            ("permission.created", &[("configure", string("c")), ("read", string(""))]),
            ("topic.permission.created", &[("exchange", string("amq.topic")), ("read", string("r"))]),
            ("topic.permission.deleted", &of_user),
            ("permission.deleted", &of_user),
            ("user.deleted", &named),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn policies_and_parameters_are_told() {
    let (bench, http) = listening().await;
    let events = &bench.channel;
    next(events).await;
    let policy = json!({ "pattern": "^q", "definition": { "max-length": 5 }, "priority": 2 });
    done(&http, "PUT", "/api/policies/%2F/p", &policy);
    done(&http, "DELETE", "/api/policies/%2F/p", &Value::Null);
    done(&http, "PUT", "/api/operator-policies/%2F/o", &policy);
    done(&http, "DELETE", "/api/operator-policies/%2F/o", &Value::Null);
    done(&http, "PUT", "/api/global-parameters/g", &json!({ "value": { "a": 1 } }));
    done(&http, "DELETE", "/api/global-parameters/g", &Value::Null);
    let set = [
        ("name", string("p")),
        ("pattern", string("^q")),
        ("apply-to", string("all")),
        ("priority", number(2)),
        ("definition", tabled("max-length", number(5))),
        by("guest"),
    ];
    let operators = [("component", string("operator_policy")), ("name", string("o"))];
    let global = [("component", string("global")), ("value", tabled("a", number(1))), by("guest")];
    expect(
        events,
        &[
            ("policy.set", &set),
            ("policy.cleared", &[("name", string("p")), ("vhost", string("/"))]),
            ("parameter.set", &operators),
            ("policy.set", &[("name", string("o"))]),
            ("parameter.cleared", &operators),
            ("operator.policy.cleared", &[("name", string("o")), by("guest")]),
            ("parameter.set", &global),
            ("parameter.cleared", &[("name", string("g"))]),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_vhost_is_told_with_all_that_comes_and_goes_with_it() {
    let (bench, http) = listening().await;
    let events = &bench.channel;
    next(events).await;
    done(&http, "PUT", "/api/vhosts/v", &json!({ "description": "d" }));
    while next(events).await.delivery.routing_key.as_str() != "vhost.created" {}
    expect(events, &[("permission.created", &[("user", string("guest")), ("vhost", string("v"))])]).await;
    done(&http, "PUT", "/api/vhosts/v", &json!({ "tracing": true }));
    done(&http, "PUT", "/api/vhost-limits/v/max-queues", &json!({ "value": 5 }));
    done(&http, "PUT", "/api/queues/v/q", &json!({ "durable": true }));
    done(&http, "PUT", "/api/policies/v/p", &json!({ "pattern": "q", "definition": { "max-length": 5 } }));
    let limits = [("component", string("vhost-limits")), ("value", tabled("max-queues", number(5)))];
    let set = [("name", string("limits")), ("vhost", string("v")), ("max-queues", number(5))];
    expect(
        events,
        &[
            ("vhost.updated", &[("name", string("v")), ("tracing", flag(true)), by("guest")]),
            ("parameter.set", &limits),
            ("vhost.limits.set", &set),
            ("queue.created", &[("vhost", string("v"))]),
            ("policy.set", &[("vhost", string("v"))]),
        ],
    )
    .await;
    done(&http, "DELETE", "/api/vhosts/v", &Value::Null);
    let mut keys = Vec::new();
    while keys.last().is_none_or(|key| key != "vhost.deleted") {
        let got = next(events).await;
        assert_eq!(headers(&got).inner().get(BY), Some(&string("guest")), "{got:?}");
        keys.push(got.delivery.routing_key.to_string());
    }
    keys.dedup();
    let expected = [
        "permission.deleted",
        "queue.deleted",
        "exchange.deleted",
        "policy.cleared",
        "parameter.cleared",
        "vhost.limits.cleared",
        "vhost.deleted",
    ];
    assert_eq!(keys, expected);
    expect(events, &[("vhost.down", &[("name", string("v")), by("rmq-internal")])]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_import_is_told_thing_by_thing() {
    let (bench, http) = listening().await;
    let events = &bench.channel;
    next(events).await;
    let definitions = json!({
        "users": [{ "name": "iu", "password_hash": "", "tags": ["t"] }],
        "permissions": [{ "user": "iu", "vhost": "/", "configure": "", "write": "", "read": "" }],
        "policies": [{ "vhost": "/", "name": "ip", "pattern": "z", "definition": { "max-length": 1 } }],
        "exchanges": [{ "name": "ix", "vhost": "/", "type": "direct", "durable": true, "auto_delete": false,
            "internal": false, "arguments": {} }],
        "queues": [{ "name": "iq", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {} }],
        "bindings": [{ "source": "ix", "vhost": "/", "destination": "iq", "destination_type": "queue",
            "routing_key": "r", "arguments": {} }],
    });
    done(&http, "POST", "/api/definitions", &definitions);
    let name = |name: &str| [("name", string(name)), by("guest")];
    expect(
        events,
        &[
            ("user.created", &name("iu")),
            ("user.tags.set", &name("iu")),
            ("permission.created", &[("user", string("iu"))]),
            ("policy.set", &name("ip")),
            ("exchange.created", &name("ix")),
            ("queue.created", &name("iq")),
            ("binding.created", &[("destination_name", string("iq")), by("guest")]),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_queue_that_ends_by_itself_was_ended_by_nobody() {
    let (bench, _http) = listening().await;
    next(&bench.channel).await;
    bench.declare("short", table(&[("x-expires", AMQPValue::LongInt(300))])).await;
    let deleted = [("name", string("short")), by("rmq-internal")];
    expect(&bench.channel, &[("queue.created", &[]), ("queue.deleted", &deleted)]).await;
}

/// Nothing of it is put together, which the exchange would have counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nothing_is_made_while_nothing_is_bound() {
    let (bench, http) = managed().await;
    let made = || http.json("/api/exchanges/%2F/amq.rabbitmq.event")["message_stats"]["publish_in"].clone();
    bench.declare("q", FieldTable::default()).await;
    assert!(made().is_null() || made() == json!(0), "{}", made());
    bench.bind("q", EVENTS, "queue.*", FieldTable::default()).await;
    bench.declare("other", FieldTable::default()).await;
    // Its own binding, which matches no key, and the queue.
    assert_eq!(made(), json!(2));
    bench.until_ready("q", 1).await;
}

async fn start(dir: &Path) -> Bench {
    let builder = Broker::builder().data_dir(dir).listen("127.0.0.1:0".parse().unwrap());
    Bench::on(builder.start().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_durable_queue_keeps_listening_and_its_events_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let bench = start(dir.path()).await;
    listen(&bench.channel, "events").await;
    bench.until_ready("events", 1).await;
    bench.broker.shutdown().await.unwrap();
    let bench = start(dir.path()).await;
    expect(&bench.channel, &[("binding.created", &[])]).await;
    while next(&bench.channel).await.delivery.routing_key.as_str() != "channel.created" {}
    bench.declare("q", FieldTable::default()).await;
    expect(&bench.channel, &[("queue.created", &[("name", string("q"))])]).await;
}

/// In bytes.
const MEMORY_LIMIT: u64 = 1_000_000_000;

/// A broker that believes what it is told of its machine, and whose events go to another vhost.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn alarms_are_told_in_the_vhost_that_is_set_for_events() {
    let dir = tempfile::tempdir().unwrap();
    let (say, script): (Sender<Readings>, _) = mpsc::channel();
    let readings = |memory, disk| Readings {
        memory_used: Some(memory),
        known_bytes: MEMORY_LIMIT / 2,
        disk_free: Some(disk),
    };
    let mut last = readings(10, 5000);
    let meter = move || {
        last = script.try_recv().unwrap_or(last);
        last
    };
    let config = Config {
        memory_limit: MemoryLimit::Bytes(MEMORY_LIMIT),
        disk_free_limit: Some(1000),
        default_vhost: "main".to_owned(),
        event_exchange_vhost: Some("/".to_owned()),
        ..Config::default()
    };
    let builder = Broker::builder().config(config).data_dir(dir.path()).meter(meter);
    let broker = builder.listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    broker.put_vhost("/").await.unwrap();
    broker.put_permission("guest", "/", Permission::all()).await.unwrap();
    let channel = connect(&broker).await.create_channel().await.unwrap();
    listen(&channel, "events").await;
    next(&channel).await;
    for (said, key, source) in [
        (readings(MEMORY_LIMIT + 1, 5000), "alarm.set", "memory"),
        (readings(MEMORY_LIMIT + 1, 5), "alarm.set", "disk"),
        (readings(10, 5), "alarm.cleared", "memory"),
        (readings(10, 5000), "alarm.cleared", "disk"),
    ] {
        say.send(said).unwrap();
        expect(&channel, &[(key, &[("source", string(source))])]).await;
    }
    broker.shutdown().await.unwrap();
}
