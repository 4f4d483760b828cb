//! Messages that the broker moves from a queue to others: their removal and their arrivals are one unit in the store, so that no
//! crash loses or doubles one.

use std::collections::BTreeMap;

use super::mailbox::Mail;
use super::shared::Shared;
use super::vhost::Vhost;
use crate::message::{Position, QueueId};
use crate::queue::{Command, MessagePlace, Provenance, Publish};
use crate::store::{Join, Op, Submission};

/// Messages for queues, in order for each, and where each comes from.
#[derive(Debug, Default)]
pub(super) struct Load {
    per_queue: BTreeMap<QueueId, (Vec<Publish>, Provenance)>,
}

impl Load {
    /// Adds a message.
    pub(super) fn add(&mut self, queue: QueueId, publish: Publish, from: Option<MessagePlace>) {
        let (publishes, places) = self.per_queue.entry(queue).or_default();
        publishes.push(publish);
        places.push(from);
    }

    /// The queues that get something.
    pub(super) fn queues(&self) -> impl Iterator<Item = QueueId> {
        self.per_queue.keys().copied()
    }
}

/// Messages that leave a queue for others.
pub(super) struct Transfer<'a> {
    pub(super) shared: &'a Shared,
    pub(super) vhost: &'a Vhost,
    pub(super) from: QueueId,
    /// They were in no other queue before, apart from that of a delayed exchange.
    pub(super) as_new: bool,
}

impl Transfer<'_> {
    /// Sends them, and removes those that the store had.
    pub(super) fn carry_out(&self, load: Load, stored: Vec<Position>) {
        let commands = load.per_queue.into_iter();
        let commands =
            commands.map(|(queue, (publishes, from))| (queue, self.command(publishes, from))).collect();
        if stored.is_empty() {
            self.send_unstored(commands);
        } else {
            self.send(commands, stored);
        }
    }

    /// Hands messages of a stream to a queue, and writes how far the stream has come with it. To a queue that is gone nothing goes, and the
    /// stream has not come further.
    pub(super) fn hand_over(&self, queue: QueueId, command: Command, (key, value): (Vec<u8>, Vec<u8>)) {
        let join = Join { id: self.shared.store.next_join_id(), parts: 2 };
        if self.pass_on(join, queue, command) {
            let ops = vec![Op::Record { queue: self.from, key, value: Some(value) }];
            self.shared.store.submit(Submission { ops, join: Some(join), ..Submission::default() });
        }
    }

    /// A queue's part of an atomic unit; `false` if it is gone.
    fn pass_on(&self, join: Join, queue: QueueId, command: Command) -> bool {
        let mail = Mail::Joined(join, vec![command]);
        self.vhost.queue(queue).is_some_and(|record| record.mailbox.send(mail).is_ok())
    }

    const fn command(&self, publishes: Vec<Publish>, from: Provenance) -> Command {
        if self.as_new {
            Command::PublishDue(publishes, from)
        } else {
            Command::PublishDeadLettered(publishes, from)
        }
    }

    /// Messages that were never stored need no atomic unit: each target queue stores what it keeps.
    fn send_unstored(&self, commands: Vec<(QueueId, Command)>) {
        for (queue, command) in commands {
            if let Some(record) = self.vhost.queue(queue) {
                // A target that ended meanwhile counts as one that was never there.
                let _ = record.mailbox.send(Mail::Tell(command));
            }
        }
    }

    fn send(&self, commands: Vec<(QueueId, Command)>, stored: Vec<Position>) {
        let parts = u32::try_from(commands.len() + 1).unwrap_or(u32::MAX);
        let join = Join { id: self.shared.store.next_join_id(), parts };
        for (queue, command) in commands {
            if !self.pass_on(join, queue, command) {
                self.shared.store.submit(Submission { join: Some(join), ..Submission::default() });
            }
        }
        let ops = vec![Op::Remove { queue: self.from, positions: stored }];
        self.shared.store.submit(Submission { ops, join: Some(join), ..Submission::default() });
    }
}
