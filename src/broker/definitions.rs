//! What outlives a restart beside messages: vhosts, users, permissions, policies, exchanges, queues, bindings, as keyed JSON
//! records.
//!
//! A record is one definition, so a change writes one record. Keys are `kind NUL vhost NUL name`.

use std::collections::{BTreeMap, HashMap};

use amq_protocol::types::FieldTable;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::vhost_settings::VhostSettings;
use crate::auth::{Permission, User, UserTopicPermission};
use crate::message::QueueId;
use crate::policy::{Policy, PolicyKind};
use crate::store::Op;
use crate::time::Timestamp;
use crate::topology::{Binding, ExchangeSpec};

/// Version of the records' form.
const VERSION: u32 = 1;

/// A queue's definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueueDefinition {
    /// The name.
    pub name: String,
    /// Its id, under which the store keeps its messages.
    pub id: u64,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// Declare arguments.
    pub arguments: FieldTable,
}

/// One definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// A virtual host.
    Vhost(String),
    /// What is said of a vhost.
    VhostSettings(String, VhostSettings),
    /// What a world's own clock shows.
    WorldClock(String, Timestamp),
    /// A global parameter.
    GlobalParameter(String, Value),
    /// A user.
    User(User),
    /// What a user may do on a vhost.
    Permission {
        /// The user.
        user: String,
        /// The vhost.
        vhost: String,
        /// What for.
        permission: Permission,
    },
    /// Which keys a user may use with a topic exchange.
    TopicPermission(UserTopicPermission),
    /// A durable exchange in a vhost.
    Exchange(String, ExchangeSpec),
    /// A durable queue in a vhost.
    Queue(String, QueueDefinition),
    /// A policy of a vhost.
    Policy(String, Policy),
    /// A binding between durable ends in a vhost.
    Binding(String, Binding),
}

#[derive(Serialize, Deserialize)]
struct Record<T> {
    version: u32,
    definition: T,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the definition '{key}' in the data directory cannot be read ({why}); it was written by another version, or is damaged"
)]
pub struct DefinitionError {
    key: String,
    why: String,
}

impl Definition {
    fn key(&self) -> String {
        match self {
            Self::Vhost(name) => format!("vhost\0{name}"),
            Self::VhostSettings(name, _) => vhost_settings_key(name),
            Self::WorldClock(vhost, _) => world_clock_key(vhost),
            Self::GlobalParameter(name, _) => global_parameter_key(name),
            Self::User(user) => user_key(&user.name),
            Self::Permission { user, vhost, .. } => permission_key(user, vhost),
            Self::TopicPermission(UserTopicPermission { user, vhost, exchange, .. }) => {
                format!("topic_permission\0{vhost}\0{user}\0{exchange}")
            }
            Self::Exchange(vhost, exchange) => format!("exchange\0{vhost}\0{}", exchange.name),
            Self::Queue(vhost, queue) => queue_key(vhost, &queue.name),
            Self::Policy(vhost, policy) => policy_key(vhost, policy.kind, &policy.name),
            Self::Binding(vhost, binding) => {
                format!("binding\0{vhost}\0{}", serde_json::to_string(binding).unwrap_or_default())
            }
        }
    }

    /// The store operation that keeps it.
    #[must_use]
    pub fn put(self) -> Op {
        let key = self.key();
        let value = serde_json::to_vec(&Record { version: VERSION, definition: self }).unwrap_or_default();
        Op::PutDefinition { key, value }
    }

    /// The store operation that forgets it.
    #[must_use]
    pub fn remove(&self) -> Op {
        Op::RemoveDefinition { key: self.key() }
    }

    /// The store operation that forgets a policy.
    #[must_use]
    pub fn remove_policy(vhost: &str, kind: PolicyKind, name: &str) -> Op {
        Op::RemoveDefinition { key: policy_key(vhost, kind, name) }
    }

    /// The store operation that forgets what is said of a vhost.
    #[must_use]
    pub fn remove_vhost_settings(name: &str) -> Op {
        Op::RemoveDefinition { key: vhost_settings_key(name) }
    }

    /// The store operation that forgets a world's clock.
    #[must_use]
    pub fn remove_world_clock(name: &str) -> Op {
        Op::RemoveDefinition { key: world_clock_key(name) }
    }

    /// The store operation that forgets a global parameter.
    #[must_use]
    pub fn remove_global_parameter(name: &str) -> Op {
        Op::RemoveDefinition { key: global_parameter_key(name) }
    }

    /// The store operation that forgets a queue.
    #[must_use]
    pub fn remove_queue(vhost: &str, name: &str) -> Op {
        Op::RemoveDefinition { key: queue_key(vhost, name) }
    }

    /// The store operation that forgets a user.
    #[must_use]
    pub fn remove_user(name: &str) -> Op {
        Op::RemoveDefinition { key: user_key(name) }
    }

    /// The store operation that forgets a permission.
    #[must_use]
    pub fn remove_permission(user: &str, vhost: &str) -> Op {
        Op::RemoveDefinition { key: permission_key(user, vhost) }
    }

    /// Reads the records of an earlier run.
    pub fn read_all(records: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Self>, DefinitionError> {
        records.iter().map(|(key, value)| Self::read(key, value)).collect()
    }

    fn read(key: &str, value: &[u8]) -> Result<Self, DefinitionError> {
        let error = |why: String| DefinitionError { key: key.replace('\0', "/"), why };
        let record: Record<Self> = parse(value).map_err(error)?;
        if record.version != VERSION {
            return Err(error(format!("its version is {}, not {VERSION}", record.version)));
        }
        Ok(record.definition)
    }
}

/// Vhost and name of each queue whose record can be read, by the id under which the store keeps its messages.
#[must_use]
pub fn queue_names(records: &BTreeMap<String, Vec<u8>>) -> HashMap<QueueId, (String, String)> {
    let definitions = records.iter().filter_map(|(key, value)| Definition::read(key, value).ok());
    let queues = definitions.filter_map(|definition| match definition {
        Definition::Queue(vhost, queue) => Some((QueueId(queue.id), (vhost, queue.name))),
        _ => None,
    });
    queues.collect()
}

fn global_parameter_key(name: &str) -> String {
    format!("global_parameter\0{name}")
}

fn world_clock_key(name: &str) -> String {
    format!("world_clock\0{name}")
}

/// Under which it is kept what is said of a vhost.
pub fn vhost_settings_key(name: &str) -> String {
    format!("vhost_settings\0{name}")
}

fn queue_key(vhost: &str, name: &str) -> String {
    format!("queue\0{vhost}\0{name}")
}

fn user_key(name: &str) -> String {
    format!("user\0{name}")
}

fn permission_key(user: &str, vhost: &str) -> String {
    format!("permission\0{vhost}\0{user}")
}

fn policy_key(vhost: &str, kind: PolicyKind, name: &str) -> String {
    let kind = match kind {
        PolicyKind::User => "policy",
        PolicyKind::Operator => "operator_policy",
    };
    format!("{kind}\0{vhost}\0{name}")
}

fn parse<T: DeserializeOwned>(value: &[u8]) -> Result<T, String> {
    serde_json::from_slice(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(definition: Definition) -> BTreeMap<String, Vec<u8>> {
        match definition.put() {
            Op::PutDefinition { key, value } => [(key, value)].into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_definition_round_trips() {
        let queue = QueueDefinition {
            name: "q".to_owned(),
            id: 7,
            auto_delete: true,
            arguments: FieldTable::default(),
        };
        let read = Definition::read_all(&records(Definition::Queue("/".to_owned(), queue))).unwrap();
        assert!(matches!(&read[..], [Definition::Queue(vhost, queue)] if vhost == "/" && queue.id == 7));
    }

    #[test]
    fn a_record_of_another_version_is_refused_by_name() {
        let mut records = records(Definition::Vhost("v".to_owned()));
        for value in records.values_mut() {
            *value = String::from_utf8(value.clone())
                .unwrap()
                .replace("\"version\":1", "\"version\":2")
                .into_bytes();
        }
        let error = Definition::read_all(&records).unwrap_err().to_string();
        assert!(error.contains("vhost/v") && error.contains("version is 2"), "{error}");
    }
}
