//! What a connection tells whoever listens to events.

use super::connection::Connection;
use crate::broker::events::{Event, tell};
use crate::session::ChannelChange;

impl Connection {
    /// Somebody was let in, or not, and why.
    pub(super) fn tell_login(&self, user: &str, refused: Option<&str>) {
        let connection = &self.overview;
        let event = match refused {
            None => Event::AuthenticationSucceeded { connection, user },
            Some(error) => Event::AuthenticationFailed { connection, user, error },
        };
        tell(&self.shared, None, &event);
    }

    /// It entered its virtual host.
    pub(super) fn tell_connected(&self) {
        self.tell(&Event::ConnectionCreated(&self.overview));
    }

    /// What became of its channels and consumers up to now.
    pub(super) fn tell_channels(&mut self) {
        let connection = &self.overview;
        for change in self.session.take_changes() {
            match change {
                ChannelChange::Opened(channel) => self.tell(&Event::ChannelCreated { connection, channel }),
                ChannelChange::Closed(channel) => self.tell(&Event::ChannelClosed { connection, channel }),
                ChannelChange::ConsumerGone { number, channel, tag } => {
                    if let Some(queue) = self.consumed.remove(&number) {
                        self.tell_consumer_gone(&queue, channel, &tag);
                    }
                }
            }
        }
    }

    fn tell_consumer_gone(&self, queue: &str, channel: u16, tag: &str) {
        if self.shared.events.is_anybody() {
            let (handshake, name) = (self.overview.handshake(), self.overview.name());
            let vhost = handshake.vhost.as_deref().unwrap_or_default();
            self.tell(&Event::ConsumerDeleted { vhost, queue, connection: &name, channel, tag });
        }
    }

    /// It has given back what it had, and is none any more, although its socket may be open for a while.
    pub(super) fn tell_closed(&mut self) {
        if !std::mem::replace(&mut self.is_told_closed, true) {
            tell(&self.shared, None, &Event::ConnectionClosed(&self.overview));
        }
    }

    fn tell(&self, event: &Event<'_>) {
        tell(&self.shared, Some(self.session.user()), event);
    }
}
