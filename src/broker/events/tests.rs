//! How events look, and that nothing is made of them while nobody listens.

use std::net::SocketAddr;
use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::headers::messages;
use super::telling::with_who_and_when;
use super::{BROKER, Event, Parameter, tell};
use crate::auth::{Permission, TopicPermission, User, UserLimits, UserTopicPermission};
use crate::broker::arguments_json::plain;
use crate::broker::clock::Clock;
use crate::broker::creation::{NewQueue, create_queue};
use crate::broker::overview::ConnectionOverview;
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::broker::vhost_settings::{VhostLimits, VhostSettings};
use crate::config::Config;
use crate::policy::{Policy, PolicyKind};
use crate::queue::{ConnectionId, Consume, ConsumerKey, ConsumerName, OwnTimeout, QueueOptions};
use crate::store::{MemoryDisk, open_manual};
use crate::time::Timestamp;
use crate::topology::{Binding, Destination, EVENTS, ExchangeKind, ExchangeSpec};

fn shared(config: Config) -> Arc<Shared> {
    let config = Config { node_name: Some("rabbit@host".to_owned()), ..config };
    let (store, _, recovered) = open_manual(MemoryDisk::new()).unwrap();
    let (queue, position) = (recovered.first_queue_id, recovered.next_position);
    Arc::new(Shared::new(config, Clock::system(), store, queue, position))
}

fn queue(shared: &Arc<Shared>, vhost: &Arc<Vhost>, name: &str, arguments: FieldTable) -> Arc<QueueRecord> {
    let options = QueueOptions::parse("queue", true, false, false, &arguments).unwrap();
    create_queue(shared, vhost, NewQueue { name: name.to_owned(), owner: None, arguments, options })
}

fn connection() -> ConnectionOverview {
    let (peer, local): (SocketAddr, SocketAddr) =
        ("10.0.0.7:40000".parse().unwrap(), "127.0.0.1:5672".parse().unwrap());
    let at = Timestamp::from_millis(1_700_000_000_123);
    let connection = ConnectionOverview::new(ConnectionId(1), "AMQP 0-9-1", peer, Some(local), at);
    connection.change_handshake(|handshake| {
        handshake.user = "ann".to_owned();
        handshake.auth_mechanism = "PLAIN".to_owned();
        handshake.vhost = Some("/".to_owned());
        Arc::make_mut(&mut handshake.client_properties)
            .insert("connection_name".into(), AMQPValue::LongString("w".into()));
        (handshake.heartbeat_s, handshake.frame_bytes_max, handshake.channels_max) = (60, 131_072, 2047);
    });
    connection
}

fn table(key: &str, value: AMQPValue) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert(key.into(), value);
    table
}

/// Keys and headers.
fn told(shared: &Shared, event: &Event<'_>) -> Vec<(&'static str, Value)> {
    messages(shared, event).iter().map(|told| (told.key, plain(&told.headers))).collect()
}

fn one(event: &Event<'_>) -> (&'static str, Value) {
    let mut told = told(&shared(Config::default()), event);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

#[tokio::test]
async fn queues_are_told_with_their_type() {
    let shared = shared(Config::default());
    let vhost = shared.new_vhost("/");
    let classic = queue(&shared, &vhost, "q", table("x-max-length", AMQPValue::LongInt(5)));
    let created = Event::QueueCreated { vhost: "/", queue: &classic };
    let headers = json!({
        "name": "q", "vhost": "/", "type": "rabbit_classic_queue", "durable": true, "auto_delete": false,
        "exclusive": false, "arguments": { "x-max-length": 5, "x-queue-type": "classic" },
        "leader": "rabbit@host", "members": ["rabbit@host"], "owner_pid": "",
    });
    assert_eq!(told(&shared, &created), [("queue.created", headers)]);
    let quorum = queue(&shared, &vhost, "qq", table("x-queue-type", AMQPValue::LongString("quorum".into())));
    let deleted = Event::QueueDeleted { vhost: "/", queue: &quorum };
    let headers = json!({ "name": "qq", "vhost": "/", "type": "rabbit_quorum_queue" });
    assert_eq!(told(&shared, &deleted), [("queue.deleted", headers)]);
}

#[test]
fn exchanges_and_bindings_are_told() {
    let shared = shared(Config::default());
    let vhost = shared.new_vhost("/");
    vhost.put_policy(
        Policy::new("p", "^x", "alternate-exchange", AMQPValue::LongString("a".into())).check("/").unwrap(),
    );
    let exchange = ExchangeSpec::new("x", ExchangeKind::Fanout);
    let headers = json!({
        "name": "x", "vhost": "/", "type": "fanout", "durable": true, "auto_delete": false, "internal": false,
        "arguments": {}, "policy": "p",
    });
    let created = Event::ExchangeCreated { vhost: &vhost, exchange: &exchange };
    assert_eq!(told(&shared, &created), [("exchange.created", headers)]);
    let deleted = Event::ExchangeDeleted { vhost: "/", exchange: "x" };
    assert_eq!(one(&deleted), ("exchange.deleted", json!({ "name": "x", "vhost": "/" })));
    let binding = Binding {
        source: "x".to_owned(),
        destination: Destination::Exchange("y".to_owned()),
        routing_key: "k".to_owned(),
        arguments: table("n", AMQPValue::LongInt(1)),
    };
    let headers = json!({
        "vhost": "/", "source_kind": "exchange", "source_name": "x", "destination_kind": "exchange",
        "destination_name": "y", "routing_key": "k", "arguments": { "n": 1 },
    });
    let (created, deleted) = (
        Event::BindingCreated { vhost: "/", binding: &binding },
        Event::BindingDeleted { vhost: "/", binding: &binding },
    );
    assert_eq!(one(&created), ("binding.created", headers.clone()));
    assert_eq!(one(&deleted), ("binding.deleted", headers));
}

#[test]
fn connections_and_channels_are_told_by_their_names() {
    let connection = connection();
    let name = "10.0.0.7:40000 -> 127.0.0.1:5672";
    let (key, created) = one(&Event::ConnectionCreated(&connection));
    let headers = json!({
        "name": name, "pid": name, "node": "rabbit@host", "type": "network", "user": "ann", "vhost": "/",
        "user_provided_name": "w", "client_properties": { "connection_name": "w" },
        "auth_mechanism": "PLAIN", "host": "127.0.0.1", "port": 5672, "peer_host": "10.0.0.7",
        "peer_port": 40000, "protocol": "AMQP 0-9-1", "timeout": 60, "frame_max": 131_072,
        "channel_max": 2047, "connected_at": 1_700_000_000_123_u64, "ssl": false, "ssl_protocol": "",
        "ssl_key_exchange": "", "ssl_cipher": "", "ssl_hash": "", "peer_cert_subject": "",
        "peer_cert_issuer": "", "peer_cert_validity": "",
    });
    assert_eq!((key, created), ("connection.created", headers));
    let headers = json!({
        "name": name, "pid": name, "node": "rabbit@host", "user_provided_name": "w",
        "client_properties": { "connection_name": "w" },
    });
    assert_eq!(one(&Event::ConnectionClosed(&connection)), ("connection.closed", headers));
    let channel = format!("{name} (3)");
    let headers = json!({
        "name": channel, "pid": channel, "connection": name, "number": 3, "user": "ann", "vhost": "/",
    });
    let opened = Event::ChannelCreated { connection: &connection, channel: 3 };
    assert_eq!(one(&opened), ("channel.created", headers));
    let closed = Event::ChannelClosed { connection: &connection, channel: 3 };
    assert_eq!(one(&closed), ("channel.closed", json!({ "pid": channel, "consumer_count": 0 })));
}

#[test]
fn consumers_and_logins_are_told() {
    let key = ConsumerKey { connection: ConnectionId(1), channel: 1, number: 1 };
    let consumer = Consume {
        key,
        no_ack: false,
        exclusive: true,
        prefetch: 7,
        priority: 0,
        channel_prefetch: None,
        inbox: None,
        ack_timeout: OwnTimeout::TheQueues,
        name: ConsumerName { tag: "ct".into(), peer: "p".into() },
        arguments: Arc::new(table("a", AMQPValue::Boolean(true))),
        is_passing: false,
    };
    let created = Event::ConsumerCreated { vhost: "/", queue: "q", consumer: &consumer };
    let headers = json!({
        "vhost": "/", "queue": "q", "channel": " (1)", "consumer_tag": "ct", "ack_required": true,
        "exclusive": true, "prefetch_count": 7, "arguments": { "a": true },
    });
    assert_eq!(one(&created), ("consumer.created", headers));
    let gone = Event::ConsumerDeleted { vhost: "/", queue: "q", connection: "c", channel: 2, tag: "ct" };
    let headers = json!({ "vhost": "/", "queue": "q", "channel": "c (2)", "consumer_tag": "ct" });
    assert_eq!(one(&gone), ("consumer.deleted", headers));
    let connection = connection();
    let failed = Event::AuthenticationFailed { connection: &connection, user: "ann", error: "no" };
    let headers = json!({
        "name": "ann", "auth_mechanism": "PLAIN", "connection_type": "network", "error": "no",
        "connection_name": "10.0.0.7:40000 -> 127.0.0.1:5672", "host": "127.0.0.1", "peer_host": "10.0.0.7",
        "peer_port": 40000, "protocol": "AMQP 0-9-1", "ssl": false,
    });
    assert_eq!(one(&failed), ("user.authentication.failure", headers));
}

#[test]
fn an_operators_policy_is_a_parameter_too() {
    let policy = Policy::new("p", "^q", "max-length", AMQPValue::LongLongInt(5));
    let rule = json!({
        "pattern": "^q", "apply-to": "all", "priority": 0, "definition": { "max-length": 5 },
    });
    let mut headers = rule.clone();
    headers["name"] = "p".into();
    headers["vhost"] = "/".into();
    let set = Event::PolicySet { vhost: "/", policy: &policy };
    assert_eq!(one(&set), ("policy.set", headers.clone()));
    let operators = Policy { kind: PolicyKind::Operator, ..policy };
    let parameter = json!({ "component": "operator_policy", "name": "p", "vhost": "/" });
    let mut with_value = parameter.clone();
    with_value["value"] = rule;
    let shared = shared(Config::default());
    assert_eq!(
        told(&shared, &Event::PolicySet { vhost: "/", policy: &operators }),
        [("parameter.set", with_value), ("policy.set", headers)]
    );
    let name = json!({ "name": "p", "vhost": "/" });
    let cleared = |kind| told(&shared, &Event::PolicyCleared { vhost: "/", kind, name: "p" });
    assert_eq!(
        cleared(PolicyKind::Operator),
        [("parameter.cleared", parameter), ("operator.policy.cleared", name.clone())]
    );
    assert_eq!(cleared(PolicyKind::User), [("policy.cleared", name)]);
}

#[test]
fn parameters_have_a_value_and_perhaps_a_vhost() {
    let parameter = Parameter::global("g");
    let value = json!({ "a": [1, "b"] });
    let headers = json!({ "component": "global", "name": "g", "value": { "a": [1, "b"] } });
    assert_eq!(one(&Event::ParameterSet { parameter, value: &value }), ("parameter.set", headers));
    let headers = json!({ "component": "global", "name": "g" });
    assert_eq!(one(&Event::ParameterCleared(parameter)), ("parameter.cleared", headers));
}

#[test]
fn a_vhost_comes_with_its_exchanges_and_its_limits_are_a_parameter() {
    let shared = shared(Config::default());
    let vhost = shared.new_vhost("v");
    vhost.set_settings(VhostSettings {
        description: "d".to_owned(),
        tags: vec!["t".to_owned()],
        ..VhostSettings::default()
    });
    let mut created = told(&shared, &Event::VhostCreated(&vhost));
    let headers = json!({
        "name": "v", "description": "d", "tags": ["t"], "default_queue_type": "classic", "tracing": false,
        "metadata": { "description": "d", "tags": ["t"], "default_queue_type": "classic" },
        "cluster_state": { "rabbit@host": "running" },
    });
    assert_eq!(created.pop(), Some(("vhost.created", headers.clone())));
    assert!(created.iter().all(|(key, _)| *key == "exchange.created"), "{created:?}");
    assert!(created.iter().any(|(_, headers)| headers["name"] == "amq.topic"), "{created:?}");
    assert_eq!(told(&shared, &Event::VhostUpdated(&vhost)), [("vhost.updated", headers)]);
    assert_eq!(one(&Event::VhostDeleted("v")), ("vhost.deleted", json!({ "name": "v" })));
    let down = json!({ "name": "v", "node": "rabbit@host" });
    assert_eq!(one(&Event::VhostDown("v")), ("vhost.down", down));
    let limits = VhostLimits { max_queues: Some(5), ..VhostLimits::default() };
    let parameter = json!({ "component": "vhost-limits", "name": "limits", "vhost": "v" });
    let mut with_value = parameter.clone();
    with_value["value"] = json!({ "max-queues": 5 });
    assert_eq!(
        told(&shared, &Event::VhostLimitsSet { vhost: "v", limits }),
        [
            ("parameter.set", with_value),
            ("vhost.limits.set", json!({ "name": "limits", "vhost": "v", "max-queues": 5 }))
        ]
    );
    assert_eq!(
        told(&shared, &Event::VhostLimitsCleared("v")),
        [
            ("parameter.cleared", parameter),
            ("vhost.limits.cleared", json!({ "name": "limits", "vhost": "v" }))
        ]
    );
}

#[test]
fn of_a_user_what_changed_is_told() {
    let user = |tags: &[&str]| User {
        name: "ann".to_owned(),
        password: None,
        tags: tags.iter().map(ToString::to_string).collect(),
        limits: UserLimits::default(),
    };
    let shared = shared(Config::default());
    let put = |before: Option<&User>, user: &User| told(&shared, &Event::UserPut { before, user });
    let created = ("user.created", json!({ "name": "ann" }));
    let tags = ("user.tags.set", json!({ "name": "ann", "tags": ["x"] }));
    assert_eq!(put(None, &user(&[])), vec![created.clone()]);
    assert_eq!(put(None, &user(&["x"])), [created, tags.clone()]);
    assert_eq!(put(Some(&user(&[])), &user(&["x"])), [tags]);
    assert_eq!(put(Some(&user(&["x"])), &user(&["x"])), []);
    assert_eq!(one(&Event::UserDeleted("ann")), ("user.deleted", json!({ "name": "ann" })));
    let limits = UserLimits { max_channels: Some(3), ..UserLimits::default() };
    let headers = json!({ "name": "limits", "username": "ann", "max-channels": 3 });
    assert_eq!(one(&Event::UserLimitsSet { user: "ann", limits }), ("user.limits.set", headers));
    let headers = json!({ "name": "limits", "username": "ann" });
    assert_eq!(one(&Event::UserLimitsCleared { user: "ann" }), ("user.limits.cleared", headers));
}

#[test]
fn permissions_and_alarms_are_told() {
    let permission = Permission::all();
    let created = Event::PermissionCreated { user: "ann", vhost: "v", permission: &permission };
    let headers = json!({ "user": "ann", "vhost": "v", "configure": ".*", "write": ".*", "read": ".*" });
    assert_eq!(one(&created), ("permission.created", headers));
    let nobody = json!({ "user": "ann", "vhost": "v" });
    let deleted = Event::PermissionDeleted { user: "ann", vhost: "v" };
    assert_eq!(one(&deleted), ("permission.deleted", nobody.clone()));
    let topic = UserTopicPermission {
        user: "ann".to_owned(),
        vhost: "v".to_owned(),
        exchange: "x".to_owned(),
        permission: TopicPermission { write: "w".to_owned(), read: "r".to_owned() },
    };
    let headers = json!({ "user": "ann", "vhost": "v", "exchange": "x", "write": "w", "read": "r" });
    assert_eq!(one(&Event::TopicPermissionCreated(&topic)), ("topic.permission.created", headers));
    let deleted = Event::TopicPermissionDeleted { user: "ann", vhost: "v" };
    assert_eq!(one(&deleted), ("topic.permission.deleted", nobody));
    let alarm = json!({ "source": "disk", "node": "rabbit@host" });
    assert_eq!(one(&Event::AlarmSet("disk")), ("alarm.set", alarm.clone()));
    assert_eq!(one(&Event::AlarmCleared("disk")), ("alarm.cleared", alarm));
}

#[test]
fn each_says_when_and_who_if_that_is_known() {
    let at = Timestamp::from_millis(1_700_000_000_123);
    let headers = |by| plain(&with_who_and_when(FieldTable::default(), by, at));
    let who_and_when =
        json!({ "timestamp_in_ms": 1_700_000_000_123_u64, "user_who_performed_action": BROKER });
    assert_eq!(headers(Some(BROKER)), who_and_when);
    assert_eq!(headers(None), json!({ "timestamp_in_ms": 1_700_000_000_123_u64 }));
}

fn binding_of_events(queue: &str) -> Binding {
    Binding {
        source: EVENTS.to_owned(),
        destination: Destination::Queue(queue.to_owned()),
        routing_key: "user.#".to_owned(),
        arguments: FieldTable::default(),
    }
}

#[tokio::test]
async fn nothing_is_made_of_an_event_while_nothing_is_bound() {
    let shared = shared(Config { event_exchange_vhost: Some("audit".to_owned()), ..Config::default() });
    let (vhost, other) = (shared.new_vhost("audit"), shared.new_vhost("/"));
    assert!(other.topology.read().exchange(EVENTS).is_none());
    shared.vhosts.insert("audit".to_owned(), Arc::clone(&vhost));
    let made = || vhost.topology.read().statistics(EVENTS.as_bytes()).unwrap().read().published_in;
    let record = queue(&shared, &vhost, "q", FieldTable::default());
    tell(&shared, None, &Event::UserDeleted("ann"));
    assert_eq!((shared.events.is_anybody(), made()), (false, 0));
    vhost.topology.change(|topology| topology.bind(binding_of_events("q")));
    tell(&shared, None, &Event::UserDeleted("ann"));
    tell(&shared, None, &Event::VhostDeleted("v"));
    assert_eq!((shared.events.is_anybody(), made()), (true, 2));
    // The other has another key.
    assert_eq!(record.look().await.map(|counts| counts.ready), Some(1));
    vhost.remove_queue(&record);
    assert!(!shared.events.is_anybody());
    tell(&shared, None, &Event::UserDeleted("ann"));
    assert_eq!(made(), 2);
}
