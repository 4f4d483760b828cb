//! What a policy would match and change, before it is put.

use amq_protocol::types::FieldTable;

use super::policies::require;
use super::scope::Scope;
use crate::broker::error::OperationError;
use crate::policy::{InForce, Policies, Policy, PolicyKind};

/// Queues and exchanges that are listed: those that change come first.
const LISTED_MAX: usize = 1000;
/// Names that are looked at without a break for others.
const AT_ONCE: usize = 64;

/// What a policy would do.
#[derive(Clone, Debug, Default)]
pub struct PolicyPreview {
    /// Queues that it matches.
    pub queues: usize,
    /// Exchanges that it matches.
    pub exchanges: usize,
    /// Of both, those for which something changes.
    pub changed: usize,
    /// What it matches, or stops to match, one by one.
    pub affected: Vec<Affected>,
    /// How many more there are.
    pub left_out: usize,
}

/// A queue or an exchange with what policies say of it.
#[derive(Clone, Debug)]
pub struct Affected {
    /// It is a queue; else an exchange.
    pub is_queue: bool,
    /// Its name.
    pub name: String,
    /// The policy matches it. Another with a higher priority may win.
    pub is_matched: bool,
    /// It is the one that counts of its kind.
    pub applies: bool,
    /// As it is.
    pub now: Applied,
    /// As it would be.
    pub then: Applied,
}

impl Affected {
    /// Whether the policy makes a difference.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.now != self.then
    }
}

/// Which policies apply, and what follows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The policy.
    pub policy: Option<String>,
    /// The operator policy; exchanges have none.
    pub operator_policy: Option<String>,
    /// What they say together.
    pub definition: FieldTable,
    /// The settings in force, of a queue.
    pub settings: Vec<InForce>,
}

impl Applied {
    /// Whether this policy is the one of its kind that applies.
    fn names(&self, policy: &Policy) -> bool {
        let applied = match policy.kind {
            PolicyKind::User => &self.policy,
            PolicyKind::Operator => &self.operator_policy,
        };
        applied.as_ref() == Some(&policy.name)
    }
}

/// What would follow from putting this policy. Nothing is put. For those who may put it.
///
/// # Errors
/// `NotTagged`, `Policy`.
pub async fn preview_policy(scope: Scope<'_>, policy: Policy) -> Result<PolicyPreview, OperationError> {
    require(scope, policy.kind)?;
    let checked = policy.check(&scope.vhost.name)?;
    let now = scope.vhost.policies().clone();
    let mut then = now.clone();
    then.put(checked.clone());
    let mut preview = PolicyPreview::default();
    let mut affected = Vec::new();
    for (number, queue) in scope.vhost.declared_queues().into_iter().enumerate() {
        let (name, declared) = (&queue.name, &queue.arguments);
        let is_matched = checked.matches_queue(name, declared);
        preview.queues += usize::from(is_matched);
        let [now, then] = [&now, &then].map(|policies| of_queue(policies, name, declared));
        let applies = then.names(&checked.policy);
        let it = Affected { is_queue: true, name: name.clone(), is_matched, applies, now, then };
        affected.extend(Some(it).filter(|it| it.is_matched || it.is_changed()));
        take_a_break(number).await;
    }
    for (number, name) in scope.vhost.exchange_names().into_iter().enumerate() {
        let is_matched = checked.matches_exchange(&name);
        preview.exchanges += usize::from(is_matched);
        let [now, then] = [&now, &then].map(|policies| of_exchange(policies, &name));
        let applies = then.names(&checked.policy);
        let it = Affected { is_queue: false, name, is_matched, applies, now, then };
        affected.extend(Some(it).filter(|it| it.is_matched || it.is_changed()));
        take_a_break(number).await;
    }
    affected.sort_by(|one, other| {
        let key = |it: &Affected| (!it.is_changed(), !it.is_queue);
        key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
    });
    preview.changed = affected.iter().filter(|it| it.is_changed()).count();
    preview.left_out = affected.len().saturating_sub(LISTED_MAX);
    affected.truncate(LISTED_MAX);
    preview.affected = affected;
    Ok(preview)
}

/// Patterns may take their time.
async fn take_a_break(number: usize) {
    if number.is_multiple_of(AT_ONCE) {
        tokio::task::yield_now().await;
    }
}

fn of_queue(policies: &Policies, name: &str, declared: &FieldTable) -> Applied {
    let of_kind = |kind| policies.for_queue(kind, name, declared).map(|policy| policy.name.clone());
    Applied {
        policy: of_kind(PolicyKind::User),
        operator_policy: of_kind(PolicyKind::Operator),
        definition: policies.effective_definition(name, declared),
        settings: policies.in_force(name, declared),
    }
}

fn of_exchange(policies: &Policies, name: &str) -> Applied {
    let policy = policies.for_exchange(name);
    Applied {
        policy: policy.map(|policy| policy.name.clone()),
        definition: policy.map(|policy| policy.definition.clone()).unwrap_or_default(),
        ..Applied::default()
    }
}

/// The settings of a queue that are in force, and who said them. For whoever sees the queue.
///
/// # Errors
/// `NotFound`.
pub fn queue_settings(scope: Scope<'_>, name: &str) -> Result<Vec<InForce>, OperationError> {
    let missing = || scope.not_found(crate::broker::error::Kind::Queue, name);
    let record = scope.vhost.queue_named(name).ok_or_else(missing)?;
    Ok(scope.vhost.policies().in_force(name, &record.arguments))
}
