//! How events look: their routing keys, and their headers by RabbitMQ's names.
//!
//! Where RabbitMQ prints an Erlang term there is what the management API shows for the same thing: tables of arguments, addresses,
//! and for processes the names of connections and channels.

use std::net::SocketAddr;

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable};
use serde_json::Value;

use super::event::{Event, Parameter};
use crate::auth::{Permission, User, UserLimits, UserTopicPermission};
use crate::broker::arguments_json::read_value;
use crate::broker::node::node_name;
use crate::broker::overview::ConnectionOverview;
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::broker::vhost_settings::{QUEUE_TYPE, VhostLimits};
use crate::policy::{Policy, PolicyKind};
use crate::queue::options::is_quorum;
use crate::queue::{ConnectionId, Consume};
use crate::topology::{Binding, Destination, ExchangeSpec};

/// What RabbitMQ keeps operators' policies as.
const OPERATOR_POLICY: &str = "operator_policy";
/// What RabbitMQ keeps a vhost's limits as.
const VHOST_LIMITS: &str = "vhost-limits";
/// The name of the one set of limits that a vhost or a user has.
const LIMITS: &str = "limits";

/// A message to be sent.
#[derive(Debug)]
pub(super) struct Told {
    /// Its routing key.
    pub(super) key: &'static str,
    /// What is special to it.
    pub(super) headers: FieldTable,
}

/// The messages of an event. They are several where RabbitMQ sees the same as several things.
pub(super) fn messages(shared: &Shared, event: &Event<'_>) -> Vec<Told> {
    match *event {
        Event::QueueCreated { vhost, queue } => vec![queue_created(shared, vhost, queue)],
        Event::QueueDeleted { vhost, queue } => vec![queue_deleted(vhost, queue)],
        Event::ExchangeCreated { vhost, exchange } => vec![exchange_created(vhost, exchange)],
        Event::ExchangeDeleted { vhost, exchange } => vec![new("exchange.deleted").in_vhost(vhost, exchange)],
        Event::BindingCreated { vhost, binding } => vec![of_binding("binding.created", vhost, binding)],
        Event::BindingDeleted { vhost, binding } => vec![of_binding("binding.deleted", vhost, binding)],
        Event::ConsumerCreated { vhost, queue, consumer } => {
            vec![consumer_created(shared, vhost, queue, consumer)]
        }
        Event::ConsumerDeleted { vhost, queue, connection, channel, tag } => {
            vec![of_consumer("consumer.deleted", vhost, queue, &channel_name(connection, channel), tag)]
        }
        Event::ChannelCreated { connection, channel } => vec![channel_created(connection, channel)],
        Event::ChannelClosed { connection, channel } => {
            let name = channel_name(&connection.name(), channel);
            vec![new("channel.closed").text("pid", &name).number("consumer_count", 0)]
        }
        Event::PolicySet { vhost, policy } => policy_set(vhost, policy),
        Event::PolicyCleared { vhost, kind, name } => policy_cleared(vhost, kind, name),
        Event::ParameterSet { parameter, value } => vec![parameter_set(parameter, json(value))],
        Event::ParameterCleared(parameter) => vec![of_parameter("parameter.cleared", parameter)],
        _ => messages_of_people(shared, event),
    }
}

/// The same for who there is, and where.
fn messages_of_people(shared: &Shared, event: &Event<'_>) -> Vec<Told> {
    let named = |key, name| vec![new(key).text("name", name)];
    match *event {
        Event::AuthenticationSucceeded { connection, user } => {
            vec![authentication("user.authentication.success", connection, user)]
        }
        Event::AuthenticationFailed { connection, user, error } => {
            vec![authentication("user.authentication.failure", connection, user).text("error", error)]
        }
        Event::ConnectionCreated(connection) => vec![connection_created(shared, connection)],
        Event::ConnectionClosed(connection) => vec![of_connection("connection.closed", shared, connection)],
        Event::VhostCreated(vhost) => vhost_created(shared, vhost),
        Event::VhostUpdated(vhost) => vec![of_vhost("vhost.updated", shared, vhost)],
        Event::VhostDeleted(vhost) => named("vhost.deleted", vhost),
        Event::VhostDown(vhost) => {
            vec![new("vhost.down").text("name", vhost).text("node", &node_name(&shared.config))]
        }
        Event::VhostLimitsSet { vhost, limits } => vhost_limits_set(vhost, limits),
        Event::VhostLimitsCleared(vhost) => vhost_limits_cleared(vhost),
        Event::UserPut { before: None, user } => user_created(user),
        Event::UserPut { before: Some(before), user } => user_changed(before, user),
        Event::UserDeleted(user) => named("user.deleted", user),
        Event::UserLimitsSet { user, limits } => vec![user_limits_set(user, limits)],
        Event::UserLimitsCleared { user } => vec![of_user_limits("user.limits.cleared", user)],
        Event::PermissionCreated { user, vhost, permission } => {
            vec![permission_created(user, vhost, permission)]
        }
        Event::PermissionDeleted { user, vhost } => vec![of_user("permission.deleted", user, vhost)],
        Event::TopicPermissionCreated(created) => vec![topic_permission_created(created)],
        Event::TopicPermissionDeleted { user, vhost } => {
            vec![of_user("topic.permission.deleted", user, vhost)]
        }
        Event::AlarmSet(source) => vec![of_alarm("alarm.set", shared, source)],
        Event::AlarmCleared(source) => vec![of_alarm("alarm.cleared", shared, source)],
        _ => Vec::new(),
    }
}

fn queue_type(queue: &QueueRecord) -> &'static str {
    match () {
        () if queue.is_stream() => "rabbit_stream_queue",
        () if is_quorum(&queue.arguments) => "rabbit_quorum_queue",
        () => "rabbit_classic_queue",
    }
}

fn queue_created(shared: &Shared, vhost: &str, queue: &QueueRecord) -> Told {
    let mut arguments = queue.arguments.clone();
    if !arguments.contains_key(QUEUE_TYPE) {
        arguments.insert(QUEUE_TYPE.into(), text("classic"));
    }
    let told = new("queue.created")
        .in_vhost(vhost, &queue.name)
        .text("type", queue_type(queue))
        .flag("durable", queue.durable)
        .flag("auto_delete", queue.auto_delete)
        .flag("exclusive", queue.owner.is_some())
        .table("arguments", arguments);
    if is_quorum(&queue.arguments) || queue.is_stream() {
        return told;
    }
    let node = node_name(&shared.config);
    let owner = queue.owner.map(|owner| connection_name(shared, owner)).unwrap_or_default();
    told.text("leader", &node).texts("members", [&*node]).text("owner_pid", &owner)
}

fn queue_deleted(vhost: &str, queue: &QueueRecord) -> Told {
    new("queue.deleted").in_vhost(vhost, &queue.name).text("type", queue_type(queue))
}

fn exchange_created(vhost: &Vhost, exchange: &ExchangeSpec) -> Told {
    let policy = vhost.policies().for_exchange(&exchange.name).map(|policy| policy.name.clone());
    new("exchange.created")
        .in_vhost(&vhost.name, &exchange.name)
        .text("type", exchange.kind.name())
        .flag("durable", exchange.durable)
        .flag("auto_delete", exchange.auto_delete)
        .flag("internal", exchange.internal)
        .table("arguments", exchange.arguments.clone())
        .text("policy", &policy.unwrap_or_default())
}

fn of_binding(key: &'static str, vhost: &str, binding: &Binding) -> Told {
    let kind = match binding.destination {
        Destination::Queue(_) => "queue",
        Destination::Exchange(_) => "exchange",
    };
    new(key)
        .text("vhost", vhost)
        .text("source_kind", "exchange")
        .text("source_name", &binding.source)
        .text("destination_kind", kind)
        .text("destination_name", binding.destination.name())
        .text("routing_key", &binding.routing_key)
        .table("arguments", binding.arguments.clone())
}

fn of_consumer(key: &'static str, vhost: &str, queue: &str, channel: &str, tag: &str) -> Told {
    let told = new(key).text("vhost", vhost).text("queue", queue);
    told.text("channel", channel).text("consumer_tag", tag)
}

fn consumer_created(shared: &Shared, vhost: &str, queue: &str, consumer: &Consume) -> Told {
    let channel = channel_name(&connection_name(shared, consumer.key.connection), consumer.key.channel);
    of_consumer("consumer.created", vhost, queue, &channel, &consumer.name.tag)
        .flag("ack_required", !consumer.no_ack)
        .flag("exclusive", consumer.exclusive)
        .number("prefetch_count", consumer.prefetch)
        .table("arguments", (*consumer.arguments).clone())
}

fn channel_created(connection: &ConnectionOverview, channel: u16) -> Told {
    let (handshake, name) = (connection.handshake(), connection.name());
    let channel_name = channel_name(&name, channel);
    new("channel.created")
        .text("name", &channel_name)
        .text("pid", &channel_name)
        .text("connection", &name)
        .number("number", channel)
        .text("user", &handshake.user)
        .text("vhost", handshake.vhost.as_deref().unwrap_or_default())
}

fn authentication(key: &'static str, connection: &ConnectionOverview, user: &str) -> Told {
    let told = new(key)
        .text("name", user)
        .text("auth_mechanism", &connection.handshake().auth_mechanism)
        .text("connection_name", &connection.name())
        .text("connection_type", "network");
    ends(told, connection)
}

/// Where a connection comes from and leads to, and what is spoken on it.
fn ends(told: Told, connection: &ConnectionOverview) -> Told {
    let host = connection.local.map(|local| local.ip().to_string()).unwrap_or_default();
    told.text("host", &host)
        .text("peer_host", &connection.peer.ip().to_string())
        .number("peer_port", connection.peer.port())
        .text("protocol", connection.protocol)
        .flag("ssl", connection.tls.is_some())
}

/// What its first event and its last one have.
fn of_connection(key: &'static str, shared: &Shared, connection: &ConnectionOverview) -> Told {
    let (handshake, name) = (connection.handshake(), connection.name());
    let told = new(key)
        .text("name", &name)
        .text("pid", &name)
        .text("node", &node_name(&shared.config))
        .table("client_properties", (*handshake.client_properties).clone());
    match handshake.client_properties.inner().get("connection_name") {
        Some(AMQPValue::LongString(own)) => {
            told.value("user_provided_name", AMQPValue::LongString(own.clone()))
        }
        _ => told,
    }
}

fn connection_created(shared: &Shared, connection: &ConnectionOverview) -> Told {
    let handshake = connection.handshake();
    let connected_at = i64::try_from(connection.connected_at.as_millis()).unwrap_or(i64::MAX);
    let told = ends(of_connection("connection.created", shared, connection), connection)
        .text("type", "network")
        .number("port", connection.local.map_or(0, |local: SocketAddr| local.port()))
        .text("user", &handshake.user)
        .text("vhost", handshake.vhost.as_deref().unwrap_or_default())
        .text("auth_mechanism", &handshake.auth_mechanism)
        .number("timeout", handshake.heartbeat_s)
        .number("frame_max", handshake.frame_bytes_max)
        .number("channel_max", handshake.channels_max)
        .number("connected_at", connected_at);
    over_tls(told, connection)
}

fn over_tls(told: Told, connection: &ConnectionOverview) -> Told {
    let secured = connection.tls.as_deref();
    let certificate = secured.and_then(|secured| secured.certificate.as_ref());
    let certified = |part: Option<&String>| part.cloned().unwrap_or_default();
    told.text("ssl_protocol", secured.map_or("", |secured| secured.protocol))
        .text("ssl_key_exchange", secured.map_or("", |secured| secured.key_exchange))
        .text("ssl_cipher", secured.map_or("", |secured| secured.cipher))
        .text("ssl_hash", secured.map_or("", |secured| secured.hash))
        .text("peer_cert_subject", &certified(certificate.map(|certificate| &certificate.subject)))
        .text("peer_cert_issuer", &certified(certificate.map(|certificate| &certificate.issuer)))
        .text("peer_cert_validity", &certified(certificate.map(|certificate| &certificate.validity)))
}

fn with_rule(told: Told, policy: &Policy) -> Told {
    told.text("pattern", &policy.pattern)
        .text("apply-to", policy.apply_to.name())
        .number("priority", policy.priority)
        .table("definition", policy.definition.clone())
}

/// To RabbitMQ an operator's policy is a parameter, too.
fn policy_set(vhost: &str, policy: &Policy) -> Vec<Told> {
    let told = with_rule(new("policy.set").in_vhost(vhost, &policy.name), policy);
    match policy.kind {
        PolicyKind::User => vec![told],
        PolicyKind::Operator => {
            let rule = AMQPValue::FieldTable(with_rule(new(""), policy).headers);
            vec![parameter_set(operator_policy(vhost, &policy.name), rule), told]
        }
    }
}

fn policy_cleared(vhost: &str, kind: PolicyKind, name: &str) -> Vec<Told> {
    match kind {
        PolicyKind::User => vec![new("policy.cleared").in_vhost(vhost, name)],
        PolicyKind::Operator => vec![
            of_parameter("parameter.cleared", operator_policy(vhost, name)),
            new("operator.policy.cleared").in_vhost(vhost, name),
        ],
    }
}

const fn operator_policy<'a>(vhost: &'a str, name: &'a str) -> Parameter<'a> {
    Parameter { component: OPERATOR_POLICY, vhost: Some(vhost), name }
}

const fn limits_of(vhost: &str) -> Parameter<'_> {
    Parameter { component: VHOST_LIMITS, vhost: Some(vhost), name: LIMITS }
}

fn parameter_set(parameter: Parameter<'_>, value: AMQPValue) -> Told {
    of_parameter("parameter.set", parameter).value("value", value)
}

fn of_parameter(key: &'static str, Parameter { component, vhost, name }: Parameter<'_>) -> Told {
    let told = new(key).text("component", component).text("name", name);
    match vhost {
        Some(vhost) => told.text("vhost", vhost),
        None => told,
    }
}

/// What is predeclared is told first, as in RabbitMQ.
fn vhost_created(shared: &Shared, vhost: &Vhost) -> Vec<Told> {
    let exchanges: Vec<ExchangeSpec> = vhost.topology.read().exchanges().cloned().collect();
    let mut all: Vec<Told> = exchanges.iter().map(|exchange| exchange_created(vhost, exchange)).collect();
    all.push(of_vhost("vhost.created", shared, vhost));
    all
}

fn of_vhost(key: &'static str, shared: &Shared, vhost: &Vhost) -> Told {
    let (settings, node) = (vhost.settings(), node_name(&shared.config));
    let tags = || settings.tags.iter().map(String::as_str);
    let metadata = |told: Told| {
        told.text("description", &settings.description)
            .texts("tags", tags())
            .text("default_queue_type", settings.default_queue_type.name())
    };
    metadata(new(key))
        .text("name", &vhost.name)
        .flag("tracing", settings.tracing)
        .table("metadata", metadata(new("")).headers)
        .table("cluster_state", new("").value(node, text("running")).headers)
}

fn vhost_limits_set(vhost: &str, limits: VhostLimits) -> Vec<Told> {
    let with_limits = |told: Told| {
        let told = told.number_if("max-connections", limits.max_connections);
        told.number_if("max-queues", limits.max_queues)
    };
    let value = AMQPValue::FieldTable(with_limits(new("")).headers);
    vec![parameter_set(limits_of(vhost), value), with_limits(new("vhost.limits.set").in_vhost(vhost, LIMITS))]
}

fn vhost_limits_cleared(vhost: &str) -> Vec<Told> {
    vec![
        of_parameter("parameter.cleared", limits_of(vhost)),
        new("vhost.limits.cleared").in_vhost(vhost, LIMITS),
    ]
}

fn tags_set(user: &User) -> Told {
    new("user.tags.set").text("name", &user.name).texts("tags", user.tags.iter().map(String::as_str))
}

fn user_created(user: &User) -> Vec<Told> {
    let mut all = vec![new("user.created").text("name", &user.name)];
    if !user.tags.is_empty() {
        all.push(tags_set(user));
    }
    all
}

fn user_changed(before: &User, user: &User) -> Vec<Told> {
    let mut all = Vec::new();
    if before.password != user.password {
        let is_there = user.password.is_some();
        let key = if is_there { "user.password.changed" } else { "user.password.cleared" };
        all.push(new(key).text("name", &user.name));
    }
    if before.tags != user.tags {
        all.push(tags_set(user));
    }
    all
}

/// Here alone the name is that of the limits.
fn of_user_limits(key: &'static str, user: &str) -> Told {
    new(key).text("name", LIMITS).text("username", user)
}

fn user_limits_set(user: &str, limits: UserLimits) -> Told {
    let told = of_user_limits("user.limits.set", user);
    let told = told.number_if("max-connections", limits.max_connections);
    told.number_if("max-channels", limits.max_channels)
}

fn of_user(key: &'static str, user: &str, vhost: &str) -> Told {
    new(key).text("user", user).text("vhost", vhost)
}

fn permission_created(user: &str, vhost: &str, Permission { configure, write, read }: &Permission) -> Told {
    let told = of_user("permission.created", user, vhost);
    told.text("configure", configure).text("write", write).text("read", read)
}

fn topic_permission_created(created: &UserTopicPermission) -> Told {
    let UserTopicPermission { user, vhost, exchange, permission } = created;
    let told = of_user("topic.permission.created", user, vhost).text("exchange", exchange);
    told.text("write", &permission.write).text("read", &permission.read)
}

fn of_alarm(key: &'static str, shared: &Shared, source: &str) -> Told {
    new(key).text("source", source).text("node", &node_name(&shared.config))
}

/// A connection of the broker's own has no name.
fn connection_name(shared: &Shared, id: ConnectionId) -> String {
    let overview = shared.connection(id).and_then(|handle| handle.overview.clone());
    overview.map(|overview| overview.name()).unwrap_or_default()
}

/// As the management API names channels.
fn channel_name(connection: &str, channel: u16) -> String {
    format!("{connection} ({channel})")
}

/// What a table cannot say is left out.
fn json(value: &Value) -> AMQPValue {
    read_value(value).unwrap_or(AMQPValue::Void)
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn new(key: &'static str) -> Told {
    Told { key, headers: FieldTable::default() }
}

/// Numbers are signed ones of 64 bits, texts long strings, as RabbitMQ writes them.
impl Told {
    fn value(mut self, name: impl Into<String>, value: AMQPValue) -> Self {
        self.headers.insert(name.into().into(), value);
        self
    }

    fn text(self, name: &str, value: &str) -> Self {
        self.value(name, text(value))
    }

    fn texts<'a>(self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let values: Vec<AMQPValue> = values.into_iter().map(text).collect();
        self.value(name, AMQPValue::FieldArray(FieldArray::from(values)))
    }

    fn flag(self, name: &str, value: bool) -> Self {
        self.value(name, AMQPValue::Boolean(value))
    }

    fn number(self, name: &str, value: impl Into<i64>) -> Self {
        self.value(name, AMQPValue::LongLongInt(value.into()))
    }

    fn number_if(self, name: &str, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    fn table(self, name: &str, value: FieldTable) -> Self {
        self.value(name, AMQPValue::FieldTable(value))
    }

    fn in_vhost(self, vhost: &str, name: &str) -> Self {
        self.text("vhost", vhost).text("name", name)
    }
}
