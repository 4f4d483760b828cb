//! Messages that are taken out of a queue's line and held, to be looked at one after the other, and put back or dropped later.

use std::sync::Arc;

use super::messages::{Getter, get};
use super::scope::Scope;
use crate::auth::{Operation, Resource};
use crate::broker::dead_lettering::publish;
use crate::broker::error::OperationError;
use crate::broker::internal_connection::InternalConnection;
use crate::broker::mailbox::Mail;
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::message::Message;
use crate::queue::{Command, Delivery, Handle, Publish, Settlement};
use crate::session::publication::CHANNEL;

/// Ready messages of a queue that are held by a connection of the broker's own: consumers do not get them. When it is dropped, what it has not
/// settled goes back as it was. If the broker ends first, all of it is ready at the next start.
#[derive(Debug)]
pub struct Held {
    connection: InternalConnection,
    shared: Arc<Shared>,
    vhost: Arc<Vhost>,
    record: Arc<QueueRecord>,
    handles: Vec<Handle>,
    /// Messages that were ready at the beginning: what comes later is not meant.
    left: usize,
}

/// Begins to hold the messages that are ready now. It needs the right to take messages out.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn hold(scope: Scope<'_>, queue: &str) -> Result<Held, OperationError> {
    scope.permit(Operation::Get(queue))?;
    let record = scope.open_queue(queue)?;
    let counts = record.look().await.ok_or_else(|| scope.no_queue(queue))?;
    let mut connection = InternalConnection::new(scope.shared);
    connection.note_queue(&record.mailbox);
    let (shared, vhost) = (Arc::clone(scope.shared), Arc::clone(scope.vhost));
    Ok(Held { connection, shared, vhost, record, handles: Vec::new(), left: counts.ready })
}

impl Held {
    /// The next of them; `None` when there are no more, or the queue is gone.
    pub async fn next(&mut self) -> Option<Message> {
        self.left = self.left.checked_sub(1)?;
        let getter = Getter { connection: self.connection.id(), channel: CHANNEL, no_ack: false };
        // Whoever may hold them may have them: that was checked at the beginning.
        let caller = super::scope::Caller::Operator;
        let scope = Scope { shared: &self.shared, vhost: &self.vhost, caller };
        let got = get(scope, &self.record.name, getter).await.ok().flatten()?;
        let Delivery { handle, message, .. } = got.delivery;
        self.handles.push(handle);
        Some(message)
    }

    /// How many are held.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.handles.len()
    }

    /// Drops them all.
    pub fn discard(mut self) {
        self.settle(Settlement::Ack);
    }

    fn settle(&mut self, settlement: Settlement) {
        let handles = std::mem::take(&mut self.handles);
        if !handles.is_empty() {
            // A queue that went took them along.
            let _ = self.record.mailbox.send(Mail::Tell(Command::Settle(settlement, handles)));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.settle(Settlement::Undo);
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
    let mut connection = InternalConnection::new(scope.shared);
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
    Ok(connection.all_confirmed(count).await)
}
