//! Messages in queues: get, purge, and those that are parked.

use super::scope::Scope;
use crate::auth::Operation;
use crate::broker::error::OperationError;
use crate::broker::firehose::{Firehose, Party};
use crate::broker::internal_connection::InternalConnection;
use crate::broker::mailbox::Mail;
use crate::broker::vhost::QueueRecord;
use crate::message::{Message, QueueId};
use crate::queue::{Command, ConnectionId, Delivery, Reply, Settlement};
use crate::session::SessionCounters;
use crate::session::publication::CHANNEL;
use crate::statistics::ChannelCounters;

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
/// `AccessRefused`, `NotFound`, `Locked`, `Unreadable`.
pub async fn get(scope: Scope<'_>, name: &str, getter: Getter) -> Result<Option<Got>, OperationError> {
    scope.permit(Operation::Get(name))?;
    let record = scope.open_queue(name)?;
    get_from(scope, &record, getter).await
}

/// The same for whoever has the queue already, and may take messages out of it.
pub(super) async fn get_from(
    scope: Scope<'_>,
    record: &QueueRecord,
    getter: Getter,
) -> Result<Option<Got>, OperationError> {
    let Getter { connection, channel, no_ack } = getter;
    scope.not_for_streams(record, "basic.get not supported by stream queues")?;
    let got = first(scope, record, Command::Get { connection, channel, no_ack }).await?;
    if let Some(got) = &got {
        trace(scope, record, getter, &got.delivery);
    }
    Ok(got)
}

/// Takes the first ready message by hand, for whoever may take messages out: that is no delivery, and is neither counted nor traced.
pub(super) async fn hold_first(
    scope: Scope<'_>,
    record: &QueueRecord,
    connection: ConnectionId,
) -> Result<Option<Got>, OperationError> {
    first(scope, record, Command::Hold { connection, channel: CHANNEL }).await
}

async fn first(
    scope: Scope<'_>,
    record: &QueueRecord,
    command: Command,
) -> Result<Option<Got>, OperationError> {
    match record.mailbox.ask(command).await {
        Some(Reply::Got { delivery, remaining }) => Ok(Some(Got { queue: record.id, delivery, remaining })),
        Some(Reply::Unreadable(why)) => Err(scope.unreadable(&record.name, &why)),
        Some(_) => Ok(None),
        None => Err(scope.no_queue(&record.name)),
    }
}

fn trace(scope: Scope<'_>, record: &QueueRecord, getter: Getter, delivery: &Delivery) {
    let Some(firehose) = Firehose::of(scope.shared, scope.vhost) else { return };
    let client = scope.shared.connection(getter.connection).and_then(|handle| handle.client());
    let user = client.as_ref().map(|client| &*client.user).or_else(|| scope.caller.user());
    let connection = client.as_ref().map_or("", |client| &client.connection);
    let who = Party { connection, channel: getter.channel, user: user.unwrap_or_default() };
    firehose.delivered(who, &record.name, &delivery.message, delivery.redelivered);
}

/// What becomes of messages that were got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckMode {
    /// They are gone.
    Ack,
    /// They go back to their positions; those who get them next see them as redelivered.
    Requeue,
    /// The same, and it counts as a failed attempt.
    Fail,
    /// They are dead-lettered, or dropped.
    Reject,
}

/// A message that was got and settled.
#[derive(Clone, Debug)]
pub struct GotMessage {
    /// The message.
    pub message: Message,
    /// It was delivered before.
    pub redelivered: bool,
    /// Ready messages that were left when it was got.
    pub remaining: usize,
}

/// Bytes of bodies that one such get takes: no message more once they are reached. The caller has them all in memory.
const GOT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Gets up to `count` messages, in their order, and settles them all, for whoever has no connection of its own. They are fewer if
/// there are no more, or if they are large: 64 MiB are enough.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`, `Unreadable`.
pub async fn get_and_settle(
    scope: Scope<'_>,
    name: &str,
    count: usize,
    ack_mode: AckMode,
) -> Result<Vec<GotMessage>, OperationError> {
    scope.permit(Operation::Get(name))?;
    let record = scope.open_queue(name)?;
    let mut connection = InternalConnection::new(scope.shared);
    connection.note_queue(&record.mailbox);
    let no_ack = ack_mode == AckMode::Ack;
    let getter = Getter { connection: connection.id(), channel: CHANNEL, no_ack };
    let (mut messages, mut handles, mut bytes) = (Vec::new(), Vec::new(), 0);
    while messages.len() < count && bytes < GOT_BYTES_MAX {
        let got = match get_from(scope, &record, getter).await {
            Ok(Some(got)) => got,
            // Those before it that count as acked are in the queue no more: they are answered, not lost.
            Err(error) if messages.is_empty() => return Err(error),
            Ok(None) | Err(_) => break,
        };
        let Delivery { handle, message, redelivered, .. } = got.delivery;
        handles.push(handle);
        bytes += message.body_len();
        messages.push(GotMessage { message, redelivered, remaining: got.remaining });
    }
    count_got(scope, no_ack, &messages);
    let settlement = match ack_mode {
        AckMode::Ack => return Ok(messages),
        AckMode::Requeue => Settlement::Requeue,
        AckMode::Fail => Settlement::Fail,
        AckMode::Reject => Settlement::Reject,
    };
    // A queue that went took them along.
    let _ = record.mailbox.send(Mail::Tell(Command::Settle(settlement, handles)));
    Ok(messages)
}

fn count_got(scope: Scope<'_>, no_ack: bool, messages: &[GotMessage]) {
    let got = messages.len() as u64;
    let messages = ChannelCounters {
        got: if no_ack { 0 } else { got },
        got_no_ack: if no_ack { got } else { 0 },
        got_empty: u64::from(got == 0),
        redelivered: messages.iter().filter(|message| message.redelivered).count() as u64,
        ..ChannelCounters::default()
    };
    scope.count(&SessionCounters { messages, ..SessionCounters::default() });
}

/// Drops all ready and waiting messages of a queue; how many they were.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn purge(scope: Scope<'_>, name: &str) -> Result<usize, OperationError> {
    scope.permit(Operation::QueuePurge(name))?;
    let record = scope.open_queue(name)?;
    scope.not_for_streams(&record, "queue.purge not supported by stream queues")?;
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
    release_parked_in(&record).await.ok_or_else(|| scope.no_queue(name))
}

/// The same for whoever has the queue already and may do everything; `None` if it is gone.
pub async fn release_parked_in(record: &QueueRecord) -> Option<usize> {
    match record.mailbox.ask(Command::ReleaseParked).await? {
        Reply::Released(count) => Some(count),
        _ => None,
    }
}

/// Drops all parked messages of a queue; how many they were. It needs the rights of a purge.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn drop_parked(scope: Scope<'_>, name: &str) -> Result<usize, OperationError> {
    scope.permit(Operation::QueuePurge(name))?;
    let record = scope.open_queue(name)?;
    drop_parked_in(&record).await.ok_or_else(|| scope.no_queue(name))
}

/// The same for whoever has the queue already and may do everything; `None` if it is gone.
pub async fn drop_parked_in(record: &QueueRecord) -> Option<usize> {
    match record.mailbox.ask(Command::DropParked).await? {
        Reply::Dropped(count) => Some(count),
        _ => None,
    }
}
