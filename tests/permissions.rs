//! Who may do what: users, vhosts and the three patterns, as clients meet them. The table itself is tested where it is
//! (`session/access.rs`); here every operation is tried over the wire.

use coney::{Broker, BrokerHandle};
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeBindOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, ExchangeUnbindOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind, ExchangeKind};

use crate::support::client::{string, table};

/// Users with the password `pw`, each with a permission on `/` or none.
async fn broker(users: &[(&str, Option<[&str; 3]>)]) -> BrokerHandle {
    let builder = Broker::builder().ephemeral().listen("127.0.0.1:0".parse().unwrap());
    let broker = builder.start().await.unwrap();
    for (user, permission) in users {
        broker.import_definitions(&definitions(user, *permission)).await.unwrap();
    }
    broker
}

fn definitions(user: &str, permission: Option<[&str; 3]>) -> String {
    let permission = permission.map_or_else(String::new, |[configure, write, read]| {
        format!(
            r#"{{"user": "{user}", "vhost": "/", "configure": "{configure}", "write": "{write}", "read": "{read}"}}"#
        )
    });
    format!(
        r#"{{"users": [{{"name": "{user}", "password": "pw", "tags": []}}], "permissions": [{permission}]}}"#
    )
}

async fn connect(broker: &BrokerHandle, user: &str, vhost: &str) -> lapin::Result<Connection> {
    let uri = format!("amqp://{user}:pw@{}/{vhost}", broker.address().unwrap());
    Connection::connect(&uri, ConnectionProperties::default()).await
}

/// Code and text of a protocol error.
fn refusal(error: &lapin::Error) -> (u16, String) {
    match error.kind() {
        ErrorKind::ProtocolError(error) => (error.get_id(), error.get_message().to_string()),
        other => panic!("not a protocol error: {other:?}"),
    }
}

/// Exchanges `x` and `y`, queue `q`, made by guest.
async fn furnish(broker: &BrokerHandle) {
    let guest = crate::support::client::connect(broker).await;
    let channel = guest.create_channel().await.unwrap();
    for name in ["x", "y"] {
        exchange(&channel, name, FieldTable::default()).await.unwrap();
    }
    queue(&channel, "q", FieldTable::default()).await.unwrap();
}

async fn exchange(channel: &Channel, name: &str, arguments: FieldTable) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions::default();
    channel.exchange_declare(name.into(), ExchangeKind::Fanout, options, arguments).await
}

async fn queue(channel: &Channel, name: &str, arguments: FieldTable) -> lapin::Result<()> {
    channel.queue_declare(name.into(), QueueDeclareOptions::default(), arguments).await.map(drop)
}

/// Publishes and waits for the confirm.
async fn publish(channel: &Channel, exchange: &str, key: &str) -> lapin::Result<()> {
    publish_with(channel, exchange, key, BasicProperties::default()).await
}

async fn publish_with(
    channel: &Channel,
    exchange: &str,
    key: &str,
    properties: BasicProperties,
) -> lapin::Result<()> {
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), key.into(), options, b"m", properties).await?.await.map(drop)
}

/// One thing that a client can do, by a short name.
async fn attempt(connection: &Connection, what: &str) -> lapin::Result<()> {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let none = FieldTable::default;
    match what {
        "exchange.declare" => exchange(&channel, "x", none()).await,
        "exchange.declare with an alternate" => {
            exchange(&channel, "new", table(&[("alternate-exchange", string("y"))])).await
        }
        "exchange.declare passive" => {
            let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
            channel.exchange_declare("x".into(), ExchangeKind::Fanout, options, none()).await
        }
        "exchange.delete" => channel.exchange_delete("x".into(), ExchangeDeleteOptions::default()).await,
        "exchange.bind" => {
            let options = ExchangeBindOptions::default();
            channel.exchange_bind("y".into(), "x".into(), "".into(), options, none()).await
        }
        "exchange.unbind" => {
            let options = ExchangeUnbindOptions::default();
            channel.exchange_unbind("y".into(), "x".into(), "".into(), options, none()).await
        }
        "queue.declare" => queue(&channel, "q", none()).await,
        "queue.declare with a dlx" => {
            queue(&channel, "new", table(&[("x-dead-letter-exchange", string("y"))])).await
        }
        "queue.declare passive" => {
            let options = QueueDeclareOptions { passive: true, ..Default::default() };
            channel.queue_declare("q".into(), options, none()).await.map(drop)
        }
        "queue.delete" => channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.map(drop),
        "queue.purge" => channel.queue_purge("q".into(), QueuePurgeOptions::default()).await.map(drop),
        "queue.bind" => {
            let options = QueueBindOptions::default();
            channel.queue_bind("q".into(), "x".into(), "".into(), options, none()).await
        }
        "queue.unbind" => channel.queue_unbind("q".into(), "x".into(), "".into(), none()).await,
        "basic.publish" => publish(&channel, "x", "k").await,
        "basic.publish to the default exchange" => publish(&channel, "", "q").await,
        "basic.get" => channel.basic_get("q".into(), BasicGetOptions::default()).await.map(drop),
        "basic.consume" => {
            let options = BasicConsumeOptions::default();
            channel.basic_consume("q".into(), "".into(), options, none()).await.map(drop)
        }
        other => panic!("{other}?"),
    }
}

/// What is tried, the patterns that it just needs, and what the refusal names when all are empty.
const OPERATIONS: &[(&str, [&str; 3], &str)] = &[
    ("exchange.declare", ["^x$", "", ""], "configure access to exchange 'x'"),
    ("exchange.declare with an alternate", ["^new$", "^y$", "^new$"], "configure access to exchange 'new'"),
    ("exchange.declare passive", ["", "^x$", ""], "access to exchange 'x'"),
    ("exchange.bind", ["", "^y$", "^x$"], "write access to exchange 'y'"),
    ("exchange.unbind", ["", "^y$", "^x$"], "write access to exchange 'y'"),
    ("exchange.delete", ["^x$", "", ""], "configure access to exchange 'x'"),
    ("queue.declare", ["^q$", "", ""], "configure access to queue 'q'"),
    ("queue.declare with a dlx", ["^new$", "^y$", "^new$"], "configure access to queue 'new'"),
    ("queue.declare passive", ["", "", "^q$"], "access to queue 'q'"),
    ("queue.bind", ["", "^q$", "^x$"], "write access to queue 'q'"),
    ("queue.unbind", ["", "^q$", "^x$"], "write access to queue 'q'"),
    ("queue.purge", ["", "", "^q$"], "read access to queue 'q'"),
    ("queue.delete", ["^q$", "", ""], "configure access to queue 'q'"),
    ("basic.publish", ["", "^x$", ""], "write access to exchange 'x'"),
    (
        "basic.publish to the default exchange",
        ["", "^amq\\\\.default$", ""],
        "write access to exchange 'amq.default'",
    ),
    ("basic.get", ["", "", "^q$"], "read access to queue 'q'"),
    ("basic.consume", ["", "", "^q$"], "read access to queue 'q'"),
];

#[tokio::test]
async fn every_operation_is_refused_without_its_rights_and_allowed_with_no_more() {
    for (what, patterns, named) in OPERATIONS {
        let broker = broker(&[("none", Some(["", "", ""])), ("just", Some(*patterns))]).await;
        furnish(&broker).await;
        let none = connect(&broker, "none", "%2f").await.unwrap();
        let (code, text) = refusal(&attempt(&none, what).await.expect_err(what));
        assert_eq!(code, 403, "{what}: {text}");
        assert_eq!(text, format!("ACCESS_REFUSED - {named} in vhost '/' refused for user 'none'"), "{what}");
        // It closes the channel, not the connection.
        assert!(none.create_channel().await.is_ok(), "{what}");
        let just = connect(&broker, "just", "%2f").await.unwrap();
        attempt(&just, what).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[tokio::test]
async fn a_new_queue_with_a_dlx_needs_read_on_itself_and_write_on_the_exchange() {
    let broker =
        broker(&[("unread", Some([".*", ".*", "^other"])), ("unwritten", Some([".*", "^new", ".*"]))]).await;
    for (user, said) in
        [("unread", "read access to queue 'new'"), ("unwritten", "write access to exchange 'y'")]
    {
        let connection = connect(&broker, user, "%2f").await.unwrap();
        let (code, text) = refusal(&attempt(&connection, "queue.declare with a dlx").await.unwrap_err());
        assert!(code == 403 && text.contains(said), "{text}");
        let said = said.replace("queue", "exchange");
        let (code, text) =
            refusal(&attempt(&connection, "exchange.declare with an alternate").await.unwrap_err());
        assert!(code == 403 && text.contains(&said), "{text}");
    }
}

#[tokio::test]
async fn a_server_named_queue_is_checked_by_the_name_it_gets() {
    let broker = broker(&[("temp", Some(["^amq\\\\.gen", "", ""])), ("none", Some(["^q", "", ""]))]).await;
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let declare = async |user: &str| {
        let channel = connect(&broker, user, "%2f").await.unwrap().create_channel().await.unwrap();
        channel.queue_declare("".into(), exclusive, FieldTable::default()).await
    };
    assert!(declare("temp").await.unwrap().name().as_str().starts_with("amq.gen-"));
    let (code, text) = refusal(&declare("none").await.unwrap_err());
    assert!(code == 403 && text.contains("configure access to queue 'amq.gen-"), "{text}");
}

#[tokio::test]
async fn a_vhost_without_permission_is_530() {
    let broker = broker(&[("ann", None)]).await;
    let text = connect(&broker, "ann", "%2f").await.unwrap_err();
    assert_eq!(refusal(&text), (530, "NOT_ALLOWED - access to vhost '/' refused for user 'ann'".to_owned()));
    let text = connect(&broker, "ann", "nowhere").await.unwrap_err();
    assert_eq!(refusal(&text), (530, "NOT_ALLOWED - vhost nowhere not found".to_owned()));
    broker.import_definitions(r#"{"vhosts": [{"name": "v"}]}"#).await.unwrap();
    let guest = format!("amqp://guest:guest@{}/v", broker.address().unwrap());
    let error = Connection::connect(&guest, ConnectionProperties::default()).await.unwrap_err();
    assert_eq!(refusal(&error).0, 530, "the default user has no permission on another vhost");
}

#[tokio::test]
async fn a_change_of_permissions_reaches_open_channels_with_their_cached_routes() {
    let broker = broker(&[("ann", Some(["", "^x$", ""]))]).await;
    furnish(&broker).await;
    let connection = connect(&broker, "ann", "%2f").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for _ in 0..3 {
        publish(&channel, "x", "k").await.unwrap();
    }
    broker.import_definitions(&definitions("ann", Some(["", "^y$", ""]))).await.unwrap();
    let (code, text) = refusal(&publish(&channel, "x", "k").await.unwrap_err());
    assert!(code == 403 && text.contains("write access to exchange 'x'"), "{text}");
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    publish(&channel, "y", "k").await.unwrap();
    // Another exchange on the same channel is checked anew.
    let (code, text) = refusal(&publish(&channel, "x", "k").await.unwrap_err());
    assert!(code == 403 && text.contains("exchange 'x'"), "{text}");
}

#[tokio::test]
async fn a_refusal_comes_before_anything_is_said_of_existence() {
    let broker = broker(&[("ann", Some(["^a", "^a", "^a"]))]).await;
    let connection = connect(&broker, "ann", "%2f").await.unwrap();
    for (queue, code) in [("secret", 403), ("absent", 404)] {
        let channel = connection.create_channel().await.unwrap();
        let error = channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap_err();
        assert_eq!(refusal(&error).0, code, "{queue}");
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        assert_eq!(refusal(&publish(&channel, queue, "").await.unwrap_err()).0, code, "{queue}");
    }
}

#[tokio::test]
async fn an_impersonator_may_publish_under_another_name() {
    let broker = broker(&[("ann", Some([".*", ".*", ".*"])), ("bob", Some([".*", ".*", ".*"]))]).await;
    let tagged = r#"{"users": [{"name": "bob", "password": "pw", "tags": ["impersonator"]}]}"#;
    broker.import_definitions(tagged).await.unwrap();
    let as_other = || BasicProperties::default().with_user_id("cid".into());
    for (user, code) in [("ann", Some(406)), ("bob", None)] {
        let connection = connect(&broker, user, "%2f").await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let outcome = publish_with(&channel, "amq.fanout", "", as_other()).await;
        assert_eq!(outcome.err().map(|error| refusal(&error).0), code, "{user}");
    }
}

/// Ann may do everything but with keys of `amq.topic`, and of `amq.direct`, which is none of topics.
fn topic_definitions(write: &str, read: &str) -> String {
    let of = |exchange: &str| {
        format!(
            r#"{{"user": "ann", "vhost": "/", "exchange": "{exchange}", "write": "{write}", "read": "{read}"}}"#
        )
    };
    format!(r#"{{"topic_permissions": [{}, {}]}}"#, of("amq.topic"), of("amq.direct"))
}

async fn with_topic_permissions(write: &str, read: &str) -> BrokerHandle {
    let broker = broker(&[("ann", Some([".*", ".*", ".*"]))]).await;
    furnish(&broker).await;
    broker.import_definitions(&topic_definitions(write, read)).await.unwrap();
    broker
}

/// A publish on a channel of its own; the refusal's text.
async fn publish_anew(
    connection: &Connection,
    exchange: &str,
    key: &str,
    extra: &[(&str, &str)],
) -> Option<String> {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let mut headers = FieldTable::default();
    for (header, key) in extra {
        headers.insert((*header).into(), AMQPValue::FieldArray(vec![string(key)].into()));
    }
    let properties = BasicProperties::default().with_headers(headers);
    let outcome = publish_with(&channel, exchange, key, properties).await;
    outcome.err().map(|error| refusal(&error)).map(|(code, text)| {
        assert_eq!(code, 403);
        text
    })
}

fn topic_refusal(right: &str, key: &str) -> String {
    format!(
        "ACCESS_REFUSED - {right} access to topic '{key}' in exchange 'amq.topic' in vhost '/' refused for user 'ann'"
    )
}

#[tokio::test]
async fn a_topic_permission_restricts_the_keys_that_are_published_with() {
    let broker = with_topic_permissions("^{username}\\\\.", "").await;
    let ann = connect(&broker, "ann", "%2f").await.unwrap();
    assert_eq!(publish_anew(&ann, "amq.topic", "ann.a", &[]).await, None);
    for key in ["zz", "", "xann."] {
        assert_eq!(publish_anew(&ann, "amq.topic", key, &[]).await, Some(topic_refusal("write", key)));
    }
    for (extra, refused) in [
        (&[("CC", "ann.b")][..], None),
        (&[("CC", "z1")], Some("z1")),
        (&[("BCC", "z2")], Some("z2")),
        (&[("BCC", "z2"), ("CC", "z1")], Some("z1")),
    ] {
        let outcome = publish_anew(&ann, "amq.topic", "ann.a", extra).await;
        assert_eq!(outcome, refused.map(|key| topic_refusal("write", key)), "{extra:?}");
    }
    assert_eq!(publish_anew(&ann, "amq.direct", "zz", &[]).await, None, "it is no topic exchange");
    let guest = crate::support::client::connect(&broker).await;
    assert_eq!(publish_anew(&guest, "amq.topic", "zz", &[]).await, None, "others have none");
}

#[tokio::test]
async fn a_topic_permission_restricts_the_keys_that_are_bound_by() {
    let broker = with_topic_permissions("", "^b").await;
    let ann = connect(&broker, "ann", "%2f").await.unwrap();
    for key in ["a", ""] {
        for what in ["bind", "unbind", "exchange bind", "exchange unbind", "bind what is not there"] {
            let channel = ann.create_channel().await.unwrap();
            let error = topic_binding(&channel, what, key).await.unwrap_err();
            assert_eq!(refusal(&error), (403, topic_refusal("read", key)), "{what}");
        }
    }
    let channel = ann.create_channel().await.unwrap();
    for what in ["bind", "unbind", "exchange bind", "exchange unbind"] {
        topic_binding(&channel, what, "b").await.unwrap();
    }
}

async fn topic_binding(channel: &Channel, what: &str, key: &str) -> lapin::Result<()> {
    let (none, key) = (FieldTable::default(), key.into());
    let (bind, exchange_bind) = (QueueBindOptions::default(), ExchangeBindOptions::default());
    match what {
        "bind" => channel.queue_bind("q".into(), "amq.topic".into(), key, bind, none).await,
        "bind what is not there" => {
            channel.queue_bind("none".into(), "amq.topic".into(), key, bind, none).await
        }
        "unbind" => channel.queue_unbind("q".into(), "amq.topic".into(), key, none).await,
        "exchange bind" => {
            channel.exchange_bind("x".into(), "amq.topic".into(), key, exchange_bind, none).await
        }
        "exchange unbind" => {
            let options = ExchangeUnbindOptions::default();
            channel.exchange_unbind("x".into(), "amq.topic".into(), key, options, none).await
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_change_of_topic_permissions_reaches_open_channels() {
    let broker = broker(&[("ann", Some([".*", ".*", ".*"]))]).await;
    let ann = connect(&broker, "ann", "%2f").await.unwrap();
    let channel = ann.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for _ in 0..3 {
        publish(&channel, "amq.topic", "k").await.unwrap();
    }
    broker.import_definitions(&topic_definitions("^k", "")).await.unwrap();
    publish(&channel, "amq.topic", "k").await.unwrap();
    broker.import_definitions(&topic_definitions("^other", "")).await.unwrap();
    let error = publish(&channel, "amq.topic", "k").await.unwrap_err();
    assert_eq!(refusal(&error), (403, topic_refusal("write", "k")));
    let channel = ann.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    publish(&channel, "amq.topic", "other").await.unwrap();
    let error = publish(&channel, "amq.topic", "k").await.unwrap_err();
    assert_eq!(refusal(&error), (403, topic_refusal("write", "k")), "each key is checked");
}

/// The order is RabbitMQ 4.0.5's.
#[tokio::test]
async fn a_key_is_refused_after_a_message_that_is_none_and_before_its_user() {
    let broker = with_topic_permissions("^a", "").await;
    let ann = connect(&broker, "ann", "%2f").await.unwrap();
    let no_list = table(&[("CC", AMQPValue::LongInt(5))]);
    for (properties, key, code, said) in [
        (BasicProperties::default().with_expiration("x".into()), "z", 406, "invalid expiration"),
        (BasicProperties::default().with_headers(no_list), "z", 406, "unacceptable_type_in_header"),
        (BasicProperties::default().with_user_id("bob".into()), "z", 403, "topic 'z'"),
        (BasicProperties::default().with_user_id("bob".into()), "a", 406, "user_id"),
    ] {
        let channel = ann.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let error = publish_with(&channel, "amq.topic", key, properties).await.unwrap_err();
        let refused = refusal(&error);
        assert!(refused.0 == code && refused.1.contains(said), "{refused:?}");
    }
}

#[tokio::test]
async fn topic_permissions_survive_a_restart_and_an_export() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let builder = Broker::builder().data_dir(dir.path()).listen("127.0.0.1:0".parse().unwrap());
        builder.start().await.unwrap()
    };
    let broker = start().await;
    broker.import_definitions(&definitions("ann", Some([".*", ".*", ".*"]))).await.unwrap();
    broker.import_definitions(&topic_definitions("^a", "")).await.unwrap();
    broker.shutdown().await.unwrap();
    let broker = start().await;
    let ann = connect(&broker, "ann", "%2f").await.unwrap();
    assert_eq!(publish_anew(&ann, "amq.topic", "z", &[]).await, Some(topic_refusal("write", "z")));
    assert_eq!(publish_anew(&ann, "amq.topic", "a", &[]).await, None);
    let exported = broker.export_definitions().await.unwrap();
    let exported: serde_json::Value = serde_json::from_str(&exported).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&topic_definitions("^a", "")).unwrap();
    let exchanges = |list: &serde_json::Value| {
        let mut all = list.as_array().unwrap().clone();
        all.sort_by_key(|it| it["exchange"].to_string());
        all
    };
    assert_eq!(exchanges(&exported["topic_permissions"]), exchanges(&expected["topic_permissions"]));
    broker.delete_user("ann").await.unwrap();
    broker.shutdown().await.unwrap();
    let broker = start().await;
    let exported: serde_json::Value =
        serde_json::from_str(&broker.export_definitions().await.unwrap()).unwrap();
    assert_eq!(exported["topic_permissions"], serde_json::json!([]));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn users_and_permissions_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let builder = Broker::builder().data_dir(dir.path()).listen("127.0.0.1:0".parse().unwrap());
        builder.start().await.unwrap()
    };
    let broker = start().await;
    broker.import_definitions(&definitions("ann", Some(["", "^x$", ""]))).await.unwrap();
    broker.shutdown().await.unwrap();
    let broker = start().await;
    furnish(&broker).await;
    let ann = connect(&broker, "ann", "%2f").await.unwrap();
    attempt(&ann, "basic.publish").await.unwrap();
    assert_eq!(refusal(&attempt(&ann, "queue.declare").await.unwrap_err()).0, 403);
    broker.shutdown().await.unwrap();
}
