//! Exchanges: declare, find, delete, list.

use super::portability;
use super::scope::{Scope, check_length};
use crate::auth::Operation;
use crate::broker::creation::add_exchange;
use crate::broker::definitions::Definition;
use crate::broker::error::{Kind, OperationError};
use crate::broker::events::Event;
use crate::broker::pending_definitions::Mark;
use crate::ledger;
use crate::persona::{Call, ExchangeCall, Place, Refused};
use crate::topology::{ExchangeSpec, TopologyError};

/// Makes the exchange, or finds an equivalent one (`false`). It is durable, if it is to be, and routing sees it.
///
/// # Errors
/// `InvalidName`, `AccessRefused`, `NoVhost`, `NoMemory`, and what the topology refuses: reserved names, bad arguments, an exchange that differs.
pub async fn declare_exchange(scope: Scope<'_>, exchange: ExchangeSpec) -> Result<bool, OperationError> {
    check_length("the name of an exchange", &exchange.name)?;
    scope.permit(Operation::ExchangeDeclare(&exchange.name))?;
    if let Some(refused) = refusal(scope, &exchange) {
        return Err(refused.into());
    }
    let (is_new, mark) = find_or_create(scope, exchange).await?;
    scope.vhost.pending().durable(mark).await;
    Ok(is_new)
}

/// Notes what other brokers make of it; whether the one that the vhost stands in for refuses it.
fn refusal(scope: Scope<'_>, exchange: &ExchangeSpec) -> Option<Refused> {
    let place = Place { name: &exchange.name, vhost: &scope.vhost.name };
    let (kind, arguments) = (exchange.kind.name(), &exchange.arguments);
    portability::examine(scope, &Call::Exchange(ExchangeCall { place, kind, arguments }))
}

async fn find_or_create(scope: Scope<'_>, exchange: ExchangeSpec) -> Result<(bool, Mark), OperationError> {
    let vhost = scope.vhost;
    let _lock = scope.lock().await?;
    let is_new = vhost.topology.read().check_exchange_declare(&exchange, &vhost.name)?;
    if is_new {
        scope.require_memory(ledger::Kind::Definitions, "exchanges")?;
        let exchange = scope.shared.with_delay_queue(exchange);
        let alternate = exchange.alternate().map(String::from_utf8_lossy);
        scope.permit(Operation::ExchangeCreate(&exchange.name, alternate.as_deref()))?;
        if exchange.durable {
            let definition = Definition::Exchange(vhost.name.clone(), exchange.clone());
            vhost.pending().submit(&scope.shared.store, vec![definition.put()]);
        }
        add_exchange(scope.shared, vhost, exchange.clone());
        scope.tell(&Event::ExchangeCreated { vhost, exchange: &exchange });
    }
    Ok((is_new, vhost.pending().mark()))
}

/// Whether there is such an exchange: a passive declare.
///
/// # Errors
/// The default exchange may not be looked at; `AccessRefused`; there is none.
pub fn find_exchange(scope: Scope<'_>, name: &str) -> Result<(), OperationError> {
    let found = scope.vhost.topology.read().check_exchange_passive(name, &scope.vhost.name).map(drop);
    if !matches!(found, Err(TopologyError::AccessRefused(_))) {
        scope.permit(Operation::ExchangeFind(name))?;
    }
    Ok(found?)
}

/// Deletes an exchange with its bindings. Deleting what is not there succeeds, as in RabbitMQ since 3.2.
///
/// # Errors
/// `AccessRefused`, `NoVhost`; a name of the broker's own; with `if_unused` an exchange that has bindings.
pub async fn delete_exchange(scope: Scope<'_>, name: &str, if_unused: bool) -> Result<(), OperationError> {
    let vhost = scope.vhost;
    vhost.topology.read().check_exchange_delete(name, false, &vhost.name)?;
    scope.permit(Operation::ExchangeDelete(name))?;
    let mark = {
        let _lock = scope.lock().await?;
        vhost.topology.read().check_exchange_delete(name, if_unused, &vhost.name)?;
        let removed = vhost.topology.change(|topology| topology.delete_exchange(name));
        scope.tell_removed(&removed);
        vhost.pending().submit(&scope.shared.store, vhost.forget(removed));
        vhost.pending().mark()
    };
    vhost.pending().durable(mark).await;
    Ok(())
}

/// The exchange of this name.
///
/// # Errors
/// `NotFound`.
pub fn exchange(scope: Scope<'_>, name: &str) -> Result<ExchangeSpec, OperationError> {
    let found = scope.vhost.topology.read().exchange(name).cloned();
    found.ok_or_else(|| scope.not_found(Kind::Exchange, name))
}

/// All exchanges of the vhost, the predeclared ones first.
#[must_use]
pub fn exchanges(scope: Scope<'_>) -> Vec<ExchangeSpec> {
    scope.vhost.topology.read().exchanges().cloned().collect()
}
