//! What happened by itself while a world's clock was moved, step by step.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::time::{Time, Timestamp};

/// What happens because its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepKind {
    /// Messages whose TTL ran out.
    Expired,
    /// Messages that were not acked in time.
    TimedOut,
    /// Messages that waited for their next attempt, or were parked, and are ready.
    Released,
    /// Messages that a delayed exchange let go.
    Due,
    /// The oldest messages of a stream went; how many is not known.
    Trimmed,
    /// The queue itself went: nobody used it for so long.
    QueueExpired,
}

impl StepKind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::TimedOut => "timed-out",
            Self::Released => "released",
            Self::Due => "due",
            Self::Trimmed => "trimmed",
            Self::QueueExpired => "queue-expired",
        }
    }
}

/// What happened in one queue at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, by the world's clock.
    pub at: Timestamp,
    /// In which queue; the queue of a delayed exchange has a name of the journal's.
    pub queue: Arc<str>,
    /// What.
    pub what: StepKind,
    /// To how many messages.
    pub messages: u64,
}

/// Steps are noted while the clock is moved.
#[derive(Debug, Default)]
pub struct Steps {
    is_on: AtomicBool,
    noted: Mutex<Noted>,
}

type Noted = BTreeMap<(Time, Arc<str>, StepKind), u64>;

impl Steps {
    /// Whether anybody wants to know.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Begins, or ends, to note.
    pub fn turn(&self, on: bool) {
        self.is_on.store(on, Ordering::Release);
        self.noted().clear();
    }

    /// Something happened.
    pub fn note(&self, at: Time, queue: &Arc<str>, what: StepKind, messages: u64) {
        if messages > 0 {
            *self.noted().entry((at, Arc::clone(queue), what)).or_default() += messages;
        }
    }

    /// What happened since the last call, in order of time, and of queues' names at one time.
    pub fn take(&self, epoch: Timestamp) -> Vec<Step> {
        let noted = std::mem::take(&mut *self.noted()).into_iter();
        noted.map(|((at, queue, what), messages)| Step { at: epoch.at(at), queue, what, messages }).collect()
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
