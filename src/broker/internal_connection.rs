//! A connection of the broker's own, for one operation of a caller that has no connection. Queues send it their confirms, and it
//! holds messages that were got until they are settled.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch_channel::{Receiver, batch_channel};
use super::connections::{ConnectionHandle, Event};
use super::journal::Client;
use super::mailbox::{Mail, Mailbox};
use super::shared::Shared;
use crate::queue::{Command, ConnectionId};
use crate::session::direct_reply::ReplyConsumers;

/// What the journal calls such a connection.
const API: &str = "the management API";

/// Such a connection. When it is dropped, also half-way through, its queues take back what it had.
#[derive(Debug)]
pub struct InternalConnection {
    shared: Arc<Shared>,
    id: ConnectionId,
    events: Receiver<Event>,
    /// Taken from there, and next.
    taken: VecDeque<Event>,
    queues: Vec<Mailbox>,
}

impl InternalConnection {
    /// Lets queues find it.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        let id = shared.new_connection_id();
        let (sender, events) = batch_channel();
        let handle = ConnectionHandle::new(sender, None, 0, ReplyConsumers::default(), &shared.ledger);
        shared.connections.insert(id, handle);
        Self { shared: Arc::clone(shared), id, events, taken: VecDeque::new(), queues: Vec::new() }
    }

    /// The same, as the doing of this user: for the journal.
    #[must_use]
    pub fn of_user(self, user: Option<&str>) -> Self {
        if let Some(handle) = self.shared.connections.get(&self.id) {
            let user = user.unwrap_or_default().into();
            handle.set_client(Client { id: self.id, connection: API.into(), user });
        }
        self
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// Notes a queue that learns of it.
    pub fn note_queue(&mut self, mailbox: &Mailbox) {
        self.queues.push(mailbox.clone());
    }

    /// What its queues have for it next.
    pub async fn event(&mut self) -> Option<Event> {
        if self.taken.is_empty() {
            self.taken = self.events.receive(usize::MAX).await.into();
        }
        self.taken.pop_front()
    }

    /// The same if there is something.
    pub fn event_at_hand(&mut self) -> Option<Event> {
        if self.taken.is_empty() {
            self.taken = self.events.at_hand().into();
        }
        self.taken.pop_front()
    }

    /// Waits for that many confirms, several of which may come at a time; whether none of them was a refusal.
    pub async fn confirmed(&mut self, mut count: usize) -> bool {
        let mut is_accepted = true;
        while count > 0 {
            let Some(event) = self.event().await else { return false };
            if let Event::Confirmed { first, last, refused, .. } = event {
                is_accepted &= !refused;
                count = count.saturating_sub(usize::try_from(last - first + 1).unwrap_or(usize::MAX));
            }
        }
        is_accepted
    }
}

impl Drop for InternalConnection {
    fn drop(&mut self) {
        self.shared.connections.remove(&self.id);
        for mailbox in self.queues.drain(..) {
            // A queue that is gone has nothing of it.
            let _ = mailbox.send(Mail::Tell(Command::ConnectionGone(self.id)));
        }
    }
}
