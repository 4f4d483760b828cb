//! How many messages came to which queue by dead-lettering since a world was made.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::message::QueueId;

/// Counts of messages by the queue that they came to.
#[derive(Debug, Default)]
pub struct Dead(Mutex<HashMap<QueueId, u64>>);

impl Dead {
    /// One comes.
    pub fn note(&self, queue: QueueId) {
        *self.lock().entry(queue).or_default() += 1;
    }

    /// How many came to that queue.
    pub fn of(&self, queue: QueueId) -> u64 {
        self.lock().get(&queue).copied().unwrap_or_default()
    }

    /// The queue is no more.
    pub fn forget(&self, queue: QueueId) {
        self.lock().remove(&queue);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
