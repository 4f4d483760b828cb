//! Exchanges that choose one of their bindings whatever the binding keys are: `x-modulus-hash` by the routing key,
//! `x-random` and `x-local-random` by chance.
//!
//! Invariants: the choice of a modulus is a function of the routing key and the set of bindings. Chance here is a
//! sequence that starts the same in every run: nothing asks the system for randomness.

use std::sync::atomic::{AtomicU64, Ordering};

use super::edges::{Edge, Target, VecSet};
use super::hash::{hash_bytes, mix, one_of};
use super::identity::identity;
use super::spec::Binding;

/// The bindings of an `x-modulus-hash` exchange, sorted by their identity.
#[derive(Debug, Default)]
pub(super) struct ModulusTable {
    edges: Vec<(Box<[u8]>, Edge)>,
}

impl ModulusTable {
    /// Moves what comes behind: a few microseconds among 10,000.
    pub fn insert(&mut self, binding: &Binding, edge: Edge) {
        let identity = identity(binding);
        let at = self.edges.partition_point(|(other, _)| *other < identity);
        self.edges.insert(at, (identity, edge));
    }

    pub fn remove(&mut self, binding: &Binding) {
        let identity = identity(binding);
        if let Ok(at) = self.edges.binary_search_by(|(other, _)| other.cmp(&identity)) {
            self.edges.remove(at);
        }
    }

    /// The destination of a message; none only if nothing is bound.
    pub fn find(&self, routing_key: &[u8]) -> Option<Target> {
        let index = one_of(hash_bytes(routing_key), self.edges.len())?;
        self.edges.get(index).map(|(_, edge)| edge.target)
    }
}

/// The bindings of a random exchange.
#[derive(Debug)]
pub(super) struct RandomTable {
    edges: VecSet<Edge>,
    /// Where the sequence is. Routing only reads the topology, so this counts beside it.
    turn: AtomicU64,
}

impl RandomTable {
    /// Each exchange has a sequence of its own, so that two in a row do not choose alike.
    pub fn new(exchange: &str) -> Self {
        Self { edges: VecSet::default(), turn: AtomicU64::new(hash_bytes(exchange.as_bytes())) }
    }

    pub fn insert(&mut self, edge: Edge) {
        self.edges.insert(edge);
    }

    pub fn remove(&mut self, edge: Edge) {
        self.edges.remove(edge);
    }

    /// The destination of the next message; none only if nothing is bound.
    pub fn next(&self) -> Option<Target> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let edges = self.edges.as_slice();
        edges.get(one_of(mix(turn), edges.len())?).map(|edge| edge.target)
    }
}
