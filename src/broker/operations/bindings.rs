//! Bindings: bind, unbind, list.

use amq_protocol::types::FieldTable;

use super::scope::{Scope, check_length};
use crate::auth::{Operation, Resource};
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::events::Event;
use crate::broker::pending_definitions::Mark;
use crate::ledger;
use crate::topology::{Binding, Destination};

/// Binds a queue or an exchange to an exchange; an equal binding that is there is enough. It is durable if both of its
/// ends are, and routing sees it.
///
/// # Errors
/// `InvalidName`, `AccessRefused`, `Locked`, `NoVhost`, `NoMemory`, and what the topology refuses: the default exchange, ends that are not there,
/// arguments that make no sense to the exchange.
pub async fn bind(scope: Scope<'_>, binding: Binding) -> Result<(), OperationError> {
    check_length("the binding key", &binding.routing_key)?;
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
    vhost.topology.change(|topology| topology.bind(binding.clone()));
    scope.tell(&Event::BindingCreated { vhost: &vhost.name, binding: &binding });
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
    let removed = vhost.topology.change(|topology| topology.unbind(binding)).unwrap_or_default();
    scope.tell_removed(&removed);
    let ops = vhost.forget(removed);
    vhost.pending().submit(&scope.shared.store, ops);
    Ok(vhost.pending().mark())
}

/// All bindings of the vhost, without those of the default exchange, which follow from the queues' names.
#[must_use]
pub fn bindings(scope: Scope<'_>) -> Vec<Binding> {
    scope.vhost.topology.read().bindings().cloned().collect()
}

/// The bindings from a source, or from any, to a destination, or to any; those of the default exchange among them, which are to
/// every queue by its name. In the order of their ends and keys.
#[must_use]
pub fn bindings_between(
    scope: Scope<'_>,
    source: Option<&str>,
    destination: Option<&Destination>,
) -> Vec<Binding> {
    let topology = scope.vhost.topology.read();
    let is_from = |binding: &&Binding| source.is_none_or(|source| binding.source == source);
    let mut found: Vec<Binding> = match (source, destination) {
        (_, Some(destination)) => {
            topology.bindings_of_destination(destination).filter(is_from).cloned().collect()
        }
        (Some(source), None) => topology.bindings_of_exchange(source).cloned().collect(),
        (None, None) => topology.bindings().cloned().collect(),
    };
    if source.is_none_or(str::is_empty) {
        match destination {
            None => found.extend(topology.queues().map(|(queue, _)| implied(queue))),
            Some(Destination::Queue(queue)) if topology.queue(queue).is_some() => found.push(implied(queue)),
            Some(_) => {}
        }
    }
    drop(topology);
    found.sort_by(|one, other| order(one).cmp(&order(other)));
    found
}

fn order(binding: &Binding) -> (&str, &str, &str) {
    (&binding.source, binding.destination.name(), &binding.routing_key)
}

/// The default exchange's binding to a queue.
fn implied(queue: &str) -> Binding {
    Binding {
        source: String::new(),
        destination: Destination::Queue(queue.to_owned()),
        routing_key: queue.to_owned(),
        arguments: FieldTable::default(),
    }
}

fn permit(scope: Scope<'_>, binding: &Binding) -> Result<(), OperationError> {
    let destination = match &binding.destination {
        Destination::Queue(name) => Resource::Queue(name),
        Destination::Exchange(name) => Resource::Exchange(name),
    };
    scope.permit(Operation::Bind(&binding.source, destination))?;
    scope.permit_topic(&binding.source, &binding.routing_key)
}

/// A queue of another connection is refused, after all that is refused to its owner, too, as in RabbitMQ.
fn check_owner(scope: Scope<'_>, binding: &Binding) -> Result<(), OperationError> {
    let Destination::Queue(name) = &binding.destination else { return Ok(()) };
    scope.vhost.queue_named(name).map_or(Ok(()), |record| scope.check_owner(&record))
}
