//! The end of queues: asked for, or because a queue came to its end by itself.

use super::definitions::Definition;
use super::error::{Kind, OperationError};
use super::shared::Shared;
use super::vhost::{QueueRecord, Vhost};
use crate::queue::{Command, Reply};
use crate::statistics::BrokerCounters;

/// Conditions of a delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteIf {
    /// Only if it has no consumers (a queue) or no bindings (an exchange).
    pub unused: bool,
    /// Only if it has no ready messages.
    pub empty: bool,
}

/// Deletes a queue with what hangs on it; gives the ready messages that were in it. The caller holds the vhost's lock; that it is
/// gone is durable when what is [pending](Vhost::pending) is.
///
/// # Errors
/// `InUse` or `NotEmpty` where that was made a condition.
pub async fn delete_queue(
    shared: &Shared,
    vhost: &Vhost,
    record: &QueueRecord,
    only: DeleteIf,
) -> Result<usize, OperationError> {
    let (name, vhost_name) = (|| record.name.clone(), || vhost.name.clone());
    let command = Command::Delete { if_unused: only.unused, if_empty: only.empty };
    let messages = match record.mailbox.ask(command).await {
        Some(Reply::Deleted(messages)) => messages,
        Some(Reply::InUse) => {
            return Err(OperationError::InUse { kind: Kind::Queue, name: name(), vhost: vhost_name() });
        }
        Some(Reply::NotEmpty) => {
            return Err(OperationError::NotEmpty { queue: name(), vhost: vhost_name() });
        }
        // It came to its end by itself just now.
        _ => 0,
    };
    remove(shared, vhost, record);
    Ok(messages)
}

/// A queue came to its end by itself.
pub async fn forget_queue(shared: &Shared, vhost: &Vhost, record: &QueueRecord) {
    let _lock = vhost.lock().await;
    remove(shared, vhost, record);
}

fn remove(shared: &Shared, vhost: &Vhost, record: &QueueRecord) {
    let Some(removed) = vhost.remove_queue(record) else { return };
    let mut ops = vhost.forget(removed);
    if record.durable {
        ops.push(Definition::remove_queue(&vhost.name, &record.name));
    }
    shared.count(BrokerCounters { queues_deleted: 1, ..BrokerCounters::default() });
    vhost.pending().submit(&shared.store, ops);
}
