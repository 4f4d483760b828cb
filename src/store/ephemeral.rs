//! The store of a broker without a data directory: keeps nothing and is done at once.
//!
//! Invariant: what belongs to a join fires when its last part comes, outside the lock.

use super::submission::{Confirm, Submission};
use foldhash::HashMap;
use std::sync::{Mutex, PoisonError};

/// Joins that are incomplete.
#[derive(Default)]
pub(super) struct Ephemeral {
    joins: Mutex<HashMap<u64, Held>>,
}

#[derive(Default)]
struct Held {
    parts: u32,
    waiting: Vec<Waiting>,
}

struct Waiting {
    confirms: Vec<Confirm>,
    done: Option<Box<dyn FnOnce() + Send>>,
}

impl Ephemeral {
    /// Fires what waits, or keeps it for the rest of its join.
    pub(super) fn submit(&self, submission: Submission) {
        let Submission { join, confirms, done, .. } = submission;
        let waiting = Waiting { confirms, done };
        let ready = match join {
            None => vec![waiting],
            Some(join) => self.hold(join.id, join.parts, waiting),
        };
        for waiting in ready {
            for Confirm { sink, channel, first, last } in waiting.confirms {
                sink.confirmed(channel, first, last);
            }
            if let Some(done) = waiting.done {
                done();
            }
        }
    }

    fn hold(&self, id: u64, parts: u32, waiting: Waiting) -> Vec<Waiting> {
        let mut joins = self.joins.lock().unwrap_or_else(PoisonError::into_inner);
        let held = joins.entry(id).or_default();
        held.parts += 1;
        held.waiting.push(waiting);
        if held.parts < parts {
            return Vec::new();
        }
        joins.remove(&id).map(|held| held.waiting).unwrap_or_default()
    }
}
