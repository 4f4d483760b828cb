//! A vhost moves from one shard of a cluster to another.
//!
//! The meta shard's record of it says whereto, with a random id that the copy is known by. Then the shard that has it closes it: its clients are
//! disconnected, nobody comes in, and when the last has gone that is noted, in the same store. What a store has that says so is all that was
//! ever confirmed. It is copied; when the copy is durable the meta shard says that the vhost is there. Then what is left where it was
//! is deleted. Each step can be done again: a copy that is found at its beginning is deleted, and whoever leads goes by what is noted.

use std::sync::Arc;
use std::time::Duration;

use super::connections::close_matching;
use super::restarting::connections_of;
use super::scope::Caller;
use super::vhosts::{store_settings, vhost, vhosts};
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::mailbox::Mail;
use crate::broker::shared::{Shared, random_bytes};
use crate::broker::uninterrupted::each_in_turn;
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::{Home, Moving, VhostChange};
use crate::queue::Command;

/// In whose name it is done.
pub(super) const MOVE: &str = "a move to another shard";
/// If clients that were told to go are there after so long, the log says so.
const LEAVE_MAX: Duration = Duration::from_secs(60);

/// What the meta shard's leader is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The vhost is to move there; where it is already, it stays.
    Begin(u32),
    /// All of it is there, by the move of this id.
    End(u32, u64),
}

/// Begins a move, goes on with it, gives it up, or ends it, durably. For administrators, in the meta shard.
///
/// # Errors
/// `NotTagged`, `NoVhost`; `Shard` if it cannot be moved there, or nobody has begun to.
pub async fn move_vhost(
    shared: &Arc<Shared>,
    caller: Caller<'_>,
    name: &str,
    step: Step,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let present = {
        let _changes = shared.changes.lock().await;
        let present = vhost(shared, name)?;
        if present.world.as_ref().is_some_and(|world| world.settings.is_some()) {
            return Err(OperationError::Shard(format!("'{name}' is a world of a test: it cannot be moved")));
        }
        let home = stepped(shared, name, present.settings().home.unwrap_or_default(), step)?;
        let (shard, done) = match step {
            Step::Begin(shard) => (shard, "is to be served by another shard"),
            Step::End(shard, _) => (shard, "is served by another shard from now on"),
        };
        tracing::info!(by = caller.logged(), vhost = name, shard, "a vhost {done}");
        let change = VhostChange { home: Some(home), ..VhostChange::default() };
        store_settings(shared, &present, change, Vec::new()).await;
        present
    };
    go_on(shared, &present).await;
    Ok(())
}

fn stepped(shared: &Shared, name: &str, home: Home, step: Step) -> Result<Home, OperationError> {
    let shards = shared.cluster.as_ref().map_or(0, |cluster| cluster.data_shards());
    match step {
        Step::Begin(to) if to > shards => Err(OperationError::Shard(format!(
            "there is no shard {to}: this cluster has {shards} for vhosts"
        ))),
        Step::Begin(to) if to == home.shard => Ok(Home { moving: None, ..home }),
        Step::Begin(to) if home.moving.is_some_and(|moving| moving.shard == to) => Ok(home),
        Step::Begin(shard) => {
            let id = random_bytes().map(u64::from_be_bytes).map_err(|_| OperationError::NoRandomness)?;
            Ok(Home { moving: Some(Moving { shard, id, is_closed: false }), ..home })
        }
        Step::End(shard, id) if (home.shard, home.id) == (shard, id) => Ok(home),
        Step::End(shard, id) if home.moving.is_some_and(|it| (it.shard, it.id) == (shard, id)) => {
            Ok(Home { shard, id, made: None, moving: None })
        }
        Step::End(..) => Err(OperationError::Shard(format!("nobody moves vhost '{name}' there by that id"))),
    }
}

/// Goes on with all moves that the meta shard knows of, at its start.
pub async fn go_on_moving(shared: &Arc<Shared>) {
    for vhost in vhosts(shared) {
        go_on(shared, &vhost).await;
    }
}

/// In the meta shard: what follows from the record of a vhost, which may be its own or another shard's.
async fn go_on(shared: &Arc<Shared>, vhost: &Arc<Vhost>) {
    let home = vhost.settings().home.unwrap_or_default();
    match (home.shard, home.moving) {
        (0, Some(moving)) => close(shared, vhost, moving),
        (0, None) => {}
        (_, Some(Moving { shard: 0, .. })) => {}
        // What was the meta shard's, or a copy that is of no use any more.
        _ => empty(shared, vhost).await,
    }
}

/// Closes a vhost to clients, and notes when the last has gone.
pub(super) fn close(shared: &Arc<Shared>, vhost: &Arc<Vhost>, moving: Moving) {
    if moving.is_closed {
        return;
    }
    let (shared, vhost) = (Arc::clone(shared), Arc::clone(vhost));
    tokio::spawn(async move {
        let clock = shared.clock;
        while clock.within(LEAVE_MAX, Box::pin(clear(&shared, &vhost))).await.is_none() {
            let home = vhost.settings().home;
            if home.is_none_or(|home| home.copy_id() != Some(moving.id)) || vhost.is_deleted() {
                return;
            }
            tracing::warn!(vhost = vhost.name, "clients do not leave a vhost that is to move");
        }
        let _changes = shared.changes.lock().await;
        let settings = vhost.settings();
        let Some(home) = settings.home.filter(|home| home.moving.is_some_and(|now| now.id == moving.id))
        else {
            return;
        };
        let home = Home { moving: Some(Moving { is_closed: true, ..moving }), ..home };
        let change = VhostChange { home: Some(home), ..VhostChange::default() };
        store_settings(&shared, &vhost, change, Vec::new()).await;
        tracing::info!(vhost = vhost.name, to = moving.shard, "a vhost is closed, and can be copied");
    });
}

/// Has all clients leave. Who comes in from now on is refused.
async fn clear(shared: &Shared, vhost: &Vhost) {
    let reason = format!("vhost '{}' moves to another shard", vhost.name);
    loop {
        close_matching(shared, &reason, |handshake| handshake.vhost.as_deref() == Some(&*vhost.name));
        let connections = connections_of(shared, vhost);
        if connections.is_empty() {
            return;
        }
        for handle in connections {
            // Its task is at its end then, and has given back what it held.
            handle.events.closed().await;
        }
    }
}

/// Deletes what is in a vhost, durably. Its name, what is said of it and who may do what there stay.
pub(super) async fn empty(shared: &Arc<Shared>, vhost: &Arc<Vhost>) {
    let _changes = shared.changes.lock().await;
    let _lock = vhost.lock().await;
    let is_made = |name: &str| !name.is_empty() && !name.starts_with("amq.");
    let mut ops = Vec::new();
    let exchanges: Vec<_> = vhost.exchange_names().into_iter().filter(|name| is_made(name)).collect();
    {
        let topology = vhost.topology.read();
        let of = |definition: &Definition| definition.remove();
        let durable = topology.exchanges().filter(|exchange| exchange.durable && is_made(&exchange.name));
        ops.extend(durable.map(|exchange| of(&Definition::Exchange(vhost.name.clone(), exchange.clone()))));
        let bindings = topology.bindings();
        ops.extend(bindings.map(|binding| of(&Definition::Binding(vhost.name.clone(), binding.clone()))));
    }
    let policies: Vec<_> = vhost.policies().iter().map(|policy| (policy.kind, policy.name.clone())).collect();
    ops.extend(policies.iter().map(|(kind, name)| Definition::remove_policy(&vhost.name, *kind, name)));
    let queues = vhost.declared_queues().into_iter().filter(|record| record.durable);
    ops.extend(queues.map(|record| Definition::remove_queue(&vhost.name, &record.name)));
    if ops.is_empty() && vhost.queues().is_empty() {
        return;
    }
    shared.store_definitions(ops).await;
    each_in_turn(vhost.queues(), |record| {
        record.set_deleter(Some(MOVE));
        vhost.remove_queue(&record);
        // One that has ended by itself is as good.
        let _ = record.mailbox.send(Mail::Tell(Command::Delete { if_unused: false, if_empty: false }));
    })
    .await;
    each_in_turn(exchanges, |exchange| {
        vhost.topology.change(|topology| topology.delete_exchange(&exchange));
    })
    .await;
    for (kind, name) in policies {
        vhost.remove_policy(kind, &name);
    }
    tracing::info!(vhost = vhost.name, "what was left of a vhost that moves was deleted");
}
