//! Policies: put, remove, list.

use super::scope::{Caller, Scope};
use crate::auth::{ADMINISTRATOR, POLICYMAKER};
use crate::broker::definitions::Definition;
use crate::broker::error::{Kind, OperationError};
use crate::policy::{Policy, PolicyKind};

/// Adds or replaces a policy (<https://www.rabbitmq.com/docs/policies>). It is durable, and every queue and exchange has been
/// told: what a client does from then on finds it in force. `true` if it is new. For users with the tag `policymaker`, an operator policy for
/// administrators.
///
/// # Errors
/// `NotTagged`, `NoVhost`, `Policy`.
pub async fn put_policy(scope: Scope<'_>, policy: Policy) -> Result<bool, OperationError> {
    require(scope, policy.kind)?;
    let vhost = scope.vhost;
    let checked = policy.check(&vhost.name)?;
    let _lock = scope.lock().await?;
    let is_new = !vhost.has_policy(checked.policy.kind, &checked.policy.name);
    let definition = Definition::Policy(vhost.name.clone(), checked.policy.clone());
    scope.shared.store_definitions(vec![definition.put()]).await;
    let Policy { name, kind, pattern, .. } = checked.policy.clone();
    vhost.put_policy(checked);
    vhost.apply_policies();
    tracing::info!(
        "{} {name:?} in vhost {:?} put by {}: pattern {pattern:?}",
        noun(kind),
        vhost.name,
        scope.caller
    );
    Ok(is_new)
}

/// Removes a policy. As with [`put_policy`].
///
/// # Errors
/// `NotTagged`, `NoVhost`, `NotFound`.
pub async fn remove_policy(scope: Scope<'_>, kind: PolicyKind, name: &str) -> Result<(), OperationError> {
    require(scope, kind)?;
    let vhost = scope.vhost;
    let _lock = scope.lock().await?;
    if !vhost.has_policy(kind, name) {
        return Err(scope.not_found(noun(kind), name));
    }
    scope.shared.store_definitions(vec![Definition::remove_policy(&vhost.name, kind, name)]).await;
    vhost.remove_policy(kind, name);
    vhost.apply_policies();
    tracing::info!("{} {name:?} in vhost {:?} removed by {}", noun(kind), vhost.name, scope.caller);
    Ok(())
}

const fn noun(kind: PolicyKind) -> Kind {
    match kind {
        PolicyKind::User => Kind::Policy,
        PolicyKind::Operator => Kind::OperatorPolicy,
    }
}

/// All policies of the vhost, by kind and name.
#[must_use]
pub fn policies(scope: Scope<'_>) -> Vec<Policy> {
    scope.vhost.policies().iter().cloned().collect()
}

fn require(scope: Scope<'_>, kind: PolicyKind) -> Result<(), OperationError> {
    let caller: Caller<'_> = scope.caller;
    match kind {
        PolicyKind::User => caller.require_tag(scope.shared, &[POLICYMAKER, ADMINISTRATOR]),
        PolicyKind::Operator => caller.require_administrator(scope.shared),
    }
}
