//! Bindings: bind, unbind, list.

use super::scope::Scope;
use crate::auth::{Operation, Resource};
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::pending_definitions::Mark;
use crate::ledger;
use crate::topology::{Binding, Destination};

/// Binds a queue or an exchange to an exchange; an equal binding that is there is enough. It is durable if both of its
/// ends are, and routing sees it.
///
/// # Errors
/// `AccessRefused`, `Locked`, `NoVhost`, `NoMemory`, and what the topology refuses: the default exchange, ends that are not there,
/// arguments that make no sense to the exchange.
pub async fn bind(scope: Scope<'_>, binding: Binding) -> Result<(), OperationError> {
    permit(scope, &binding)?;
    let mark = bind_under_lock(scope, binding).await?;
    scope.vhost.pending().durable(mark).await;
    Ok(())
}

async fn bind_under_lock(scope: Scope<'_>, binding: Binding) -> Result<Mark, OperationError> {
    let vhost = scope.vhost;
    let _lock = scope.lock().await?;
    let is_new = vhost.topology.read().check_bind(&binding, &vhost.name)?;
    check_owner(scope, &binding)?;
    if !is_new {
        return Ok(vhost.pending().mark());
    }
    scope.require_memory(ledger::Kind::Definitions, "bindings")?;
    if vhost.is_durable(&binding) {
        let definition = Definition::Binding(vhost.name.clone(), binding.clone());
        vhost.pending().submit(&scope.shared.store, vec![definition.put()]);
    }
    vhost.topology.change(|topology| topology.bind(binding));
    Ok(vhost.pending().mark())
}

/// Takes a binding away; one that is not there is no error, as in RabbitMQ since 3.2.
///
/// # Errors
/// `AccessRefused`, `Locked`, `NoVhost`, and the default exchange.
pub async fn unbind(scope: Scope<'_>, binding: &Binding) -> Result<(), OperationError> {
    permit(scope, binding)?;
    let mark = unbind_under_lock(scope, binding).await?;
    scope.vhost.pending().durable(mark).await;
    Ok(())
}

async fn unbind_under_lock(scope: Scope<'_>, binding: &Binding) -> Result<Mark, OperationError> {
    let vhost = scope.vhost;
    let _lock = scope.lock().await?;
    vhost.topology.read().check_unbind(binding)?;
    if !vhost.topology.read().is_bound(binding) {
        return Ok(vhost.pending().mark());
    }
    check_owner(scope, binding)?;
    let removed = vhost.topology.change(|topology| topology.unbind(binding));
    let ops = removed.map(|removed| vhost.forget(removed)).unwrap_or_default();
    vhost.pending().submit(&scope.shared.store, ops);
    Ok(vhost.pending().mark())
}

/// All bindings of the vhost, without those of the default exchange, which follow from the queues' names.
#[must_use]
pub fn bindings(scope: Scope<'_>) -> Vec<Binding> {
    scope.vhost.topology.read().bindings().cloned().collect()
}

fn permit(scope: Scope<'_>, binding: &Binding) -> Result<(), OperationError> {
    let destination = match &binding.destination {
        Destination::Queue(name) => Resource::Queue(name),
        Destination::Exchange(name) => Resource::Exchange(name),
    };
    scope.permit(Operation::Bind(&binding.source, destination))
}

/// A queue of another connection is refused, after all that is refused to its owner, too, as in RabbitMQ.
fn check_owner(scope: Scope<'_>, binding: &Binding) -> Result<(), OperationError> {
    let Destination::Queue(name) = &binding.destination else { return Ok(()) };
    scope.vhost.queue_named(name).map_or(Ok(()), |record| scope.check_owner(&record))
}
