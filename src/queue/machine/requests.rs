//! Commands that are answered, at once or when the messages that the answer depends on are in memory.

use super::queue::Queue;
use crate::queue::deferred::Question;
use crate::queue::effects::Effects;
use crate::queue::reply::Reply;
use crate::time::Time;

impl Queue {
    /// Answers at once if everything that the answer depends on is in memory.
    pub(super) fn ask(&mut self, now: Time, question: Question, effects: &mut Effects) -> Reply {
        if matches!(question, Question::Get { .. } | Question::Inspect) {
            self.last_used = now;
        }
        match self.answer(now, question, effects) {
            Some(reply) => reply,
            None => self.waiting.add(question),
        }
    }

    /// `None`: not yet. Messages that should be gone already, because they have expired or there are too many, may not be
    /// counted, and nothing can be got before they are gone.
    fn answer(&mut self, now: Time, question: Question, effects: &mut Effects) -> Option<Reply> {
        if self.ready.may_expire_unseen() || self.overflow_waits {
            return None;
        }
        Some(match question {
            Question::Get { connection, channel, no_ack } => {
                match self.get(now, connection, channel, no_ack, effects) {
                    Reply::Empty if !self.ready.is_empty() || self.absent.returning() > 0 => return None,
                    reply => {
                        effects.counted.got_empty += u64::from(matches!(reply, Reply::Empty));
                        reply
                    }
                }
            }
            Question::Purge if !self.absent.is_idle() => return None,
            Question::Purge => self.purge(effects),
            Question::Delete { if_unused, if_empty } => self.delete(if_unused, if_empty, effects),
            Question::Inspect => Reply::Counts(self.counts()),
        })
    }

    /// Answers the questions that can be answered now, in the order in which they came.
    pub(super) fn answer_waiting(&mut self, now: Time, effects: &mut Effects) {
        while let Some((ticket, question)) = self.waiting.first() {
            let Some(reply) = self.answer(now, question, effects) else { return };
            self.waiting.remove_first();
            effects.answers.push((ticket, reply));
            if effects.ended.is_some() {
                return;
            }
        }
    }
}
