//! A node's part in one shard: its store, its role, and the brokers that it leads with, one after the other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::directory::{Directory, Member};
use super::hand_over::NodeControl;
use super::hearing::{HandOverError, Retention};
use super::known::{Follows, Identified};
use super::local::LocalEngine;
use super::log::Log;
use super::node::{Node, NodeError};
use super::overview::{Identity, Overview};
use super::peer_port::Part;
use super::proxy_header::Secret;
use super::route::{self, Route};
use super::shards::Shard;
use super::threads::ThreadHost;
use crate::broker::Clock;
use crate::broker::cluster_view::{ClusterView as _, MoveError, Moving};
use crate::config::{ClusterSettings, Config, ControlSocketPath};
use crate::server::{Broker, BrokerBuilder, Carrier, Front, Meta, Sockets, carriage};
use crate::store::{self, Reserve};

/// Open files of the engines, as where a broker is alone.
const OPEN_FILES_MAX: usize = 900;
/// Of one engine at least.
const OPEN_FILES_MIN: usize = 64;
/// Ranks below this change from shard to shard, so that nodes of the ranks 0, 1 and 2 lead a third of them each.
const ROTATED: u32 = 3;
/// Below the data directory.
const SHARDS_DIR: &str = "shards";

/// The last word on each broker.
pub(super) type Complete = Arc<dyn Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync>;

/// What a seat is made with.
pub(super) struct Setting {
    pub(super) config: Config,
    pub(super) settings: ClusterSettings,
    pub(super) clock: Clock,
    pub(super) sockets: Arc<Sockets>,
    /// What accepts for brokers that do not listen: where there are several.
    pub(super) front: Option<Arc<Front>>,
    pub(super) secret: Secret,
    /// Where other nodes reach this one.
    pub(super) address: String,
    pub(super) complete: Complete,
    pub(super) stop: Arc<Notify>,
    /// How many data shards there are.
    pub(super) shards: u16,
}

/// The log and the directory of a shard.
#[derive(Clone, Debug)]
pub struct Kept<L, D> {
    /// The log.
    pub log: L,
    /// The directory.
    pub directory: D,
    /// Which log it is.
    pub log_id: u64,
}

/// The part in one shard.
pub(super) struct Seat {
    pub(super) route: watch::Receiver<Route>,
    pub(super) overview: Arc<Overview>,
    pub(super) engine: LocalEngine,
    pub(super) broker: watch::Receiver<Option<Carrier>>,
    pub(super) followed: watch::Receiver<Identified>,
    /// Of the broker, while there is one.
    addresses: watch::Receiver<Vec<SocketAddr>>,
    pub(super) node: JoinHandle<NodeError>,
    /// Whether its node has ended, and the others go on.
    pub(super) is_stopped: bool,
    routes: watch::Sender<Route>,
    /// They end with the node.
    _tasks: JoinSet<()>,
}

/// Makes the brokers that a node leads a shard with, one after the other.
struct Brokers {
    config: Config,
    clock: Clock,
    sockets: Arc<Sockets>,
    front: Option<Arc<Front>>,
    overview: Arc<Overview>,
    carrier: watch::Sender<Option<Carrier>>,
    complete: Complete,
    /// Of a data shard.
    meta: Option<(u16, watch::Receiver<Identified>, watch::Sender<Identified>)>,
}

impl Brokers {
    fn next(&self) -> BrokerBuilder {
        let (carrier, carried) = carriage();
        self.carrier.send_replace(Some(carrier));
        let (sockets, overview) = (Arc::clone(&self.sockets), Arc::clone(&self.overview));
        let builder = Broker::builder().config(self.config.clone()).clock(self.clock);
        let builder = match self.front.clone() {
            Some(front) => builder.front(front),
            None => builder.sockets(sockets),
        };
        let builder = match self.meta.clone() {
            Some((shard, identities, followed)) => {
                builder.meta(Meta { shard: shard.into(), identities, followed })
            }
            None => builder,
        };
        (self.complete)(builder.carried(carried).cluster(overview))
    }
}

/// Where a node keeps what it has of a shard: below its data directory, which is the meta shard's.
#[must_use]
pub fn dir_of(dir: &Path, shard: u16) -> PathBuf {
    if shard == 0 { dir.to_owned() } else { dir.join(SHARDS_DIR).join(shard.to_string()) }
}

/// The rank of a node in a shard.
const fn rank_in(rank: u32, shard: u16) -> u32 {
    if rank < ROTATED { (rank + ROTATED - shard as u32 % ROTATED) % ROTATED } else { rank }
}

impl Seat {
    /// Opens the store of a shard below a data directory and begins to follow. A data shard's brokers go by `identities`.
    pub(super) fn take<L, D>(
        setting: &Setting,
        shard: u16,
        kept: Kept<L, D>,
        engine: LocalEngine,
        dir: PathBuf,
        identities: Option<watch::Receiver<Identified>>,
    ) -> Self
    where
        L: Log + Clone + Sync + 'static,
        D: Directory,
    {
        let Setting { settings, clock, stop, .. } = setting;
        let (addresses, broker_addresses) = watch::channel(Vec::new());
        let overview = Arc::new(Overview::new(Identity::of(settings, shard), *clock, Arc::clone(stop)));
        let (carrier, broker) = watch::channel(None);
        let (followed, of_broker) = watch::channel(None);
        let mut config = setting.config.clone();
        config.data_dir = Some(dir.clone());
        if shard > 0 && matches!(config.control_socket, ControlSocketPath::At(_)) {
            config.control_socket = ControlSocketPath::None;
        }
        let brokers = Brokers {
            config,
            clock: *clock,
            sockets: Arc::clone(&setting.sockets),
            front: setting.front.clone(),
            overview: Arc::clone(&overview),
            carrier,
            complete: Arc::clone(&setting.complete),
            meta: identities.map(|identities| (shard, identities, followed)),
        };
        let Kept { log, directory, log_id } = kept;
        let host = ThreadHost {
            dir,
            log,
            directory,
            clock: *clock,
            builder: Arc::new(move || brokers.next()),
            secret: setting.secret,
            shard,
            addresses,
        };
        let node = Node::new(host, member(settings, &setting.address, shard), log_id, engine.clone());
        let node = node.disk_free_limit(setting.config.disk_free_limit).retention(retention(settings));
        overview.attach(node.status(), hand_over(node.control()));
        let (to, route) = watch::channel(Route::default());
        let routes = to.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(route::follow(settings.node.clone(), shard, node.status(), node.members(), to));
        tasks.spawn(Arc::clone(&overview).follow(node.members()));
        let node = tokio::spawn(node.run());
        Self {
            route,
            overview,
            engine,
            broker,
            followed: of_broker,
            addresses: broker_addresses,
            node,
            is_stopped: false,
            routes,
            _tasks: tasks,
        }
    }

    pub(super) fn part(&self) -> Part {
        Part { broker: self.broker.clone(), engine: self.engine.clone() }
    }

    pub(super) fn shard(&self) -> Shard {
        Shard { route: self.route.clone(), broker: self.broker.clone() }
    }

    pub(super) fn follows(&self) -> Follows {
        Follows { route: self.route.clone(), followed: self.followed.clone() }
    }

    /// Its node has ended: nobody is known to lead, and that is shown.
    pub(super) fn stopped(&mut self) {
        self.is_stopped = true;
        self.routes.send_replace(Route::Nobody);
        self.overview.stopped();
    }

    /// Stops it: a node that leads hands over first, so that others need not wait for its lease to end. Its clients are told in any case.
    pub(super) async fn stop(mut self) {
        if self.route.borrow().is_own()
            && let Err(error) = self.overview.hand_over(None).await
        {
            tracing::warn!(%error, "stopping without having handed over: another node takes over when the lease ends");
        }
        self.node.abort();
        if !self.is_stopped {
            // Who aborts it does not know yet whether it had a broker.
            drop((&mut self.node).await);
        }
        drop(self.addresses.wait_for(Vec::is_empty).await);
        let engine = self.engine.clone();
        drop(tokio::task::spawn_blocking(move || engine.close()).await);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.node.abort();
    }
}

/// How much of the log is kept.
fn retention(settings: &ClusterSettings) -> Retention {
    let usual = Retention::default();
    Retention {
        retain: settings.retain_s.map_or(usual.retain, |s| Duration::from_secs(s.into())),
        frames_max: settings.retain_frames.unwrap_or(usual.frames_max),
        bytes_max: settings.retain_bytes.unwrap_or(usual.bytes_max),
        ..usual
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

fn member(settings: &ClusterSettings, address: &str, shard: u16) -> Member {
    let address = || Some(address.to_owned());
    Member {
        name: settings.node.clone(),
        rank: rank_in(settings.rank, shard),
        amqp: address(),
        http: address(),
        peer: address(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Member::default()
    }
}

/// Opens the engine of one of so many shards, off the runtime's threads.
pub(super) async fn open(dir: PathBuf, clock: Clock, of: usize) -> Result<LocalEngine, store::Error> {
    let opening = tokio::task::spawn_blocking(move || open_here(&dir, clock, of)).await;
    opening.unwrap_or(Err(store::Error::Stopped))
}

fn open_here(dir: &Path, clock: Clock, of: usize) -> Result<LocalEngine, store::Error> {
    // A start on a full disk has the reserve to write to.
    Reserve::of(dir).release_if_needed(fs4::available_space(dir).unwrap_or(u64::MAX));
    let open_files = (OPEN_FILES_MAX / of.max(1)).max(OPEN_FILES_MIN);
    let (engine, healed) = LocalEngine::open(dir, open_files, move || clock.now())?;
    if let Some(healed) = healed {
        tracing::warn!(healed, "the data directory was healed");
    }
    Ok(engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_led_by_different_nodes() {
        let first = |shard| (0..3).find(|rank| rank_in(*rank, shard) == 0);
        assert_eq!([0, 1, 2, 3, 4].map(first), [Some(0), Some(1), Some(2), Some(0), Some(1)]);
        let mut ranks: Vec<u32> = (0..6).map(|rank| rank_in(rank, 2)).collect();
        ranks.sort_unstable();
        assert_eq!(ranks, [0, 1, 2, 3, 4, 5], "no two are alike");
    }
}
