//! A node as a process: its doors, which are bound for as long as it runs, its store, its part in the cluster, and its way out.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::directory::{Directory, Member};
use super::hand_over::NodeControl;
use super::hearing::HandOverError;
use super::local::LocalEngine;
use super::log::Log;
use super::node::{Node, NodeError};
use super::overview::{Identity, Overview};
use super::peer_port::{self, PeerPort, WATCHES_MAX};
use super::proxy::Proxy;
use super::proxy_header::Secret;
use super::route::{self, Route};
use super::threads::ThreadHost;
use crate::broker::Clock;
use crate::broker::cluster_view::{ClusterStatus, ClusterView as _, MoveError, Moving};
use crate::config::{ClusterSettings, Config, NODE_PREFIX};
use crate::server::{Broker, BrokerBuilder, Carrier, Door, Sockets, StartError, carriage, connections_max};
use crate::store::{self, Reserve};

/// Open files of the engine, as where a broker is alone.
const OPEN_FILES_MAX: usize = 900;
/// Of what can be carried at a time, the management API has one in so many.
const HTTP_PART: usize = 16;

/// What all nodes have in common, opened.
#[derive(Debug)]
pub struct Common<L, D> {
    /// The log.
    pub log: L,
    /// The directory.
    pub directory: D,
    /// Which log it is.
    pub log_id: u64,
    /// By what nodes know each other.
    pub secret: Secret,
}

/// Why a node cannot start. Each text is one line for its user.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A setting is missing.
    #[error("{0}")]
    Setting(&'static str),
    /// The port for other nodes cannot be had.
    #[error("cannot listen on {address} for other nodes (--cluster-peer): {source}")]
    Peer {
        /// Which.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The data directory cannot be opened.
    #[error("data directory {}: {source}", dir.display())]
    Store {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: store::Error,
    },
    /// Its doors cannot be had.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Why a node ends by itself.
#[derive(Debug)]
pub enum Ended {
    /// Somebody asked for it, over the management API.
    Asked,
    /// It cannot go on.
    Failed(NodeError),
}

/// A node that runs; it ends when this is dropped.
pub struct Process {
    sockets: Arc<Sockets>,
    route: watch::Receiver<Route>,
    overview: Arc<Overview>,
    name: String,
    engine: LocalEngine,
    /// Of the broker, while there is one.
    broker_addresses: watch::Receiver<Vec<SocketAddr>>,
    node: JoinHandle<NodeError>,
    watches: Arc<Semaphore>,
    /// They end with the node.
    _tasks: JoinSet<()>,
}

/// Makes the brokers that a node leads with, one after the other.
struct Brokers {
    config: Config,
    clock: Clock,
    sockets: Arc<Sockets>,
    overview: Arc<Overview>,
    carrier: watch::Sender<Option<Carrier>>,
    complete: Box<dyn Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync>,
}

impl Brokers {
    fn next(&self) -> BrokerBuilder {
        let (carrier, carried) = carriage();
        self.carrier.send_replace(Some(carrier));
        let (sockets, overview) = (Arc::clone(&self.sockets), Arc::clone(&self.overview));
        let builder = Broker::builder().config(self.config.clone()).clock(self.clock);
        (self.complete)(builder.sockets(sockets).carried(carried).cluster(overview))
    }
}

impl Process {
    /// Binds the doors, opens the store and begins to follow. `config` has a cluster and a data directory; `complete` has the last word on
    /// each broker that the node leads with.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn start<L, D>(
        mut config: Config,
        clock: Clock,
        common: Common<L, D>,
        complete: impl Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync + 'static,
    ) -> Result<Self, ProcessError>
    where
        L: Log + Clone + Sync + 'static,
        D: Directory,
    {
        let settings = config.cluster.clone().ok_or(ProcessError::Setting("this is no node of a cluster"))?;
        let dir = config.data_dir.clone().ok_or(ProcessError::Setting("a node needs a data directory"))?;
        config.node_name.get_or_insert_with(|| format!("{NODE_PREFIX}{}", settings.node));
        let sockets = Arc::new(Sockets::bind(&config)?);
        let (listener, address) = peer_port(&settings).await?;
        let opened = open(dir.clone(), clock).await;
        let engine = opened.map_err(|source| ProcessError::Store { dir: dir.clone(), source })?;
        let (addresses_sender, broker_addresses) = watch::channel(Vec::new());
        let overview = Arc::new(Overview::new(Identity::of(&settings), clock));
        let (carrier, broker) = watch::channel(None);
        let brokers = Brokers {
            config,
            clock,
            sockets: Arc::clone(&sockets),
            overview: Arc::clone(&overview),
            carrier,
            complete: Box::new(complete),
        };
        let host = ThreadHost {
            dir,
            log: common.log,
            directory: common.directory,
            clock,
            builder: Arc::new(move || brokers.next()),
            secret: common.secret,
            addresses: addresses_sender,
        };
        let node = Node::new(host, member(&settings, &address), common.log_id, engine.clone());
        overview.attach(node.status(), hand_over(node.control()));
        let (to, route) = watch::channel(Route::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(route::follow(settings.node.clone(), node.status(), node.members(), to));
        tasks.spawn(Arc::clone(&overview).follow(node.members()));
        let (secret, of_port) = (common.secret, broker.clone());
        let watches = Arc::new(Semaphore::new(WATCHES_MAX));
        let of_watches = Arc::clone(&watches);
        let port = PeerPort {
            listener,
            clock,
            secret,
            broker: of_port,
            engine: engine.clone(),
            watches: of_watches,
        };
        tasks.spawn(port.run());
        let slots = |max: usize| Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS)));
        // Each takes two descriptors.
        let carried_max = connections_max() / 2;
        let of_http = carried_max / HTTP_PART;
        let (of_amqp, of_http) = (slots(carried_max - of_http), slots(of_http));
        for (door, slots) in
            [(Door::Amqp, &of_amqp), (Door::Amqps, &of_amqp), (Door::Http, &of_http), (Door::Https, &of_http)]
        {
            let (route, broker, slots) = (route.clone(), broker.clone(), Arc::clone(slots));
            let sockets = Arc::clone(&sockets);
            let proxy = Proxy { clock, secret, route, broker, slots };
            tasks.spawn(proxy.run(door, move || sockets.listen(door)));
        }
        tasks.spawn(super::own_pages::run(Arc::clone(&sockets), route.clone(), Arc::clone(&overview), clock));
        let node = tokio::spawn(node.run());
        let name = settings.node;
        Ok(Self { sockets, route, overview, name, engine, broker_addresses, node, watches, _tasks: tasks })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its clients have to go, from now on.
    #[must_use]
    pub fn route(&self) -> watch::Receiver<Route> {
        self.route.clone()
    }

    /// Where one of its doors is, with the ports that were picked.
    #[must_use]
    pub fn addresses(&self, door: Door) -> Vec<SocketAddr> {
        self.sockets.addresses(door)
    }

    /// How many other nodes would see at once that this process has ended.
    #[must_use]
    pub fn watched_by(&self) -> usize {
        WATCHES_MAX - self.watches.available_permits()
    }

    /// The cluster as it sees it.
    #[must_use]
    pub fn status(&self) -> ClusterStatus {
        self.overview.status()
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> Ended {
        tokio::select! {
            ended = &mut self.node => match ended {
                Ok(error) => Ended::Failed(error),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime ends.
                Err(_) => std::future::pending().await,
            },
            () = self.overview.stop_asked() => Ended::Asked,
        }
    }

    /// Stops it: a node that leads hands over first, so that others need not wait for its lease to end. Its clients are told in any case.
    pub async fn stop(mut self) {
        if self.route.borrow().is_own()
            && let Err(error) = self.overview.hand_over(None).await
        {
            tracing::warn!(%error, "stopping without having handed over: another node takes over when the lease ends");
        }
        self.node.abort();
        // Who aborts it does not know yet whether it had a broker.
        drop((&mut self.node).await);
        drop(self.broker_addresses.wait_for(Vec::is_empty).await);
        let engine = self.engine.clone();
        drop(tokio::task::spawn_blocking(move || engine.close()).await);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.node.abort();
    }
}

/// What hands over.
fn hand_over(control: NodeControl) -> super::overview::HandOver {
    Arc::new(move |to| -> Moving {
        let control = control.clone();
        Box::pin(async move {
            control.hand_over(to).await.map_err(|error| match error {
                HandOverError::Unwritten(_) => MoveError::Failed(error.to_string()),
                refused => MoveError::Refused(refused.to_string()),
            })
        })
    })
}

/// The port for other nodes, and what they are told.
async fn peer_port(settings: &ClusterSettings) -> Result<(tokio::net::TcpListener, String), ProcessError> {
    let bound = peer_port::bind(&settings.peer).await.and_then(|listener| {
        let port = listener.local_addr()?.port();
        let host = settings.peer.rsplit_once(':').map_or(settings.peer.as_str(), |(host, _)| host);
        Ok((listener, format!("{host}:{port}")))
    });
    bound.map_err(|source| ProcessError::Peer { address: settings.peer.clone(), source })
}

fn member(settings: &ClusterSettings, address: &str) -> Member {
    let address = || Some(address.to_owned());
    Member {
        name: settings.node.clone(),
        rank: settings.rank,
        amqp: address(),
        http: address(),
        peer: address(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Member::default()
    }
}

/// Opens the engine, off the runtime's threads.
async fn open(dir: PathBuf, clock: Clock) -> Result<LocalEngine, store::Error> {
    let opening = tokio::task::spawn_blocking(move || open_here(&dir, clock)).await;
    opening.unwrap_or(Err(store::Error::Stopped))
}

fn open_here(dir: &Path, clock: Clock) -> Result<LocalEngine, store::Error> {
    // A start on a full disk has the reserve to write to.
    Reserve::of(dir).release_if_needed(fs4::available_space(dir).unwrap_or(u64::MAX));
    let (engine, healed) = LocalEngine::open(dir, OPEN_FILES_MAX, move || clock.now())?;
    if let Some(healed) = healed {
        tracing::warn!(healed, "the data directory was healed");
    }
    Ok(engine)
}
