//! Messages in queues, looked at without a change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::scope::Scope;
use crate::auth::Operation;
use crate::broker::error::OperationError;
use crate::broker::shared::Shared;
use crate::broker::vhost::QueueRecord;
use crate::message::{Message, Position, QueueId};
use crate::queue::attempts::{Attempts, WaitKind};
use crate::queue::{
    Command, ConnectionId, Holder, OnDisk, Peek, PeekState, Peeked, PeekedPlace, Reply, as_delivered,
};
use crate::store::{self, StoredMessage};
use crate::time::{Time, Timestamp};

/// When so many bytes of messages were read from disk for a peek, no more are read for it.
const READ_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is read of a stream at a time, in bytes: enough for most pages.
const LOG_READ_BYTES: usize = 512 * 1024;

/// A message that was looked at and stays as it is.
#[derive(Clone, Debug)]
pub struct PeekedMessage {
    /// Its position in the queue: it keeps it for as long as it is there.
    pub position: Position,
    /// As its next consumer gets it, or its holder got it; `None` if the queue does not have it in memory and it was not read.
    pub message: Option<Message>,
    /// Whether the queue has it in memory.
    pub in_memory: bool,
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
/// delayed exchange is in no queue that could be looked at. Nothing is read from disk.
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
    let found =
        peek_in(scope.shared, scope.vhost.clock.epoch(), &record, Peek { state, offset, limit }).await;
    found.ok_or_else(|| scope.no_queue(name))
}

/// The same, and what is not in memory is read from disk, until some 16 MiB are read. It stays out of the queue's memory.
///
/// # Errors
/// As [`peek`].
pub async fn peek_and_read(
    scope: Scope<'_>,
    name: &str,
    state: PeekState,
    offset: usize,
    limit: usize,
) -> Result<Vec<PeekedMessage>, OperationError> {
    scope.permit(Operation::Get(name))?;
    let record = scope.open_queue(name)?;
    let found = look(&record, Peek { state, offset, limit }).await.ok_or_else(|| scope.no_queue(name))?;
    let read = read(scope.shared, &record, &found).await;
    Ok(describe_all(scope.shared, scope.vhost.clock.epoch(), found, &read))
}

/// As [`peek_and_read`] for whoever has the queue already and may do everything; nothing if it is gone.
pub(super) async fn peek_record(scope: Scope<'_>, record: &QueueRecord, peek: Peek) -> Vec<PeekedMessage> {
    let found = look(record, peek).await.unwrap_or_default();
    let read = read(scope.shared, record, &found).await;
    describe_all(scope.shared, scope.vhost.clock.epoch(), found, &read)
}

/// As [`peek`] for whoever has the queue already and may do everything, and tells its vhost's epoch; `None` if it is gone.
pub async fn peek_in(
    shared: &Shared,
    epoch: Timestamp,
    record: &QueueRecord,
    peek: Peek,
) -> Option<Vec<PeekedMessage>> {
    Some(describe_all(shared, epoch, look(record, peek).await?, &HashMap::new()))
}

async fn look(record: &QueueRecord, peek: Peek) -> Option<Vec<Peeked>> {
    match record.mailbox.ask(Command::Peek(peek)).await? {
        Reply::Peeked(found) => Some(found),
        _ => None,
    }
}

/// What was read from disk.
type Read = HashMap<Position, StoredMessage>;

/// Reads those that are not in memory, a bundle at a time, so that queues that wait for messages of theirs have their turn. One that went
/// meanwhile is not there any more, and one that cannot be read is not shown: its queue finds that out by itself.
async fn read(shared: &Shared, record: &QueueRecord, found: &[Peeked]) -> Read {
    if record.is_stream() {
        return read_log(shared, record.id, found).await;
    }
    let mut bundles: BTreeMap<OnDisk, BTreeSet<Position>> = BTreeMap::new();
    for peeked in found {
        if let Some(on_disk) = peeked.on_disk {
            bundles.entry(on_disk).or_default().insert(peeked.position);
        }
    }
    let (mut read, mut bytes) = (Read::new(), 0);
    for (OnDisk { id, stored, paged }, positions) in bundles {
        if bytes >= READ_BYTES_MAX {
            break;
        }
        let (sender, messages) = oneshot::channel();
        // Whoever asked may have gone.
        let done = Box::new(move |messages| drop(sender.send(messages)));
        let (queue, positions) = (record.id, positions.into_iter().collect());
        let page = paged.then_some(id);
        shared.store.load(store::Load { queue, positions, stored, page, keeps_page: true, done });
        let Ok(Ok(messages)) = messages.await else { continue };
        bytes += messages.iter().map(|stored| stored.message.encoded_len()).sum::<usize>();
        read.extend(messages.into_iter().map(|stored| (stored.position, stored)));
    }
    read
}

/// The same of a stream: positions are offsets, and ascending.
async fn read_log(shared: &Shared, stream: QueueId, found: &[Peeked]) -> Read {
    let mut missing = found.iter().filter(|peeked| peeked.message.is_none()).map(|peeked| peeked.position.0);
    let (mut read, mut bytes) = (Read::new(), 0);
    let mut wanted = missing.next();
    while let Some(from) = wanted.filter(|_| bytes < READ_BYTES_MAX) {
        let (sender, chunks) = oneshot::channel();
        // Whoever asked may have gone.
        let done = Box::new(move |chunks| drop(sender.send(chunks)));
        shared.store.read_log(store::LogRead { stream, from, bytes_max: LOG_READ_BYTES, done });
        let Ok(Ok(chunks)) = chunks.await else { break };
        let Some(next) = chunks.last().map(|chunk| chunk.first + chunk.entries.len() as u64) else { break };
        for chunk in chunks {
            for (offset, message) in (chunk.first..).zip(chunk.entries).filter(|(offset, _)| *offset >= from)
            {
                bytes += message.encoded_len();
                let position = Position(offset);
                let stored =
                    StoredMessage { position, message, level: 0, expires_at: None, redelivered: false };
                read.insert(position, stored);
            }
        }
        wanted = missing.find(|offset| *offset >= next);
    }
    read
}

fn describe_all(shared: &Shared, epoch: Timestamp, found: Vec<Peeked>, read: &Read) -> Vec<PeekedMessage> {
    let describe = |peeked: Peeked| {
        let read = read.get(&peeked.position);
        describe(shared, epoch, peeked, read)
    };
    found.into_iter().map(describe).collect()
}

fn describe(
    shared: &Shared,
    epoch: Timestamp,
    peeked: Peeked,
    read: Option<&StoredMessage>,
) -> PeekedMessage {
    let in_memory = peeked.message.is_some();
    let from_disk = read.map(|stored| as_delivered(&stored.message, peeked.attempts.as_ref()));
    let (holder, wait, due) = match peeked.place {
        PeekedPlace::Ready => (None, None, None),
        PeekedPlace::Unacked(holder) => (Some(describe_holder(shared, epoch, holder)), None, None),
        PeekedPlace::Waiting { kind, due } => (None, Some(kind), wall(epoch, due)),
    };
    PeekedMessage {
        position: peeked.position,
        message: peeked.message.or(from_disk),
        in_memory,
        redelivered: peeked.redelivered,
        expires: match peeked.expires {
            Some(expires) => wall(epoch, expires),
            None => read.and_then(|stored| stored.expires_at),
        },
        priority: peeked.priority,
        holder,
        wait,
        due,
        attempts: peeked.attempts,
    }
}

fn describe_holder(shared: &Shared, epoch: Timestamp, holder: Holder) -> MessageHolder {
    let overview = shared.connection(holder.connection).and_then(|handle| handle.overview.clone());
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
