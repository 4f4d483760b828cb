//! Who is let in: a descriptor for each connection, and a place among the half-open ones.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::half_open::{Eviction, HalfOpen, Place};
use crate::broker::Clock;
use crate::time::Time;

/// The log has a line about the same shortage at most this often.
const SAID_AGAIN: Duration = Duration::from_secs(10);

/// Shared by all listeners of a broker.
#[derive(Debug)]
pub(crate) struct Admission {
    clock: Clock,
    /// A permit for each connection that may be open.
    slots: Arc<Semaphore>,
    half_open: Arc<HalfOpen>,
    said: Mutex<Option<Time>>,
}

/// A connection that was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Given back when its socket is closed.
    pub(super) slot: OwnedSemaphorePermit,
    /// Given up when it is logged in and has its vhost.
    pub(super) place: Place,
    /// Whether it has to make room.
    pub(super) eviction: Eviction,
}

impl Admission {
    /// For a broker that can have so many connections.
    pub(crate) fn new(clock: Clock, connections_max: usize) -> Self {
        let slots = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Self { clock, slots, half_open: Arc::new(HalfOpen::new(connections_max)), said: Mutex::default() }
    }

    /// Lets a connection in. As long as all slots are taken by clients that are logged in it waits for one to end, and who
    /// accepts waits with it: no more descriptors are taken.
    pub(crate) async fn admit(&self, peer: IpAddr) -> Admitted {
        let slot = self.slot().await;
        if self.half_open.is_full_for(peer) {
            // Whoever has sent something that is not read yet has a turn first: with a thousand clients that connect at once,
            // it is the broker that is slow. Who says nothing has no use for it.
            tokio::task::yield_now().await;
        }
        let (place, eviction) = self.half_open.enter(peer);
        let evicted = self.half_open.take_evicted();
        if evicted > 0 {
            self.say(|| {
                tracing::warn!(%peer, "too many connections that have not logged in: the oldest are closed for new ones");
            });
        }
        Admitted { slot, place, eviction }
    }

    async fn slot(&self) -> OwnedSemaphorePermit {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return slot;
        }
        if !self.half_open.evict_oldest() {
            self.say(|| {
                tracing::warn!(
                    "as many connections are open as the limit of file descriptors allows: new ones wait until others end"
                );
            });
        }
        match Arc::clone(&self.slots).acquire_owned().await {
            Ok(slot) => slot,
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Accepting failed.
    pub(super) fn accept_failed(&self, error: &std::io::Error) {
        self.say(|| tracing::error!(%error, "a connection could not be accepted"));
    }

    fn say(&self, line: impl FnOnce()) {
        let now = self.clock.now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|said| now.since(said) >= SAID_AGAIN) {
            *said = Some(now);
            line();
        }
    }
}
