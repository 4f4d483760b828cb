//! What all tasks of a broker share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dashmap::DashMap;
use tokio::sync::{Notify, watch};

use super::alarms::{Alarms, Limits, Machine};
use super::api_hook::ApiHook;
use super::clock::Clock;
use super::cluster_view::ClusterView;
use super::connections::ConnectionHandle;
use super::events::Listening;
use super::global_parameters::GlobalParameters;
use super::journal::{Journal, JournalLimits, Rule, Selector, note_fault};
use super::log_limits::LogLimits;
use super::sums::Sums;
use super::vhost::Vhost;
use super::world::{Snapshots, VhostClock, World, WorldFaults, WorldSettings};
use crate::auth::{Guesses, PatternError, Permission, UserTopicPermission, Users};
use crate::config::Config;
use crate::ledger::Ledger;
use crate::message::Position;
use crate::queue::dead_letter::Reason;
use crate::queue::{ConnectionId, Window};
use crate::statistics::{BrokerCounters, BrokerStatistics};
use crate::store::{Op, StoreHandle, Submission};
use crate::telemetry::{Counters, Reasons};
use crate::time::Timestamp;
use crate::topology::ExchangeSpec;

/// Above this many bytes waiting for the committer, queues wait before they take more mail: two full drains, so that the next
/// is there when one is committed. More is only memory.
const STORE_HIGH_BYTES: usize = 8 * 1024 * 1024;

/// Above this many bytes of pages on their way to the disk, queues wait, too: what is put out of memory must not pile up
/// there.
const PAGES_HIGH_BYTES: usize = 8 * 1024 * 1024;

/// Shared by all tasks.
#[derive(Debug)]
pub struct Shared {
    /// Settings.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
    /// The store.
    pub store: StoreHandle,
    /// Rung after each commit and each page.
    pub store_progress: Arc<Notify>,
    /// Virtual hosts by name.
    pub vhosts: DashMap<String, Arc<Vhost>>,
    /// Open connections.
    pub connections: DashMap<ConnectionId, Arc<ConnectionHandle>>,
    /// What is in memory, by kind.
    pub ledger: Arc<Ledger>,
    /// Counters.
    pub counters: Counters,
    /// What was opened, closed, made and deleted.
    pub totals: BrokerStatistics,
    /// How many lines clients may cause in the log.
    pub log_limits: LogLimits,
    /// What happened on channels, connections and queues, those that are gone included.
    pub sums: Sums,
    /// Why publishers are blocked, while they are.
    pub alarms: watch::Sender<Alarms>,
    /// Whether there is so little disk left that queues move no messages by themselves.
    pub disk_is_nearly_full: AtomicBool,
    machine: Mutex<Machine>,
    limits: Mutex<Limits>,
    /// Set when somebody asks for the broker to be stopped. Whoever runs it does so.
    pub stop_asked: watch::Sender<bool>,
    /// Set when the broker stops.
    pub stopping: watch::Sender<bool>,
    /// Held by whoever makes or deletes vhosts or changes users: an import, which does both, sees them as they stay.
    pub changes: tokio::sync::Mutex<()>,
    /// Rung when something came into this shard that has to be looked at as the meta shard has it now.
    #[cfg(feature = "cluster")]
    pub follow_again: Notify,
    /// Global parameters.
    pub global_parameters: GlobalParameters,
    /// Who is told what happens.
    pub events: Listening,
    /// The management API, for other fronts.
    pub api: ApiHook,
    /// The cluster that the broker leads, if it is one node of several.
    pub cluster: Option<Arc<dyn ClusterView>>,
    /// Snapshots of worlds.
    pub snapshots: Snapshots,
    users: RwLock<Users>,
    /// Who failed to log in lately.
    guesses: Mutex<Guesses>,
    next_connection: AtomicU64,
    next_queue: AtomicU64,
    /// How much of each queue is in memory.
    pub window: Window,
    /// First position of a queue that the store knows nothing of.
    first_position: Position,
}

/// An empty ledger of a process with these settings.
#[must_use]
pub fn ledger_of(config: &Config) -> Ledger {
    Ledger::new(Limits::of(config).memory())
}

impl Shared {
    /// The shared state of a broker that is starting.
    pub fn new(
        config: Config,
        clock: Clock,
        store: StoreHandle,
        first_queue: u64,
        first_position: Position,
    ) -> Self {
        let users = RwLock::new(Users::new(config.loopback_users.clone()));
        let (limits, ledger) = (Limits::of(&config), ledger_of(&config));
        let events = Listening::of(&config);
        Self {
            config,
            clock,
            store,
            store_progress: Arc::default(),
            vhosts: DashMap::new(),
            connections: DashMap::new(),
            ledger: Arc::new(ledger),
            counters: Counters::default(),
            totals: BrokerStatistics::new(clock.now()),
            log_limits: LogLimits::default(),
            sums: Sums::default(),
            alarms: watch::Sender::default(),
            disk_is_nearly_full: AtomicBool::new(false),
            machine: Mutex::default(),
            limits: Mutex::new(limits),
            stop_asked: watch::Sender::new(false),
            stopping: watch::Sender::new(false),
            changes: tokio::sync::Mutex::default(),
            #[cfg(feature = "cluster")]
            follow_again: Notify::new(),
            global_parameters: GlobalParameters::default(),
            events,
            api: ApiHook::default(),
            cluster: None,
            snapshots: Snapshots::default(),
            users,
            guesses: Mutex::default(),
            // 0 stands for the broker itself.
            next_connection: AtomicU64::new(1),
            next_queue: AtomicU64::new(first_queue),
            first_position,
            window: Window::UNLIMITED,
        }
    }

    /// An id for a new connection.
    pub fn new_connection_id(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// An id for a new queue.
    pub fn new_queue_id(&self) -> u64 {
        self.next_queue.fetch_add(1, Ordering::Relaxed)
    }

    /// The exchange with a queue for what has to wait, if it delays messages.
    pub fn with_delay_queue(&self, exchange: ExchangeSpec) -> ExchangeSpec {
        let delay_queue = exchange.delays().then(|| self.new_queue_id());
        ExchangeSpec { delay_queue, ..exchange }
    }

    /// A virtual host with nothing in it that is not predeclared.
    pub(super) fn new_vhost(&self, name: &str) -> Arc<Vhost> {
        self.new_world(name, None, None)
    }

    /// The same for a test, with these settings; its own clock, if it has one, shows `wall`, or else what they say. Without `--test`
    /// it is an ordinary one.
    pub(super) fn new_world(
        &self,
        name: &str,
        settings: Option<WorldSettings>,
        wall: Option<Timestamp>,
    ) -> Arc<Vhost> {
        let Config { journal_events: events, journal_bytes: bytes, .. } = self.config;
        let journal = Journal::new(JournalLimits { events, bytes }, &self.ledger);
        let world = self.config.test.then(|| Arc::new(World::new(settings, self.clock, wall)));
        if settings_journal(world.as_deref()) {
            let everything =
                Rule { selector: Selector::All, next: None, until: Timestamp::from_millis(u64::MAX) };
            // There is none yet.
            let _ = journal.recordings().begin(everything, Timestamp::default());
        }
        let clock = world.as_ref().map_or(VhostClock::System(self.clock), |world| world.clock.clone());
        let own = world.as_ref().and_then(|world| world.settings.as_ref()?.persona);
        let persona = own.unwrap_or(self.config.persona);
        let topology = self.events.new_topology(name);
        let vhost = Arc::new(Vhost::new(name, topology, journal, clock, world, persona));
        if let Some(world) = &vhost.world {
            note_faults(&vhost, &world.faults);
        }
        vhost
    }

    /// Where the positions of a new queue begin.
    pub const fn first_position(&self) -> Position {
        self.first_position
    }

    /// What the machine said when it was looked at last, a moment ago, and where alarms begin.
    pub fn machine(&self) -> Machine {
        *self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where alarms begin from now on.
    pub fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes where alarms begin.
    pub(super) fn change_limits(&self, change: impl FnOnce(&mut Limits)) {
        change(&mut self.limits.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// For whoever looks at the machine.
    pub(super) fn set_machine(&self, machine: Machine) {
        *self.machine.lock().unwrap_or_else(PoisonError::into_inner) = machine;
    }

    /// Looks at the users.
    pub fn users<T>(&self, look: impl FnOnce(&Users) -> T) -> T {
        look(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at, and notes, who failed to log in lately.
    pub fn guesses<T>(&self, look: impl FnOnce(&mut Guesses) -> T) -> T {
        look(&mut self.guesses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the users.
    pub fn change_users<T>(&self, change: impl FnOnce(&mut Users) -> T) -> T {
        change(&mut self.users.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets what a user may do on a vhost, at once for open connections, too.
    pub fn put_permission(
        &self,
        user: &str,
        vhost: &str,
        permission: Permission,
    ) -> Result<(), PatternError> {
        self.change_users(|users| users.put_permission(user, vhost, permission))?;
        self.forget_permitted(vhost);
        Ok(())
    }

    /// Sets which keys a user may use with a topic exchange, at once for open connections, too.
    pub fn put_topic_permission(&self, new: UserTopicPermission) {
        let vhost = new.vhost.clone();
        self.change_users(|users| users.put_topic_permission(new));
        self.forget_permitted(&vhost);
    }

    /// Makes sessions check again what they may do on a vhost.
    pub fn forget_permitted(&self, vhost: &str) {
        if let Some(vhost) = self.vhosts.get(vhost) {
            vhost.topology.invalidate_routes();
        }
    }

    /// Adds to the totals.
    pub fn count(&self, counted: BrokerCounters) {
        self.totals.add(self.clock.now(), &counted);
    }

    /// The vhost of this name.
    pub fn vhost(&self, name: &str) -> Option<Arc<Vhost>> {
        self.vhosts.get(name).map(|vhost| Arc::clone(&vhost))
    }

    /// The way to a connection.
    pub fn connection(&self, id: ConnectionId) -> Option<Arc<ConnectionHandle>> {
        self.connections.get(&id).map(|handle| handle.clone())
    }

    /// Submits to the store and waits until it is durable.
    pub async fn store_durably(&self, mut submission: Submission) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        submission.done = Some(Box::new(move || {
            // Whoever asked may have gone.
            let _ = sender.send(());
        }));
        self.store.submit(submission);
        // If the store failed, the answer never comes and the process ends: nobody is told of a success that is none.
        if receiver.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Writes definitions and waits until they are durable.
    pub async fn store_definitions(&self, ops: Vec<Op>) {
        if !ops.is_empty() {
            self.store_durably(Submission { ops, ..Submission::default() }).await;
        }
    }

    /// Waits while the store has too much to do of what the caller has submitted.
    pub async fn wait_for_store(&self, submitted: Submitted) {
        while self.store_is_behind(submitted) {
            let progress = self.store_progress.notified();
            if !self.store_is_behind(submitted) {
                return;
            }
            progress.await;
        }
    }

    fn store_is_behind(&self, submitted: Submitted) -> bool {
        (submitted.records && self.store.pending_bytes() > STORE_HIGH_BYTES)
            || (submitted.pages && self.store.pending_page_bytes() > PAGES_HIGH_BYTES)
    }
}

/// Rules that hit are noted in the journal, and whoever waits for them hears of it.
fn note_faults(vhost: &Arc<Vhost>, faults: &Arc<WorldFaults>) {
    let (vhost, world) = (Arc::downgrade(vhost), Arc::downgrade(faults));
    faults.rules.listen(move |firing| {
        let Some((vhost, world)) = vhost.upgrade().zip(world.upgrade()) else { return };
        note_fault(&vhost, firing);
        world.fired.notify_waiters();
    });
}

/// Whether the journal keeps everything.
fn settings_journal(world: Option<&World>) -> bool {
    world.and_then(|world| world.settings.as_ref()).is_some_and(|settings| settings.journal)
}

/// What a queue has submitted to the store since it last waited. One that submits nothing does not wait for what others did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Submitted {
    /// Changes of what is stored.
    pub records: bool,
    /// Messages to be put out of memory.
    pub pages: bool,
}

/// Randomness from the operating system, for secrets and names. Without it nothing here is safe to go on.
pub fn random_bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

/// Counts messages under the reason for which they left.
pub fn count_reason(reasons: &Reasons, reason: Reason, count: u64) {
    let counter = match reason {
        Reason::Rejected => &reasons.rejected,
        Reason::Expired => &reasons.expired,
        Reason::Maxlen => &reasons.maxlen,
        Reason::DeliveryLimit => &reasons.delivery_limit,
    };
    counter.add(count);
}

/// Waits until the broker stops.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender is gone only when all else is.
    drop(stopping.wait_for(|stopping| *stopping).await);
}
