//! One vhost's exchanges, queue names and bindings, and the routing of messages by them. Plain data: no IO, no clock,
//! no locks; who shares it guards it.
//!
//! Invariants:
//! - Every binding stands in exactly four places: the slab, the index by identity, its source (list and routing table)
//!   and its destination. All of them change together, each in time that does not grow with the number of bindings.
//! - A binding's source and destination exist. Removing either removes the binding.
//! - `generation` grows with every change that can affect a route, so a cached route is valid while it stays.
//! - The default exchange always exists and has no bindings: it routes to the queue that its routing key names.
//! - The same calls in the same order give the same answers in the same order, `x-random` included.
//!
//! The lowest files are the vocabulary: `error`, `spec`, `header_value`, `header_source`, `edges`. Above it are the tables, one for
//! each way of choosing among bindings: `trie`, `headers`, `ring`, `choice`, all of them in `table`. On top is `graph`, the state,
//! with what is asked of it in `checks`, `route`, `explain` and `ways`; `shared` guards it.

mod checks;
mod choice;
mod delay;
mod edges;
pub mod equivalence;
mod error;
mod explain;
mod graph;
mod hash;
mod header_source;
mod header_value;
mod headers;
mod identity;
mod near_miss;
mod nested;
mod ring;
mod route;
mod shared;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod trie;
mod ways;

pub use delay::{DELAY, InvalidDelay};
pub use error::{RouteError, TopologyError};
pub use explain::{Explained, Step, Via};
pub use graph::{EVENTS, TRACE, Topology};
pub use header_source::{HashProperty, HeaderSource, Undelayed};
pub use header_value::HeaderValue;
pub use route::RouteScratch;
pub use shared::SharedTopology;
pub use spec::{ALTERNATE_EXCHANGE, Binding, Destination, ExchangeKind, ExchangeSpec, Removed};
pub use ways::Ways;
