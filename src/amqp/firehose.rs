//! What a connection tells the firehose of its virtual host.

use super::connection::Connection;
use crate::broker::firehose::{Firehose, Party};
use crate::broker::vhost::Vhost;
use crate::message::QueueId;
use crate::queue::Command;

impl Connection {
    /// What it publishes with these commands, if that is traced.
    #[inline]
    pub(super) fn trace_published(&self, vhost: &Vhost, commands: &[(QueueId, Command)]) {
        if let Some(firehose) = Firehose::of(&self.shared, vhost) {
            firehose.published(self.party(0, &self.overview.name()), commands);
        }
    }

    /// What it published and no queue got, or not yet, while that is traced.
    pub(super) fn trace_held(&mut self) {
        let traced = self.session.take_traced();
        let firehose = self.vhost.as_ref().and_then(|vhost| Firehose::of(&self.shared, vhost));
        if let Some(firehose) = firehose.filter(|_| !traced.is_empty()) {
            firehose.held(self.party(0, &self.overview.name()), traced);
        }
    }

    fn party<'a>(&'a self, channel: u16, connection: &'a str) -> Party<'a> {
        Party { connection, channel, user: self.session.user() }
    }
}
