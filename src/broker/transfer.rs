//! Messages that the broker moves from a queue to others: their removal and their arrivals are one unit in the store, so that no
//! crash loses or doubles one.

use std::collections::BTreeMap;

use super::mailbox::Mail;
use super::shared::Shared;
use super::vhost::Vhost;
use crate::message::{Position, QueueId};
use crate::queue::{Command, Publish};
use crate::store::{Join, Op, Submission};

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
    pub(super) fn carry_out(&self, per_queue: BTreeMap<QueueId, Vec<Publish>>, stored: Vec<Position>) {
        if stored.is_empty() {
            self.send_unstored(per_queue);
        } else {
            self.send(per_queue, stored);
        }
    }

    const fn command(&self, publishes: Vec<Publish>) -> Command {
        if self.as_new { Command::PublishDue(publishes) } else { Command::PublishDeadLettered(publishes) }
    }

    /// Messages that were never stored need no atomic unit: each target queue stores what it keeps.
    fn send_unstored(&self, per_queue: BTreeMap<QueueId, Vec<Publish>>) {
        for (queue, publishes) in per_queue {
            if let Some(record) = self.vhost.queue(queue) {
                // A target that ended meanwhile counts as one that was never there.
                let _ = record.mailbox.send(Mail::Tell(self.command(publishes)));
            }
        }
    }

    fn send(&self, per_queue: BTreeMap<QueueId, Vec<Publish>>, stored: Vec<Position>) {
        let parts = u32::try_from(per_queue.len() + 1).unwrap_or(u32::MAX);
        let join = Join { id: self.shared.store.next_join_id(), parts };
        for (queue, publishes) in per_queue {
            let mail = Mail::Joined(join, vec![self.command(publishes)]);
            let taken = self.vhost.queue(queue).is_some_and(|record| record.mailbox.send(mail).is_ok());
            if !taken {
                self.shared.store.submit(Submission { join: Some(join), ..Submission::default() });
            }
        }
        let ops = vec![Op::Remove { queue: self.from, positions: stored }];
        self.shared.store.submit(Submission { ops, join: Some(join), ..Submission::default() });
    }
}
