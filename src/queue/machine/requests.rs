//! Commands that are answered, at once or when the messages that the answer depends on are in memory.

use std::sync::Arc;

use super::queue::Queue;
use crate::queue::deferred::{Getting, Request};
use crate::queue::effects::Effects;
use crate::queue::reply::Reply;
use crate::time::Time;

impl Queue {
    /// Answers at once if everything that the answer depends on is in memory.
    pub(super) fn ask(&mut self, now: Time, request: Request, effects: &mut Effects) -> Reply {
        if matches!(request, Request::Get { .. } | Request::Inspect) {
            self.last_used = now;
        }
        match self.answer(now, request, effects) {
            Some(reply) => reply,
            None => self.deferred.add(request),
        }
    }

    /// `None`: not yet. Messages that should be gone already, because they have expired or there are too many, may not be
    /// counted, and nothing can be got before they are gone. Whoever only looks is shown what is there.
    fn answer(&mut self, now: Time, request: Request, effects: &mut Effects) -> Option<Reply> {
        if let Some(why) = &self.unreadable {
            let why = Arc::clone(why);
            return Some(self.answer_unreadable(why, request, effects));
        }
        let awaits_end = self.ready.may_expire_unseen() || self.overflow_waits;
        let looks =
            matches!(request, Request::Peek(_) | Request::Count | Request::Measure | Request::Describe);
        if awaits_end && !looks {
            return None;
        }
        Some(match request {
            Request::Get { connection, channel, how } => {
                match self.get(now, connection, channel, how, effects) {
                    Reply::Empty if !self.ready.is_empty() || self.spilled.returning() > 0 => return None,
                    reply => {
                        let is_empty = matches!(reply, Reply::Empty) && how != Getting::ByHand;
                        effects.counted.got_empty += u64::from(is_empty);
                        reply
                    }
                }
            }
            Request::Purge if !self.spilled.is_idle() => return None,
            Request::Purge => self.purge(effects),
            Request::Delete { if_unused, if_empty } => self.delete(if_unused, if_empty, effects),
            Request::Inspect | Request::Count => Reply::Counts(self.counts()),
            Request::Measure => Reply::Measured(self.measures()),
            Request::Describe => Reply::Described(Box::new(self.details())),
            Request::Peek(peek) => self.peek(peek),
        })
    }

    /// Answers the requests that can be answered now, in the order in which they came.
    pub(super) fn answer_deferred(&mut self, now: Time, effects: &mut Effects) {
        while let Some((ticket, request)) = self.deferred.first() {
            let Some(reply) = self.answer(now, request, effects) else { return };
            self.deferred.remove_first();
            effects.deferred_replies.push((ticket, reply));
            if effects.ended.is_some() {
                return;
            }
        }
    }
}
