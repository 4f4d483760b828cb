//! Requests that wait for messages to come back to memory.

use std::collections::VecDeque;

use super::ids::ConnectionId;
use super::peek::Peek;
use super::reply::Reply;

/// A command that may have to wait for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request {
    Get { connection: ConnectionId, channel: u16, how: Getting },
    Purge,
    Delete { if_unused: bool, if_empty: bool },
    Inspect,
    Peek(Peek),
    Count,
    Measure,
    Describe,
}

/// How a message is got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Getting {
    /// It is to be acked.
    WithAck,
    /// It counts as acked at once.
    NoAck,
    /// By hand: nothing is counted.
    ByHand,
}

/// Requests that wait, oldest first. Each has somebody who waits for the reply and asks nothing more before.
#[derive(Debug, Default)]
pub(super) struct DeferredRequests {
    requests: VecDeque<(u64, Request)>,
    next_ticket: u64,
}

impl DeferredRequests {
    pub(super) fn add(&mut self, request: Request) -> Reply {
        self.next_ticket += 1;
        self.requests.push_back((self.next_ticket, request));
        Reply::Deferred(self.next_ticket)
    }

    /// A message must not be handed out to a channel that is gone.
    pub(super) fn forget(&mut self, gone: ConnectionId, gone_channel: Option<u16>) {
        self.requests.retain(|(_, request)| match request {
            Request::Get { connection, channel, .. } => {
                *connection != gone || gone_channel.is_some_and(|gone| gone != *channel)
            }
            _ => true,
        });
    }

    /// The one that came first.
    pub(super) fn first(&self) -> Option<(u64, Request)> {
        self.requests.front().copied()
    }

    pub(super) fn remove_first(&mut self) {
        self.requests.pop_front();
    }

    pub(super) fn any_get(&self) -> bool {
        self.requests.iter().any(|(_, request)| matches!(request, Request::Get { .. }))
    }
}
