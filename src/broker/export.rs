//! Definitions as JSON in RabbitMQ's format (<https://www.rabbitmq.com/docs/definitions>): what an import reads back.
//!
//! As RabbitMQ does it, exclusive queues and their bindings are left out, for they belong to a connection, and so are the
//! predeclared exchanges and the default exchange's bindings, which are always there.

use std::collections::HashSet;

use amq_protocol::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};

use super::arguments_json::{plain, put_arguments};
use super::shared::Shared;
use super::vhost::Vhost;
use super::vhost_settings::{QUEUE_TYPE, VhostLimits, VhostSettings};
use crate::auth::{User, UserTopicPermission, Users};
use crate::config::Config;
use crate::policy::{Policy, PolicyKind};
use crate::topology::{Binding, Destination, ExchangeSpec};

/// Names of the broker's own.
const RESERVED_PREFIX: &str = "amq.";

/// All definitions of the broker.
pub(super) fn all(shared: &Shared, vhosts: &[std::sync::Arc<Vhost>]) -> Value {
    let users: Vec<Value> = shared.users(|users| users.list().iter().map(user).collect());
    let permissions: Vec<Value> = shared.users(|users| {
        let all = users.permissions().into_iter();
        let known = all.filter(|(_, vhost, _)| vhosts.iter().any(|known| known.name == *vhost));
        known
            .map(|(user, vhost, permission)| {
                json!({
                    "user": user, "vhost": vhost, "configure": permission.configure, "write": permission.write,
                    "read": permission.read,
                })
            })
            .collect()
    });
    let mut sections = Sections::default();
    for vhost in vhosts {
        sections.add(vhost, true);
    }
    let about_vhosts: Vec<Value> =
        vhosts.iter().map(|vhost| about_vhost(&vhost.name, &vhost.settings())).collect();
    let mut file = about(&shared.config);
    file.insert("rabbitmq_definition_format".to_owned(), "cluster".into());
    file.insert("users".to_owned(), users.into());
    file.insert("vhosts".to_owned(), about_vhosts.into());
    file.insert("permissions".to_owned(), permissions.into());
    file.insert("topic_permissions".to_owned(), topic_permissions(shared, vhosts).into());
    let global = shared.global_parameters.all().into_iter();
    let global = global.map(|(name, value)| json!({ "name": name, "value": value }));
    file.insert("global_parameters".to_owned(), global.collect());
    sections.put(&mut file);
    Value::Object(file)
}

fn topic_permissions(shared: &Shared, vhosts: &[std::sync::Arc<Vhost>]) -> Vec<Value> {
    let all = shared.users(Users::topic_permissions).into_iter();
    let known = all.filter(|permission| vhosts.iter().any(|known| known.name == permission.vhost));
    known
        .map(|UserTopicPermission { user, vhost, exchange, permission }| {
            json!({
                "user": user, "vhost": vhost, "exchange": exchange, "write": permission.write,
                "read": permission.read,
            })
        })
        .collect()
}

/// The definitions of one vhost, without its name: they can be imported into any.
pub(super) fn of_vhost(shared: &Shared, vhost: &Vhost) -> Value {
    let mut sections = Sections::default();
    sections.add(vhost, false);
    let mut file = about(&shared.config);
    file.insert("rabbitmq_definition_format".to_owned(), "single_virtual_host".into());
    put_settings(&mut file, &vhost.settings());
    file.insert("limits".to_owned(), json!(vhost.settings().limits.unwrap_or_default()));
    file.insert("original_vhost_name".to_owned(), vhost.name.clone().into());
    file.insert("explanation".to_owned(), format!("Definitions of virtual host '{}'", vhost.name).into());
    sections.put(&mut file);
    Value::Object(file)
}

fn about(config: &Config) -> Map<String, Value> {
    let mut file = Map::new();
    for key in ["rabbit_version", "rabbitmq_version", "product_version"] {
        file.insert(key.to_owned(), config.server_version.clone().into());
    }
    file.insert("product_name".to_owned(), config.server_product.clone().into());
    file
}

fn user(user: &User) -> Value {
    let (hash, algorithm) = match &user.password {
        Some(hash) => (hash.to_base64(), hash.algorithm()),
        None => (String::new(), crate::auth::HashAlgorithm::default()),
    };
    json!({
        "name": user.name, "password_hash": hash, "hashing_algorithm": algorithm.name(), "tags": user.tags,
        "limits": user.limits,
    })
}

fn about_vhost(name: &str, settings: &VhostSettings) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), name.into());
    put_settings(&mut object, settings);
    Value::Object(object)
}

/// What is not the same in every export of RabbitMQ's is there only when it says something.
fn put_settings(object: &mut Map<String, Value>, settings: &VhostSettings) {
    let mut metadata = Map::new();
    for (key, value) in [
        ("description", json!(settings.description)),
        ("tags", json!(settings.tags)),
        ("default_queue_type", json!(settings.default_queue_type.name())),
    ] {
        object.insert(key.to_owned(), value.clone());
        metadata.insert(key.to_owned(), value);
    }
    if settings.is_protected {
        metadata.insert("protected_from_deletion".to_owned(), true.into());
    }
    if settings.tracing {
        object.insert("tracing".to_owned(), true.into());
    }
    object.insert("metadata".to_owned(), metadata.into());
}

/// Limits of a vhost are a runtime parameter of RabbitMQ's.
fn vhost_limits(limits: &VhostLimits, vhost: Option<&str>) -> Value {
    let mut object = object(vhost);
    object.insert("component".to_owned(), "vhost-limits".into());
    object.insert("name".to_owned(), "limits".into());
    object.insert("value".to_owned(), json!(limits));
    Value::Object(object)
}

/// What belongs to vhosts.
#[derive(Default)]
struct Sections {
    parameters: Vec<Value>,
    policies: Vec<Value>,
    queues: Vec<Value>,
    exchanges: Vec<Value>,
    bindings: Vec<Value>,
}

impl Sections {
    fn add(&mut self, vhost: &Vhost, named: bool) {
        let name = named.then_some(vhost.name.as_str());
        self.parameters.extend(vhost.settings().limits.map(|limits| vhost_limits(&limits, name)));
        for policy in vhost.policies().iter() {
            match policy.kind {
                PolicyKind::User => self.policies.push(user_policy(policy, name)),
                PolicyKind::Operator => self.parameters.push(operator_policy(policy, name)),
            }
        }
        let exclusive = self.add_queues(vhost, name);
        let topology = vhost.topology.read();
        let made = |name: &str| !name.is_empty() && !name.starts_with(RESERVED_PREFIX);
        let exchanges = topology.exchanges().filter(|exchange| made(&exchange.name));
        self.exchanges.extend(exchanges.map(|exchange| self::exchange(exchange, name)));
        let kept = topology.bindings().filter(|binding| match &binding.destination {
            Destination::Queue(queue) => !exclusive.contains(queue),
            Destination::Exchange(_) => true,
        });
        self.bindings.extend(kept.map(|binding| self::binding(binding, name)));
    }

    /// Adds the queues; gives the names of those that are left out.
    fn add_queues(&mut self, vhost: &Vhost, name: Option<&str>) -> HashSet<String> {
        let mut exclusive = HashSet::new();
        for record in vhost.declared_queues() {
            if record.owner.is_some() {
                exclusive.insert(record.name.clone());
                continue;
            }
            let mut object = object(name);
            object.insert("name".to_owned(), record.name.clone().into());
            object.insert("durable".to_owned(), record.durable.into());
            object.insert("auto_delete".to_owned(), record.auto_delete.into());
            put_arguments(&mut object, &with_type(&record.arguments));
            self.queues.push(Value::Object(object));
        }
        exclusive
    }

    fn put(self, file: &mut Map<String, Value>) {
        for (key, section) in [
            ("parameters", self.parameters),
            ("policies", self.policies),
            ("queues", self.queues),
            ("exchanges", self.exchanges),
            ("bindings", self.bindings),
        ] {
            file.insert(key.to_owned(), section.into());
        }
    }
}

/// The arguments with a type, as RabbitMQ exports them: a vhost that this is imported into may have another default.
fn with_type(arguments: &FieldTable) -> FieldTable {
    let mut arguments = arguments.clone();
    if !arguments.inner().contains_key(QUEUE_TYPE) {
        arguments.insert(QUEUE_TYPE.into(), AMQPValue::LongString("classic".into()));
    }
    arguments
}

fn object(vhost: Option<&str>) -> Map<String, Value> {
    vhost.map(|vhost| ("vhost".to_owned(), Value::from(vhost))).into_iter().collect()
}

fn user_policy(policy: &Policy, vhost: Option<&str>) -> Value {
    let mut object = object(vhost);
    object.insert("name".to_owned(), policy.name.clone().into());
    put_policy(&mut object, policy);
    Value::Object(object)
}

/// Operator policies are runtime parameters of RabbitMQ's.
fn operator_policy(policy: &Policy, vhost: Option<&str>) -> Value {
    let mut value = Map::new();
    put_policy(&mut value, policy);
    let mut object = object(vhost);
    object.insert("component".to_owned(), "operator_policy".into());
    object.insert("name".to_owned(), policy.name.clone().into());
    object.insert("value".to_owned(), Value::Object(value));
    Value::Object(object)
}

fn put_policy(object: &mut Map<String, Value>, policy: &Policy) {
    object.insert("pattern".to_owned(), policy.pattern.clone().into());
    object.insert("apply-to".to_owned(), policy.apply_to.name().into());
    object.insert("definition".to_owned(), plain(&policy.definition));
    object.insert("priority".to_owned(), policy.priority.into());
}

fn exchange(exchange: &ExchangeSpec, vhost: Option<&str>) -> Value {
    let mut object = object(vhost);
    object.insert("name".to_owned(), exchange.name.clone().into());
    object.insert("type".to_owned(), exchange.kind.name().into());
    object.insert("durable".to_owned(), exchange.durable.into());
    object.insert("auto_delete".to_owned(), exchange.auto_delete.into());
    object.insert("internal".to_owned(), exchange.internal.into());
    put_arguments(&mut object, &exchange.arguments);
    Value::Object(object)
}

fn binding(binding: &Binding, vhost: Option<&str>) -> Value {
    let kind = match binding.destination {
        Destination::Queue(_) => "queue",
        Destination::Exchange(_) => "exchange",
    };
    let mut object = object(vhost);
    object.insert("source".to_owned(), binding.source.clone().into());
    object.insert("destination".to_owned(), binding.destination.name().into());
    object.insert("destination_type".to_owned(), kind.into());
    object.insert("routing_key".to_owned(), binding.routing_key.clone().into());
    put_arguments(&mut object, &binding.arguments);
    Value::Object(object)
}
