//! Consumers: what is checked before there is one.

use std::sync::Arc;

use super::scope::Scope;
use crate::auth::Operation;
use crate::broker::error::OperationError;
use crate::broker::vhost::QueueRecord;
use crate::queue::{Command, Consume, Reply};

/// The queue that the caller wants to consume from.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub fn queue_to_consume(scope: Scope<'_>, name: &str) -> Result<Arc<QueueRecord>, OperationError> {
    scope.permit(Operation::Consume(name))?;
    scope.open_queue(name)
}

/// Adds a consumer to it. What it gets goes to its connection's inbox.
///
/// # Errors
/// `ExclusiveUse`; `Unreadable`; `NotFound` if the queue went meanwhile.
pub async fn consume(
    scope: Scope<'_>,
    record: &QueueRecord,
    consumer: Consume,
) -> Result<(), OperationError> {
    match record.mailbox.ask(Command::Consume(consumer)).await {
        Some(Reply::Consuming) => Ok(()),
        Some(Reply::Unreadable(why)) => Err(scope.unreadable(&record.name, &why)),
        Some(_) => {
            Err(OperationError::ExclusiveUse { queue: record.name.clone(), vhost: scope.vhost.name.clone() })
        }
        None => Err(scope.no_queue(&record.name)),
    }
}
