//! A queue some of whose messages cannot be read, because the disk gives other bytes than it was given.
//!
//! What stands behind such a message may not overtake it, and dropping it would be a loss that nobody hears of. So the queue
//! delivers nothing and its consumers go; whoever wants to get from it, or to consume, is told why. It goes on taking messages.
//! A purge drops what cannot be read, and then it is a queue as any other. Other queues have nothing to do with it.

use std::sync::Arc;

use super::queue::Queue;
use crate::queue::deferred::Request;
use crate::queue::effects::Effects;
use crate::queue::happening::{Happening, HappeningKind};
use crate::queue::reply::Reply;

impl Queue {
    /// Messages that were asked for will not come.
    pub(super) fn become_unreadable(&mut self, why: Arc<str>, effects: &mut Effects) {
        if self.ended || self.unreadable.is_some() {
            return;
        }
        self.unreadable = Some(why);
        self.hand_over(effects);
        effects.cancelled.extend(self.consumers.remove_all().into_iter().map(|consumer| consumer.key));
    }

    /// Answers at once: nothing will come that an answer could wait for.
    pub(super) fn answer_unreadable(
        &mut self,
        why: Arc<str>,
        request: Request,
        effects: &mut Effects,
    ) -> Reply {
        match request {
            Request::Get { .. } => Reply::Unreadable(why),
            Request::Purge => self.purge_unreadable(effects),
            Request::Delete { if_unused, if_empty } => self.delete(if_unused, if_empty, effects),
            Request::Inspect | Request::Count => Reply::Counts(self.counts()),
            Request::Measure => Reply::Measured(self.measures()),
            Request::Describe => Reply::Described(Box::new(self.details())),
            Request::Peek(peek) => self.peek(peek),
        }
    }

    /// Drops what waits to be read, too.
    fn purge_unreadable(&mut self, effects: &mut Effects) -> Reply {
        let mut dropped = 0;
        for entry in self.spilled.give_up() {
            dropped += 1;
            self.forget_spilled(&entry, effects);
            self.forget_attempts(entry.position);
            if entry.stored {
                effects.removed.push(entry.position);
            }
        }
        self.unreadable = None;
        self.overflow_waits = false;
        if dropped > 0 {
            effects.happen(Happening::run(HappeningKind::Purged, dropped, None));
        }
        match self.purge(effects) {
            Reply::Purged(count) => Reply::Purged(count + dropped),
            reply => reply,
        }
    }
}
