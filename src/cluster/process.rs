//! A node as a process: its doors, which are bound for as long as it runs, its store, its part in the cluster, and its way out.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

use super::directory::Directory;
use super::entry::Entry;
use super::http_door::HttpDoor;
use super::known::{Known, known};
use super::log::Log;
use super::node::NodeError;
use super::peer_port::{self, PeerPort, WATCHES_MAX};
use super::proxy::Proxy;
use super::proxy_header::Secret;
use super::route::Route;
use super::seat::{Kept, Seat, Setting, dir_of, open};
use super::shards::Shards;
use super::spreading::Spreading;
use crate::broker::Clock;
use crate::broker::cluster_view::{ClusterStatus, ClusterView as _};
use crate::config::{ClusterSettings, Config, NODE_PREFIX};
use crate::server::{BrokerBuilder, Certificates, Door, Front, Sockets, StartError, connections_max};
use crate::store;

/// Leads that are uneven for so many seconds are spread.
const SPREAD_AFTER_S: u64 = 60;

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
    /// Where there are several shards.
    front: Option<Arc<Front>>,
    name: String,
    /// In the meta shard, and in each data shard.
    seats: Vec<Seat>,
    stop: Arc<Notify>,
    watches: Arc<Semaphore>,
    _tasks: JoinSet<()>,
}

impl Process {
    /// Binds the doors, opens the store and begins to follow. `config` has a cluster and a data directory; `complete` has the last word on
    /// each broker that the node leads with.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn start<L, D>(
        config: Config,
        clock: Clock,
        common: Common<L, D>,
        complete: impl Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync + 'static,
    ) -> Result<Self, ProcessError>
    where
        L: Log + Clone + Sync + 'static,
        D: Directory,
    {
        Self::start_with_shards(config, clock, common, Vec::new(), complete).await
    }

    /// The same where there are shards for vhosts, beside the meta shard, which is what all nodes have in common.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn start_with_shards<L, D>(
        mut config: Config,
        clock: Clock,
        common: Common<L, D>,
        shards: Vec<Kept<L, D>>,
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
        let certificates = match shards.is_empty() {
            true => None,
            false => Some(Certificates::given(&config, clock)?),
        };
        let (listener, address) = peer_port(&settings).await?;
        let own = reachable(&listener, &address);
        let mut setting = Setting {
            config,
            settings,
            clock,
            sockets,
            front: None,
            secret: common.secret,
            address,
            complete: Arc::new(complete),
            stop: Arc::default(),
            shards: u16::try_from(shards.len()).unwrap_or(u16::MAX),
        };
        let kept = Kept { log: common.log, directory: common.directory, log_id: common.log_id };
        let (seats, known, mut tasks) = take_seats(&mut setting, &dir, kept, shards, certificates).await?;
        let parts = seats.iter().map(Seat::part).collect();
        let watches = Arc::new(Semaphore::new(WATCHES_MAX));
        let (secret, of_port) = (setting.secret, Arc::clone(&watches));
        let port = PeerPort { listener, clock, secret, parts, known: known.clone(), watches: of_port };
        tasks.spawn(port.run());
        let doors = Doors { setting: &setting, seats: &seats };
        if setting.shards == 0 {
            doors.lead_to_one(&mut tasks);
        } else {
            doors.lead_to_many(&mut tasks, known, own)?;
        }
        let Setting { sockets, front, settings, stop, .. } = setting;
        Ok(Self { sockets, front, name: settings.node, seats, stop, watches, _tasks: tasks })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its clients have to go, from now on; those of the meta shard.
    #[must_use]
    pub fn route(&self) -> watch::Receiver<Route> {
        self.route_of(0).unwrap_or_else(|| watch::channel(Route::Nobody).1)
    }

    /// Where clients of a shard have to go; `None` if there is no such shard.
    #[must_use]
    pub fn route_of(&self, shard: usize) -> Option<watch::Receiver<Route>> {
        self.seats.get(shard).map(|seat| seat.route.clone())
    }

    /// Where one of its doors is, with the ports that were picked.
    #[must_use]
    pub fn addresses(&self, door: Door) -> Vec<SocketAddr> {
        self.sockets.addresses(door)
    }

    /// How many other nodes, each once for a shard that this one leads, would see at once that this process has ended.
    #[must_use]
    pub fn watched_by(&self) -> usize {
        WATCHES_MAX - self.watches.available_permits()
    }

    /// The cluster as it sees it.
    #[must_use]
    pub fn status(&self) -> ClusterStatus {
        self.seats.first().map(|seat| seat.overview.status()).unwrap_or_default()
    }

    /// Reads certificates of TLS again, where they are the node's own and not its broker's.
    pub async fn reload_tls(&self) {
        if let Some(front) = &self.front {
            front.reload().await;
        }
    }

    /// Waits until it ends by itself. Where its data and the log of a shard for vhosts contradict each other it stops in that shard alone.
    pub async fn ended(&mut self) -> Ended {
        loop {
            let running = self.seats.iter_mut().enumerate().filter(|(_, seat)| !seat.is_stopped);
            let nodes =
                running.map(|(number, seat)| Box::pin(async move { (number, (&mut seat.node).await) }));
            let (number, ended) = tokio::select! {
                (ended, ..) = select_all(nodes) => ended,
                () = self.stop.notified() => return Ended::Asked,
            };
            match ended {
                Ok(NodeError::Stop(why)) if number > 0 => {
                    tracing::error!(shard = number, %why, "this node stops in a shard, and goes on in the others");
                    self.seats.iter_mut().skip(number).take(1).for_each(Seat::stopped);
                }
                Ok(error) => return Ended::Failed(error),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime ends.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Stops it: where it leads it hands over first, so that others need not wait for its lease to end. Its clients are told in any case.
    pub async fn stop(self) {
        join_all(self.seats.into_iter().map(Seat::stop)).await;
    }
}

/// A node with all its seats, what it knows of the meta shard, and the task that looks.
type Taken = (Vec<Seat>, Known, JoinSet<()>);

async fn take_seats<L, D>(
    setting: &mut Setting,
    dir: &Path,
    meta: Kept<L, D>,
    shards: Vec<Kept<L, D>>,
    certificates: Option<Certificates>,
) -> Result<Taken, ProcessError>
where
    L: Log + Clone + Sync + 'static,
    D: Directory,
{
    let (clock, of) = (setting.clock, shards.len() + 1);
    let opened = async |shard: u16| {
        let dir = dir_of(dir, shard);
        let engine = open(dir.clone(), clock, of).await;
        engine.map(|engine| (engine, dir.clone())).map_err(|source| ProcessError::Store { dir, source })
    };
    let (engine, meta_dir) = opened(0).await?;
    let mut tasks = JoinSet::new();
    if let Some(certificates) = certificates {
        let front = certificates.front(Arc::clone(&setting.sockets), &setting.config, clock)?;
        setting.front = Some(Arc::new(front));
    }
    let (reading, mut known) = known(&engine, clock);
    if of > 1 {
        tasks.spawn(reading.run());
    }
    let mut seats = vec![Seat::take(setting, 0, meta, engine, meta_dir, None)];
    for (number, kept) in (1..).zip(shards) {
        let (engine, dir) = opened(number).await?;
        let identities = Some(known.identities.clone());
        seats.push(Seat::take(setting, number, kept, engine, dir, identities));
    }
    let (first, others) = seats.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
    if let Some(first) = first {
        first.overview.attach_shards(others.iter().map(|seat| Arc::clone(&seat.overview)).collect());
    }
    known.shards = others.iter().map(Seat::follows).collect();
    Ok((seats, known, tasks))
}

/// What accepts at the node's doors.
struct Doors<'a> {
    setting: &'a Setting,
    seats: &'a [Seat],
}

impl Doors<'_> {
    /// Where there is one shard its leader listens itself, and others lead their clients there.
    fn lead_to_one(&self, tasks: &mut JoinSet<()>) {
        let Some(seat) = self.seats.first() else { return };
        let Setting { clock, secret, sockets, .. } = self.setting;
        let (of_amqp, of_http) = slots();
        for (door, slots) in
            [(Door::Amqp, &of_amqp), (Door::Amqps, &of_amqp), (Door::Http, &of_http), (Door::Https, &of_http)]
        {
            let (route, broker, slots) = (seat.route.clone(), seat.broker.clone(), Arc::clone(slots));
            let sockets = Arc::clone(sockets);
            let proxy = Proxy { clock: *clock, secret: *secret, route, broker, slots };
            tasks.spawn(proxy.run(door, move || sockets.listen(door)));
        }
        self.show(seat, tasks);
    }

    /// Where there are several the node looks where each client, and each request, has to go.
    fn lead_to_many(&self, tasks: &mut JoinSet<()>, known: Known, own: String) -> Result<(), ProcessError> {
        let Some(seat) = self.seats.first() else { return Ok(()) };
        let Setting { config, settings, clock, secret, sockets, .. } = self.setting;
        let all = self.seats.iter().map(Seat::shard).collect();
        let shards = Shards { clock: *clock, secret: *secret, all, known, own, name: settings.node.clone() };
        let (of_amqp, of_http) = slots();
        let listen = |door| {
            let failed = |source| ProcessError::Peer { address: format!("{door:?}"), source };
            sockets.listen(door).map_err(failed)
        };
        let Some(front) = self.setting.front.clone() else { return Ok(()) };
        let entry = Entry { shards: shards.clone(), front: Arc::clone(&front), slots: of_amqp };
        for door in [Door::Amqp, Door::Amqps] {
            tasks.spawn(entry.clone().run(door, listen(door)?));
        }
        let prefix = config.http_path_prefix.as_str().into();
        let http = HttpDoor { shards, front: Arc::clone(&front), prefix, slots: of_http };
        for door in [Door::Http, Door::Https] {
            tasks.spawn(http.clone().run(door, listen(door)?));
        }
        tasks.spawn(async move { front.watch().await });
        let after = Duration::from_secs(settings.spread_after_s.unwrap_or(SPREAD_AFTER_S));
        if !after.is_zero() {
            let overviews = self.seats.iter().map(|seat| Arc::clone(&seat.overview)).collect();
            let spreading = Spreading { name: settings.node.clone(), overviews, clock: *clock, after };
            tasks.spawn(spreading.run());
        }
        self.show(seat, tasks);
        Ok(())
    }

    fn show(&self, seat: &Seat, tasks: &mut JoinSet<()>) {
        let (sockets, overview) = (Arc::clone(&self.setting.sockets), Arc::clone(&seat.overview));
        let (front, clock) = (self.setting.front.clone(), self.setting.clock);
        let brokers = self.seats.iter().map(|seat| seat.broker.clone()).collect();
        tasks.spawn(super::own_pages::run(sockets, seat.route.clone(), overview, front, brokers, clock));
    }
}

/// For connections of AMQP and of HTTP that are carried: each takes two descriptors.
fn slots() -> (Arc<Semaphore>, Arc<Semaphore>) {
    let slots = |max: usize| Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS)));
    let carried_max = connections_max() / 2;
    let of_http = carried_max / HTTP_PART;
    (slots(carried_max - of_http), slots(of_http))
}

/// Where this node's own peer port is reached from here.
fn reachable(listener: &tokio::net::TcpListener, address: &str) -> String {
    listener.local_addr().map_or_else(
        |_| address.to_owned(),
        |local| match local.ip() {
            ip if !ip.is_unspecified() => local.to_string(),
            IpAddr::V4(_) => format!("127.0.0.1:{}", local.port()),
            IpAddr::V6(_) => format!("[::1]:{}", local.port()),
        },
    )
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
