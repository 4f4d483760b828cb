//! What a connection notes in the journal of its virtual host.

use std::sync::Arc;

use super::connection::Connection;
use crate::broker::journal::{self, Client, Event, EventKind, Unconfirmed, Why};
use crate::broker::outgoing::{Outgoing, outgoing};
use crate::broker::vhost::Vhost;
use crate::message::QueueId;
use crate::queue::Command;
use crate::session::{Raised, TxWork};

impl Connection {
    /// What the journal calls it.
    pub(super) fn client(&self) -> Client {
        let (connection, user) = (self.overview.name().into(), self.session.user().into());
        Client { id: self.id(), connection, user }
    }

    /// It entered its virtual host.
    pub(super) fn note_connected(&self) {
        self.note(EventKind::Connected, |event| event);
    }

    /// What it publishes with these commands, if it is recorded.
    pub(super) fn note_published(&mut self, vhost: &Vhost, commands: &[(QueueId, Command)]) {
        if vhost.journal.recordings().is_any() {
            let client = self.handle.client();
            let published = outgoing(commands);
            journal::note_published(vhost, client.as_ref(), published, &mut self.unconfirmed);
            self.session.watch_confirms(!self.unconfirmed.is_empty());
        }
    }

    /// What it publishes with a transaction that it commits, if it is recorded: to be noted once more when that is done.
    pub(super) fn note_committing(&self, vhost: &Vhost, work: &TxWork) -> Unconfirmed {
        let mut uncommitted = Unconfirmed::default();
        if vhost.journal.recordings().is_any() {
            let client = self.handle.client();
            let published = work.publishes.iter().zip(1..).map(Outgoing::committed);
            journal::note_published(vhost, client.as_ref(), published, &mut uncommitted);
        }
        uncommitted
    }

    /// Confirms that were sent, of recorded publishes.
    pub(super) fn note_confirmed(&mut self) {
        if self.unconfirmed.is_empty() {
            return;
        }
        let sent = self.session.take_sent_confirms();
        if let Some(vhost) = &self.vhost {
            self.unconfirmed.note_sent(&vhost.journal, &vhost.clock, &sent);
        }
        self.session.watch_confirms(!self.unconfirmed.is_empty());
    }

    /// What it published and no queue got.
    pub(super) fn note_unrouted(&mut self) {
        let all = self.session.take_unrouted();
        let Some(vhost) = self.vhost.as_ref().filter(|_| !all.is_empty()) else { return };
        let (at, client) = (vhost.clock.timestamp(), self.handle.client());
        let events = all.iter().map(|unrouted| journal::unrouted(unrouted, client.as_ref(), at));
        vhost.journal.note(events);
    }

    /// An exception closed a channel. One that closes the connection is told with its end.
    pub(super) fn note_raised(&mut self, raised: &Raised) {
        let text: Arc<str> = raised.text.as_str().into();
        let channel = raised.channel.unwrap_or_default();
        let error = || Some(Arc::clone(&text));
        if raised.refuses_publish {
            self.note(EventKind::Refused, |event| Event {
                why: Some(Why::Permission),
                channel,
                error: error(),
                ..event
            });
        }
        match raised.channel {
            Some(_) => {
                self.note(EventKind::ChannelClosed, |event| Event { channel, error: error(), ..event });
            }
            None => self.raised = Some(text),
        }
    }

    /// A consumer lost its queue, did not ack in time, or was cancelled by hand.
    pub(super) fn note_cancelled(&self, number: u32, why: Option<Why>) {
        let Some((tag, channel, queue)) = self.session.consumer_numbered(number) else { return };
        let record = queue.and_then(|queue| self.vhost.as_ref()?.queue(queue));
        self.note(EventKind::ConsumerCancelled, |event| Event {
            why,
            channel,
            consumer: Some(tag.into()),
            queue: record.map(|record| Arc::clone(&record.label)),
            ..event
        });
    }

    /// An alarm blocks it, or does no longer.
    pub(super) fn note_blocked(&self, reason: Option<&str>) {
        let kind = if reason.is_some() { EventKind::Blocked } else { EventKind::Unblocked };
        self.note(kind, |event| Event { error: reason.map(Into::into), ..event });
    }

    /// It leaves its virtual host, and has so many messages that it did not settle.
    pub(super) fn note_end(&mut self, vhost: &Vhost, unacked: usize) {
        let kind = if self.session.is_ending() { EventKind::Closed } else { EventKind::ConnectionLost };
        let event = Event {
            client: self.handle.client(),
            count: unacked as u64,
            error: self.raised.take(),
            ..Event::new(vhost.clock.timestamp(), kind)
        };
        vhost.journal.note([event]);
    }

    fn note(&self, kind: EventKind, more: impl FnOnce(Event) -> Event) {
        let Some(vhost) = self.vhost.as_ref().filter(|vhost| vhost.journal.is_on()) else { return };
        let event = Event::new(vhost.clock.timestamp(), kind);
        vhost.journal.note([more(Event { client: self.handle.client(), ..event })]);
    }
}
