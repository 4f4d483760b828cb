//! From the file's text to typed definitions. What can be checked without knowing the broker's state is checked here.

use std::collections::HashSet;

use amq_protocol::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value};

use super::fields::Object;
use crate::auth::{
    HashAlgorithm, PasswordHash, Permission, Rights, TopicPermission, UserLimit, UserLimits,
    UserTopicPermission,
};
use crate::broker::error::ImportError;
use crate::broker::vhost_settings::{DefaultQueueType, VhostChange, VhostLimit, VhostLimits};
use crate::config::Config;
use crate::policy::{ApplyTo, CheckedPolicy, Policy, PolicyKind};
use crate::queue::QueueOptions;
use crate::topology::{Binding, Destination, ExchangeKind, ExchangeSpec};

/// Top-level keys that say something about the file and need no import.
const ABOUT: &[&str] = &[
    "cluster_name",
    "default_queue_type",
    "description",
    "explanation",
    "limits",
    "metadata",
    "original_cluster_name",
    "original_vhost_name",
    "product_name",
    "product_version",
    "rabbit_version",
    "rabbitmq_definition_format",
    "rabbitmq_version",
];

/// Types of exchanges that begin so come from plugins.
const PLUGIN_PREFIX: &str = "x-";

/// How a user's password is given.
#[derive(Debug)]
pub(super) enum Secret {
    Hash(Option<PasswordHash>),
    Plain(Vec<u8>),
}

/// A user of the file.
#[derive(Debug)]
pub(super) struct NewUser {
    pub(super) name: String,
    pub(super) secret: Secret,
    pub(super) tags: Vec<String>,
    pub(super) limits: Option<UserLimits>,
}

/// A vhost of the file.
#[derive(Debug)]
pub(super) struct NewVhost {
    pub(super) name: String,
    pub(super) change: VhostChange,
}

/// Where definitions belong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// Where each says; those that say nothing, to this vhost.
    Broker {
        /// The vhost.
        default_vhost: &'a str,
    },
    /// All of them to this vhost, whatever they say; users and the like are passed over.
    Vhost(&'a str),
}

impl<'a> Target<'a> {
    /// The broker with these settings.
    pub(crate) fn of(config: &'a Config) -> Self {
        Self::Broker { default_vhost: &config.default_vhost }
    }
}

/// A permission of the file.
#[derive(Debug)]
pub(super) struct NewPermission {
    pub(super) user: String,
    pub(super) vhost: String,
    pub(super) permission: Permission,
}

/// A queue of the file.
#[derive(Debug)]
pub(super) struct QueueSpec {
    pub(super) name: String,
    pub(super) arguments: FieldTable,
    pub(super) options: QueueOptions,
}

/// All that a file defines; what belongs to a vhost comes with its name.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    pub(super) users: Vec<NewUser>,
    pub(super) vhosts: Vec<NewVhost>,
    /// The user who makes those vhosts that are new.
    pub(super) creator: Option<String>,
    pub(super) global_parameters: Vec<(String, Value)>,
    pub(super) vhost_limits: Vec<(String, VhostLimits)>,
    pub(super) permissions: Vec<NewPermission>,
    pub(super) topic_permissions: Vec<UserTopicPermission>,
    pub(super) policies: Vec<(String, CheckedPolicy)>,
    pub(super) exchanges: Vec<(String, ExchangeSpec)>,
    pub(super) queues: Vec<(String, QueueSpec)>,
    pub(super) bindings: Vec<(String, Binding)>,
    /// Queues and exchanges that cannot be made here: their bindings are skipped with them.
    pub(super) skipped: HashSet<(String, Destination)>,
    /// What the log has to say about what has no effect.
    pub(super) notes: Vec<String>,
}

/// Reads a file.
pub(super) fn parse(text: &str, target: Target<'_>) -> Result<Definitions, ImportError> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        ImportError::new(place, format!("is not JSON: {error}"))
    })?;
    let file = Object::new(&value, "the file".to_owned())?;
    let target = match target {
        Target::Broker { default_vhost } if is_of_one_vhost(&value) => Target::Vhost(default_vhost),
        target => target,
    };
    let mut parser = Parser { target, definitions: Definitions::default() };
    if matches!(target, Target::Broker { .. }) {
        parser.each(&file, "users", "user", Parser::user)?;
        parser.each(&file, "vhosts", "vhost", Parser::vhost)?;
        parser.each(&file, "permissions", "permission", Parser::permission)?;
        parser.each(&file, "topic_permissions", "topic permission", Parser::topic_permission)?;
        parser.each(&file, "global_parameters", "global parameter", Parser::global_parameter)?;
    }
    parser.each(&file, "policies", "policy", Parser::policy)?;
    parser.each(&file, "parameters", "parameter", Parser::parameter)?;
    parser.each(&file, "exchanges", "exchange", Parser::exchange)?;
    parser.each(&file, "queues", "queue", Parser::queue)?;
    parser.each(&file, "bindings", "binding", Parser::binding)?;
    parser.rest(&file)?;
    Ok(parser.definitions)
}

/// Whether the text is what a RabbitMQ exports of one vhost: it names none, so all of it belongs to the default vhost. One of 3.10
/// says nothing of the kind, and its policies name the vhost that it is of.
fn is_of_one_vhost(file: &Value) -> bool {
    if file.get("rabbitmq_definition_format").and_then(Value::as_str) == Some("single_virtual_host") {
        return true;
    }
    let objects = |section: &str| file.get(section).and_then(Value::as_array).into_iter().flatten();
    let is_export =
        file.get("rabbit_version").is_some() && file.get("vhosts").is_none() && file.get("users").is_none();
    is_export
        && ["queues", "exchanges", "bindings"]
            .into_iter()
            .flat_map(objects)
            .all(|object| object.get("vhost").is_none())
}

struct Parser<'a> {
    target: Target<'a>,
    definitions: Definitions,
}

type Done = Result<(), ImportError>;

impl Parser<'_> {
    fn each(
        &mut self,
        file: &Object<'_>,
        section: &str,
        kind: &str,
        read: impl Fn(&mut Self, Object<'_>) -> Done,
    ) -> Done {
        for (index, value) in file.list(section)?.iter().enumerate() {
            let object = Object::new(value, format!("{section}[{index}]"))?;
            // An error is one line, whatever a name has in it.
            let name =
                object.value("name").and_then(Value::as_str).map(|name| name.replace(['\r', '\n'], ""));
            let label = match (name, object.value("vhost").and_then(Value::as_str)) {
                (Some(name), Some(vhost)) => {
                    format!("{kind} '{name}' in vhost '{}'", vhost.replace(['\r', '\n'], ""))
                }
                (Some(name), None) => format!("{kind} '{name}'"),
                (None, _) => object.label.clone(),
            };
            read(self, object.labelled(label))?;
        }
        Ok(())
    }

    fn rest(&mut self, file: &Object<'_>) -> Done {
        const SECTIONS: &[&str] = &[
            "users",
            "vhosts",
            "permissions",
            "topic_permissions",
            "policies",
            "parameters",
            "global_parameters",
            "exchanges",
            "queues",
            "bindings",
        ];
        let known = |key: &str| SECTIONS.contains(&key) || ABOUT.contains(&key);
        for key in file.keys().filter(|key| !known(key)) {
            self.note(format!("section {key:?} ignored: it is not known"));
        }
        Ok(())
    }

    fn note(&mut self, note: String) {
        self.definitions.notes.push(note);
    }

    /// An object without limits is in every export; old ones have an empty list.
    fn user_limits(&mut self, object: &Object<'_>) -> Result<Option<UserLimits>, ImportError> {
        let Some(limits) = object.limits("limits")? else { return Ok(None) };
        let mut read = UserLimits::default();
        for (name, value) in limits {
            match UserLimit::from_name(name) {
                Some(limit) => read = read.with(limit, Some(value)),
                None => self.note(format!("{}: limit {name:?} ignored: it is not known", object.label)),
            }
        }
        Ok(Some(read))
    }

    fn vhost_of(&self, object: &Object<'_>) -> Result<String, ImportError> {
        match (self.target, object.value("vhost")) {
            (Target::Vhost(vhost), _) | (Target::Broker { default_vhost: vhost }, None) => {
                Ok(vhost.to_owned())
            }
            (Target::Broker { .. }, Some(_)) => object.full_name("vhost"),
        }
    }

    fn user(&mut self, object: Object<'_>) -> Done {
        let user = NewUser {
            name: object.full_name("name")?,
            secret: secret(&object)?,
            tags: object.tags("tags")?,
            limits: self.user_limits(&object)?,
        };
        if matches!(user.secret, Secret::Hash(None)) {
            self.note(format!(
                "{}: without a password that can be used here, so nobody can log in by one",
                object.label
            ));
        }
        self.definitions.users.push(user);
        Ok(())
    }

    fn vhost(&mut self, object: Object<'_>) -> Done {
        let name = object.full_name("name")?;
        let nothing = Value::Object(Map::new());
        let metadata = object.value("metadata").unwrap_or(&nothing);
        let metadata = Object::new(metadata, format!("{}: metadata", object.label))?;
        let description = object.optional_text("description")?.or(metadata.optional_text("description")?);
        let tagged = if object.value("tags").is_some() { &object } else { &metadata };
        let kind =
            metadata.optional_text("default_queue_type")?.or(object.optional_text("default_queue_type")?);
        let change = VhostChange {
            description: Some(description.unwrap_or_default().to_owned()),
            tags: Some(tagged.tags("tags")?),
            default_queue_type: self.default_queue_type(&object.label, kind),
            tracing: object.optional_flag("tracing")?,
            is_protected: metadata.optional_flag("protected_from_deletion")?,
            ..VhostChange::default()
        };
        self.definitions.vhosts.push(NewVhost { name, change });
        Ok(())
    }

    /// `undefined` is what RabbitMQ writes when there is none.
    fn default_queue_type(&mut self, label: &str, name: Option<&str>) -> Option<DefaultQueueType> {
        let name = name.filter(|name| !["", "undefined"].contains(name))?;
        let kind = DefaultQueueType::from_name(name);
        if kind.is_none() {
            self.note(format!(
                "{label}: default_queue_type ignored: there are no queues of type {name:?} here"
            ));
        }
        kind
    }

    fn permission(&mut self, object: Object<'_>) -> Done {
        let pattern = |field| object.text(field).map(str::to_owned);
        let permission =
            Permission { configure: pattern("configure")?, write: pattern("write")?, read: pattern("read")? };
        let (user, vhost) = (object.full_name("user")?, self.vhost_of(&object)?);
        let object = object.labelled(format!("permission of user '{user}' on vhost '{vhost}'"));
        Rights::parse(&permission).map_err(|error| ImportError::new(object.label, error.to_string()))?;
        self.definitions.permissions.push(NewPermission { user, vhost, permission });
        Ok(())
    }

    fn topic_permission(&mut self, object: Object<'_>) -> Done {
        let permission = TopicPermission {
            write: object.text("write")?.to_owned(),
            read: object.text("read")?.to_owned(),
        };
        let (user, vhost) = (object.full_name("user")?, self.vhost_of(&object)?);
        let exchange = object.name("exchange")?;
        let label = format!("topic permission of user '{user}' on vhost '{vhost}' for exchange '{exchange}'");
        permission.check().map_err(|error| ImportError::new(label, error.to_string()))?;
        self.definitions.topic_permissions.push(UserTopicPermission { user, vhost, exchange, permission });
        Ok(())
    }

    fn policy(&mut self, object: Object<'_>) -> Done {
        let (vhost, name) = (self.vhost_of(&object)?, object.full_name("name")?);
        self.add_policy(&object, vhost, name, PolicyKind::User)
    }

    /// Operator policies are runtime parameters of RabbitMQ's, and so they come in its exports.
    fn parameter(&mut self, object: Object<'_>) -> Done {
        let component = object.text("component")?;
        if !["operator_policy", "vhost-limits"].contains(&component) {
            self.note(format!("{} of component {component:?} ignored: there is none here", object.label));
            return Ok(());
        }
        let (vhost, name) = (self.vhost_of(&object)?, object.full_name("name")?);
        let value = object.value("value").ok_or_else(|| object.error("value", "is missing"))?;
        if component == "vhost-limits" {
            let limits = self.vhost_limits(&object)?;
            self.definitions.vhost_limits.push((vhost, limits));
            return Ok(());
        }
        let label = format!("operator policy '{name}' in vhost '{vhost}'");
        self.add_policy(&Object::new(value, label)?, vhost, name, PolicyKind::Operator)
    }

    fn global_parameter(&mut self, object: Object<'_>) -> Done {
        let value = object.value("value").cloned().unwrap_or_default();
        self.definitions.global_parameters.push((object.full_name("name")?, value));
        Ok(())
    }

    fn vhost_limits(&mut self, object: &Object<'_>) -> Result<VhostLimits, ImportError> {
        let mut read = VhostLimits::default();
        for (name, value) in object.limits("value")?.unwrap_or_default() {
            match VhostLimit::from_name(name) {
                Some(limit) => read = read.with(limit, Some(value)),
                None => self.note(format!("{}: limit {name:?} ignored: it is not known", object.label)),
            }
        }
        Ok(read)
    }

    fn add_policy(&mut self, object: &Object<'_>, vhost: String, name: String, kind: PolicyKind) -> Done {
        let apply_to = object.optional_text("apply-to")?.unwrap_or("all");
        let apply_to = ApplyTo::from_name(apply_to).ok_or_else(|| {
            let all = "all, queues, classic_queues, quorum_queues, streams and exchanges";
            object.error("apply-to", format!("\"{apply_to}\" is none of {all}"))
        })?;
        let policy = Policy {
            name,
            kind,
            pattern: object.text("pattern")?.to_owned(),
            apply_to,
            priority: object.integer("priority", 0)?,
            definition: object.table("definition")?,
        };
        let checked = policy.check(&vhost).map_err(|error| ImportError::from_policy(&error))?;
        for key in &checked.inert {
            self.note(format!("{}: {key} has no effect here", object.label));
        }
        self.definitions.policies.push((vhost, checked));
        Ok(())
    }

    fn exchange(&mut self, object: Object<'_>) -> Done {
        let vhost = self.vhost_of(&object)?;
        let (name, kind) = (object.name("name")?, object.text("type")?);
        if ExchangeKind::from_name(kind).is_none() && kind.starts_with(PLUGIN_PREFIX) {
            self.note(format!("{} skipped: there are no exchanges of type {kind:?} here", object.label));
            self.definitions.skipped.insert((vhost, Destination::Exchange(name)));
            return Ok(());
        }
        let spec = ExchangeSpec {
            name,
            kind: ExchangeKind::parse(kind).map_err(|error| object.error("type", error))?,
            durable: object.flag("durable", true)?,
            auto_delete: object.flag("auto_delete", false)?,
            internal: object.flag("internal", false)?,
            arguments: object.arguments()?,
            delay_queue: None,
        };
        self.definitions.exchanges.push((vhost, spec));
        Ok(())
    }

    fn queue(&mut self, object: Object<'_>) -> Done {
        let vhost = self.vhost_of(&object)?;
        let name = object.full_name("name")?;
        let (durable, auto_delete) = (object.flag("durable", true)?, object.flag("auto_delete", false)?);
        let arguments = object.arguments()?;
        if let Some(kind) = foreign_type(&arguments) {
            self.note(format!("{} skipped: there are no queues of type {kind:?} here", object.label));
            self.definitions.skipped.insert((vhost, Destination::Queue(name)));
            return Ok(());
        }
        let thing = format!("queue '{name}' in vhost '{vhost}'");
        let options = QueueOptions::parse(&thing, durable, false, auto_delete, &arguments)
            .map_err(|error| object.error("arguments", error))?;
        self.definitions.queues.push((vhost, QueueSpec { name, arguments, options }));
        Ok(())
    }

    fn binding(&mut self, object: Object<'_>) -> Done {
        let vhost = self.vhost_of(&object)?;
        let destination = object.name("destination")?;
        let destination = match object.text("destination_type")? {
            "queue" => Destination::Queue(destination),
            "exchange" => Destination::Exchange(destination),
            other => {
                let why = format!("\"{other}\" is neither queue nor exchange");
                return Err(object.error("destination_type", why));
            }
        };
        let binding = Binding {
            source: object.name("source")?,
            destination,
            routing_key: object.name("routing_key")?,
            arguments: object.arguments()?,
        };
        self.definitions.bindings.push((vhost, binding));
        Ok(())
    }
}

/// A queue type of RabbitMQ's that is not served here.
fn foreign_type(arguments: &FieldTable) -> Option<String> {
    match arguments.inner().get("x-queue-type")? {
        AMQPValue::LongString(kind) => {
            let kind = String::from_utf8_lossy(kind.as_bytes()).into_owned();
            Some(kind).filter(|kind| !["classic", "quorum", "stream"].contains(&kind.as_str()))
        }
        _ => None,
    }
}

/// A hash, or the password itself, which RabbitMQ takes as well. A user with neither cannot log in by a password.
fn secret(object: &Object<'_>) -> Result<Secret, ImportError> {
    if let Some(password) = object.optional_text("password")? {
        return Ok(Secret::Plain(password.as_bytes().to_vec()));
    }
    let Some(hash) = object.optional_text("password_hash")? else { return Ok(Secret::Hash(None)) };
    let algorithm = object.optional_text("hashing_algorithm")?;
    let algorithm = algorithm.map_or(Ok(HashAlgorithm::default()), HashAlgorithm::from_name);
    let algorithm = algorithm.map_err(|why| object.error("hashing_algorithm", why))?;
    let hash = PasswordHash::from_base64(hash, algorithm);
    hash.map(Secret::Hash).map_err(|why| object.error("password_hash", why))
}
