//! A world starts again as the broker does after a crash, and nothing else of the broker has to do with it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::exchanges::delete_exchange;
use super::in_world::InWorld;
use super::queues::delete_owned_queues;
use super::scope::{Caller, Scope};
use crate::broker::connections::{ConnectionHandle, EndReason};
use crate::broker::mailbox::Mail;
use crate::broker::recovery::left_in_store;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::queue::Command;
use crate::store::Look;

/// What a SIGKILL and a start would do, to one world: its connections are reset without a word, queues, exchanges and messages that
/// do not outlast a crash go, and what was unacked comes back redelivered. Answers when clients can connect again.
pub async fn restart_world(shared: &Arc<Shared>, at: InWorld<'_>) {
    restart(shared, at.vhost).await;
}

pub(super) async fn restart(shared: &Arc<Shared>, vhost: &Arc<Vhost>) {
    let Some(world) = &vhost.world else { return };
    // Nobody comes in until it is done.
    let _restarting = world.faults.restarting.write().await;
    let connections = connections_of(shared, vhost);
    connections.iter().for_each(|handle| handle.end(EndReason::Crash));
    for handle in connections {
        // Its task is at its end then, and has given back what it held.
        handle.events.closed().await;
    }
    let transient = vhost.declared_queues().into_iter().filter(|record| !record.durable).collect();
    delete_owned_queues(shared, vhost, transient).await;
    delete_transient_exchanges(shared, vhost).await;
    if shared.store.is_ephemeral() {
        for record in vhost.queues() {
            record.mailbox.ask(Command::Crash).await;
        }
    } else {
        read_again(shared, vhost).await;
    }
    tracing::info!(world = vhost.name, "started again, as after a crash");
}

/// Queues lose what is in memory, all of them before any goes on: what is between two of them is in the store, or nowhere. Then each
/// has what the store has of it, as after a start.
async fn read_again(shared: &Arc<Shared>, vhost: &Arc<Vhost>) {
    let mut emptied = Vec::new();
    for record in vhost.queues() {
        let (sender, is_emptied) = oneshot::channel();
        // One that is gone just now has nothing to lose.
        let _ = record.mailbox.send(Mail::Crash(sender));
        if is_emptied.await == Ok(true) {
            emptied.push(record);
        }
    }
    let (sender, stored) = oneshot::channel();
    let queues = emptied.iter().map(|record| record.id).collect();
    // Without somebody who waits there is nobody to tell.
    shared.store.look(Look { queues, done: Box::new(move |found| drop(sender.send(found))) });
    // A store that fails ends the process.
    let Ok(mut stored) = stored.await else { return };
    for record in emptied {
        let thing = format!("queue '{}' in vhost '{}'", record.name, vhost.name);
        match left_in_store(shared, &thing, stored.remove(&record.id)) {
            Ok(left) => drop(record.mailbox.send(Mail::Restore(Box::new(left)))),
            Err(error) => tracing::error!(%error, "a queue cannot be read again"),
        }
        // It has it when it answers.
        record.mailbox.ask(Command::Count).await;
    }
}

async fn delete_transient_exchanges(shared: &Arc<Shared>, vhost: &Arc<Vhost>) {
    let scope = Scope { shared, vhost, caller: Caller::Operator };
    let exchanges: Vec<_> = vhost.topology.read().exchanges().cloned().collect();
    for exchange in exchanges.iter().filter(|exchange| !exchange.durable) {
        // It may have gone with one that was deleted before.
        let _ = delete_exchange(scope, &exchange.name, false).await;
    }
}

/// The connections that are in a virtual host, or are entering it.
pub(super) fn connections_of(shared: &Shared, vhost: &Vhost) -> Vec<Arc<ConnectionHandle>> {
    let is_there = |handle: &ConnectionHandle| {
        let overview = handle.overview.as_ref();
        overview.is_some_and(|overview| overview.handshake().vhost.as_deref() == Some(&*vhost.name))
    };
    let all = shared.connections.iter().filter(|handle| is_there(handle));
    all.map(|handle| handle.clone()).collect()
}
