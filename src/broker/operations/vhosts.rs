//! Virtual hosts: make, delete, list.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::connections::close_matching;
use super::scope::Caller;
use super::users::check_name;
use crate::auth::{Permission, UserTopicPermission};
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::events::{BROKER, Event, tell, tell_limits, tell_removed};
use crate::broker::mailbox::Mail;
use crate::broker::removal::{remove_topic_permission, tell_end};
use crate::broker::shared::{Shared, random_bytes};
use crate::broker::uninterrupted::{each_in_turn, uninterrupted};
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::{Home, VhostChange, VhostLimit, VhostSettings};
use crate::broker::world::WorldSettings;
use crate::policy::Policy;
use crate::queue::Command;
use crate::statistics::BrokerCounters;
use crate::store::Op;

/// It goes with its vhost alone.
const DEFAULT_EXCHANGE: &str = "";

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
/// `NotTagged`, `InvalidName`; `Shard` if the shard that is asked for cannot serve it.
pub async fn put_vhost(
    shared: &Shared,
    caller: Caller<'_>,
    name: &str,
    change: VhostChange,
) -> Result<bool, OperationError> {
    caller.require_administrator(shared)?;
    make_vhost(shared, caller, name, change, None).await.map(|made| made.is_new)
}

/// A vhost that was made, or was there.
pub(super) struct Made {
    pub(super) vhost: Arc<Vhost>,
    pub(super) is_new: bool,
}

/// The same for whoever may. For a world that is there nothing changes.
pub(super) async fn make_vhost(
    shared: &Shared,
    caller: Caller<'_>,
    name: &str,
    change: VhostChange,
    world: Option<&WorldSettings>,
) -> Result<Made, OperationError> {
    check_name("vhost", name)?;
    let _changes = shared.changes.lock().await;
    let present = shared.vhost(name);
    let is_new = present.is_none();
    if let Some(vhost) = present.as_ref().filter(|_| world.is_some()) {
        return Ok(Made { vhost: Arc::clone(vhost), is_new });
    }
    let home = if world.is_some() { None } else { home_of(shared, present.as_deref(), &change)? };
    let change = VhostChange { home, ..change };
    let vhost = present.unwrap_or_else(|| shared.new_world(name, world.cloned(), None));
    let mut ops = Vec::new();
    let is_there = |user: &&str| shared.users(|users| users.user(user).is_some());
    // A world that the program itself makes is for the default user.
    let default = world.map(|_| shared.config.default_user.as_str());
    let creator = caller.user().or(default).filter(|_| is_new).filter(is_there);
    if is_new {
        ops.push(Definition::Vhost(name.to_owned()).put());
    }
    ops.extend(creator.map(|user| everything(user, name).put()));
    let before = vhost.settings().limits;
    store_settings(shared, &vhost, change, ops).await;
    shared.vhosts.insert(name.to_owned(), Arc::clone(&vhost));
    caller.tell(shared, &if is_new { Event::VhostCreated(&vhost) } else { Event::VhostUpdated(&vhost) });
    tell_limits(shared, Some(caller.name()), &vhost, before);
    if let Some(user) = creator {
        shared.put_permission(user, name, Permission::all())?;
        let permission = &Permission::all();
        caller.tell(shared, &Event::PermissionCreated { user, vhost: name, permission });
    }
    let done = if is_new { "made" } else { "changed" };
    tracing::info!(by = caller.logged(), vhost = name, "a vhost was {done}");
    Ok(Made { vhost, is_new })
}

/// The shard that a vhost is to be served by, if it is a new one: that which is asked for, or else the one with the fewest vhosts.
fn home_of(
    shared: &Shared,
    present: Option<&Vhost>,
    change: &VhostChange,
) -> Result<Option<Home>, OperationError> {
    let (shards, wish) = (shared.cluster.as_ref().map_or(0, |cluster| cluster.data_shards()), change.shard);
    if change.home.is_some() {
        return Ok(change.home);
    }
    if let Some(vhost) = present {
        let now = vhost.settings().home.map_or(0, |home| home.shard);
        let moves = |wish: &u32| *wish != now;
        return wish.filter(moves).map_or(Ok(None), |wish| {
            let name = &vhost.name;
            Err(OperationError::Shard(format!(
                "vhost '{name}' is served by shard {now}: `coney cluster move --vhost {name} --shard {wish}` moves it"
            )))
        });
    }
    match wish.unwrap_or_else(|| emptiest(shared, shards)) {
        0 => Ok(None),
        shard if shard > shards => Err(OperationError::Shard(format!(
            "there is no shard {shard}: this cluster has {shards} for vhosts"
        ))),
        shard => {
            let id = random_bytes().map_err(|_| OperationError::NoRandomness)?;
            Ok(Some(Home { shard, id: u64::from_be_bytes(id), made: None, moving: None }))
        }
    }
}

/// Of the shards 1 to this one, that with the fewest vhosts; 0 if there are none.
fn emptiest(shared: &Shared, shards: u32) -> u32 {
    if shards == 0 {
        // Without a cluster nobody has to look at all of them.
        return 0;
    }
    let mut vhosts: BTreeMap<u32, usize> = (1..=shards).map(|shard| (shard, 0)).collect();
    for home in shared.vhosts.iter().filter_map(|vhost| vhost.settings().home) {
        if let Some(count) = vhosts.get_mut(&home.shard) {
            *count += 1;
        }
    }
    vhosts.into_iter().min_by_key(|(_, count)| *count).map_or(0, |(shard, _)| shard)
}

fn everything(user: &str, vhost: &str) -> Definition {
    Definition::Permission { user: user.to_owned(), vhost: vhost.to_owned(), permission: Permission::all() }
}

/// Changes the settings, with more in the same commit. The caller holds [`Shared::changes`].
pub(super) async fn store_settings(shared: &Shared, vhost: &Vhost, change: VhostChange, mut ops: Vec<Op>) {
    let settings = vhost.settings();
    let made_with = vhost.world.as_ref().and_then(|world| world.settings.clone());
    let changed = VhostSettings { world: made_with, ..change.applied_to(&settings) };
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
    tracing::info!(by = caller.logged(), vhost = name, %change, "a vhost was changed");
    let (before, is_of_limits) = (vhost.settings().limits, change.is_of_limits());
    store_settings(shared, &vhost, change, Vec::new()).await;
    if !is_of_limits {
        caller.tell(shared, &Event::VhostUpdated(&vhost));
    }
    tell_limits(shared, Some(caller.name()), &vhost, before);
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
    tracing::info!(by = caller.logged(), vhost = name, %change, "a vhost was changed");
    store_settings(shared, &vhost, change, Vec::new()).await;
    tell_limits(shared, Some(caller.name()), &vhost, current);
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
    delete_as(shared, name, caller.name()).await?;
    tracing::info!(by = caller.logged(), vhost = name, "a vhost was deleted");
    Ok(())
}

/// The same for whoever may.
pub(super) async fn delete_as(shared: &Arc<Shared>, name: &str, by: &str) -> Result<(), OperationError> {
    let (shared, deleted, by) = (Arc::clone(shared), name.to_owned(), by.to_owned());
    uninterrupted(async move { delete(&shared, &deleted, &by).await }).await
}

async fn delete(shared: &Shared, name: &str, by: &str) -> Result<(), OperationError> {
    let _changes = shared.changes.lock().await;
    let vhost = vhost(shared, name)?;
    if vhost.settings().is_protected {
        return Err(OperationError::ProtectedVhost(name.to_owned()));
    }
    let _lock = vhost.lock().await;
    vhost.mark_deleted();
    shared.vhosts.remove(name);
    let with_topics = shared.users(|users| users.topic_permissions());
    let topics = with_topics.iter().filter(|permission| permission.vhost == name);
    let topics: Vec<Op> = topics.map(remove_topic_permission).collect();
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
    tell_permissions_gone(shared, by, name, &with_topics, &users);
    each_in_turn(vhost.queues(), |record| {
        record.set_deleter(Some(by));
        if let Some(removed) = vhost.remove_queue(&record) {
            tell_end(shared, &vhost, &record, &removed);
            if !record.delays {
                shared.count(BrokerCounters { queues_deleted: 1, ..BrokerCounters::default() });
            }
        }
        // One that has ended by itself is as good.
        let _ = record.mailbox.send(Mail::Tell(Command::Delete { if_unused: false, if_empty: false }));
    })
    .await;
    each_in_turn(vhost.exchange_names(), |exchange| {
        let removed = vhost.topology.change(|topology| topology.delete_exchange(&exchange));
        tell_removed(shared, Some(by), name, &removed);
    })
    .await;
    tell_gone(shared, by, &vhost);
    Ok(())
}

fn tell_permissions_gone(
    shared: &Shared,
    by: &str,
    vhost: &str,
    topics: &[UserTopicPermission],
    users: &[String],
) {
    let mut with_topics: Vec<&str> = topics
        .iter()
        .filter(|permission| permission.vhost == vhost)
        .map(|permission| permission.user.as_str())
        .collect();
    // They come by user.
    with_topics.dedup();
    for user in with_topics {
        tell(shared, Some(by), &Event::TopicPermissionDeleted { user, vhost });
    }
    for user in users {
        tell(shared, Some(by), &Event::PermissionDeleted { user, vhost });
    }
}

/// Tells what is left of a vhost when all queues and bindings are gone, and then that it is gone itself.
fn tell_gone(shared: &Shared, by: &str, vhost: &Vhost) {
    let (by, name) = (Some(by), vhost.name.as_str());
    tell(shared, by, &Event::ExchangeDeleted { vhost: name, exchange: DEFAULT_EXCHANGE });
    for Policy { kind, name: policy, .. } in vhost.policies().iter() {
        tell(shared, by, &Event::PolicyCleared { vhost: name, kind: *kind, name: policy });
    }
    if vhost.settings().limits.is_some() {
        tell(shared, by, &Event::VhostLimitsCleared(name));
    }
    tell(shared, by, &Event::VhostDeleted(name));
    tell(shared, Some(BROKER), &Event::VhostDown(name));
}

/// Store operations that forget the vhost and all that is defined in it.
fn definitions_of(vhost: &Vhost) -> Vec<Op> {
    let name = || vhost.name.clone();
    let mut ops = vec![Definition::Vhost(name()).remove(), Definition::remove_vhost_settings(&vhost.name)];
    ops.extend(vhost.clock.is_virtual().then(|| Definition::remove_world_clock(&vhost.name)));
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
