//! Messages in queues, looked at without a change.

use std::sync::Arc;

use super::scope::Scope;
use crate::auth::Operation;
use crate::broker::error::OperationError;
use crate::broker::shared::Shared;
use crate::broker::vhost::QueueRecord;
use crate::message::{Message, Position};
use crate::queue::attempts::{Attempts, WaitKind};
use crate::queue::{Command, ConnectionId, Holder, Peek, PeekState, Peeked, PeekedPlace, Reply};
use crate::time::{Time, Timestamp};

/// A message that was looked at and stays as it is.
#[derive(Clone, Debug)]
pub struct PeekedMessage {
    /// Its position in the queue: it keeps it for as long as it is there.
    pub position: Position,
    /// As its next consumer gets it, or its holder got it; `None` if the queue does not have it in memory: a peek reads
    /// nothing from disk.
    pub message: Option<Message>,
    /// Whether it may have been delivered before; of an unacked one: before its present delivery.
    pub redelivered: bool,
    /// When it expires; `None` if never, or if that is not known because the message is not in memory.
    pub expires: Option<Timestamp>,
    /// The priority it has in this queue.
    pub priority: u8,
    /// Who has it, if it is unacked.
    pub holder: Option<MessageHolder>,
    /// What it waits for, if it does.
    pub wait: Option<WaitKind>,
    /// When its wait ends, or when it expires if that is earlier; only if it is delayed or parked.
    pub due: Option<Timestamp>,
    /// Its failed deliveries, with the last error; `None` if it never came back, or the queue has no failure policy.
    pub attempts: Option<Attempts>,
}

/// Who has an unacked message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHolder {
    /// The connection.
    pub connection: ConnectionId,
    /// Its name, `peer -> local`; `None` for the broker itself, or if it is just closing.
    pub connection_name: Option<String>,
    /// The channel.
    pub channel: u16,
    /// The consumer's tag; `None` after basic.get, or when the consumer was cancelled.
    pub consumer_tag: Option<Arc<str>>,
    /// Since when it has the message, or when it last said that it makes progress.
    pub since: Timestamp,
}

/// Shows up to `limit` messages of a queue in a state, at most [`PEEK_MAX`](crate::queue::PEEK_MAX), after the first
/// `offset`. Nothing changes: no order, no flag, and the queue is not used. It needs the rights of basic.get. What waits in a
/// delayed exchange is in no queue that could be looked at.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn peek(
    scope: Scope<'_>,
    name: &str,
    state: PeekState,
    offset: usize,
    limit: usize,
) -> Result<Vec<PeekedMessage>, OperationError> {
    scope.permit(Operation::Get(name))?;
    let record = scope.open_queue(name)?;
    let found = peek_in(scope.shared, &record, Peek { state, offset, limit }).await;
    found.ok_or_else(|| scope.no_queue(name))
}

/// The same for whoever has the queue already and may do everything; `None` if it is gone.
pub async fn peek_in(shared: &Shared, record: &QueueRecord, peek: Peek) -> Option<Vec<PeekedMessage>> {
    match record.mailbox.ask(Command::Peek(peek)).await? {
        Reply::Peeked(found) => {
            let epoch = shared.clock.epoch();
            Some(found.into_iter().map(|peeked| describe(shared, epoch, peeked)).collect())
        }
        _ => None,
    }
}

fn describe(shared: &Shared, epoch: Timestamp, peeked: Peeked) -> PeekedMessage {
    let (holder, wait, due) = match peeked.place {
        PeekedPlace::Ready => (None, None, None),
        PeekedPlace::Unacked(holder) => (Some(describe_holder(shared, epoch, holder)), None, None),
        PeekedPlace::Waiting { kind, due } => (None, Some(kind), wall(epoch, due)),
    };
    PeekedMessage {
        position: peeked.position,
        message: peeked.message,
        redelivered: peeked.redelivered,
        expires: peeked.expires.and_then(|expires| wall(epoch, expires)),
        priority: peeked.priority,
        holder,
        wait,
        due,
        attempts: peeked.attempts,
    }
}

fn describe_holder(shared: &Shared, epoch: Timestamp, holder: Holder) -> MessageHolder {
    let overview = shared.connection(holder.connection).and_then(|handle| handle.overview);
    MessageHolder {
        connection: holder.connection,
        connection_name: overview.map(|overview| overview.name()),
        channel: holder.channel,
        consumer_tag: holder.consumer.map(|consumer| consumer.tag),
        since: wall(epoch, holder.since).unwrap_or_default(),
    }
}

/// What wall clocks show then; `None` for never.
fn wall(epoch: Timestamp, time: Time) -> Option<Timestamp> {
    (time != Time::NEVER).then(|| epoch.at(time))
}
