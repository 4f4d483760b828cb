//! What a session does when its time has come: heartbeats, and the end of a client that is silent.

use std::time::Duration;

use super::session::{Phase, Session};
use crate::protocol::encode;
use crate::time::Time;

/// From connect to connection.open, as RabbitMQ's handshake_timeout.
const HANDSHAKE: Duration = Duration::from_secs(10);

impl Session {
    /// Something was read from the socket.
    pub const fn heard(&mut self, now: Time) {
        self.last_read = now;
    }

    /// Something was written to the socket.
    pub const fn wrote(&mut self, now: Time) {
        self.last_write = now;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let own = self.own_timeout();
        match &self.connection.watch {
            None => own,
            Some(watch) => own.into_iter().chain(watch.next_due()).min(),
        }
    }

    fn own_timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Closed => None,
            Phase::Running => {
                let interval = self.heartbeat?;
                let send = self.last_write + interval / 2;
                Some(if self.blocked { send } else { send.min(self.last_read + interval * 2) })
            }
            Phase::Closing | Phase::Leaving | Phase::Answered => Some(self.ends),
            // The steps share the time: a client that takes one at a time gains none.
            _ => Some(self.accepted + HANDSHAKE),
        }
    }

    /// Sends a heartbeat, or gives up a client that is silent.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.connection.watch.is_some() {
            self.release_late(now);
        }
        if self.phase != Phase::Running {
            if self.own_timeout().is_some_and(|time| time <= now) {
                self.enter(Phase::Closed, now);
            }
            return;
        }
        let Some(interval) = self.heartbeat else { return };
        if !self.blocked && now >= self.last_read + interval * 2 {
            self.enter(Phase::Closed, now);
        } else if now >= self.last_write + interval / 2 {
            encode::heartbeat(&mut self.connection.out);
            self.last_write = now;
        }
    }
}
