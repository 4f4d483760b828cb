//! Purges that can be undone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::broker::Clock;
use crate::broker::operations::Held;

/// Purges that can be undone.
#[derive(Clone, Debug, Default)]
pub(super) struct Purges(Arc<Mutex<PurgesInner>>);

#[derive(Debug, Default)]
struct PurgesInner {
    last: u64,
    /// With the vhosts that they are in.
    waiting: HashMap<u64, (String, oneshot::Sender<()>)>,
}

impl Purges {
    fn lock(&self) -> MutexGuard<'_, PurgesInner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is held after this time, unless that is undone; the name to undo it by.
    pub(super) fn add(&self, vhost: &str, held: Held, wait: Duration, clock: Clock) -> u64 {
        let (sender, undone) = oneshot::channel();
        let id = {
            let mut inner = self.lock();
            inner.last += 1;
            let id = inner.last;
            inner.waiting.insert(id, (vhost.to_owned(), sender));
            id
        };
        let purges = self.clone();
        tokio::spawn(async move {
            let end = clock.now() + wait;
            tokio::select! {
                // Dropping it puts all back.
                _ = undone => drop(held),
                () = clock.wait_for(Some(end)) => {
                    purges.lock().waiting.remove(&id);
                    held.discard();
                }
            }
        });
        id
    }

    /// Puts back what was held in a vhost that the user may enter; `false` if it is too late.
    pub(super) fn undo(&self, id: u64, may_enter: impl Fn(&str) -> bool) -> bool {
        let mut inner = self.lock();
        if !inner.waiting.get(&id).is_some_and(|(vhost, _)| may_enter(vhost)) {
            return false;
        }
        inner.waiting.remove(&id).is_some_and(|(_, sender)| sender.send(()).is_ok())
    }
}
