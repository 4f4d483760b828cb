//! The store of a broker without a data directory: keeps nothing and is done at once.
//!
//! Invariants: what belongs to a join fires when its last part comes. Whoever hears of a stream's offsets is called with the
//! streams locked, so that all hear of them in their order; everybody else outside all locks.

use super::logs::{LogAppend, LogCommitted, LogState, NewChunk, Placed, value_len};
use super::submission::{Confirm, Op, Submission};
use crate::message::QueueId;
use foldhash::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Joins that are incomplete, and where streams end.
#[derive(Default)]
pub(super) struct Ephemeral {
    joins: Mutex<HashMap<u64, Held>>,
    streams: Mutex<HashMap<QueueId, LogState>>,
}

#[derive(Default)]
struct Held {
    parts: u32,
    waiting: Vec<Waiting>,
}

struct Waiting {
    appends: Vec<LogAppend>,
    confirms: Vec<Confirm>,
    done: Option<Box<dyn FnOnce() + Send>>,
}

impl Ephemeral {
    /// Fires what waits, or keeps it for the rest of its join.
    pub(super) fn submit(&self, submission: Submission) {
        let Submission { ops, join, confirms, done, .. } = submission;
        let waiting = Waiting { appends: self.appends(ops), confirms, done };
        let ready = match join {
            None => vec![waiting],
            Some(join) => self.hold(join.id, join.parts, waiting),
        };
        for Waiting { appends, confirms, done } in ready {
            self.append(appends);
            for Confirm { sink, channel, first, last } in confirms {
                sink.confirmed(channel, first, last);
            }
            if let Some(done) = done {
                done();
            }
        }
    }

    /// What goes to streams. A stream that is deleted is forgotten here.
    fn appends(&self, ops: Vec<Op>) -> Vec<LogAppend> {
        let mut appends = Vec::new();
        for op in ops {
            match op {
                Op::AppendLog(append) => appends.push(append),
                Op::DeleteQueue { queue } => self.forget(queue, &mut appends),
                _ => {}
            }
        }
        appends
    }

    fn forget(&self, stream: QueueId, appends: &mut Vec<LogAppend>) {
        appends.retain(|append| append.stream != stream);
        if locked(&self.streams).remove(&stream).is_some() {
            let mut joins = locked(&self.joins);
            let waiting = joins.values_mut().flat_map(|held| &mut held.waiting);
            waiting.for_each(|waiting| waiting.appends.retain(|append| append.stream != stream));
        }
    }

    fn append(&self, appends: Vec<LogAppend>) {
        if appends.is_empty() {
            return;
        }
        let mut streams = locked(&self.streams);
        for LogAppend { stream, at, filter, entries, begins_segment, ticket, sink } in appends {
            let (count, bytes) = (entries.len() as u64, value_len(&filter, &entries) as u64);
            let chunk = NewChunk { count, bytes, at, begins_segment };
            let Placed { first, .. } = streams.entry(stream).or_default().place(&chunk);
            sink.committed(LogCommitted { ticket, first });
        }
    }

    fn hold(&self, id: u64, parts: u32, waiting: Waiting) -> Vec<Waiting> {
        let mut joins = locked(&self.joins);
        let held = joins.entry(id).or_default();
        held.parts += 1;
        held.waiting.push(waiting);
        if held.parts < parts {
            return Vec::new();
        }
        joins.remove(&id).map(|held| held.waiting).unwrap_or_default()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
