//! The end of queues: asked for, or because a queue came to its end by itself; and what else goes with something.

use super::definitions::Definition;
use super::error::{Kind, OperationError};
use super::events::{BROKER, Event, tell, tell_removed};
use super::pending_definitions::Mark;
use super::shared::Shared;
use super::vhost::{QueueRecord, Vhost};
use crate::auth::UserTopicPermission;
use crate::queue::{Command, Reply};
use crate::statistics::BrokerCounters;
use crate::store::Op;
use crate::topology::Removed;

/// Conditions of a delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteIf {
    /// Only if it has no consumers (a queue) or no bindings (an exchange).
    pub unused: bool,
    /// Only if it has no ready messages.
    pub empty: bool,
}

/// Has a queue come to its end; gives the ready messages that were in it. It may have much to do before it answers, so nobody holds
/// the vhost's lock meanwhile: [`forget_queue`] follows under the lock.
///
/// # Errors
/// `InUse` or `NotEmpty` where that was made a condition.
pub async fn end_queue(vhost: &Vhost, record: &QueueRecord, only: DeleteIf) -> Result<usize, OperationError> {
    let (name, vhost_name) = (|| record.name.clone(), || vhost.name.clone());
    let command = Command::Delete { if_unused: only.unused, if_empty: only.empty };
    match record.mailbox.ask(command).await {
        Some(Reply::Deleted(messages)) => Ok(messages),
        Some(Reply::InUse) => {
            Err(OperationError::InUse { kind: Kind::Queue, name: name(), vhost: vhost_name() })
        }
        Some(Reply::NotEmpty) => Err(OperationError::NotEmpty { queue: name(), vhost: vhost_name() }),
        // It came to its end by itself just now.
        _ => Ok(0),
    }
}

/// A queue has come to its end: takes it out of sight with what hangs on it. That it is gone is durable when what is
/// [pending](Vhost::pending) is; gives the mark for that.
pub async fn forget_queue(shared: &Shared, vhost: &Vhost, record: &QueueRecord) -> Mark {
    let _lock = vhost.lock().await;
    remove(shared, vhost, record);
    vhost.pending().mark()
}

fn remove(shared: &Shared, vhost: &Vhost, record: &QueueRecord) {
    let Some(removed) = vhost.remove_queue(record) else { return };
    tell_end(shared, vhost, record, &removed);
    let mut ops = vhost.forget(removed);
    if record.durable {
        ops.push(Definition::remove_queue(&vhost.name, &record.name));
    }
    shared.count(BrokerCounters { queues_deleted: 1, ..BrokerCounters::default() });
    vhost.pending().submit(&shared.store, ops);
}

/// Tells whoever listens that a queue is gone, and before that what went with it, as in RabbitMQ.
pub(super) fn tell_end(shared: &Shared, vhost: &Vhost, record: &QueueRecord, removed: &Removed) {
    let (deleter, vhost) = (record.deleter(), vhost.name.as_str());
    let by = Some(deleter.as_deref().unwrap_or(BROKER));
    tell_removed(shared, by, vhost, removed);
    if !record.delays {
        tell(shared, by, &Event::QueueDeleted { vhost, queue: record });
    }
}

/// The store operation that forgets a topic permission.
pub fn remove_topic_permission(permission: &UserTopicPermission) -> Op {
    Definition::TopicPermission(permission.clone()).remove()
}
