//! Virtual hosts: make, delete, list.

use std::sync::Arc;

use super::connections::close_matching;
use super::scope::Caller;
use super::users::check_name;
use crate::auth::Permission;
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::mailbox::Mail;
use crate::broker::removal::remove_topic_permissions;
use crate::broker::shared::Shared;
use crate::broker::uninterrupted::{each_in_turn, uninterrupted};
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::{VhostChange, VhostLimit};
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

/// Makes a vhost with its predeclared exchanges, or changes the settings of one that is there, durably. `true` if it is new: then
/// the user who asks for it may do everything there, as in RabbitMQ, and nobody else has a permission on it.
///
/// # Errors
/// `NotTagged`, `InvalidName`.
pub async fn put_vhost(
    shared: &Shared,
    caller: Caller<'_>,
    name: &str,
    change: VhostChange,
) -> Result<bool, OperationError> {
    caller.require_administrator(shared)?;
    check_name("vhost", name)?;
    let _changes = shared.changes.lock().await;
    let present = shared.vhost(name);
    let is_new = present.is_none();
    let vhost = present.unwrap_or_else(|| Arc::new(Vhost::new(name, shared.new_journal())));
    let mut ops = Vec::new();
    let is_there = |user: &&str| shared.users(|users| users.user(user).is_some());
    let creator = caller.user().filter(|_| is_new).filter(is_there);
    if is_new {
        ops.push(Definition::Vhost(name.to_owned()).put());
    }
    ops.extend(creator.map(|user| everything(user, name).put()));
    store_settings(shared, &vhost, change, ops).await;
    shared.vhosts.insert(name.to_owned(), vhost);
    if let Some(user) = creator {
        shared.put_permission(user, name, Permission::all())?;
    }
    let done = if is_new { "made" } else { "changed" };
    tracing::info!("vhost {name:?} {done} by {caller}");
    Ok(is_new)
}

fn everything(user: &str, vhost: &str) -> Definition {
    Definition::Permission { user: user.to_owned(), vhost: vhost.to_owned(), permission: Permission::all() }
}

/// Changes the settings, with more in the same commit. The caller holds [`Shared::changes`].
async fn store_settings(shared: &Shared, vhost: &Vhost, change: VhostChange, mut ops: Vec<Op>) {
    let settings = vhost.settings();
    let changed = change.applied_to(&settings);
    if changed != *settings {
        ops.push(Definition::VhostSettings(vhost.name.clone(), changed.clone()).put());
    }
    shared.store_definitions(ops).await;
    vhost.set_settings(changed);
}

/// Changes the settings of a vhost, durably, for what comes from now on.
///
/// # Errors
/// `NotTagged`, `NoVhost`.
pub async fn change_vhost(
    shared: &Shared,
    caller: Caller<'_>,
    name: &str,
    change: VhostChange,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    let vhost = vhost(shared, name)?;
    tracing::info!("vhost {name:?} changed by {caller}: {change}");
    store_settings(shared, &vhost, change, Vec::new()).await;
    Ok(())
}

/// Sets one of a vhost's limits, durably, or takes it away. What is there already stays, whatever the limit.
///
/// # Errors
/// `NotTagged`, `NoVhost`.
pub async fn set_vhost_limit(
    shared: &Shared,
    caller: Caller<'_>,
    name: &str,
    limit: VhostLimit,
    value: Option<i64>,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    let vhost = vhost(shared, name)?;
    let current = vhost.settings().limits;
    let changed = current.unwrap_or_default().with(limit, value);
    if current.is_none() && value.is_none() {
        return Ok(());
    }
    let change = VhostChange { limits: Some(Some(changed)), ..VhostChange::default() };
    tracing::info!("vhost {name:?} changed by {caller}: {change}");
    store_settings(shared, &vhost, change, Vec::new()).await;
    Ok(())
}

/// Deletes a vhost with everything in it, durably, and closes its connections, as RabbitMQ does.
///
/// # Errors
/// `NotTagged`, `NoVhost`, `ProtectedVhost`.
pub async fn delete_vhost(
    shared: &Arc<Shared>,
    caller: Caller<'_>,
    name: &str,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let (shared, deleted) = (Arc::clone(shared), name.to_owned());
    uninterrupted(async move { delete(&shared, &deleted).await }).await?;
    tracing::info!("vhost {name:?} deleted by {caller}");
    Ok(())
}

async fn delete(shared: &Shared, name: &str) -> Result<(), OperationError> {
    let _changes = shared.changes.lock().await;
    let vhost = vhost(shared, name)?;
    if vhost.settings().is_protected {
        return Err(OperationError::ProtectedVhost(name.to_owned()));
    }
    let _lock = vhost.lock().await;
    vhost.mark_deleted();
    shared.vhosts.remove(name);
    let topics = remove_topic_permissions(shared, |permission| permission.vhost == name);
    let users = shared.change_users(|users| users.remove_vhost(name));
    // Sessions that are open ask again what they may.
    vhost.topology.invalidate_routes();
    close_matching(shared, &format!("vhost '{name}' is down"), |handshake| {
        handshake.vhost.as_deref() == Some(name)
    });
    let mut ops = definitions_of(&vhost);
    ops.extend(topics);
    ops.extend(users.iter().map(|user| Definition::remove_permission(user, name)));
    // All at once, so that a crash leaves all of it or nothing; messages whose queue has no definition go at the next start.
    shared.store_definitions(ops).await;
    each_in_turn(vhost.queues(), |record| {
        if vhost.remove_queue(&record).is_some() && !record.delays {
            shared.count(BrokerCounters { queues_deleted: 1, ..BrokerCounters::default() });
        }
        // One that has ended by itself is as good.
        let _ = record.mailbox.send(Mail::Tell(Command::Delete { if_unused: false, if_empty: false }));
    })
    .await;
    each_in_turn(vhost.exchange_names(), |exchange| {
        drop(vhost.topology.change(|topology| topology.delete_exchange(&exchange)));
    })
    .await;
    Ok(())
}

/// Store operations that forget the vhost and all that is defined in it.
fn definitions_of(vhost: &Vhost) -> Vec<Op> {
    let name = || vhost.name.clone();
    let mut ops = vec![Definition::Vhost(name()).remove(), Definition::remove_vhost_settings(&vhost.name)];
    let topology = vhost.topology.read();
    let exchanges = topology.exchanges().filter(|exchange| exchange.durable);
    ops.extend(exchanges.map(|exchange| Definition::Exchange(name(), exchange.clone()).remove()));
    ops.extend(topology.bindings().map(|binding| Definition::Binding(name(), binding.clone()).remove()));
    drop(topology);
    for policy in vhost.policies().iter() {
        ops.push(Definition::remove_policy(&vhost.name, policy.kind, &policy.name));
    }
    for record in vhost.declared_queues().iter().filter(|record| record.durable) {
        ops.push(Definition::remove_queue(&vhost.name, &record.name));
    }
    ops
}
