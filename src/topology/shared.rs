//! A vhost's topology as many sessions use it: behind a read lock for routing, with its generation beside the lock.
//!
//! A session asks the generation with every message, which takes no lock, and routes anew only when it has changed or the
//! keys have. An immutable snapshot swapped at each change would spare readers the lock too, but make 10,000 declares or
//! bindings cost 10,000 copies of all that came before.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard};

use super::error::RouteError;
use super::graph::{EVENTS, Topology};
use super::header_source::HeaderSource;
use super::route::RouteScratch;
use crate::message::QueueId;

/// A [`Topology`] shared between sessions.
#[derive(Debug, Default)]
pub struct SharedTopology {
    generation: AtomicU64,
    topology: RwLock<Topology>,
    is_traced: AtomicBool,
    /// Of the vhost that gets the broker's [events](EVENTS): kept as whether anything is bound to their exchange.
    is_listening: Option<Arc<AtomicBool>>,
}

impl SharedTopology {
    /// What a session has that is in no vhost yet: one for all of them, for a client that has not logged in is to cost little.
    #[must_use]
    pub fn of_no_vhost() -> Arc<Self> {
        static NONE: LazyLock<Arc<SharedTopology>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }

    /// That of the vhost that gets the broker's [events](EVENTS). `is_listening` is true while anything is bound to their exchange.
    #[must_use]
    pub fn with_events(is_listening: Arc<AtomicBool>) -> Self {
        let topology = RwLock::new(Topology::with_events());
        Self { topology, is_listening: Some(is_listening), ..Self::default() }
    }

    /// Changes with every change that can affect a route.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether what goes through is copied to the exchange [`TRACE`](super::TRACE). Sessions and queues look at it once a batch.
    #[inline]
    #[must_use]
    pub fn is_traced(&self) -> bool {
        self.is_traced.load(Ordering::Relaxed)
    }

    /// Turns tracing on or off.
    pub fn set_traced(&self, is_traced: bool) {
        self.is_traced.store(is_traced, Ordering::Relaxed);
    }

    /// For looking things up.
    pub fn read(&self) -> RwLockReadGuard<'_, Topology> {
        self.topology.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every cached route stale: something beside the topology that they were made under has changed.
    pub fn invalidate_routes(&self) {
        self.change(Topology::invalidate_routes);
    }

    /// Makes a change.
    pub fn change<T>(&self, change: impl FnOnce(&mut Topology) -> T) -> T {
        let mut topology = self.topology.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut topology);
        self.generation.store(topology.generation(), Ordering::Release);
        if let Some(is_listening) = &self.is_listening {
            is_listening.store(topology.is_used(EVENTS), Ordering::Relaxed);
        }
        outcome
    }

    /// Fills `queues` with the route; says whether it holds for every message with the same keys until the generation
    /// changes. See [`Topology::route`].
    pub fn route(
        &self,
        exchange: &[u8],
        routing_keys: &[&[u8]],
        headers: Option<&dyn HeaderSource>,
        queues: &mut Vec<QueueId>,
        scratch: &mut RouteScratch,
    ) -> Result<bool, RouteError> {
        queues.clear();
        self.read().route(exchange, routing_keys, headers, queues, scratch)
    }
}
