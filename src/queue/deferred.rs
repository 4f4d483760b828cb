//! Requests that wait for messages to come back to memory.

use std::collections::VecDeque;

use super::ids::ConnectionId;
use super::reply::Reply;

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
    pub(super) fn add(&mut self, question: Question) -> Reply {
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

    /// The one that came first.
    pub(super) fn first(&self) -> Option<(u64, Question)> {
        self.questions.front().copied()
    }

    pub(super) fn remove_first(&mut self) {
        self.questions.pop_front();
    }

    pub(super) fn any_get(&self) -> bool {
        self.questions.iter().any(|(_, question)| matches!(question, Question::Get { .. }))
    }
}
