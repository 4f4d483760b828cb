//! What all handlers share.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::error::ApiError;
use super::leases::Leases;
use super::page::live::Places;
use super::page::sessions::Sessions;
use super::params::Params;
use super::purges::Purges;
use super::views::rates::Clocked;
use crate::broker::node::node_name;
use crate::broker::operations;
use crate::broker::shared::Shared;
use crate::tls::Acceptor;

/// Bytes of request bodies that may be in memory at a time, of all requests together; in KiB.
const BODIES_KIB: usize = 64 * 1024;
/// Clients that follow events at a time.
const FOLLOWERS_MAX: usize = 32;
/// Requests that wait for a message at a time: each keeps a connection.
const WAITING_MAX: usize = 64;
/// The same in a broker for tests, where each test may wait for its world.
const WAITING_IN_TESTS_MAX: usize = 240;

/// The broker as its handlers see it. A clone is another reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    node: String,
    listeners: Vec<ListeningOn>,
    bodies: Arc<Semaphore>,
    purges: Purges,
    followers: Arc<Semaphore>,
    leases: Leases,
    waiting: Semaphore,
    sessions: Sessions,
    live: Places,
}

/// An address that is listened on, and what for.
#[derive(Clone, Debug)]
pub(crate) struct ListeningOn {
    /// `amqp`, `http`, `http/prometheus`; with TLS `amqp/ssl`, `https`, `https/prometheus`.
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// What makes its handshakes, if it speaks TLS.
    pub acceptor: Option<Arc<Acceptor>>,
}

impl Api {
    /// Of a broker that listens on these addresses.
    pub(crate) fn new(shared: Arc<Shared>, listeners: Vec<ListeningOn>) -> Self {
        let node = node_name(&shared.config);
        let waiting = if shared.config.test { WAITING_IN_TESTS_MAX } else { WAITING_MAX };
        let bodies = Arc::new(Semaphore::new(BODIES_KIB));
        Self(Arc::new(Inner {
            shared,
            node,
            listeners,
            bodies,
            purges: Purges::default(),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            leases: Leases::default(),
            waiting: Semaphore::new(waiting),
            sessions: Sessions::default(),
            live: Places::default(),
        }))
    }

    /// The broker.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// The node's name.
    pub(super) fn node(&self) -> &str {
        &self.0.node
    }

    /// Counters as this request wants to look at them.
    ///
    /// # Errors
    /// 400: too many samples.
    pub(super) fn clocked(&self, params: &Params) -> Result<Clocked, ApiError> {
        let clock = self.0.shared.clock;
        Clocked::of(params, clock.now(), clock.timestamp())
    }

    /// Refuses other nodes than the one that there is.
    ///
    /// # Errors
    /// 404.
    pub(super) fn check_node(&self, name: &str) -> Result<(), ApiError> {
        if name == self.0.node { Ok(()) } else { Err(ApiError::not_found()) }
    }

    /// Where the broker listens, and what for.
    pub(super) fn listeners(&self) -> &[ListeningOn] {
        &self.0.listeners
    }

    /// Where it listens for HTTP.
    pub(super) fn contexts(&self) -> impl Iterator<Item = &ListeningOn> {
        self.0.listeners.iter().filter(|on| on.protocol.starts_with("http"))
    }

    /// The cluster's name: the node's, unless it was given another.
    pub(super) fn cluster_name(&self) -> String {
        operations::cluster_name(&self.0.shared).unwrap_or_else(|| self.0.node.clone())
    }

    /// Room for those who follow events: each keeps a connection.
    pub(super) fn followers(&self) -> &Arc<Semaphore> {
        &self.0.followers
    }

    /// Messages that clients have taken.
    pub(super) fn leases(&self) -> &Leases {
        &self.0.leases
    }

    /// Room for those who wait for messages.
    pub(super) fn waiting(&self) -> &Semaphore {
        &self.0.waiting
    }

    /// Who is logged in on the page.
    pub(super) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Room for pages that are looked at.
    pub(super) fn live(&self) -> &Places {
        &self.0.live
    }

    /// Purges that can be undone.
    pub(super) fn purges(&self) -> &Purges {
        &self.0.purges
    }

    /// Room for request bodies, a permit for each KiB.
    pub(super) fn bodies(&self) -> &Arc<Semaphore> {
        &self.0.bodies
    }
}
