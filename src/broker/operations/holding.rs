//! Messages that are taken out of a queue's line and held, to be looked at one after the other, and put back or dropped later.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::messages::{Getter, get_from, hold_first};
use super::scope::{Caller, Scope};
use crate::auth::{Operation, Resource};
use crate::broker::dead_lettering::publish;
use crate::broker::error::OperationError;
use crate::broker::internal_connection::InternalConnection;
use crate::broker::journal::{Event, EventKind, Why};
use crate::broker::mailbox::Mail;
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::message::{Message, Position, QueueId};
use crate::queue::{Command, Delivery, Handle, MoveOut, Publish, Settlement};
use crate::session::SessionCounters;
use crate::session::publication::CHANNEL;
use crate::statistics::ChannelCounters;

/// Ready messages of a queue that are held by a connection of the broker's own: consumers do not get them. When it is dropped, what it has not
/// settled goes back as it was, unless somebody saw it. If the broker ends first, all of it is ready at the next start.
#[derive(Debug)]
pub struct Held {
    pub(super) connection: InternalConnection,
    shared: Arc<Shared>,
    vhost: Arc<Vhost>,
    pub(super) record: Arc<QueueRecord>,
    handles: BTreeMap<Position, Handle>,
    /// Messages that were ready at the beginning: what comes later is not meant.
    left: usize,
    /// Nobody consumes them: they are looked at, or moved by hand, which is not counted.
    by_hand: bool,
    /// What becomes of those that are not settled.
    otherwise: Settlement,
}

/// A message that is held.
#[derive(Clone, Debug)]
pub struct HeldMessage {
    /// Its position in the queue, by which it is named.
    pub position: Position,
    /// The message.
    pub message: Message,
    /// It was delivered before.
    pub redelivered: bool,
}

/// Begins to hold the messages that are ready now, for an operator's hand: neither that nor what becomes of them counts as a delivery or an ack.
/// It needs the right to take messages out.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`, `NotForStreams`.
pub async fn hold(scope: Scope<'_>, queue: &str) -> Result<Held, OperationError> {
    let mut held = Held::of(scope, queue)?;
    held.by_hand = true;
    held.left = held.record.look().await.ok_or_else(|| scope.no_queue(queue))?.ready;
    Ok(held)
}

impl Held {
    /// Nothing yet of a queue that the caller may take messages out of.
    ///
    /// # Errors
    /// `AccessRefused`, `NotFound`, `Locked`, `NotForStreams`.
    pub(super) fn of(scope: Scope<'_>, queue: &str) -> Result<Self, OperationError> {
        scope.permit(Operation::Get(queue))?;
        let record = scope.open_queue(queue)?;
        scope.not_for_streams(&record, "nothing is taken out of a stream, it is read by consumers:")?;
        let mut connection = InternalConnection::new(scope.shared).of_user(scope.caller.user());
        connection.note_queue(&record.mailbox);
        let (shared, vhost) = (Arc::clone(scope.shared), Arc::clone(scope.vhost));
        let (handles, otherwise) = (BTreeMap::new(), Settlement::Undo);
        let (left, by_hand) = (usize::MAX, false);
        Ok(Self { connection, shared, vhost, record, handles, left, by_hand, otherwise })
    }

    /// The next of them; `None` when there are no more.
    ///
    /// # Errors
    /// `Unreadable`; `NotFound` if the queue is gone.
    pub async fn next(&mut self) -> Result<Option<HeldMessage>, OperationError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let connection = self.connection.id();
        let got = if self.by_hand {
            hold_first(self.scope(), &self.record, connection).await?
        } else {
            let getter = Getter { connection, channel: CHANNEL, no_ack: false };
            get_from(self.scope(), &self.record, getter).await?
        };
        Ok(got.map(|got| self.note(got.delivery)))
    }

    /// Holds what was delivered.
    pub(super) fn note(&mut self, delivery: Delivery) -> HeldMessage {
        let Delivery { handle, message, redelivered, .. } = delivery;
        self.handles.insert(handle.position, handle);
        HeldMessage { position: handle.position, message, redelivered }
    }

    /// What they may do was checked at the beginning.
    pub(super) const fn scope(&self) -> Scope<'_> {
        Scope { shared: &self.shared, vhost: &self.vhost, caller: Caller::Operator }
    }

    /// Somebody sees the messages from now on: what they do not settle was delivered, and failed.
    pub(super) const fn hand_over(&mut self) {
        self.otherwise = Settlement::Fail;
    }

    /// How many are held.
    #[must_use]
    pub fn count(&self) -> usize {
        self.handles.len()
    }

    /// Drops them all.
    pub fn discard(mut self) {
        let handles = std::mem::take(&mut self.handles);
        self.note_deleted(handles.keys().copied());
        self.settle(Settlement::Ack, handles.into_values().collect());
    }

    /// Drops these.
    pub(super) fn delete(&mut self, positions: impl IntoIterator<Item = Position>) {
        let handles = positions.into_iter().filter_map(|position| self.handles.remove(&position));
        let handles: Vec<Handle> = handles.collect();
        self.note_deleted(handles.iter().map(|handle| handle.position));
        self.settle(Settlement::Ack, handles);
    }

    /// Lets go of messages that arrive elsewhere as they are given here, in these queues.
    pub(super) fn move_out(&mut self, moves: Vec<(Position, Message, Vec<QueueId>)>) {
        let with_handle = |(position, message, queues)| {
            self.handles.remove(&position).map(|handle| MoveOut { handle, message, queues })
        };
        let moves: Vec<MoveOut> = moves.into_iter().filter_map(with_handle).collect();
        if !moves.is_empty() {
            let _ = self.record.mailbox.send(Mail::Tell(Command::MoveOut(moves)));
        }
    }

    /// Notes in the journal that they are gone by hand, and by whose.
    fn note_deleted(&self, positions: impl Iterator<Item = Position>) {
        let handle = self.shared.connection(self.connection.id());
        let client = handle.and_then(|handle| handle.client());
        let mut events: Vec<Event> = Vec::new();
        for position in positions {
            if let Some(run) = events.last_mut()
                && run.last.map(Position::next) == Some(position)
            {
                (run.last, run.count) = (Some(position), run.count + 1);
                continue;
            }
            events.push(Event {
                why: Some(Why::ByHand),
                queue: Some(Arc::clone(&self.record.label)),
                position: Some(position),
                last: Some(position),
                client: client.clone(),
                ..Event::new(self.vhost.clock.timestamp(), EventKind::Dropped)
            });
        }
        self.vhost.journal.note(events);
    }

    /// Settles these, or all; how many they were.
    pub fn settle_some(&mut self, settlement: Settlement, positions: Option<&[Position]>) -> usize {
        let handles: Vec<Handle> = match positions {
            None => std::mem::take(&mut self.handles).into_values().collect(),
            Some(positions) => {
                positions.iter().filter_map(|position| self.handles.remove(position)).collect()
            }
        };
        let count = handles.len();
        if settlement == Settlement::Ack {
            let messages = ChannelCounters { acked: count as u64, ..ChannelCounters::default() };
            self.scope().count(&SessionCounters { messages, ..SessionCounters::default() });
        }
        self.settle(settlement, handles);
        count
    }

    fn settle(&self, settlement: Settlement, handles: Vec<Handle>) {
        if !handles.is_empty() {
            // A queue that went took them along.
            let _ = self.record.mailbox.send(Mail::Tell(Command::Settle(settlement, handles)));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let handles = std::mem::take(&mut self.handles);
        self.settle(self.otherwise, handles.into_values().collect());
    }
}

/// Puts messages into a queue as they are, with exchange and key that they say they were published to, and waits until they are safe; whether the
/// queue took them all. It needs the rights to configure the queue and to write to it.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`, `Blocked`.
pub async fn put_in(scope: Scope<'_>, queue: &str, messages: Vec<Message>) -> Result<bool, OperationError> {
    if let Some(reason) = scope.shared.alarms.borrow().reason() {
        return Err(OperationError::Blocked(reason));
    }
    scope.permit(Operation::QueueDeclare(queue))?;
    scope.permit(Operation::Bind("", Resource::Queue(queue)))?;
    let record = scope.open_queue(queue)?;
    let mut connection = InternalConnection::new(scope.shared).of_user(scope.caller.user());
    connection.note_queue(&record.mailbox);
    record.mailbox.wait_for_room().await;
    let publishes = (1..).zip(messages).map(|(sequence, message)| Publish {
        channel: CHANNEL,
        sequence,
        ..publish(message)
    });
    let publishes: Vec<Publish> = publishes.collect();
    let (id, count) = (connection.id(), publishes.len());
    let sent = record.mailbox.send(Mail::Tell(Command::Publish(id, publishes)));
    sent.map_err(|_| scope.no_queue(queue))?;
    Ok(connection.confirmed(count).await)
}
