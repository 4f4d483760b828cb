//! Settings of a broker, and its start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use super::carried::Carried;
#[cfg(feature = "cluster")]
use super::carried::take_copies;
use super::control::ControlListener;
use super::descriptors::Budget;
use super::door::Door;
use super::error::StartError;
use super::front::Front;
use super::handle::BrokerHandle;
use super::http::{self, AmqpAddresses};
use super::meta::{self, Meta};
use super::sockets::{Listeners, Sockets};
use super::tls::{Given, Tls};
use crate::amqp::{Admission, Entrance, listener};
use crate::broker::alarm_watch;
use crate::broker::alarms::{self, Meter, Readings};
use crate::broker::clock::Clock;
use crate::broker::cluster_view::ClusterView;
use crate::broker::definitions::Definition;
use crate::broker::give_back::GiveBack;
use crate::broker::import::{self, Defaults, Target};
use crate::broker::operations::{self, Caller};
use crate::broker::recovery::{self, RecoveryError};
use crate::broker::shared::Shared;
use crate::config::{Config, ControlSocketPath, TlsSettings};
use crate::message::Position;
use crate::persona::Persona;
use crate::queue::Window;
use crate::store::{self, OpenOptions, Recovered, Reserve, Store, StoreHandle};

/// The broker, to be run by itself or within another program.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In memory, on a free port: a broker for one test.
/// let broker = coney::Broker::builder().ephemeral().listen("127.0.0.1:0".parse()?).start().await?;
/// let uri = format!("amqp://guest:guest@{}/%2f", broker.address().ok_or("not listening")?);
/// # assert!(uri.starts_with("amqp://guest:guest@127.0.0.1:"));
/// // ... point any AMQP 0-9-1 client at `uri` ...
/// broker.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Broker;

impl Broker {
    /// A broker to be configured. Without more it is the one that `cargo run` starts.
    #[must_use]
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder {
            config: Config::default(),
            clock: None,
            store: None,
            store_progress: None,
            meter: None,
            window: None,
            give_back: None,
            sockets: None,
            carried: None,
            cluster: None,
            front: None,
            meta: None,
        }
    }
}

/// Settings of a broker that is not yet started.
pub struct BrokerBuilder {
    config: Config,
    clock: Option<Clock>,
    store: Option<(StoreHandle, Recovered)>,
    store_progress: Option<Arc<Notify>>,
    meter: Option<Meter>,
    window: Option<Window>,
    give_back: Option<GiveBack>,
    sockets: Option<Arc<Sockets>>,
    carried: Option<Carried>,
    cluster: Option<Arc<dyn ClusterView>>,
    front: Option<Arc<Front>>,
    meta: Option<Meta>,
}

impl BrokerBuilder {
    /// All settings at once.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Listens on this address only, and serves no HTTP unless that is said afterwards; port 0 picks a free one.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self = self.detached();
        self.config.listen = vec![address];
        self
    }

    /// Serves the management API on this address, too; port 0 picks a free one.
    #[must_use]
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.config.http = vec![address];
        self
    }

    /// Serves metrics for Prometheus on this address, too; port 0 picks a free one.
    #[must_use]
    pub fn metrics(mut self, address: SocketAddr) -> Self {
        self.config.metrics = vec![address];
        self
    }

    /// Serves the management API without logins on a Unix socket there, for whoever may open it: its mode is 0600. With a data
    /// directory there is one in it unless another place is given.
    #[must_use]
    pub fn control_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.control_socket = ControlSocketPath::At(path.into());
        self
    }

    /// Accepts AMQP over TLS on this address, too; port 0 picks a free one.
    #[must_use]
    pub fn amqps(mut self, address: SocketAddr) -> Self {
        self.config.amqps = vec![address];
        self
    }

    /// Serves the management API over TLS on this address, too; port 0 picks a free one.
    #[must_use]
    pub fn https(mut self, address: SocketAddr) -> Self {
        self.config.https = vec![address];
        self
    }

    /// The certificate for TLS, and what clients have to show.
    #[must_use]
    pub fn tls(mut self, settings: TlsSettings) -> Self {
        self.config.tls = settings.clone();
        self.config.https_tls = settings;
        self
    }

    /// Makes a certificate for TLS where it is given none: for development.
    #[must_use]
    pub const fn tls_auto(mut self) -> Self {
        self.config.tls_auto = true;
        self
    }

    /// Listens nowhere: connections come by [`BrokerHandle::attach`].
    #[must_use]
    pub fn detached(mut self) -> Self {
        let Config { listen, http, metrics, amqps, https, metrics_tls, .. } = &mut self.config;
        for addresses in [listen, http, metrics, amqps, https, metrics_tls] {
            addresses.clear();
        }
        self
    }

    /// Refuses what that broker refuses, and announces its product and version.
    #[must_use]
    pub fn persona(mut self, persona: Persona) -> Self {
        self.config.persona = persona;
        if let Some((product, version)) = persona.announced() {
            self.config.server_product = product.to_owned();
            self.config.server_version = version.to_owned();
        }
        self
    }

    /// Keeps everything in memory.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.config.data_dir = None;
        self
    }

    /// Keeps durable things in this directory.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.data_dir = Some(dir.into());
        self
    }

    /// Lets tests control it: worlds, clocks that are moved, faults.
    #[must_use]
    pub const fn test(mut self) -> Self {
        self.config.test = true;
        self
    }

    /// Tells the time by this clock.
    #[must_use]
    pub const fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Uses a store that is open already: on an engine of one's own, or in a simulation. Whoever opened it closes it, after the broker,
    /// and learns of its failures. Without [`store_progress`](Self::store_progress) nobody tells the broker when it gets on, so a queue
    /// that has given it more than 8 MiB at once waits for ever.
    #[must_use]
    pub fn store(mut self, handle: StoreHandle, recovered: Recovered) -> Self {
        self.store = Some((handle, recovered));
        self
    }

    /// Is woken by this whenever that store has committed something or written a page: its `on_commit` should call
    /// [`notify_waiters`](Notify::notify_waiters).
    #[must_use]
    pub fn store_progress(mut self, progress: Arc<Notify>) -> Self {
        self.store_progress = Some(progress);
        self
    }

    /// Keeps these parts of each queue in memory, not those that follow from the settings: for simulations.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    /// Asks the allocator by this to give back what it can, when the process has much memory that nobody uses. It is called on a
    /// thread that may block.
    #[must_use]
    pub fn give_back_memory(mut self, give_back: impl Fn() + Send + Sync + 'static) -> Self {
        self.give_back = Some(Arc::new(give_back));
        self
    }

    /// Learns by this how much memory it uses and how much of its disk is free, not from the operating system: for tests
    /// of the alarms.
    #[must_use]
    pub fn meter(mut self, meter: impl FnMut() -> Readings + Send + 'static) -> Self {
        self.meter = Some(Box::new(meter));
        self
    }

    /// Listens on these sockets, which are bound by the same settings, and leaves them open when it stops.
    #[must_use]
    pub fn sockets(mut self, sockets: Arc<Sockets>) -> Self {
        self.sockets = Some(sockets);
        self
    }

    /// Serves connections that were accepted elsewhere, too.
    #[must_use]
    pub fn carried(mut self, carried: Carried) -> Self {
        self.carried = Some(carried);
        self
    }

    /// Shows this cluster, which it leads.
    #[must_use]
    pub fn cluster(mut self, cluster: Arc<dyn ClusterView>) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Listens nowhere: somebody else accepts what comes to these sockets. They are shown as this broker's.
    #[cfg(feature = "cluster")]
    #[must_use]
    pub(crate) fn front(mut self, front: Arc<Front>) -> Self {
        self.front = Some(front);
        self
    }

    /// Takes users, permissions and vhosts from a cluster's meta shard: it is a data shard's broker. For the cluster and its simulation.
    #[cfg(feature = "cluster")]
    #[doc(hidden)]
    #[must_use]
    pub fn meta(mut self, meta: Meta) -> Self {
        self.meta = Some(meta);
        self
    }

    /// Binds the addresses, opens the store, restores what is in it, and accepts connections.
    pub async fn start(mut self) -> Result<BrokerHandle, StartError> {
        // Addresses first: a second broker started by mistake fails before it touches anything.
        let Listeners { amqp: listeners, amqps: tls_listeners, http } = self.bind()?;
        let clock = self.clock.unwrap_or_else(Clock::system);
        let given = self.certificates(clock)?;
        let progress = self.store_progress.take().unwrap_or_default();
        let (failure, failed) = oneshot::channel();
        let is_ephemeral = self.store.is_none() && self.config.data_dir.is_none();
        let budget = Budget::of_process(http.is_there() || self.front.is_some());
        let opened = self.open_store(&progress, failure, budget, clock)?;
        let tls = given.or_make(&self.config, clock)?;
        let holds_data_dir = opened.store.is_some() || self.cluster.is_some();
        let control = ControlListener::bind(&self.config, holds_data_dir)?;
        let definitions = Definition::read_all(&opened.recovered.definitions).map_err(RecoveryError::from)?;
        let (first_queue, first_position) = (opened.recovered.first_queue_id, opened.recovered.next_position);
        let mut shared = Shared::new(self.config, clock, opened.handle, first_queue, first_position);
        shared.store_progress = progress;
        shared.cluster = self.cluster.take();
        share_memory(&mut shared, self.front.as_deref(), self.window, is_ephemeral);
        let shared = Arc::new(shared);
        let is_new = definitions.is_empty();
        recovery::restore(&shared, definitions, opened.recovered.queues)?;
        begin(&shared, self.meta.take(), is_new).await?;
        let front = self.front.as_ref().map(|front| &*front.sockets);
        let (addresses, tls_addresses) =
            (shown(front, Door::Amqp, &listeners), shown(front, Door::Amqps, &tls_listeners));
        let meter = self.meter.unwrap_or_else(|| alarms::system_meter(shared.config.data_dir.clone()));
        if shared.config.test {
            tracing::warn!("started with --test: clients may control time and plan faults");
            tokio::spawn(operations::keep_worlds(Arc::clone(&shared)));
        }
        tokio::spawn(alarm_watch::watch(Arc::clone(&shared), meter, self.give_back));
        let admission = Arc::new(Admission::new(shared.clock, budget.connections));
        let run = |listener, acceptor| {
            tokio::spawn(listener::run(Arc::clone(&shared), listener, Arc::clone(&admission), acceptor))
        };
        let bound = Entrance::Bound;
        let mut tasks: Vec<_> = listeners.into_iter().map(|listener| run(bound(listener), None)).collect();
        tasks.extend(tls_listeners.into_iter().map(|listener| run(bound(listener), tls.amqp.clone())));
        let carried_http = self.carried.map(|carried| {
            #[cfg(feature = "cluster")]
            tasks.push(take_copies(&shared, carried.copies));
            let Carried { amqp, amqps, api, .. } = carried;
            tasks.push(run(amqp, None));
            tasks.extend(tls.amqp.clone().map(|acceptor| run(amqps, Some(acceptor))));
            api
        });
        let (http_addresses, metrics_addresses) = (http.addresses(), http.metrics_addresses());
        let (https_addresses, metrics_tls_addresses) = (http.tls_addresses(), http.metrics_tls_addresses());
        let control_socket = control.path().map(Path::to_owned);
        let amqp = AmqpAddresses { plain: &addresses, tls: &tls_addresses };
        tasks.extend(http.serve(&shared, &amqp, &tls, budget.http_connections, control, carried_http));
        if front.is_none() {
            tasks.extend(tls.watch(&shared));
        }
        Ok(BrokerHandle {
            shared,
            addresses,
            tls_addresses,
            http_addresses,
            https_addresses,
            metrics_addresses,
            control_socket,
            metrics_tls_addresses,
            tls,
            tasks,
            store: opened.store,
            failed: Some(failed),
        })
    }

    /// What the settings say, or else what ends TLS before this broker.
    fn certificates(&self, clock: Clock) -> Result<Given, StartError> {
        match &self.front {
            Some(front) => Ok(Given::of(front.tls.clone())),
            None => Tls::given(&self.config, clock),
        }
    }

    fn bind(&self) -> Result<Listeners, StartError> {
        match (&self.front, &self.sockets) {
            (Some(front), _) => Ok(Listeners::none(&front.sockets)),
            (None, Some(sockets)) => sockets.listeners(&self.config),
            (None, None) => Listeners::bind(&self.config),
        }
    }

    fn open_store(
        &mut self,
        progress: &Arc<Notify>,
        failure: oneshot::Sender<store::Error>,
        budget: Budget,
        clock: Clock,
    ) -> Result<Opened, StartError> {
        if let Some((handle, recovered)) = self.store.take() {
            return Ok(Opened { store: None, handle, recovered });
        }
        let Some(dir) = &self.config.data_dir else {
            let recovered =
                Recovered { first_queue_id: 1, next_position: Position(1), ..Recovered::default() };
            return Ok(Opened { store: None, handle: StoreHandle::ephemeral(), recovered });
        };
        // A start on a full disk has the reserve to write to.
        Reserve::of(dir).release_if_needed(fs4::available_space(dir).unwrap_or(u64::MAX));
        let progress = Arc::clone(progress);
        let options = OpenOptions {
            dir: Path::new(dir).to_path_buf(),
            open_files_max: budget.store_files,
            clock: Box::new(move || clock.now()),
            on_commit: Box::new(move || progress.notify_waiters()),
            on_failure: Box::new(move |error| drop(failure.send(error))),
        };
        let (store, recovered) = store::open(options).map_err(|source| match source {
            store::Error::Version { .. } => StartError::Format { dir: dir.clone(), source },
            other => other.into(),
        })?;
        if let Some(healed) = &recovered.healed {
            tracing::warn!(healed, "the data directory was healed");
        }
        Ok(Opened { handle: store.handle(), store: Some(store), recovered })
    }
}

/// How much of queues may be in memory, and who counts it.
fn share_memory(shared: &mut Shared, front: Option<&Front>, window: Option<Window>, is_ephemeral: bool) {
    if let Some(front) = front {
        shared.ledger = Arc::clone(&front.ledger);
    }
    // Without a disk there is nowhere else to keep them.
    if !is_ephemeral {
        let setting = Window::of(shared.config.queue_bytes_in_memory);
        shared.window = window.unwrap_or(setting);
    }
}

struct Opened {
    store: Option<Store>,
    handle: StoreHandle,
    recovered: Recovered,
}

/// Brings in what does not come from the store: from the meta shard, or from the definitions file.
async fn begin(shared: &Arc<Shared>, meta: Option<Meta>, is_new: bool) -> Result<(), StartError> {
    if let Some(meta) = meta {
        meta.begin(shared).await;
        return Ok(());
    }
    import_file(shared, if is_new { Defaults::Add } else { Defaults::None }).await?;
    #[cfg(feature = "cluster")]
    operations::go_on_moving(shared).await;
    operations::ensure_cluster_id(shared).await.map_err(StartError::ClusterId)
}

/// Where a door is: the listeners' addresses, or those where others listen for this broker.
fn shown(front: Option<&Sockets>, door: Door, listeners: &[TcpListener]) -> Vec<SocketAddr> {
    front.map_or_else(|| http::addresses(listeners), |front| front.addresses(door))
}

/// What a definitions file that says nothing says.
const NO_DEFINITIONS: &str = "{}";

/// Imports the definitions file, if there is one; a new data directory gets the default vhost and user by the same way.
async fn import_file(shared: &Arc<Shared>, defaults: Defaults<'_>) -> Result<(), StartError> {
    let path = shared.config.definitions.clone().unwrap_or_default();
    let text = match &shared.config.definitions {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| StartError::DefinitionsFile { path: path.clone(), source })?,
        None if defaults == Defaults::None => return Ok(()),
        None => NO_DEFINITIONS.to_owned(),
    };
    let text = meta::without_elsewhere(shared, text);
    let imported = import::import(shared, &text, Target::of(&shared.config), defaults).await;
    let summary = imported.map_err(|error| StartError::Import { path, error })?;
    if let Some(path) = &shared.config.definitions {
        summary.log(&path.display().to_string(), Caller::Operator.logged());
    }
    Ok(())
}
