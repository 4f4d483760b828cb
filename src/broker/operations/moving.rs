//! Messages of a queue that are moved elsewhere, copied, replayed to where they came from, or deleted, one by one.
//!
//! The ready messages are held one after the other. Those that are not meant go back at the end as if they had never been taken; consumers do
//! not see them meanwhile. Those that are moved leave in batches, each one unit in the store:
//! a broker that is killed in the middle has each message once, here or there.

use std::sync::Arc;

use super::holding::{Held, HeldMessage, hold};
use super::scope::Scope;
use crate::auth::Operation;
use crate::broker::dead_lettering::publish;
use crate::broker::error::OperationError;
use crate::broker::mailbox::Mail;
use crate::broker::selection::{Selection, first_death};
use crate::message::{Message, Parts, Position, QueueId};
use crate::protocol::content::{Properties, replace_headers};
use crate::protocol::table::{FieldValue, Table, TableWriter};
use crate::queue::sender_selected::routing_keys;
use crate::queue::{Command, MessagePlace, Reply};
use crate::session::PropertySource;
use crate::topology::{RouteScratch, Undelayed};

/// Messages that leave together, at most, and bytes of their bodies.
const BATCH_MESSAGES: usize = 500;
const BATCH_BYTES: usize = 4 << 20;
/// The header of a replayed message that counts its replays.
const REPLAYS: &[u8] = b"x-replays";

/// Where messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// To a queue.
    Queue(&'a str),
    /// To an exchange, with this key or their own.
    Exchange(&'a str, Option<&'a str>),
    /// To the exchange that they were published to before they first died, with the key that they had (`x-death`); a header
    /// `x-replays` counts how often that was done. Those that never died stay.
    Origin,
}

/// What is done with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act<'a> {
    /// They leave for there.
    Move(Target<'a>),
    /// Copies of them go there.
    Copy(Target<'a>),
    /// They are gone.
    Delete,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acted {
    /// Messages that were looked at.
    pub looked_at: usize,
    /// Of those, the ones that were meant.
    pub matched: usize,
    /// Of those, the ones with which it was done, or would be.
    pub done: usize,
    /// Of those, the ones that stay because no queue would get them.
    pub without_target: usize,
}

/// Does something with the ready messages that are meant, the first `limit` of them. With `dry_run` it only counts. It needs the right to read
/// from the queue, and to write to the exchanges that messages go to.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`, `Unreadable`; `NoTarget` if the target is a queue or an exchange that is not there.
pub async fn act_on_messages(
    scope: Scope<'_>,
    queue: &str,
    selection: &Selection,
    limit: usize,
    act: Act<'_>,
    dry_run: bool,
) -> Result<Acted, OperationError> {
    let held = hold(scope, queue).await?;
    check_target(scope, act)?;
    let acted = Acted::default();
    let mut work = Work { scope, held, act, dry_run, acted, batch: Vec::new(), batch_bytes: 0 };
    let outcome = work.go_through(selection, limit).await;
    let Work { held, acted, .. } = work;
    // What is still held goes back.
    drop(held);
    // Whoever has the answer finds the messages where they are to be.
    if let Ok(record) = scope.open_queue(queue) {
        let _ = record.look().await;
    }
    outcome.map(|()| acted)
}

fn check_target(scope: Scope<'_>, act: Act<'_>) -> Result<(), OperationError> {
    let target = match act {
        Act::Move(target) | Act::Copy(target) => target,
        Act::Delete => return Ok(()),
    };
    match target {
        Target::Queue(name) => {
            scope.permit(Operation::Publish(""))?;
            scope.open_queue(name).map(drop)
        }
        Target::Exchange(name, _) => {
            scope.permit(Operation::Publish(name))?;
            match scope.vhost.topology.read().exchange(name) {
                Some(_) => Ok(()),
                None => Err(OperationError::NoTarget(format!(
                    "no exchange '{name}' in vhost '{}'",
                    scope.vhost.name
                ))),
            }
        }
        Target::Origin => Ok(()),
    }
}

/// What is under way. However it ends, what was not acted on goes back as it was.
struct Work<'a> {
    scope: Scope<'a>,
    held: Held,
    act: Act<'a>,
    dry_run: bool,
    acted: Acted,
    /// To be acted on together.
    batch: Vec<(Position, Message)>,
    batch_bytes: usize,
}

impl Work<'_> {
    async fn go_through(&mut self, selection: &Selection, limit: usize) -> Result<(), OperationError> {
        while self.acted.matched < limit
            && let Some(HeldMessage { position, message, .. }) = self.held.next().await?
        {
            self.acted.looked_at += 1;
            if selection.covers(position, &message) {
                self.acted.matched += 1;
                self.take(position, message).await?;
            }
        }
        self.carry_out().await
    }

    async fn take(&mut self, position: Position, message: Message) -> Result<(), OperationError> {
        self.batch_bytes += message.body_len();
        self.batch.push((position, message));
        if self.batch.len() >= BATCH_MESSAGES || self.batch_bytes >= BATCH_BYTES {
            self.carry_out().await?;
        }
        Ok(())
    }

    async fn carry_out(&mut self) -> Result<(), OperationError> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let (target, is_copy) = match self.act {
            Act::Delete => {
                self.acted.done += batch.len();
                if !self.dry_run {
                    self.held.delete(batch.into_iter().map(|(position, _)| position));
                }
                return Ok(());
            }
            Act::Move(target) => (target, false),
            Act::Copy(target) => (target, true),
        };
        // While this is held no queue can be deleted that messages are on their way to.
        let scope = self.scope;
        let _lock = scope.lock().await?;
        let (mut moves, mut refused) = (Vec::new(), None);
        for (position, message) in batch {
            match self.routed(target, &message) {
                Ok(Some((message, queues))) if !queues.is_empty() => moves.push((position, message, queues)),
                Ok(_) => self.acted.without_target += 1,
                Err(error) => refused = Some(error),
            }
        }
        self.acted.done += moves.len();
        match (self.dry_run, is_copy) {
            (true, _) => {}
            (false, true) => self.copy(moves),
            (false, false) => self.held.move_out(moves),
        }
        refused.map_or(Ok(()), Err)
    }

    /// The message as it arrives, with the queues that it arrives in; none if it does not know where it came from.
    fn routed(
        &self,
        target: Target<'_>,
        message: &Message,
    ) -> Result<Option<(Message, Vec<QueueId>)>, OperationError> {
        let addressed = match target {
            Target::Queue(queue) => addressed(message, b"", queue.as_bytes(), None),
            Target::Exchange(exchange, key) => {
                let key = key.map_or_else(|| message.routing_key().to_vec(), |key| key.as_bytes().to_vec());
                addressed(message, exchange.as_bytes(), &key, None)
            }
            Target::Origin => match origin(message) {
                Some(origin) => {
                    let exchange = String::from_utf8_lossy(&origin.exchange).into_owned();
                    self.scope.permit(Operation::Publish(&exchange))?;
                    addressed(message, &origin.exchange, &origin.routing_key, Some(origin.replays + 1))
                }
                None => return Ok(None),
            },
        };
        let queues = self.route(&addressed, matches!(target, Target::Queue(_)));
        Ok(Some((addressed, queues)))
    }

    /// One that goes to a queue goes to this one alone, whatever other keys it has in CC and BCC.
    fn route(&self, message: &Message, by_its_key_alone: bool) -> Vec<QueueId> {
        let keys =
            if by_its_key_alone { vec![message.routing_key().to_vec()] } else { routing_keys(message) };
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let properties = Properties::parse(message.properties()).ok().map(PropertySource).map(Undelayed);
        let headers = properties.as_ref().map(|source| source as &dyn crate::topology::HeaderSource);
        let (mut queues, mut scratch) = (Vec::new(), RouteScratch::default());
        // No such exchange is no queue.
        let _ =
            self.scope.vhost.topology.route(message.exchange(), &keys, headers, &mut queues, &mut scratch);
        queues
    }

    /// Copies go out as a publisher's would; the originals stay.
    fn copy(&self, moves: Vec<(Position, Message, Vec<QueueId>)>) {
        for (position, message, queues) in moves {
            let queue = Arc::clone(&self.held.record.label);
            let from = MessagePlace { queue, position };
            let message = message.for_queues(queues.len());
            for queue in queues {
                let Some(record) = self.scope.vhost.queue(queue) else { continue };
                let command =
                    Command::PublishDeadLettered(vec![publish(message.clone())], vec![Some(from.clone())]);
                let _ = record.mailbox.send(Mail::Tell(command));
            }
        }
    }
}

/// Where a message was before it first died.
struct Origin {
    exchange: Vec<u8>,
    routing_key: Vec<u8>,
    replays: i64,
}

fn origin(message: &Message) -> Option<Origin> {
    let headers = Properties::parse(message.properties()).ok()?.headers()?;
    let death = first_death(&headers)?;
    let FieldValue::LongString(exchange) = death.get(b"exchange")? else { return None };
    let FieldValue::Array(keys) = death.get(b"routing-keys")? else { return None };
    let Some(FieldValue::LongString(routing_key)) = keys.iter().next() else { return None };
    let replays = headers.get(REPLAYS).and_then(|count| count.as_i64()).unwrap_or(0);
    Some(Origin { exchange: exchange.to_vec(), routing_key: routing_key.to_vec(), replays })
}

/// The message with another address, and perhaps another count of replays.
fn addressed(message: &Message, exchange: &[u8], routing_key: &[u8], replays: Option<i64>) -> Message {
    let parts = message.parts();
    let counted = replays.and_then(|replays| with_replays(parts.properties, replays));
    let properties = counted.as_deref().unwrap_or(parts.properties);
    Message::new(Parts { exchange, routing_key, properties, ..parts })
        .with_dead_lettered(message.is_dead_lettered())
        .with_bcc(message.has_bcc())
}

fn with_replays(properties: &[u8], replays: i64) -> Option<Vec<u8>> {
    let headers: Option<Table<'_>> = Properties::parse(properties).ok()?.headers();
    let mut bytes = Vec::new();
    let mut writer = TableWriter::new(&mut bytes);
    for (key, raw) in headers.iter().flat_map(Table::iter_raw).filter(|(key, _)| *key != REPLAYS) {
        writer.entry_raw(key, raw);
    }
    writer.entry(REPLAYS, FieldValue::I64(replays));
    replace_headers(properties, &bytes).ok()
}

/// Ends the wait of messages at these positions, delayed or parked: they are ready. How many they were. It needs the right to take messages
/// out.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn release_waiting(
    scope: Scope<'_>,
    name: &str,
    positions: Vec<Position>,
) -> Result<usize, OperationError> {
    scope.permit(Operation::Get(name))?;
    let record = scope.open_queue(name)?;
    match record.mailbox.ask(Command::ReleaseWaiting(positions)).await {
        Some(Reply::Released(count)) => Ok(count),
        _ => Err(scope.no_queue(name)),
    }
}

/// Drops messages at these positions that wait, delayed or parked. How many they were. It needs the rights of a purge.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn drop_waiting(
    scope: Scope<'_>,
    name: &str,
    positions: Vec<Position>,
) -> Result<usize, OperationError> {
    scope.permit(Operation::QueuePurge(name))?;
    let record = scope.open_queue(name)?;
    match record.mailbox.ask(Command::DropWaiting(positions)).await {
        Some(Reply::Dropped(count)) => Ok(count),
        _ => Err(scope.no_queue(name)),
    }
}
