//! Policies: settings for queues and exchanges by name (<https://www.rabbitmq.com/docs/policies>).
//!
//! At most one user policy and one operator policy apply to a queue: of those that match, the one with the highest priority.
//! Their settings become arguments: [`Policies::queue_arguments`] adds them to those of the declare, and the parser of declares
//! reads the result. So a policy can set nothing that an argument cannot, and means the same by it.
//!
//! Invariant: a [`CheckedPolicy`] has only keys that are known, with values that the parser takes.

mod error;
mod in_force;
mod origin;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use amq_protocol::types::{AMQPValue, FieldTable};
use serde::{Deserialize, Serialize};

use crate::pattern::NamePattern;
use crate::protocol::value::as_integer;
use crate::queue::QueueOptions;
use crate::queue::options::{Merge, OptionsError, POLICY_ARGUMENTS, QueueType, policy_arguments, queue_type};
use crate::topology::ALTERNATE_EXCHANGE;
use crate::topology::equivalence::term;

pub use error::{PolicyError, PolicyFault};
pub use in_force::InForce;
pub use origin::{Origin, SettingInForce};

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Settings of RabbitMQ's and its plugins' that are kept and have no effect: where and how it stores a queue (Coney has one
/// way of its own), streams, and what plugins do that are not here.
const INERT: &[&str] = &[
    "dead-letter-strategy",
    "federation-upstream",
    "federation-upstream-pattern",
    "federation-upstream-set",
    "ha-mode",
    "ha-params",
    "ha-promote-on-failure",
    "ha-promote-on-shutdown",
    "ha-sync-batch-size",
    "ha-sync-mode",
    "initial-cluster-size",
    "max-in-memory-bytes",
    "max-in-memory-length",
    "queue-leader-locator",
    "queue-master-locator",
    "queue-mode",
    "queue-version",
    "routing-key",
    "shards-per-node",
    "target-group-size",
    "x-cache-persistence",
    "x-cache-size",
    "x-cache-ttl",
    "x-message-deduplication",
];

/// What a policy applies to (`apply-to`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplyTo {
    /// `all`: queues and exchanges.
    #[default]
    All,
    /// `queues`: of every type.
    Queues,
    /// `classic_queues`.
    ClassicQueues,
    /// `quorum_queues`.
    QuorumQueues,
    /// `streams`: there are none.
    Streams,
    /// `exchanges`.
    Exchanges,
}

impl ApplyTo {
    /// From RabbitMQ's name for it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Self::All,
            "queues" => Self::Queues,
            "classic_queues" => Self::ClassicQueues,
            "quorum_queues" => Self::QuorumQueues,
            "streams" => Self::Streams,
            "exchanges" => Self::Exchanges,
            _ => return None,
        })
    }

    /// RabbitMQ's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Queues => "queues",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
            Self::Exchanges => "exchanges",
        }
    }

    const fn covers_queue(self, queue: QueueType) -> bool {
        match self {
            // RabbitMQ's `queues` are streams, too.
            Self::All | Self::Queues => true,
            Self::ClassicQueues => matches!(queue, QueueType::Classic),
            Self::QuorumQueues => matches!(queue, QueueType::Quorum),
            Self::Streams => matches!(queue, QueueType::Stream),
            Self::Exchanges => false,
        }
    }
}

/// Whose policy it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// A user's.
    #[default]
    User,
    /// An operator's: limits that users cannot raise (<https://www.rabbitmq.com/docs/policies#operator-policies>).
    Operator,
}

/// A policy of one vhost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The name, which is unique in its vhost and kind.
    pub name: String,
    /// Whose it is.
    pub kind: PolicyKind,
    /// A regular expression, matched anywhere in a queue's or exchange's name.
    pub pattern: String,
    /// What it applies to.
    pub apply_to: ApplyTo,
    /// Of the policies that match, the one with the highest priority applies; of equals, the first by name.
    pub priority: i64,
    /// The settings: `max-length` and the like, arguments without their `x-`.
    pub definition: FieldTable,
}

impl Policy {
    /// A user policy with one setting, of priority 0, for everything whose name matches.
    #[must_use]
    pub fn new(name: &str, pattern: &str, key: &str, value: AMQPValue) -> Self {
        let policy = Self {
            name: name.to_owned(),
            kind: PolicyKind::User,
            pattern: pattern.to_owned(),
            apply_to: ApplyTo::All,
            priority: 0,
            definition: FieldTable::default(),
        };
        policy.with(key, value)
    }

    /// The same with another setting.
    #[must_use]
    pub fn with(mut self, key: &str, value: AMQPValue) -> Self {
        self.definition.insert(key.into(), value);
        self
    }

    /// The same with this priority.
    #[must_use]
    pub const fn priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// The same as an operator policy.
    #[must_use]
    pub const fn operator(mut self) -> Self {
        self.kind = PolicyKind::Operator;
        self
    }

    /// Checks everything about the policy. `vhost` is for the error's text.
    ///
    /// # Errors
    /// A pattern that is no regular expression, no setting at all, an unknown key (in an operator policy: any that is not a
    /// numeric limit), a value that its argument could not have.
    pub fn check(self, vhost: &str) -> Result<CheckedPolicy, PolicyError> {
        let fail = |fault: PolicyFault| {
            let kind = if self.kind == PolicyKind::Operator { "operator policy" } else { "policy" };
            Err(PolicyError::new(format!("{kind} '{}' in vhost '{vhost}'", self.name), fault))
        };
        match self.name.len() {
            0 => return fail(PolicyFault::NoName),
            1..=NAME_BYTES_MAX => {}
            _ => return fail(PolicyFault::LongName),
        }
        let pattern = match NamePattern::parse(&self.pattern) {
            Ok(pattern) => pattern,
            Err(why) => return fail(PolicyFault::Pattern { pattern: self.pattern.clone(), why }),
        };
        if self.definition.inner().is_empty() {
            return fail(PolicyFault::Empty);
        }
        let (mut inert, mut unknown) = (Vec::new(), Vec::new());
        for (key, value) in &self.definition {
            match self.check_setting(key.as_str(), value) {
                Ok(Setting::Effective) => {}
                Ok(Setting::Inert) => inert.push(key.to_string()),
                Ok(Setting::Unknown) => unknown.push((key.to_string(), term(value))),
                Err(why) => {
                    return fail(PolicyFault::Value { key: key.to_string(), term: term(value), why });
                }
            }
        }
        if !unknown.is_empty() {
            return fail(PolicyFault::Unknown(unknown));
        }
        if let Err(fault) = check_together(&self.definition) {
            return fail(fault);
        }
        Ok(CheckedPolicy { policy: self, pattern, inert })
    }

    /// What a setting is, or what is wrong with its value.
    fn check_setting(&self, key: &str, value: &AMQPValue) -> Result<Setting, String> {
        if INERT.contains(&key) {
            return Ok(Setting::Inert);
        }
        if key == ALTERNATE_EXCHANGE && self.kind == PolicyKind::User {
            let is_name = matches!(value, AMQPValue::LongString(_));
            let why = || "is not a valid alternate exchange name".to_owned();
            return if is_name { Ok(Setting::Effective) } else { Err(why()) };
        }
        let setting = POLICY_ARGUMENTS.iter().find(|(argument, _)| argument.strip_prefix("x-") == Some(key));
        match (setting, self.kind) {
            (Some((argument, _)), PolicyKind::User)
            | (Some((argument, Merge::Lower(_))), PolicyKind::Operator) => {
                check_argument(argument, value).map(|()| Setting::Effective)
            }
            _ => Ok(Setting::Unknown),
        }
    }
}

/// What a key of a definition is.
enum Setting {
    Effective,
    /// It is kept and has no effect.
    Inert,
    Unknown,
}

/// Lets the queues' own parser look at one argument.
fn check_argument(argument: &str, value: &AMQPValue) -> Result<(), String> {
    if *value == AMQPValue::Void {
        return Err("may not be null".to_owned());
    }
    let mut table = FieldTable::default();
    table.insert(argument.into(), value.clone());
    parse(table).map_err(|(_, why)| why)
}

/// Settings that are right one by one may contradict each other.
fn check_together(definition: &FieldTable) -> Result<(), PolicyFault> {
    let mut table = FieldTable::default();
    for (argument, _) in POLICY_ARGUMENTS {
        let key = argument.strip_prefix("x-").unwrap_or(argument);
        if let Some(value) = definition.inner().get(key) {
            table.insert((*argument).into(), value.clone());
        }
    }
    parse(table).map_err(|(argument, why)| {
        let key = argument.strip_prefix("x-").unwrap_or(argument).to_owned();
        PolicyFault::Together { key, why }
    })
}

/// The argument at fault, and why.
fn parse(mut table: FieldTable) -> Result<(), (&'static str, String)> {
    // Queues of other types do not know them.
    let mut of_streams = FieldTable::default();
    of_streams.insert("x-queue-type".into(), AMQPValue::LongString("stream".into()));
    for argument in STREAM_ARGUMENTS {
        if let Some(value) = table.inner().get(argument) {
            of_streams.insert(argument.into(), value.clone());
        }
    }
    parse_as_queue(&of_streams)?;
    const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
    if !table.contains_key(DEAD_LETTER_EXCHANGE) {
        // The routing key is refused without it, but a policy may leave it to the queue.
        table.insert(DEAD_LETTER_EXCHANGE.into(), AMQPValue::LongString("".into()));
    }
    parse_as_queue(&table)
}

/// Settings of streams alone.
const STREAM_ARGUMENTS: [&str; 3] =
    ["x-max-age", "x-stream-max-segment-size-bytes", "x-stream-filter-size-bytes"];

fn parse_as_queue(table: &FieldTable) -> Result<(), (&'static str, String)> {
    match QueueOptions::parse("policy", true, false, false, table) {
        Ok(_) => Ok(()),
        Err(OptionsError::Invalid { key, why, .. }) => Err((key, format!("is not valid: {why}"))),
        Err(OptionsError::Type { key, found, .. }) => Err((key, format!("has the wrong type {found}"))),
        Err(OptionsError::Foreign { key, .. }) => Err((key, "is not valid".to_owned())),
        Err(OptionsError::Property { property, .. }) => Err((property, "is not valid".to_owned())),
        Err(OptionsError::Limit { text }) => Err(("", text.to_owned())),
    }
}

/// A policy that was found fit for use.
#[derive(Clone, Debug)]
pub struct CheckedPolicy {
    /// The policy.
    pub policy: Policy,
    /// Keys of it that have no effect here.
    pub inert: Vec<String>,
    pattern: NamePattern,
}

impl CheckedPolicy {
    /// Whether it is for queues of this kind and name, whatever other policies there are.
    #[must_use]
    pub fn matches_queue(&self, name: &str, declared: &FieldTable) -> bool {
        self.policy.apply_to.covers_queue(queue_type(declared)) && self.pattern.is_match(name)
    }

    /// The same for an exchange.
    #[must_use]
    pub fn matches_exchange(&self, name: &str) -> bool {
        let covers = matches!(self.policy.apply_to, ApplyTo::All | ApplyTo::Exchanges);
        // Operators' policies are for queues alone.
        covers && self.policy.kind == PolicyKind::User && self.pattern.is_match(name)
    }
}

/// The policies of one vhost.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    by_name: BTreeMap<(PolicyKind, String), CheckedPolicy>,
}

impl Policies {
    /// Adds or replaces a policy.
    pub fn put(&mut self, policy: CheckedPolicy) {
        self.by_name.insert((policy.policy.kind, policy.policy.name.clone()), policy);
    }

    /// Removes a policy; it, if it was there.
    pub fn remove(&mut self, kind: PolicyKind, name: &str) -> Option<Policy> {
        self.by_name.remove(&(kind, name.to_owned())).map(|checked| checked.policy)
    }

    /// All of them, by kind and name.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.by_name.values().map(|checked| &checked.policy)
    }

    /// The policy of this kind that applies to a queue.
    #[must_use]
    pub fn for_queue(&self, kind: PolicyKind, name: &str, arguments: &FieldTable) -> Option<&Policy> {
        let queue = queue_type(arguments);
        self.highest(kind, name, |apply_to| apply_to.covers_queue(queue))
    }

    /// The policy that applies to an exchange.
    #[must_use]
    pub fn for_exchange(&self, name: &str) -> Option<&Policy> {
        let covers = |apply_to| matches!(apply_to, ApplyTo::All | ApplyTo::Exchanges);
        self.highest(PolicyKind::User, name, covers)
    }

    /// The first of those with the highest priority.
    fn highest(&self, kind: PolicyKind, name: &str, covers: impl Fn(ApplyTo) -> bool) -> Option<&Policy> {
        let of_kind = self.by_name.values().filter(|checked| checked.policy.kind == kind);
        let matching =
            of_kind.filter(|checked| covers(checked.policy.apply_to) && checked.pattern.is_match(name));
        let highest = matching.min_by_key(|checked| std::cmp::Reverse(checked.policy.priority));
        highest.map(|checked| &checked.policy)
    }

    /// A queue's declare arguments with what policies add to them; `None` if none applies. For numbers the lowest value
    /// counts; for the rest the argument wins over the policy.
    #[must_use]
    pub fn queue_arguments(&self, name: &str, declared: &FieldTable) -> Option<FieldTable> {
        let policy = self.for_queue(PolicyKind::User, name, declared);
        let operator = self.for_queue(PolicyKind::Operator, name, declared);
        if policy.is_none() && operator.is_none() {
            return None;
        }
        let mut arguments = declared.clone();
        for (argument, merge) in policy_arguments(queue_type(declared)) {
            let key = argument.strip_prefix("x-").unwrap_or(argument);
            for said in [policy, operator].into_iter().flatten() {
                let Some(value) = said.definition.inner().get(key) else { continue };
                let current = arguments.inner().get(argument).filter(|value| **value != AMQPValue::Void);
                if gives_way(current, value, merge) {
                    arguments.insert(argument.into(), value.clone());
                }
            }
        }
        drop_lone_routing_key(&mut arguments);
        Some(arguments)
    }

    /// One of [those](Self::in_force), as text.
    #[must_use]
    pub fn setting(
        &self,
        name: &str,
        declared: &FieldTable,
        argument: &'static str,
    ) -> Option<SettingInForce> {
        let mut all = self.in_force(name, declared).into_iter();
        let InForce { value, origin, .. } = all.find(|setting| setting.argument == argument)?;
        Some(SettingInForce { name: argument, value: text_of(&value), origin })
    }

    /// The settings of a queue that somebody said, by name, as [`queue_arguments`](Self::queue_arguments) makes them.
    #[must_use]
    pub fn in_force(&self, name: &str, declared: &FieldTable) -> Vec<InForce> {
        let said = declared.inner().iter().filter(|(_, value)| **value != AMQPValue::Void);
        let mut all: Vec<InForce> = said
            .map(|(argument, value)| InForce::new(argument.as_str(), value.clone(), Origin::Argument))
            .collect();
        for kind in [PolicyKind::User, PolicyKind::Operator] {
            let Some(policy) = self.for_queue(kind, name, declared) else { continue };
            let origin = match kind {
                PolicyKind::User => Origin::Policy(policy.name.clone()),
                PolicyKind::Operator => Origin::OperatorPolicy(policy.name.clone()),
            };
            for (argument, merge) in policy_arguments(queue_type(declared)) {
                let key = argument.strip_prefix("x-").unwrap_or(argument);
                let Some(value) = policy.definition.inner().get(key) else { continue };
                let (said, origin) = (value.clone(), origin.clone());
                match all.iter_mut().find(|setting| setting.argument == argument) {
                    None => all.push(InForce::new(argument, said, origin)),
                    Some(current) if gives_way(Some(&current.value), value, merge) => {
                        current.give_way(said, origin);
                    }
                    Some(current) => current.overruled.push((said, origin)),
                }
            }
        }
        let has_exchange = all.iter().any(|setting| setting.argument == "x-dead-letter-exchange");
        // Without the exchange the key has no effect.
        all.retain(|setting| has_exchange || setting.argument != "x-dead-letter-routing-key");
        all.sort_by(|one, other| one.argument.cmp(&other.argument));
        all
    }

    /// What the policies that apply to a queue say together, under the keys of policies; empty if none applies.
    #[must_use]
    pub fn effective_definition(&self, name: &str, declared: &FieldTable) -> FieldTable {
        let [user, operator] =
            [PolicyKind::User, PolicyKind::Operator].map(|kind| self.for_queue(kind, name, declared));
        let mut effective = user.map(|policy| policy.definition.clone()).unwrap_or_default();
        for (key, value) in operator.into_iter().flat_map(|policy| policy.definition.inner()) {
            let argument = format!("x-{}", key.as_str());
            let merge = POLICY_ARGUMENTS.iter().find(|(name, _)| *name == argument).map(|(_, merge)| *merge);
            let current = effective.inner().get(key);
            if merge.is_none_or(|merge| gives_way(current, value, merge)) {
                effective.insert(key.clone(), value.clone());
            }
        }
        effective
    }

    /// The alternate exchange that an exchange has by policy.
    #[must_use]
    pub fn alternate_exchange(&self, name: &str) -> Option<String> {
        match self.for_exchange(name)?.definition.inner().get(ALTERNATE_EXCHANGE)? {
            AMQPValue::LongString(name) => Some(String::from_utf8_lossy(name.as_bytes()).into_owned()),
            _ => None,
        }
    }
}

/// Whether a value that is there (an argument, or what the user policy said) gives way to a policy's.
fn gives_way(current: Option<&AMQPValue>, policy: &AMQPValue, merge: Merge) -> bool {
    match (current, merge) {
        (None, _) => true,
        (Some(_), Merge::Argument) => false,
        (Some(_), Merge::Policy) => true,
        (Some(current), Merge::Lower(no_limit)) => {
            let limit = |value: &AMQPValue| {
                as_integer(value).map(|number| if Some(number) == no_limit { i64::MAX } else { number })
            };
            let both = limit(current).zip(limit(policy));
            both.is_some_and(|(current, policy)| policy < current)
        }
    }
}

/// A value as people write it: a list with commas between.
fn text_of(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        AMQPValue::ShortString(text) => text.to_string(),
        AMQPValue::FieldArray(items) => {
            items.as_slice().iter().map(text_of).collect::<Vec<String>>().join(", ")
        }
        other => term(other),
    }
}

/// A policy may name a dead-letter routing key without an exchange; it has no effect then.
fn drop_lone_routing_key(arguments: &mut FieldTable) {
    if arguments.inner().contains_key("x-dead-letter-exchange") {
        return;
    }
    let mut table = FieldTable::default();
    for (key, value) in &*arguments {
        if key.as_str() != "x-dead-letter-routing-key" {
            table.insert(key.clone(), value.clone());
        }
    }
    *arguments = table;
}
