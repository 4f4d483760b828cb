//! What the machine does about messages that are not in memory: questions that wait for them, and the window.

use std::collections::VecDeque;

use super::dead_letter::Reason;
use super::machine::{Queue, Restored};
use super::ready::Entry;
use super::{ConnectionId, Effects, Overflow, Reply};
use crate::time::Time;

/// A command that may have to wait for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    Get { connection: ConnectionId, channel: u16, no_ack: bool },
    Purge,
    Delete { if_unused: bool, if_empty: bool },
    Inspect,
}

/// Questions that wait, oldest first. Each is a connection's that waits for the answer, so there are never more than
/// channels.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    questions: VecDeque<(u64, Question)>,
    next_ticket: u64,
}

impl Waiting {
    fn add(&mut self, question: Question) -> Reply {
        self.next_ticket += 1;
        self.questions.push_back((self.next_ticket, question));
        Reply::Later(self.next_ticket)
    }

    /// A message must not be handed out to a channel that is gone.
    pub(super) fn forget(&mut self, gone: ConnectionId, gone_channel: Option<u16>) {
        self.questions.retain(|(_, question)| match question {
            Question::Get { connection, channel, .. } => {
                *connection != gone || gone_channel.is_some_and(|gone| gone != *channel)
            }
            _ => true,
        });
    }

    fn any_get(&self) -> bool {
        self.questions.iter().any(|(_, question)| matches!(question, Question::Get { .. }))
    }
}

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
                    reply => reply,
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
        while let Some((ticket, question)) = self.waiting.questions.front().copied() {
            let Some(reply) = self.answer(now, question, effects) else { return };
            self.waiting.questions.pop_front();
            effects.answers.push((ticket, reply));
            if effects.ended.is_some() {
                return;
            }
        }
    }

    /// Messages came back to memory.
    pub(super) fn loaded(&mut self, id: u64, messages: Vec<Restored>, effects: &mut Effects) {
        let durable = self.options.durable;
        let entries = messages.into_iter().map(|restored| Entry {
            // As when it came in.
            stored: durable && restored.message.is_persistent(),
            message: restored.message,
            position: restored.position,
            expires: restored.expires,
            priority: restored.level,
            redelivered: false,
            bundle: 0,
        });
        let entries = entries.collect();
        effects.missing += if self.options.delays {
            self.delayed.loaded(id, entries)
        } else {
            self.ready.loaded(id, entries)
        };
    }

    /// A dead letter has to be read before it can go; what is dropped for good does not.
    pub(super) fn drop_overflow_segment(&mut self, effects: &mut Effects) -> bool {
        let Some(max) = self.options.length_max else { return false };
        if self.options.dead_letter_exchange.is_some() {
            return false;
        }
        let too_many = (self.ready.len() as u64).saturating_sub(max);
        let too_many = usize::try_from(too_many).unwrap_or(usize::MAX);
        let Some(segment) = self.ready.take_overflow_segment(too_many) else { return false };
        if segment.stored || !self.attempts.is_empty() {
            let positions = segment.positions();
            self.attempts.retain(|position, _| !positions.contains(*position));
            effects.removed.extend(positions.iter().filter(|_| segment.stored));
        }
        if segment.paged {
            effects.pages_forgotten.push(segment.id);
        }
        effects.drop_messages(Reason::Maxlen, segment.count);
        true
    }

    /// Puts out of memory what is too much, and asks for what will be needed.
    pub(super) fn keep_window(&mut self, effects: &mut Effects) {
        let absent = &self.absent;
        self.ready.page_out(&|after, before| absent.any_between(after, before), &mut effects.pages);
        if !self.ready.has_segments() {
            return;
        }
        let limited = self.options.overflow == Overflow::DropHead
            && (self.options.length_max.is_some() || self.options.length_bytes_max.is_some());
        let prefetch = limited || !self.consumers.is_empty() || self.waiting.any_get();
        if prefetch || self.ready.may_expire_unseen() {
            self.ready.load(prefetch, &mut effects.loads);
        }
    }
}
