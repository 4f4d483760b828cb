//! Consumers: what is checked before there is one, and their end by hand.

use std::sync::Arc;

use super::connections::require_owner_of;
use super::scope::Scope;
use super::streams::too_many_cursors;
use crate::auth::Operation;
use crate::broker::error::OperationError;
use crate::broker::events::Event;
use crate::broker::vhost::QueueRecord;
use crate::queue::{Command, Consume, ConsumerKey, Reply};

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
/// `ExclusiveUse`; `Unreadable`; `TooManyCursors`; `NotFound` if the queue went meanwhile.
pub async fn consume(
    scope: Scope<'_>,
    record: &QueueRecord,
    consumer: Consume,
) -> Result<(), OperationError> {
    // One that only passes by is none of a client's.
    let is_told = scope.shared.events.is_anybody() && !consumer.is_passing;
    let told = is_told.then(|| consumer.clone());
    match record.mailbox.ask(Command::Consume(consumer.into())).await {
        Some(Reply::Consuming) => {
            if let Some(consumer) = &told {
                let (vhost, queue) = (&scope.vhost.name, &record.name);
                scope.tell(&Event::ConsumerCreated { vhost, queue, consumer });
            }
            Ok(())
        }
        Some(Reply::TooManyCursors(limit)) => Err(too_many_cursors(scope, record, limit)),
        Some(Reply::Unreadable(why)) => Err(scope.unreadable(&record.name, &why)),
        Some(_) => {
            Err(OperationError::ExclusiveUse { queue: record.name.clone(), vhost: scope.vhost.name.clone() })
        }
        None => Err(scope.no_queue(&record.name)),
    }
}

/// Cancels a consumer of a queue. Its client is sent basic.cancel if it said that it can take that. What it was given and has not
/// acked stays with its channel, as after a basic.cancel of its own. For administrators, and for users whose connection it is.
///
/// # Errors
/// `NoConnection`, `NotTagged`; `NoConsumer` or `NotFound` if the consumer, or the queue, is not there any more.
pub async fn cancel_consumer(
    scope: Scope<'_>,
    record: &QueueRecord,
    consumer: ConsumerKey,
) -> Result<(), OperationError> {
    require_owner_of(scope.shared, scope.caller, consumer.connection)?;
    match record.mailbox.ask(Command::Dismiss(consumer)).await {
        Some(Reply::Done) => Ok(()),
        Some(_) => Err(OperationError::NoConsumer(record.name.clone())),
        None => Err(scope.no_queue(&record.name)),
    }
}
