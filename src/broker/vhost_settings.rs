//! What is said of a vhost beside what is in it (<https://www.rabbitmq.com/docs/vhosts>).

use std::fmt;

use amq_protocol::types::{AMQPValue, FieldTable};
use serde::{Deserialize, Serialize};

use super::world::WorldSettings;
use crate::auth::limit_in_words;

/// The argument of a declare that says the type.
pub const QUEUE_TYPE: &str = "x-queue-type";

/// Settings of a vhost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VhostSettings {
    /// For people.
    pub description: String,
    /// Words by which people and tools find it.
    pub tags: Vec<String>,
    /// The type of queues whose declare does not say one.
    pub default_queue_type: DefaultQueueType,
    /// Whether messages are to be traced. It is kept for tools that set it: nothing is traced.
    pub tracing: bool,
    /// Whether it may not be deleted.
    pub is_protected: bool,
    /// Limits; `None` if there never were any, or they were cleared as a whole.
    pub limits: Option<VhostLimits>,
    /// What it was made with if it is a world of a test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<WorldSettings>,
    /// Which shard of a cluster serves it, if that is not the one that knows all vhosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
}

/// Which shard of a cluster serves a vhost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Its number. 0 is the meta shard: a vhost that was never moved has no home there.
    pub shard: u32,
    /// Random: a vhost of the same name that is made later has another.
    pub id: u64,
    /// In the shard: the place in the meta shard's log by which the vhost was made there. `None` in the meta shard, which has its name,
    /// settings and permissions, and nothing else of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<MetaMark>,
    /// Whereto it moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<Moving>,
}

/// A vhost moves to another shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// Whereto.
    pub shard: u32,
    /// Random: what the copy is known by there.
    pub id: u64,
    /// Where it is noted by the shard that has it: nobody is in it any more, and nobody comes in.
    #[serde(default)]
    pub is_closed: bool,
}

/// A place in the meta shard's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaMark {
    /// Which log.
    pub log_id: u64,
    /// The frame.
    pub sequence: u64,
}

impl Home {
    /// Whether the vhost is another shard's.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        self.shard > 0 && self.made.is_none()
    }

    /// What a copy elsewhere is known by, while it moves.
    #[must_use]
    pub fn copy_id(&self) -> Option<u64> {
        self.moving.map(|moving| moving.id)
    }

    /// Whether this is the shard from which it moves.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        !self.is_elsewhere() && self.moving.is_some()
    }

    /// Whether the shard that has this serves the vhost.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.is_elsewhere() && self.moving.is_none()
    }
}

/// How much there may be in a vhost. What is not limited is `None`, or negative, as in RabbitMQ; 0 allows none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VhostLimits {
    /// Connections at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// Queues at a time; queues that are there stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_queues: Option<i64>,
}

/// One of a vhost's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VhostLimit {
    /// `max-connections`.
    MaxConnections,
    /// `max-queues`.
    MaxQueues,
}

impl VhostLimit {
    /// The limit of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "max-connections" => Some(Self::MaxConnections),
            "max-queues" => Some(Self::MaxQueues),
            _ => None,
        }
    }
}

impl VhostLimits {
    /// With another value of one of them.
    #[must_use]
    pub const fn with(mut self, limit: VhostLimit, value: Option<i64>) -> Self {
        match limit {
            VhostLimit::MaxConnections => self.max_connections = value,
            VhostLimit::MaxQueues => self.max_queues = value,
        }
        self
    }

    /// Whether nothing is limited.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.max_connections.is_none() && self.max_queues.is_none()
    }
}

/// The type of queues whose declare does not say one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultQueueType {
    /// `classic`.
    #[default]
    Classic,
    /// `quorum`, for those that can be of this type: durable ones, neither exclusive nor deleted by themselves.
    Quorum,
    /// `stream`, for the same.
    Stream,
}

impl DefaultQueueType {
    /// The type of this name, as in `x-queue-type`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "classic" => Some(Self::Classic),
            "quorum" => Some(Self::Quorum),
            "stream" => Some(Self::Stream),
            _ => None,
        }
    }

    /// Says the type in a declare's arguments that do not say one, if such a queue `can_be_other` than classic. That of a classic one is left
    /// unsaid: every queue is one that does not say otherwise.
    pub fn put_in(self, arguments: &mut FieldTable, can_be_other: bool) {
        if self != Self::Classic && can_be_other && !arguments.inner().contains_key(QUEUE_TYPE) {
            arguments.insert(QUEUE_TYPE.into(), AMQPValue::LongString(self.name().into()));
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }
}

/// A change of a vhost's settings: what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VhostChange {
    /// See [`VhostSettings`], also for the others.
    pub description: Option<String>,
    /// Tags.
    pub tags: Option<Vec<String>>,
    /// Queue type.
    pub default_queue_type: Option<DefaultQueueType>,
    /// Tracing flag.
    pub tracing: Option<bool>,
    /// Deletion protection.
    pub is_protected: Option<bool>,
    /// Limits, all of them.
    pub limits: Option<Option<VhostLimits>>,
    /// For a new one: which shard is to serve it; 0 is the meta shard. Without it, one with few vhosts.
    pub shard: Option<u32>,
    /// Which shard serves it.
    pub home: Option<Home>,
}

/// For the log: what changes, with texts quoted.
impl fmt::Display for VhostChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_set = |on: bool| if on { "on" } else { "off" };
        let said = [
            self.description.as_ref().map(|text| format!("description {text:?}")),
            self.tags.as_ref().map(|tags| format!("tags {:?}", tags.join(", "))),
            self.default_queue_type.map(|kind| format!("default queue type {}", kind.name())),
            self.tracing.map(|on| format!("tracing {}", is_set(on))),
            self.is_protected.map(|on| format!("protection from deletion {}", is_set(on))),
            self.limits
                .map(|limits| limits.map_or_else(|| "no limits".to_owned(), |limits| limits.to_string())),
        ];
        let said: Vec<String> = said.into_iter().flatten().collect();
        f.write_str(if said.is_empty() { "nothing" } else { "" })?;
        f.write_str(&said.join(", "))
    }
}

/// For people.
impl fmt::Display for VhostLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [connections, queues] = [self.max_connections, self.max_queues].map(limit_in_words);
        write!(f, "{connections} connections and {queues} queues")
    }
}

impl VhostChange {
    /// Whether nothing but limits changes.
    #[must_use]
    pub fn is_of_limits(&self) -> bool {
        self.limits.is_some() && *self == Self { limits: self.limits, ..Self::default() }
    }

    /// The settings after the change.
    #[must_use]
    pub fn applied_to(self, settings: &VhostSettings) -> VhostSettings {
        let now = settings.clone();
        VhostSettings {
            description: self.description.unwrap_or(now.description),
            tags: self.tags.unwrap_or(now.tags),
            default_queue_type: self.default_queue_type.unwrap_or(now.default_queue_type),
            tracing: self.tracing.unwrap_or(now.tracing),
            is_protected: self.is_protected.unwrap_or(now.is_protected),
            limits: self.limits.unwrap_or(now.limits),
            world: now.world,
            home: self.home.or(now.home),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let settings = VhostSettings {
            description: "d".to_owned(),
            tracing: true,
            limits: Some(VhostLimits { max_queues: Some(3), ..VhostLimits::default() }),
            ..VhostSettings::default()
        };
        assert_eq!(VhostChange::default().applied_to(&settings), settings);
        let change = VhostChange { tracing: Some(false), limits: Some(None), ..VhostChange::default() };
        let changed = change.applied_to(&settings);
        assert_eq!((&changed.description[..], changed.tracing, changed.limits), ("d", false, None));
    }

    #[test]
    fn settings_of_another_version_are_read() {
        let settings: VhostSettings = serde_json::from_str(r#"{"description":"d","later":1}"#).unwrap();
        assert_eq!(settings.description, "d");
        let limits: VhostLimits = serde_json::from_str(r#"{"max-queues":-1}"#).unwrap();
        assert_eq!((limits.max_queues, limits.max_connections), (Some(-1), None));
        assert_eq!(serde_json::to_string(&limits).unwrap(), r#"{"max-queues":-1}"#);
    }
}
