//! What the program that runs a broker can do on it beside its clients: users, vhosts, permissions, definitions, closing.

use std::time::Duration;

use coney::auth::Permission;
use coney::broker::overview::ConnectionState;
use coney::{
    AckMode, Broker, BrokerHandle, GotMessage, NewMessage, PeekState, PeekedMessage, Published, Secret,
};
use futures_lite::StreamExt as _;
use lapin::options::{
    BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};

use crate::support::raw::{Publish, Raw, Written};

async fn start() -> BrokerHandle {
    let builder = Broker::builder().ephemeral().listen("127.0.0.1:0".parse().unwrap());
    builder.start().await.unwrap()
}

async fn connect(broker: &BrokerHandle, user: &str, vhost: &str) -> Result<Connection, lapin::Error> {
    let uri = format!("amqp://{user}:pw@{}/{vhost}", broker.address().unwrap());
    Connection::connect(&uri, ConnectionProperties::default()).await
}

/// A user `ann` who may do everything on a vhost `v`.
async fn add_ann(broker: &BrokerHandle) {
    broker.put_vhost("v").await.unwrap();
    broker.put_user("ann", Secret::Plain(b"pw".to_vec()), &[]).await.unwrap();
    broker.put_permission("ann", "v", Permission::all()).await.unwrap();
}

/// Waits until a condition holds that some task brings about.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// The text with which the broker closed the connection.
fn closed_with(connection: &Connection) -> impl Future<Output = String> {
    let mut events = connection.events_listener();
    let wait = async move {
        while let Some(event) = events.next().await {
            if let lapin::Event::Error(error) = event {
                return error.to_string();
            }
        }
        "no error".to_owned()
    };
    async { tokio::time::timeout(Duration::from_secs(10), wait).await.expect("the connection stays open") }
}

#[tokio::test]
async fn a_user_made_at_run_time_may_what_the_permission_says() {
    let broker = start().await;
    add_ann(&broker).await;
    assert!(!broker.put_vhost("v").await.unwrap(), "it is there");
    assert_eq!(broker.vhosts(), ["/", "v"]);
    assert!(connect(&broker, "ann", "%2f").await.is_err(), "no permission there");
    let connection = connect(&broker, "ann", "v").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.queue_declare("q".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    broker.remove_permission("ann", "v").await.unwrap();
    let refused =
        channel.queue_declare("r".into(), QueueDeclareOptions::default(), FieldTable::default()).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("configure access to queue 'r' in vhost 'v' refused for user 'ann'"), "{text}");
    broker.put_permission("ann", "v", Permission::all()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.queue_declare("r".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    let gone = broker.remove_permission("bob", "v").await.unwrap_err();
    assert_eq!(gone.to_string(), "user 'bob' not found");
}

#[tokio::test]
async fn deleting_a_user_closes_the_connections() {
    let broker = start().await;
    add_ann(&broker).await;
    let connection = connect(&broker, "ann", "v").await.unwrap();
    let closed = closed_with(&connection);
    broker.delete_user("ann").await.unwrap();
    let text = closed.await;
    assert!(text.contains("CONNECTION_FORCED - user 'ann' is deleted"), "{text}");
    assert!(connect(&broker, "ann", "v").await.is_err());
    assert_eq!(broker.permissions().unwrap().len(), 1, "only the default user's is left");
    assert!(broker.delete_user("ann").await.is_err());
}

#[tokio::test]
async fn deleting_a_vhost_takes_everything_in_it_along() {
    let broker = start().await;
    add_ann(&broker).await;
    let connection = connect(&broker, "ann", "v").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("q".into(), durable, FieldTable::default()).await.unwrap();
    let queue = broker.queue("v", "q").unwrap();
    let closed = closed_with(&connection);
    broker.delete_vhost("v").await.unwrap();
    let text = closed.await;
    assert!(text.contains("CONNECTION_FORCED - vhost 'v' is down"), "{text}");
    assert!(queue.counts().await.is_none() && broker.queue("v", "q").is_none());
    assert!(broker.put_vhost("v").await.unwrap());
    assert!(connect(&broker, "ann", "v").await.is_err(), "the permission went, too");
    broker.put_permission("ann", "v", Permission::all()).await.unwrap();
    let channel = connect(&broker, "ann", "v").await.unwrap().create_channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..durable };
    assert!(channel.queue_declare("q".into(), passive, FieldTable::default()).await.is_err());
    until("the first connection ends", || broker.connections().len() == 1).await;
}

#[tokio::test]
async fn a_deleted_vhost_is_gone_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let builder = Broker::builder().data_dir(dir.path()).listen("127.0.0.1:0".parse().unwrap());
        builder.start().await.unwrap()
    };
    let broker = start().await;
    add_ann(&broker).await;
    let definitions = r#"{
        "vhosts": [{"name": "v"}],
        "policies": [{"vhost": "v", "name": "p", "pattern": "q", "definition": {"max-length": 1}}],
        "exchanges": [{"vhost": "v", "name": "x", "type": "fanout"},
            {"vhost": "v", "name": "d", "type": "x-delayed-message", "arguments": {"x-delayed-type": "direct"}}],
        "queues": [{"vhost": "v", "name": "q"}],
        "bindings": [{"vhost": "v", "source": "x", "destination": "q", "destination_type": "queue", "routing_key": ""}]
    }"#;
    broker.import_definitions(definitions).await.unwrap();
    broker.delete_vhost("v").await.unwrap();
    let before = broker.export_definitions().await.unwrap();
    broker.shutdown().await.unwrap();
    let broker = start().await;
    assert_eq!(broker.vhosts(), ["/"]);
    assert_eq!(broker.export_definitions().await.unwrap(), before);
    assert_eq!(broker.users().unwrap().len(), 2);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_export_is_what_its_import_makes() {
    let broker = start().await;
    add_ann(&broker).await;
    broker.put_user("cert", Secret::None, &["impersonator", "monitoring"]).await.unwrap();
    let connection = connect(&broker, "ann", "v").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::ShortInt(7));
    channel.queue_declare("q".into(), QueueDeclareOptions::default(), arguments).await.unwrap();
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("mine".into(), exclusive, FieldTable::default()).await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("at".into(), AMQPValue::Timestamp(5));
    headers.insert("raw".into(), AMQPValue::LongString(b"\xff\x00"[..].into()));
    channel
        .exchange_declare("h".into(), ExchangeKind::Headers, Default::default(), FieldTable::default())
        .await
        .unwrap();
    for queue in ["q", "mine"] {
        let options = QueueBindOptions::default();
        channel.queue_bind(queue.into(), "h".into(), "k".into(), options, headers.clone()).await.unwrap();
    }
    broker
        .import_definitions(
            r#"{"policies": [{"vhost": "v", "name": "p", "pattern": "^a", "apply-to": "queues", "priority": 3,
                "definition": {"max-length": 5}}],
            "parameters": [{"component": "operator_policy", "vhost": "v", "name": "o",
                "value": {"pattern": "^b", "definition": {"max-length": 6}}}]}"#,
        )
        .await
        .unwrap();
    let exported = broker.export_definitions().await.unwrap();
    assert!(!exported.contains("mine"), "an exclusive queue is its connection's: {exported}");
    let other = start().await;
    other.import_definitions(&exported).await.unwrap();
    assert_eq!(other.export_definitions().await.unwrap(), exported);
    // A second import finds all of it there, types included.
    broker.import_definitions(&exported).await.unwrap();
    assert_eq!(broker.export_definitions().await.unwrap(), exported);
    connect(&other, "ann", "v").await.unwrap();
}

#[tokio::test]
async fn an_operator_closes_a_connection_or_a_channel_and_says_why() {
    let broker = start().await;
    add_ann(&broker).await;
    let connection = connect(&broker, "ann", "v").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let id = broker.connections()[0].id;
    until("the channel is seen", || broker.connections()[0].channel(channel.id()).is_some()).await;
    broker.close_channel(id, channel.id(), "too slow").unwrap();
    until("the channel is closed", || !channel.status().connected()).await;
    until("the channel is gone", || broker.connections()[0].channels().is_empty()).await;
    assert!(broker.close_channel(id, channel.id(), "again").is_err());
    assert!(connection.create_channel().await.is_ok(), "the connection goes on");
    let closed = closed_with(&connection);
    broker.close_connection(id, "maintenance").unwrap();
    let text = closed.await;
    assert!(text.contains("CONNECTION_FORCED - maintenance"), "{text}");
    until("the connection ends", || broker.connections().is_empty()).await;
    assert!(broker.close_connection(id, "again").is_err());
}

#[tokio::test]
async fn connections_and_channels_can_be_looked_at() {
    let broker = start().await;
    add_ann(&broker).await;
    let connection = connect(&broker, "ann", "v").await.unwrap();
    let seen = broker.connections().remove(0);
    let handshake = seen.handshake();
    assert_eq!((&handshake.user[..], handshake.vhost.as_deref()), ("ann", Some("v")));
    assert_eq!((seen.protocol, &handshake.auth_mechanism[..]), ("AMQP 0-9-1", "PLAIN"));
    assert_eq!(seen.local, broker.address());
    assert_eq!(handshake.frame_bytes_max, 128 * 1024);
    assert!(handshake.client_properties.inner().contains_key("product"));
    assert_eq!(seen.state(), ConnectionState::Running);
    let channel = connection.create_channel().await.unwrap();
    channel.queue_declare("q".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    channel.basic_qos(7, BasicQosOptions::default()).await.unwrap();
    for _ in 0..3 {
        channel
            .basic_publish("".into(), "q".into(), Default::default(), b"m", Default::default())
            .await
            .unwrap();
    }
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume("q".into(), "c".into(), options, FieldTable::default()).await.unwrap();
    let numbers = || seen.channel(channel.id()).map(|channel| channel.numbers()).unwrap_or_default();
    until("three messages are out", || numbers().unacked == 3).await;
    assert_eq!((numbers().prefetch, numbers().consumers, numbers().unconfirmed), (7, 1, 0));
    consumer.next().await.unwrap().unwrap().ack(Default::default()).await.unwrap();
    until("one is acked", || numbers().unacked == 2).await;
    channel.close(200, "bye".into()).await.unwrap();
    until("the channel is gone", || seen.channels().is_empty()).await;
    // Kept: the close of one that is dropped would race with the connection's.
    let _open = connection.create_channel().await.unwrap();
    connection.close(200, "bye".into()).await.unwrap();
    until("the connection is counted", || broker.totals().connections_closed == 1).await;
    let totals = broker.totals();
    assert_eq!((totals.connections_opened, totals.channels_opened, totals.channels_closed), (1, 2, 2));
    assert_eq!((totals.queues_declared, totals.queues_created, totals.queues_deleted), (1, 1, 0));
    broker.delete_vhost("v").await.unwrap();
    assert_eq!(broker.totals().queues_deleted, 1);
}

fn message<'a>(exchange: &'a str, routing_key: &'a str, body: &'a str) -> NewMessage<'a> {
    NewMessage { exchange, routing_key, body: body.as_bytes(), ..NewMessage::default() }
}

#[tokio::test]
async fn a_message_is_published_and_got_without_a_connection() {
    let broker = start().await;
    add_ann(&broker).await;
    let channel = connect(&broker, "ann", "v").await.unwrap().create_channel().await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(3));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    channel.queue_declare("q".into(), QueueDeclareOptions::default(), arguments).await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("CC".into(), AMQPValue::FieldArray(vec![AMQPValue::LongString("q".into())].into()));
    let properties = BasicProperties::default().with_headers(headers).with_priority(3);
    let carbon_copy = NewMessage { properties, ..message("", "nowhere", "1") };
    assert_eq!(broker.publish("v", carbon_copy).await.unwrap(), Published::Routed);
    assert_eq!(broker.publish("v", message("", "q", "2")).await.unwrap(), Published::Routed);
    assert_eq!(broker.publish("v", message("", "q", "3")).await.unwrap(), Published::Routed);
    assert_eq!(broker.publish("v", message("", "q", "4")).await.unwrap(), Published::Refused);
    assert_eq!(broker.publish("v", message("", "nowhere", "5")).await.unwrap(), Published::Unroutable);
    let error = broker.publish("v", message("none", "q", "6")).await.unwrap_err();
    assert_eq!(error.to_string(), "no exchange 'none' in vhost 'v'");

    let bodies = |got: &[GotMessage]| got.iter().map(|got| got.message.body().to_vec()).collect::<Vec<_>>();
    let got = broker.get("v", "q", 2, AckMode::Requeue).await.unwrap();
    assert_eq!(bodies(&got), [b"1", b"2"]);
    assert_eq!(
        got.iter().map(|got| (got.redelivered, got.remaining)).collect::<Vec<_>>(),
        [(false, 2), (false, 1)]
    );
    let got = broker.get("v", "q", 1, AckMode::Ack).await.unwrap();
    assert_eq!((bodies(&got), got[0].redelivered), (vec![b"1".to_vec()], true));
    let got = broker.get("v", "q", 9, AckMode::Reject).await.unwrap();
    assert_eq!(bodies(&got), [b"2", b"3"]);
    assert!(broker.get("v", "q", 1, AckMode::Ack).await.unwrap().is_empty());
    let counts = broker.queue("v", "q").unwrap().counts().await.unwrap();
    assert_eq!((counts.ready, counts.unacked), (0, 0));
    assert_eq!(broker.connections().len(), 1, "only the client's own is seen");
}

#[tokio::test]
async fn a_get_that_is_abandoned_leaves_nothing_unacked() {
    let broker = start().await;
    add_ann(&broker).await;
    let channel = connect(&broker, "ann", "v").await.unwrap().create_channel().await.unwrap();
    channel.queue_declare("q".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    for body in ["1", "2"] {
        broker.publish("v", message("", "q", body)).await.unwrap();
    }
    {
        let get = std::pin::pin!(broker.get("v", "q", 2, AckMode::Reject));
        // Polled once it has asked for the first message.
        assert!(futures_lite::future::poll_once(get).await.is_none());
    }
    let got = broker.get("v", "q", 2, AckMode::Ack).await.unwrap();
    assert_eq!(got.iter().map(|got| got.message.body()).collect::<Vec<_>>(), [b"1", b"2"]);
}

fn bodies(found: &[PeekedMessage]) -> Vec<&[u8]> {
    found.iter().flat_map(|peeked| &peeked.message).map(coney::message::Message::body).collect()
}

#[tokio::test]
async fn a_peek_shows_where_messages_are_and_leaves_them_there() {
    let broker = start().await;
    add_ann(&broker).await;
    let connection = connect(&broker, "ann", "v").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-delayed-retry-type".into(), AMQPValue::LongString("failed".into()));
    arguments.insert("x-delayed-retry-min".into(), AMQPValue::LongInt(60_000));
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("q".into(), exclusive, arguments).await.unwrap();
    for body in ["1", "2", "3", "4"] {
        broker.publish("v", message("", "q", body)).await.unwrap();
    }
    let queue = broker.queue("v", "q").unwrap();
    assert_eq!(bodies(&queue.peek(PeekState::Ready, 1, 2).await.unwrap()), [b"2", b"3"]);

    channel.basic_qos(2, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume("q".into(), "c".into(), options, FieldTable::default()).await.unwrap();
    let first = consumer.next().await.unwrap().unwrap();
    assert!(!first.redelivered, "a peek is no delivery");
    first.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    for _ in 0..2 {
        consumer.next().await.unwrap().unwrap();
    }

    let unacked = broker.peek("v", "q", PeekState::Unacked, 0, 10).await.unwrap();
    assert_eq!(bodies(&unacked), [b"2", b"3"]);
    let holder = unacked[0].holder.as_ref().unwrap();
    let seen = broker.connections().remove(0);
    assert_eq!((holder.connection, holder.connection_name.as_ref()), (seen.id, Some(&seen.name())));
    assert_eq!((holder.channel, holder.consumer_tag.as_deref()), (channel.id(), Some("c")));
    assert!(holder.since >= seen.connected_at, "{:?} is a time of the wall clock", holder.since);
    let delayed = broker.peek("v", "q", PeekState::Delayed, 0, 10).await.unwrap();
    assert_eq!((bodies(&delayed), delayed[0].redelivered), (vec![&b"1"[..]], true));
    let attempts = delayed[0].attempts.as_ref().unwrap();
    assert_eq!((attempts.acquired, attempts.consumer.as_deref()), (1, Some("c")));
    // Two readings of the wall clock, each cut to milliseconds.
    let waits_ms = delayed[0].due.unwrap().as_millis() - attempts.last.as_millis();
    assert!((59_998..=60_002).contains(&waits_ms), "{waits_ms} ms");
    let ready = broker.peek("v", "q", PeekState::Ready, 0, 10).await.unwrap();
    assert_eq!((bodies(&ready), ready[0].redelivered), (vec![&b"4"[..]], false));
    assert!(ready[0].holder.is_none() && ready[0].due.is_none() && ready[0].expires.is_none());
    assert!(broker.peek("v", "q", PeekState::Parked, 0, 10).await.unwrap().is_empty());

    let error = broker.peek("v", "none", PeekState::Ready, 0, 10).await.unwrap_err();
    assert_eq!(error.to_string(), "no queue 'none' in vhost 'v'");
    broker.delete_vhost("v").await.unwrap();
    assert!(queue.peek(PeekState::Ready, 0, 10).await.is_none());
}

/// Its inbox is left alone while so much waits to be written; the order to close comes another way.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_client_does_not_read_can_be_closed() {
    let broker = start().await;
    let address = broker.address().unwrap();
    let flood = move || {
        let mut client = Raw::with_channel(address);
        let unroutable = Publish { key: "nowhere", mandatory: true, ..Publish::default() };
        let bytes = unroutable.with_body(&vec![1; 100_000]);
        while client.write(&bytes) == Written::All {}
        client
    };
    let client = tokio::task::spawn_blocking(flood).await.unwrap();
    let id = broker.connections()[0].id;
    broker.close_connection(id, "maintenance").unwrap();
    until("the connection is gone", || broker.connections().is_empty()).await;
    drop(client);
}
