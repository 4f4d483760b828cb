//! Policies: put, remove, list.

use std::sync::Arc;

use super::scope::{Caller, Scope, lock};
use crate::auth::{ADMINISTRATOR, POLICYMAKER};
use crate::broker::definitions::Definition;
use crate::broker::error::{Kind, OperationError};
use crate::broker::events::Event;
use crate::broker::uninterrupted::uninterrupted;
use crate::broker::vhost::Vhost;
use crate::policy::{Policy, PolicyKind};
use crate::store::Op;

/// Adds or replaces a policy (<https://www.rabbitmq.com/docs/policies>). It is durable, and every queue and exchange has been
/// told: what a client does from then on finds it in force. `true` if it is new. For users with the tag `policymaker`, an operator policy for
/// administrators.
///
/// # Errors
/// `NotTagged`, `NoVhost`, `Policy`.
pub async fn put_policy(scope: Scope<'_>, policy: Policy) -> Result<bool, OperationError> {
    require(scope, policy.kind)?;
    let vhost = &scope.vhost.name;
    let checked = policy.check(vhost)?;
    let put = checked.policy.clone();
    let is_new = change(scope, move |vhost| {
        let is_new = !vhost.has_policy(checked.policy.kind, &checked.policy.name);
        let definition = Definition::Policy(vhost.name.clone(), checked.policy.clone()).put();
        vhost.put_policy(checked);
        Ok((is_new, definition))
    })
    .await?;
    scope.tell(&Event::PolicySet { vhost, policy: &put });
    let (done, by) = (if is_new { "made" } else { "changed" }, scope.caller.logged());
    let Policy { kind, name, pattern, .. } = put;
    tracing::info!(by, vhost, policy = name, pattern, "{} was {done}", a_noun(kind));
    Ok(is_new)
}

/// Removes a policy. As with [`put_policy`].
///
/// # Errors
/// `NotTagged`, `NoVhost`, `NotFound`.
pub async fn remove_policy(scope: Scope<'_>, kind: PolicyKind, name: &str) -> Result<(), OperationError> {
    require(scope, kind)?;
    let not_found = scope.not_found(noun(kind), name);
    let removed = name.to_owned();
    change(scope, move |vhost| {
        if !vhost.remove_policy(kind, &removed) {
            return Err(not_found);
        }
        Ok(((), Definition::remove_policy(&vhost.name, kind, &removed)))
    })
    .await?;
    scope.tell(&Event::PolicyCleared { vhost: &scope.vhost.name, kind, name });
    let (by, vhost) = (scope.caller.logged(), &scope.vhost.name);
    tracing::info!(by, vhost, policy = name, "{} was removed", a_noun(kind));
    Ok(())
}

/// Makes a change of the policies, tells every queue and exchange, and waits until it is durable.
async fn change<T: Send + 'static>(
    scope: Scope<'_>,
    change: impl FnOnce(&Vhost) -> Result<(T, Op), OperationError> + Send + 'static,
) -> Result<T, OperationError> {
    let (shared, vhost) = (Arc::clone(scope.shared), Arc::clone(scope.vhost));
    uninterrupted(async move {
        let (changed, mark) = {
            let _lock = lock(&vhost).await?;
            let (changed, op) = change(&vhost)?;
            vhost.pending().submit(&shared.store, vec![op]);
            vhost.apply_policies().await;
            (changed, vhost.pending().mark())
        };
        vhost.pending().durable(mark).await;
        Ok(changed)
    })
    .await
}

const fn noun(kind: PolicyKind) -> Kind {
    match kind {
        PolicyKind::User => Kind::Policy,
        PolicyKind::Operator => Kind::OperatorPolicy,
    }
}

/// For the log.
const fn a_noun(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::User => "a policy",
        PolicyKind::Operator => "an operator policy",
    }
}

/// All policies of the vhost, by kind and name.
#[must_use]
pub fn policies(scope: Scope<'_>) -> Vec<Policy> {
    scope.vhost.policies().iter().cloned().collect()
}

pub(super) fn require(scope: Scope<'_>, kind: PolicyKind) -> Result<(), OperationError> {
    let caller: Caller<'_> = scope.caller;
    match kind {
        PolicyKind::User => caller.require_tag(scope.shared, &[POLICYMAKER, ADMINISTRATOR]),
        PolicyKind::Operator => caller.require_administrator(scope.shared),
    }
}
