//! What is read from the store while it runs, and what its pager is asked.

use super::recovered::RecoveredQueue;
use super::submission::StoredMessage;
use crate::message::runs::Runs;
use crate::message::{Position, QueueId};
use std::collections::HashMap;
use std::fmt;

/// Messages to be read.
pub struct Load {
    /// The queue.
    pub queue: QueueId,
    /// Which of its messages: they must not be removed before they came.
    pub positions: Runs,
    /// Whether any of them is in a chunk.
    pub stored: bool,
    /// The page that has the others; it is gone when it was read, unless it is kept.
    pub page: Option<u64>,
    /// Whether the page is kept.
    pub keeps_page: bool,
    /// Gets them, ascending, or why they cannot be read; on a thread of the store: must be quick and not block. If the store
    /// fails this is dropped.
    pub done: Box<dyn FnOnce(Result<Vec<StoredMessage>, Unreadable>) + Send>,
}

/// Messages of one queue are not what was written, or the disk does not give them: which file, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("queue", &self.queue).field("page", &self.page).finish_non_exhaustive()
    }
}

/// What is stored of queues is to be looked at, as at a start.
pub struct Look {
    /// The queues.
    pub queues: Vec<QueueId>,
    /// Gets what there is of those that have anything; on the committer's thread: must be quick and not block. If the store fails
    /// this is dropped.
    pub done: Box<dyn FnOnce(HashMap<QueueId, RecoveredQueue>) + Send>,
}

/// What the pager is asked.
pub(super) enum Request {
    /// Read these chunks, and the page.
    Read {
        load: Load,
        chunks: Vec<Position>,
    },
    Write {
        queue: QueueId,
        page: u64,
        entries: Vec<StoredMessage>,
        cost: usize,
    },
    Forget {
        queue: QueueId,
        page: u64,
    },
    ForgetAll {
        queue: QueueId,
    },
    Close,
}
