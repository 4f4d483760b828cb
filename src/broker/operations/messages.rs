//! Messages in queues: get, purge, and those that are parked.

use super::scope::Scope;
use crate::auth::Operation;
use crate::broker::error::OperationError;
use crate::message::QueueId;
use crate::queue::{Command, ConnectionId, Delivery, Reply};

/// A message that was got.
#[derive(Debug)]
pub struct Got {
    /// The queue it is from.
    pub queue: QueueId,
    /// The message, with the handle to settle it by.
    pub delivery: Delivery,
    /// Ready messages left.
    pub remaining: usize,
}

/// Who gets a message, and how.
#[derive(Clone, Copy, Debug)]
pub struct Getter {
    /// The connection that holds it until it is settled.
    pub connection: ConnectionId,
    /// The channel.
    pub channel: u16,
    /// It counts as acked at once.
    pub no_ack: bool,
}

/// Takes the first ready message of a queue; `None` if there is none.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn get(scope: Scope<'_>, name: &str, getter: Getter) -> Result<Option<Got>, OperationError> {
    scope.permit(Operation::Get(name))?;
    let record = scope.open_queue(name)?;
    let Getter { connection, channel, no_ack } = getter;
    match record.mailbox.ask(Command::Get { connection, channel, no_ack }).await {
        Some(Reply::Got { delivery, remaining }) => Ok(Some(Got { queue: record.id, delivery, remaining })),
        Some(_) => Ok(None),
        None => Err(scope.no_queue(name)),
    }
}

/// Drops all ready and waiting messages of a queue; how many they were.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn purge(scope: Scope<'_>, name: &str) -> Result<usize, OperationError> {
    scope.permit(Operation::QueuePurge(name))?;
    let record = scope.open_queue(name)?;
    match record.mailbox.ask(Command::Purge).await {
        Some(Reply::Purged(count)) => Ok(count),
        _ => Ok(0),
    }
}

/// Makes all parked messages of a queue ready; how many they were. It needs the right to take messages out.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn release_parked(scope: Scope<'_>, name: &str) -> Result<usize, OperationError> {
    scope.permit(Operation::Get(name))?;
    let record = scope.open_queue(name)?;
    match record.mailbox.ask(Command::ReleaseParked).await {
        Some(Reply::Released(count)) => Ok(count),
        _ => Err(scope.no_queue(name)),
    }
}

/// Drops all parked messages of a queue; how many they were. It needs the rights of a purge.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn drop_parked(scope: Scope<'_>, name: &str) -> Result<usize, OperationError> {
    scope.permit(Operation::QueuePurge(name))?;
    let record = scope.open_queue(name)?;
    match record.mailbox.ask(Command::DropParked).await {
        Some(Reply::Dropped(count)) => Ok(count),
        _ => Err(scope.no_queue(name)),
    }
}
