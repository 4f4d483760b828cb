//! Virtual hosts: make, delete, list.

use std::sync::Arc;

use super::connections::close_matching;
use super::scope::Caller;
use super::users::check_name;
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::mailbox::Mail;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::queue::Command;
use crate::statistics::BrokerCounters;
use crate::store::Op;

/// The vhost of this name.
///
/// # Errors
/// `NoVhost`.
pub fn vhost(shared: &Shared, name: &str) -> Result<Arc<Vhost>, OperationError> {
    shared.vhost(name).ok_or_else(|| OperationError::NoVhost(name.to_owned()))
}

/// All vhosts, by name.
#[must_use]
pub fn vhosts(shared: &Shared) -> Vec<Arc<Vhost>> {
    let mut vhosts: Vec<Arc<Vhost>> = shared.vhosts.iter().map(|vhost| Arc::clone(&vhost)).collect();
    vhosts.sort_by(|one, other| one.name.cmp(&other.name));
    vhosts
}

/// Makes a vhost with its predeclared exchanges, durably; `false` if it is there already. Nobody has a permission on it yet.
///
/// # Errors
/// `NotTagged`, `InvalidName`.
pub async fn put_vhost(shared: &Shared, caller: Caller<'_>, name: &str) -> Result<bool, OperationError> {
    caller.require_administrator(shared)?;
    check_name("vhost", name)?;
    let _changes = shared.changes.lock().await;
    if shared.vhosts.contains_key(name) {
        return Ok(false);
    }
    shared.store_definitions(vec![Definition::Vhost(name.to_owned()).put()]).await;
    shared.vhosts.insert(name.to_owned(), Arc::new(Vhost::new(name)));
    Ok(true)
}

/// Deletes a vhost with everything in it, durably, and closes its connections, as RabbitMQ does.
///
/// # Errors
/// `NotTagged`, `NoVhost`.
pub async fn delete_vhost(
    shared: &Arc<Shared>,
    caller: Caller<'_>,
    name: &str,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    let vhost = vhost(shared, name)?;
    let _lock = vhost.lock().await;
    vhost.mark_deleted();
    shared.vhosts.remove(name);
    let users = shared.change_users(|users| users.remove_vhost(name));
    // Sessions that are open ask again what they may.
    vhost.topology.invalidate_routes();
    close_matching(shared, &format!("vhost '{name}' is down"), |handshake| {
        handshake.vhost.as_deref() == Some(name)
    });
    let mut ops = definitions_of(&vhost);
    ops.extend(users.iter().map(|user| Definition::remove_permission(user, name)));
    // All at once, so that a crash leaves all of it or nothing; messages whose queue has no definition go at the next start.
    shared.store_definitions(ops).await;
    for exchange in exchange_names(&vhost) {
        let removed = vhost.topology.change(|topology| topology.delete_exchange(&exchange));
        // Ends what waits in delayed exchanges; the definitions are gone.
        drop(vhost.forget(removed));
    }
    for record in vhost.queues() {
        if vhost.remove_queue(&record).is_some() && !record.delays {
            shared.count(BrokerCounters { queues_deleted: 1, ..BrokerCounters::default() });
        }
        // One that has ended by itself is as good.
        let _ = record.mailbox.send(Mail::Tell(Command::Delete { if_unused: false, if_empty: false }));
    }
    Ok(())
}

fn exchange_names(vhost: &Vhost) -> Vec<String> {
    vhost.topology.read().exchanges().map(|exchange| exchange.name.clone()).collect()
}

/// Store operations that forget the vhost and all that is defined in it.
fn definitions_of(vhost: &Vhost) -> Vec<Op> {
    let name = || vhost.name.clone();
    let mut ops = vec![Definition::Vhost(name()).remove()];
    let topology = vhost.topology.read();
    let exchanges = topology.exchanges().filter(|exchange| exchange.durable);
    ops.extend(exchanges.map(|exchange| Definition::Exchange(name(), exchange.clone()).remove()));
    ops.extend(topology.bindings().map(|binding| Definition::Binding(name(), binding.clone()).remove()));
    drop(topology);
    for policy in vhost.policies().iter() {
        ops.push(Definition::remove_policy(&vhost.name, policy.kind, &policy.name));
    }
    for record in vhost.queues().iter().filter(|record| record.durable && !record.delays) {
        ops.push(Definition::remove_queue(&vhost.name, &record.name));
    }
    ops
}
