//! Starting, embedding and stopping a broker.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::alarms::{self, Limits, Meter, Readings};
use super::clock::Clock;
use super::connection::{self, Stream};
use super::definitions::{Definition, DefinitionError};
use super::import::{self, Defaults, ImportError};
use super::shared::Shared;
use super::vhost::{QueueRecord, Vhost};
use super::{listener, recovery};
use crate::config::Config;
use crate::message::Position;
use crate::policy::{Policy, PolicyError, PolicyKind};
use crate::queue::{Command, Counts, Reply, Window};
use crate::store::{self, OpenOptions, Recovered, Store, StoreHandle};
use crate::telemetry::Counters;

/// How long connections have to say goodbye when the broker stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// Why a broker could not start. Each text is one line for its user.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The data directory could not be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What is in it could not be understood.
    #[error("{0}")]
    Definition(String),
    /// The definitions file could not be read.
    #[error("cannot read the definitions file {}", path.display())]
    DefinitionsFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The definitions could not be imported; nothing of them was.
    #[error("{}: {error}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// The object and what is wrong with it.
        error: ImportError,
    },
}

impl From<DefinitionError> for StartError {
    fn from(error: DefinitionError) -> Self {
        Self::Definition(error.to_string())
    }
}

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
        BrokerBuilder { config: Config::default(), clock: None, store: None, meter: None, window: None }
    }
}

/// Settings of a broker that is not yet started.
pub struct BrokerBuilder {
    config: Config,
    clock: Option<Clock>,
    store: Option<(StoreHandle, Recovered)>,
    meter: Option<Meter>,
    window: Option<Window>,
}

impl BrokerBuilder {
    /// All settings at once.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Listens on this address only; port 0 picks a free one.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.config.listen = vec![address];
        self
    }

    /// Listens nowhere: connections come by [`BrokerHandle::attach`].
    #[must_use]
    pub fn detached(mut self) -> Self {
        self.config.listen.clear();
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

    /// Tells the time by this clock.
    #[must_use]
    pub const fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Uses a store that is open already: for simulations. Nobody tells the broker when that one gets on, so a queue that
    /// has given it more than 8 MiB at once waits for ever.
    #[must_use]
    pub fn store(mut self, handle: StoreHandle, recovered: Recovered) -> Self {
        self.store = Some((handle, recovered));
        self
    }

    /// Keeps these parts of each queue in memory, not those that follow from the settings: for simulations.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    /// Learns by this how much memory it uses and how much of its disk is free, not from the operating system: for tests
    /// of the alarms.
    #[must_use]
    pub fn meter(mut self, meter: impl FnMut() -> Readings + Send + 'static) -> Self {
        self.meter = Some(Box::new(meter));
        self
    }

    /// Binds the addresses, opens the store, restores what is in it, and accepts connections.
    pub async fn start(mut self) -> Result<BrokerHandle, StartError> {
        // Addresses first: a second broker started by mistake fails before it touches anything.
        let mut listeners = Vec::new();
        for address in &self.config.listen {
            let bound = listener::bind(*address).await;
            listeners.push(bound.map_err(|source| StartError::Listen { address: *address, source })?);
        }
        let progress = Arc::<Notify>::default();
        let (failure, failed) = oneshot::channel();
        let is_ephemeral = self.store.is_none() && self.config.data_dir.is_none();
        let opened = self.open_store(&progress, failure)?;
        let definitions = Definition::read_all(&opened.recovered.definitions)?;
        let clock = self.clock.unwrap_or_else(Clock::system);
        let (first_queue, first_position) = (opened.recovered.first_queue_id, opened.recovered.next_position);
        let mut shared = Shared::new(self.config, clock, opened.handle, first_queue, first_position);
        shared.store_progress = progress;
        // Without a disk there is nowhere else to keep them.
        if !is_ephemeral {
            let setting = Window::of(shared.config.queue_bytes_in_memory);
            shared.window = self.window.unwrap_or(setting);
        }
        let shared = Arc::new(shared);
        let is_new = definitions.is_empty();
        recovery::restore(&shared, definitions, opened.recovered.queues)?;
        import_file(&shared, if is_new { Defaults::Add } else { Defaults::None }).await?;
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let limits = Limits::of(&shared.config);
        let meter = self.meter.unwrap_or_else(|| alarms::system_meter(shared.config.data_dir.clone()));
        tokio::spawn(alarms::watch(Arc::clone(&shared), limits, meter));
        let run = |listener| tokio::spawn(listener::run(Arc::clone(&shared), listener));
        let tasks = listeners.into_iter().map(run).collect();
        Ok(BrokerHandle { shared, addresses, tasks, store: opened.store, failed: Some(failed) })
    }

    fn open_store(
        &mut self,
        progress: &Arc<Notify>,
        failure: oneshot::Sender<store::Error>,
    ) -> Result<Opened, store::Error> {
        if let Some((handle, recovered)) = self.store.take() {
            return Ok(Opened { store: None, handle, recovered });
        }
        let Some(dir) = &self.config.data_dir else {
            let recovered =
                Recovered { first_queue_id: 1, next_position: Position(1), ..Recovered::default() };
            return Ok(Opened { store: None, handle: StoreHandle::ephemeral(), recovered });
        };
        let progress = Arc::clone(progress);
        let options = OpenOptions {
            dir: Path::new(dir).to_path_buf(),
            on_commit: Box::new(move || progress.notify_waiters()),
            on_failure: Box::new(move |error| drop(failure.send(error))),
        };
        let (store, recovered) = store::open(options)?;
        if let Some(healed) = &recovered.healed {
            tracing::warn!(healed, "the data directory was healed");
        }
        Ok(Opened { handle: store.handle(), store: Some(store), recovered })
    }
}

struct Opened {
    store: Option<Store>,
    handle: StoreHandle,
    recovered: Recovered,
}

/// What a definitions file that says nothing says.
const NO_DEFINITIONS: &str = "{}";

/// Imports the definitions file, if there is one; a new data directory gets the default vhost and user by the same way.
async fn import_file(shared: &Arc<Shared>, defaults: Defaults) -> Result<(), StartError> {
    let path = shared.config.definitions.clone().unwrap_or_default();
    let text = match &shared.config.definitions {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| StartError::DefinitionsFile { path: path.clone(), source })?,
        None if defaults == Defaults::None => return Ok(()),
        None => NO_DEFINITIONS.to_owned(),
    };
    let imported = import::import(shared, &text, defaults).await;
    let summary = imported.map_err(|error| StartError::Import { path, error })?;
    if let Some(path) = &shared.config.definitions {
        summary.tell(&path.display().to_string());
    }
    Ok(())
}

/// A queue of a running broker, for the program that runs it.
#[derive(Clone, Debug)]
pub struct QueueHandle {
    record: Arc<QueueRecord>,
}

impl QueueHandle {
    /// Numbers about it; `None` if it is gone.
    pub async fn counts(&self) -> Option<Counts> {
        Vhost::counts(&self.record).await
    }

    /// Makes all its parked messages ready; how many they were, `None` if it is gone.
    pub async fn release_parked(&self) -> Option<usize> {
        match self.record.mailbox.ask(Command::ReleaseParked).await? {
            Reply::Released(count) => Some(count),
            _ => None,
        }
    }

    /// Drops all its parked messages; how many they were, `None` if it is gone.
    pub async fn drop_parked(&self) -> Option<usize> {
        match self.record.mailbox.ask(Command::DropParked).await? {
            Reply::Dropped(count) => Some(count),
            _ => None,
        }
    }
}

/// A running broker.
pub struct BrokerHandle {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
    store: Option<Store>,
    failed: Option<oneshot::Receiver<store::Error>>,
}

impl BrokerHandle {
    /// The addresses it listens on, in the order of the settings, with the ports that were picked.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The first of them.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// What it counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The queue of that name in a vhost, if it is there.
    #[must_use]
    pub fn queue(&self, vhost: &str, name: &str) -> Option<QueueHandle> {
        let vhost = self.shared.vhosts.get(vhost)?;
        vhost.queue_named(name).map(|record| QueueHandle { record })
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.len()
    }

    /// Serves a connection over any stream, as if its peer had connected over loopback.
    pub fn attach(&self, stream: impl Stream) -> JoinHandle<()> {
        let config = listener::session_config(&self.shared.config);
        let peer = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        tokio::spawn(connection::run(Arc::clone(&self.shared), stream, peer, config))
    }

    /// Imports definitions in RabbitMQ's JSON format (<https://www.rabbitmq.com/docs/definitions>). Users, permissions and
    /// policies are overwritten; vhosts, exchanges, queues and bindings are made if they are not there. Objects without
    /// a vhost belong to the default one. Answers when all is durable and in use.
    ///
    /// # Errors
    /// The first fault found: then nothing was changed.
    pub async fn import_definitions(&self, json: &str) -> Result<(), ImportError> {
        import::import(&self.shared, json, Defaults::None).await?.tell("the embedding program");
        Ok(())
    }

    /// Adds or replaces a policy (<https://www.rabbitmq.com/docs/policies>). Answers when it is durable and every queue
    /// and exchange has been told: what a client does from then on finds it in force.
    ///
    /// # Errors
    /// No such vhost, or what [`Policy::check`] refuses: then nothing was changed.
    pub async fn put_policy(&self, vhost: &str, policy: Policy) -> Result<(), PolicyError> {
        let found = self.shared.vhosts.get(vhost).map(|vhost| Arc::clone(&vhost));
        let Some(found) = found else { return Err(PolicyError::no_vhost(&policy.name, vhost)) };
        let checked = policy.check(vhost)?;
        let _lock = found.lock().await;
        let definition = Definition::Policy(vhost.to_owned(), checked.policy.clone());
        found.store(&self.shared, vec![definition.put()]).await;
        found.put_policy(checked);
        found.apply_policies();
        Ok(())
    }

    /// Removes a policy; `false` if there is none such. Answers as [`put_policy`](Self::put_policy) does.
    pub async fn remove_policy(&self, vhost: &str, kind: PolicyKind, name: &str) -> bool {
        let found = self.shared.vhosts.get(vhost).map(|vhost| Arc::clone(&vhost));
        let Some(found) = found else { return false };
        let _lock = found.lock().await;
        if !found.has_policy(kind, name) {
            return false;
        }
        found.store(&self.shared, vec![Definition::remove_policy(vhost, kind, name)]).await;
        found.remove_policy(kind, name);
        found.apply_policies();
        true
    }

    /// Stops taking publishes: publishers are told why (connection.blocked) and their sockets are not read until
    /// [`unblock`](Self::unblock). Consumers go on.
    pub fn block(&self, reason: &str) {
        self.shared.alarms.send_modify(|alarms| alarms.by_hand = Some(reason.to_owned()));
    }

    /// Takes publishes again.
    pub fn unblock(&self) {
        self.shared.alarms.send_modify(|alarms| alarms.by_hand = None);
    }

    /// Waits until the store fails. What was confirmed is safe; nothing more can be, so the process should end.
    pub async fn failed(&mut self) -> store::Error {
        match self.failed.as_mut() {
            Some(failed) => match failed.await {
                Ok(error) => error,
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// Stops: tells clients (320 CONNECTION_FORCED), waits a while for them, flushes confirms, syncs and closes the store.
    pub async fn shutdown(mut self) -> Result<(), store::Error> {
        self.shared.stopping.send_replace(true);
        let tasks = std::mem::take(&mut self.tasks);
        let all_gone = async {
            for task in tasks {
                // A listener that panicked has nothing more to wait for.
                let _ = task.await;
            }
        };
        let clock = self.shared.clock;
        if clock.within(GOODBYE, all_gone).await.is_none() {
            tracing::warn!("some connections did not end in time");
        }
        let Some(store) = self.store.take() else { return Ok(()) };
        let closed = tokio::task::spawn_blocking(move || store.shutdown()).await;
        closed.unwrap_or(Err(store::Error::Stopped))
    }
}
