//! What goes wrong in a world on purpose: its rules, and what those have brought about that lasts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, RwLock};
use tokio::task::AbortHandle;

use crate::faults::{Action, Faults, RuleId, Subject};

/// The faults of a world.
#[derive(Debug, Default)]
pub struct WorldFaults {
    /// The rules.
    pub rules: Arc<Faults>,
    /// Rung each time a rule hits.
    pub fired: Notify,
    /// Rung when there are other rules, or publishers are blocked or not any more.
    pub changed: Notify,
    /// Whoever enters the world holds it to read; held to write while the world starts again.
    pub restarting: RwLock<()>,
    /// Why publishers are blocked, if a rule did that at its time.
    blocked: Mutex<Option<String>>,
    /// The tasks of rules that act at their time.
    timers: Mutex<HashMap<RuleId, AbortHandle>>,
}

/// What is so for a connection by the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionState {
    /// Publishers are blocked, for this reason.
    pub blocked: Option<String>,
    /// At most so many bytes a second are read and written.
    pub bytes_per_s: Option<u64>,
    /// Nothing is read or written.
    pub is_silent: bool,
}

impl WorldFaults {
    /// What is so for a connection. Rules that say so are told that they hit if that is new: it was not so before.
    pub fn state_of(&self, subject: &Subject<'_>, before: &ConnectionState) -> ConnectionState {
        let mut state = ConnectionState { blocked: self.blocked().clone(), ..ConnectionState::default() };
        for verdict in self.rules.states(subject) {
            let is_new = match &verdict.action {
                Action::Block(reason) => {
                    state.blocked.get_or_insert_with(|| reason.clone());
                    before.blocked.is_none()
                }
                Action::Slow(bytes) => {
                    state.bytes_per_s.get_or_insert(*bytes);
                    before.bytes_per_s.is_none()
                }
                Action::Silence => {
                    state.is_silent = true;
                    !before.is_silent
                }
                _ => false,
            };
            if is_new {
                self.rules.began(&verdict, subject);
            }
        }
        state
    }

    /// Blocks publishers, or no longer.
    pub fn set_blocked(&self, reason: Option<String>) {
        *self.blocked() = reason;
    }

    /// Keeps the task of a rule, to be ended with it.
    pub fn keep_timer(&self, id: RuleId, task: AbortHandle) {
        self.timers().insert(id, task);
    }

    /// Ends the tasks of rules that are not there any more.
    pub fn end_timers(&self) {
        self.timers().retain(|id, task| {
            let is_there = self.rules.get(*id).is_some();
            if !is_there {
                task.abort();
            }
            is_there
        });
    }

    fn blocked(&self) -> MutexGuard<'_, Option<String>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn timers(&self) -> MutexGuard<'_, HashMap<RuleId, AbortHandle>> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WorldFaults {
    fn drop(&mut self) {
        self.timers().values().for_each(AbortHandle::abort);
    }
}
