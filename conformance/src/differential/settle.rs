//! Quiet points: everything that was set off has come in.
//!
//! A broker announces most effects to nobody, so they are awaited by asking. A *pass* is a round trip on each of the program's
//! channels (what was sent there has been looked at), a passive declare of each queue (what was sent to it has been done), and
//! a round trip on the channels again (what the queues sent out has come). When passes bring nothing new, and nothing is open
//! that a client knows must come (confirms, the consumers that it has, the end of exclusive queues), the point is quiet.

use std::collections::BTreeMap;

use super::client::CONTROL;
use super::interpreter::Interpreter;
use crate::check::Check;
use crate::codec::{Table, table};
use crate::methods::{self, q};
use crate::support::pause;

/// Passes that have to bring nothing new after what sends messages on their way.
const QUIET_PASSES: usize = 2;
/// The same after what is done when it is answered.
const QUIET_PASSES_IF_ANSWERED: usize = 1;
/// The same after something was closed: what it held comes back without a word.
const QUIET_PASSES_AFTER_CLOSE: usize = 5;
/// Looks, with a pause after each, at something that should come but need not: a broker that never does it is what we look for.
const LOOKS: usize = 40;
/// The same for confirms, which a broker must send, but may send only after a slow disk has written.
const LOOKS_FOR_CONFIRMS: usize = 500;
/// Channel of the clock.
const CLOCK: u16 = CONTROL + 900;
/// How much longer than the longest short TTL is waited.
const MARGIN_MS: i32 = 60;

impl Interpreter<'_> {
    /// Waits until everything has come in, and writes down what it changed in the queues.
    pub(super) async fn settle(&mut self) -> Check {
        self.until_quiet().await?;
        if let Some(milliseconds) = self.outlive_ms {
            self.outlive(milliseconds + MARGIN_MS).await?;
            self.until_quiet().await?;
        }
        (self.closing, self.answered) = (false, true);
        for connection in self.connections.values_mut() {
            connection.log_confirms(&mut self.log);
        }
        self.tell_queues();
        Ok(())
    }

    /// Waits until everything has come in.
    pub(super) async fn until_quiet(&mut self) -> Check {
        let wanted = match (self.closing, self.answered) {
            (true, _) => QUIET_PASSES_AFTER_CLOSE,
            (false, true) => QUIET_PASSES_IF_ANSWERED,
            (false, false) => QUIET_PASSES,
        };
        let (mut quiet, mut looks) = (0, 0);
        while quiet < wanted {
            quiet = if self.pass().await? { 0 } else { quiet + 1 };
            let more = if self.unconfirmed() { LOOKS_FOR_CONFIRMS } else { LOOKS };
            let open = looks < more && (self.unconfirmed() || self.unmet());
            if open || (self.closing && quiet < wanted) {
                looks += 1;
                pause().await;
            }
            if open {
                quiet = 0;
            }
        }
        Ok(())
    }

    /// Whether a pass brought anything new.
    async fn pass(&mut self) -> Check<bool> {
        let before = (self.log.count(), self.open_confirms());
        self.ping().await?;
        let changed = self.look().await?;
        self.ping().await?;
        Ok(changed || before != (self.log.count(), self.open_confirms()))
    }

    async fn ping(&mut self) -> Check {
        for connection in self.connections.values_mut() {
            connection.ping(&mut self.log, self.step).await?;
        }
        Ok(())
    }

    /// Looks at all queues; whether any changed.
    async fn look(&mut self) -> Check<bool> {
        let watch = self.watch().await?;
        let mut places: BTreeMap<char, Vec<(u16, String)>> = BTreeMap::new();
        let mut names = BTreeMap::new();
        for (channel, (name, watched)) in (CONTROL..).zip(&self.queues) {
            let owner = self.connections.get(&watched.from).is_some_and(|connection| connection.alive);
            let from = if owner { watched.from } else { watch };
            places.entry(from).or_default().push((channel, self.names.full(name)));
            names.insert(channel, name.clone());
        }
        let mut changed = false;
        for (from, queues) in places {
            let Some(connection) = self.connections.get_mut(&from) else { continue };
            for (channel, seen) in connection.look(&queues, &mut self.log, self.step).await? {
                let watched = names.get(&channel).and_then(|name| self.queues.get_mut(name));
                if let Some(watched) = watched.filter(|watched| watched.seen != seen) {
                    watched.seen = seen;
                    changed = true;
                }
            }
        }
        Ok(changed)
    }

    fn open_confirms(&self) -> usize {
        let channels = self.connections.values().flat_map(|connection| connection.channels.values());
        channels.map(|channel| channel.unconfirmed.len()).sum()
    }

    fn unconfirmed(&self) -> bool {
        self.open_confirms() > 0
    }

    /// Whether a queue has other consumers than our clients know of, or is there without its owner.
    fn unmet(&self) -> bool {
        let channels = || self.connections.values().flat_map(|connection| connection.channels.values());
        self.queues.iter().any(|(name, watched)| {
            let known = channels()
                .flat_map(|channel| channel.consumers.values())
                .filter(|c| c.queue == *name)
                .count();
            let owned = self.connections.get(&watched.from).is_some_and(|connection| connection.alive);
            watched.seen.is_some_and(|(_, consumers)| consumers as usize != known || !owned)
        })
    }

    /// Writes down the queues that changed since the last time, and forgets those that are gone.
    fn tell_queues(&mut self) {
        for (name, watched) in &mut self.queues {
            if watched.seen != watched.told {
                let text = match watched.seen {
                    Some((messages, consumers)) => format!("{messages} ready, {consumers} consumers"),
                    None => "gone".to_owned(),
                };
                self.log.note(&format!("~{name}"), "", &text);
                watched.told = watched.seen;
            }
        }
        self.queues.retain(|_, watched| watched.seen.is_some());
    }

    /// Lets `milliseconds` pass: as long as a message lives in a queue of the broker that dead-letters it.
    async fn outlive(&mut self, milliseconds: i32) -> Check {
        let watch = self.watch().await?;
        let (clock, rung) = (format!("{}-{milliseconds}", self.names.full("q0")), self.names.full("q00"));
        let Some(connection) = self.connections.get_mut(&watch) else { return Ok(()) };
        let (log, step) = (&mut self.log, self.step);
        if !connection.channels.contains_key(&CLOCK) {
            connection.ensure(CLOCK, log, step).await?;
            let way = [
                ("x-message-ttl", milliseconds.into()),
                ("x-dead-letter-exchange", "".into()),
                ("x-dead-letter-routing-key", rung.as_str().into()),
            ];
            let declare = methods::queue_declare(&clock, q::EXCLUSIVE, table(way));
            connection.call(CLOCK, declare, &[(50, 11)], log, step).await?;
            let declare = methods::queue_declare(&rung, q::EXCLUSIVE, Table::new());
            connection.call(CLOCK, declare, &[(50, 11)], log, step).await?;
            let consume = methods::basic_consume(&rung, "", methods::c::NO_ACK, Table::new());
            connection.call(CLOCK, consume, &[(60, 21)], log, step).await?;
        }
        connection.publish(CLOCK, ("", &clock), 0, &crate::codec::Props::default(), "tick").await;
        connection.wait_control_delivery(CLOCK, log, step).await
    }
}
