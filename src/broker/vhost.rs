//! A virtual host: its exchanges, queues and policies, and the lock under which they change.
//!
//! A declare is answered when its definition is durable and routing sees it: under the lock the change is submitted to the store
//! and made in the topology; without it the client waits for the disk, and hears of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use amq_protocol::types::FieldTable;
use dashmap::DashMap;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use super::definitions::Definition;
use super::journal::Journal;
use super::lint::Lint;
use super::mailbox::{Mail, Mailbox};
use super::pending_definitions::PendingDefinitions;
use super::queue_names::QueueNames;
use super::uninterrupted::each_in_turn;
use super::vhost_settings::VhostSettings;
use super::world::{VhostClock, World};
use crate::auth::Quota;
use crate::message::QueueId;
use crate::persona::Persona;
use crate::policy::{CheckedPolicy, Policies, PolicyKind, SettingInForce};
use crate::queue::options::{QueueType, SOURCE, Source, queue_type};
use crate::queue::{Command, ConnectionId, Counts, Details, Measures, QueueOptions, Reply};
use crate::statistics::{
    ChannelCounters, ChannelStatistics, ConnectionCounters, ConnectionStatistics, QueueStatistics,
};
use crate::store::Op;
use crate::time::Time;
use crate::topology::equivalence::QueueForm;
use crate::topology::{Binding, Destination, Removed, SharedTopology};

/// What the broker knows of a queue beside its messages.
#[derive(Debug)]
pub struct QueueRecord {
    /// Its id.
    pub id: QueueId,
    /// Its name.
    pub name: String,
    /// What events of the journal call it.
    pub label: Arc<str>,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The connection it belongs to, if it is exclusive.
    pub owner: Option<ConnectionId>,
    /// Declare arguments.
    pub arguments: FieldTable,
    /// How long a message may be unacked where no argument and no policy says it; 0 for ever. In ms.
    pub default_ack_timeout_ms: u32,
    /// It is where messages of the exchange of this name wait for their time. Routing knows no such queue.
    pub delays: bool,
    /// Whether a test wants it to deliver nothing.
    pub is_paused: AtomicBool,
    /// Its mailbox.
    pub mailbox: Mailbox,
    /// What has happened in it since it was made or the broker started.
    pub statistics: QueueStatistics,
    /// Who has it deleted, for events; nobody if it ends by itself.
    pub(super) deleter: Mutex<Option<Box<str>>>,
}

impl QueueRecord {
    /// Asks the queue for its numbers; one that just went has none.
    pub async fn counts(&self) -> Option<Counts> {
        match self.mailbox.ask(Command::Inspect).await {
            Some(Reply::Counts(counts)) => Some(counts),
            _ => None,
        }
    }

    /// How many messages it has: a look, which is no use of it. One that just went has none.
    pub async fn look(&self) -> Option<Counts> {
        match self.mailbox.ask(Command::Count).await {
            Some(Reply::Counts(counts)) => Some(counts),
            _ => None,
        }
    }

    /// What metrics want to know about it, as with [`look`](Self::look).
    pub async fn measure(&self) -> Option<Measures> {
        match self.mailbox.ask(Command::Measure).await {
            Some(Reply::Measured(measures)) => Some(measures),
            _ => None,
        }
    }

    /// All that there is to know about it, as with [`look`](Self::look).
    pub async fn details(&self) -> Option<Box<Details>> {
        match self.mailbox.ask(Command::Describe).await {
            Some(Reply::Described(details)) => Some(details),
            _ => None,
        }
    }

    /// Whether it is a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        queue_type(&self.arguments) == QueueType::Stream
    }

    /// The stream that it is fed from, if it is.
    pub(super) fn source(&self, vhost: &str) -> Option<Box<Source>> {
        // Few queues are: only the arguments of those are read.
        let is_fed = self.arguments.inner().contains_key(SOURCE);
        is_fed.then(|| self.declared_options(vhost)).flatten()?.source
    }

    /// Notes who has it deleted; nobody after all if that was refused.
    pub(super) fn set_deleter(&self, deleter: Option<&str>) {
        *self.deleter.lock().unwrap_or_else(PoisonError::into_inner) = deleter.map(Into::into);
    }

    /// Who has it deleted.
    pub(super) fn deleter(&self) -> Option<Box<str>> {
        self.deleter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It as its declare described it.
    #[must_use]
    pub const fn form(&self) -> QueueForm<'_> {
        QueueForm { durable: self.durable, auto_delete: self.auto_delete, arguments: &self.arguments }
    }

    /// The options that follow from its declare arguments alone.
    pub(super) fn declared_options(&self, vhost: &str) -> Option<QueueOptions> {
        self.options(vhost, &self.arguments)
    }

    /// The options that follow from these arguments. They were checked before, declared ones and policies' alike.
    fn options(&self, vhost: &str, arguments: &FieldTable) -> Option<QueueOptions> {
        let thing = format!("queue '{}' in vhost '{vhost}'", self.name);
        let (exclusive, auto_delete) = (self.owner.is_some(), self.auto_delete);
        QueueOptions::parse(&thing, self.durable, exclusive, auto_delete, arguments)
            .inspect_err(|error| tracing::error!(%error, "checked arguments cannot be used together"))
            .ok()
            .map(|options| options.with_default_ack_timeout(arguments, self.default_ack_timeout_ms))
    }
}

/// What happened on the channels and connections of a vhost since it was made or the broker started.
#[derive(Debug, Default)]
pub struct VhostStatistics {
    /// On their channels.
    pub channels: ChannelStatistics,
    /// Over their sockets.
    pub connections: ConnectionStatistics,
}

impl VhostStatistics {
    /// Adds what a batch counted.
    pub(crate) fn add_some(&self, now: Time, channels: &ChannelCounters, connections: &ConnectionCounters) {
        if !channels.is_zero() {
            self.channels.add(now, channels);
        }
        if !connections.is_zero() {
            self.connections.add(now, connections);
        }
    }
}

/// A virtual host.
#[derive(Debug)]
pub struct Vhost {
    /// The name.
    pub name: String,
    /// Exchanges, queue names, bindings.
    pub topology: Arc<SharedTopology>,
    /// What its connections did, those that are gone included.
    pub statistics: VhostStatistics,
    /// What happened to its messages and on its connections lately.
    pub journal: Journal,
    /// What its queues are told the time by.
    pub clock: VhostClock,
    /// What it has beside the usual when tests control the broker.
    pub world: Option<Arc<World>>,
    /// Which broker it stands in for.
    pub persona: Persona,
    /// What its clients did that other brokers do not do alike.
    pub lint: Lint,
    settings: RwLock<Arc<VhostSettings>>,
    connections: Arc<Quota>,
    queues: DashMap<QueueId, Arc<QueueRecord>>,
    queue_names: QueueNames<QueueRecord>,
    policies: RwLock<Policies>,
    changes: AsyncMutex<()>,
    pending: PendingDefinitions,
    is_deleted: AtomicBool,
    /// Counts what closes it to clients because it is, or will be, another shard's.
    closings: AtomicU64,
}

/// Somebody who changes something in a vhost without a connection.
#[derive(Debug)]
pub struct Visit {
    vhost: Arc<Vhost>,
    /// There is nothing in it here: what changes is what is said of it.
    is_elsewhere: bool,
    closings: u64,
}

impl Visit {
    /// Whether all that was done since is part of what a copy in another shard would have. What says that the vhost is closed, and can be
    /// copied, is stored after that has become untrue.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        let settings = self.vhost.settings();
        let Some(home) = settings.home.filter(|_| !self.is_elsewhere) else { return true };
        let is_same = self.vhost.closings.load(Ordering::Acquire) == self.closings;
        home.is_open() && is_same && !self.vhost.is_deleted()
    }
}

impl Vhost {
    /// An empty vhost: just the predeclared exchanges.
    #[must_use]
    pub fn new(
        name: &str,
        topology: SharedTopology,
        journal: Journal,
        clock: VhostClock,
        world: Option<Arc<World>>,
        persona: Persona,
    ) -> Self {
        Self {
            name: name.to_owned(),
            topology: Arc::new(topology),
            statistics: VhostStatistics::default(),
            journal,
            clock,
            world,
            persona,
            lint: Lint::default(),
            settings: RwLock::default(),
            connections: Arc::default(),
            queues: DashMap::new(),
            queue_names: QueueNames::default(),
            policies: RwLock::default(),
            changes: AsyncMutex::new(()),
            pending: PendingDefinitions::default(),
            is_deleted: AtomicBool::new(false),
            closings: AtomicU64::new(0),
        }
    }

    /// Its settings as they are now.
    #[must_use]
    pub fn settings(&self) -> Arc<VhostSettings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes its settings, for what comes from now on. The caller has made sure that they are durable.
    pub(super) fn set_settings(&self, settings: VhostSettings) {
        self.topology.set_traced(settings.tracing);
        self.connections.set_limit(settings.limits.and_then(|limits| limits.max_connections));
        if settings.home.is_some_and(|home| !home.is_open()) {
            self.closings.fetch_add(1, Ordering::AcqRel);
        }
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Whether it moves from here to another shard.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.settings().home.is_some_and(|home| home.is_leaving())
    }

    /// For whoever is about to change something here without a connection, which a move waits for.
    #[must_use]
    pub fn visit(self: &Arc<Self>) -> Visit {
        let is_elsewhere = self.settings().home.is_some_and(|home| home.is_elsewhere());
        Visit { vhost: Arc::clone(self), is_elsewhere, closings: self.closings.load(Ordering::Acquire) }
    }

    /// How many connections it has, and may have.
    #[must_use]
    pub const fn connections(&self) -> &Arc<Quota> {
        &self.connections
    }

    /// Changes on their way to the disk.
    #[must_use]
    pub const fn pending(&self) -> &PendingDefinitions {
        &self.pending
    }

    /// Whoever changes exchanges, queues, bindings or policies holds this. Nobody waits for the disk or for a queue with it,
    /// but who deletes the whole vhost, in which nobody else has anything to do then.
    pub async fn lock(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().await
    }

    /// Whether it was deleted: connections may still hold it then, but nothing is made in it any more. Known for sure under
    /// the [lock](Self::lock).
    pub fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    /// Nothing is made in it any more. The caller holds the lock.
    pub(super) fn mark_deleted(&self) {
        self.is_deleted.store(true, Ordering::Release);
    }

    /// The queue with this id.
    #[must_use]
    pub fn queue(&self, id: QueueId) -> Option<Arc<QueueRecord>> {
        self.queues.get(&id).map(|record| Arc::clone(&record))
    }

    /// The queue with this name.
    #[must_use]
    pub fn queue_named(&self, name: &str) -> Option<Arc<QueueRecord>> {
        let id = self.topology.read().queue(name)?;
        self.queue(id)
    }

    /// All its queues as they are now, also those where messages of delayed exchanges wait; in no order.
    #[must_use]
    pub fn queues(&self) -> Vec<Arc<QueueRecord>> {
        self.queues.iter().map(|record| Arc::clone(&record)).collect()
    }

    /// The queues that clients know of: all but those where messages of delayed exchanges wait; by name.
    #[must_use]
    pub fn declared_queues(&self) -> Vec<Arc<QueueRecord>> {
        self.some_queues(0, usize::MAX)
    }

    /// How many they are.
    #[must_use]
    pub fn declared_queue_count(&self) -> usize {
        self.queue_names.len()
    }

    /// So many of them in the order of their names, without the first `skipped`.
    #[must_use]
    pub fn some_queues(&self, skipped: usize, count: usize) -> Vec<Arc<QueueRecord>> {
        self.queue_names.some(skipped, count)
    }

    /// Lets routing see a queue.
    pub(super) fn add_queue(&self, record: Arc<QueueRecord>) {
        let (id, name, delays) = (record.id, record.name.clone(), record.delays);
        self.queues.insert(id, Arc::clone(&record));
        if !delays {
            self.queue_names.add(&record.label, Arc::clone(&record));
            self.topology.change(|topology| topology.add_queue(&name, id));
        }
    }

    /// Takes a queue out of sight, with its bindings and what hangs on them; `None` if that was done before.
    pub(super) fn remove_queue(&self, record: &QueueRecord) -> Option<Removed> {
        self.queues.remove(&record.id)?;
        self.queue_names.remove(&record.label, record);
        if let Some(world) = &self.world {
            world.dead.forget(record.id);
        }
        let removed = self.topology.change(|topology| {
            // The name may be another queue's by now.
            (topology.queue(&record.name) == Some(record.id)).then(|| topology.remove_queue(&record.name))
        });
        Some(removed.unwrap_or_default())
    }

    /// Its policies.
    pub fn policies(&self) -> RwLockReadGuard<'_, Policies> {
        self.policies.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds or replaces a policy, for [`apply_policies`](Self::apply_policies) to apply. The caller holds the lock.
    pub fn put_policy(&self, policy: CheckedPolicy) {
        self.policies.write().unwrap_or_else(PoisonError::into_inner).put(policy);
    }

    /// Removes a policy; whether it was there. As with [`put_policy`](Self::put_policy).
    pub fn remove_policy(&self, kind: PolicyKind, name: &str) -> bool {
        self.policies.write().unwrap_or_else(PoisonError::into_inner).remove(kind, name).is_some()
    }

    /// Whether there is such a policy.
    pub fn has_policy(&self, kind: PolicyKind, name: &str) -> bool {
        self.policies().iter().any(|policy| policy.kind == kind && policy.name == name)
    }

    /// Configures every queue and exchange anew by the policies as they are now. Mail that queues get after this finds
    /// them configured. The caller holds the lock.
    pub async fn apply_policies(&self) {
        each_in_turn(self.queues(), |record| self.configure(&record)).await;
        let exchanges = self.exchange_names();
        each_in_turn(exchanges, |name| {
            let alternate = self.policies().alternate_exchange(&name);
            self.topology.change(|topology| topology.set_policy_alternate(&name, alternate));
        })
        .await;
    }

    /// Tells a queue what its options are by the policies as they are now.
    fn configure(&self, record: &QueueRecord) {
        if record.delays {
            return;
        }
        let options = self.effective_options(record).or_else(|| record.declared_options(&self.name));
        if let Some(options) = options {
            // A queue that is ending needs no options.
            let _ = record.mailbox.send(Mail::Tell(Command::Configure(Box::new(options))));
        }
    }

    /// The names of all its exchanges.
    #[must_use]
    pub fn exchange_names(&self) -> Vec<String> {
        self.topology.read().exchanges().map(|exchange| exchange.name.clone()).collect()
    }

    /// A queue's options with what policies add to them; `None` if no policy applies.
    pub(super) fn effective_options(&self, record: &QueueRecord) -> Option<QueueOptions> {
        if record.delays {
            return None;
        }
        let arguments = self.policies().queue_arguments(&record.name, &record.arguments)?;
        record.options(&self.name, &arguments)
    }

    /// A setting of a queue as it is in force; `None` if nobody said anything of it.
    #[must_use]
    pub fn setting(&self, record: &QueueRecord, argument: &'static str) -> Option<SettingInForce> {
        self.policies().setting(&record.name, &record.arguments, argument)
    }

    /// Store operations that forget what a change of the topology took away.
    #[must_use]
    pub fn forget(&self, removed: Removed) -> Vec<Op> {
        let vhost = &self.name;
        removed
            .exchanges
            .iter()
            .filter_map(|exchange| exchange.delay_queue)
            .for_each(|id| self.end_delays(id));
        let exchanges = removed.exchanges.into_iter().filter(|exchange| exchange.durable);
        let exchanges = exchanges.map(|exchange| Definition::Exchange(vhost.clone(), exchange).remove());
        let bindings = removed.bindings.into_iter();
        let bindings = bindings.map(|binding| Definition::Binding(vhost.clone(), binding).remove());
        exchanges.chain(bindings).collect()
    }

    /// The exchange is gone, and with it what waited for its time there, as in RabbitMQ's plugin.
    fn end_delays(&self, delay_queue: u64) {
        if let Some((_, record)) = self.queues.remove(&QueueId(delay_queue)) {
            // It can only have come to its end before.
            let _ = record.mailbox.send(Mail::Tell(Command::Delete { if_unused: false, if_empty: false }));
        }
    }

    /// Whether a binding outlives a restart: both of its ends have to.
    #[must_use]
    pub fn is_durable(&self, binding: &Binding) -> bool {
        let topology = self.topology.read();
        let durable_exchange = |name: &str| topology.exchange(name).is_some_and(|exchange| exchange.durable);
        let destination = match &binding.destination {
            Destination::Exchange(name) => durable_exchange(name),
            Destination::Queue(name) => {
                topology.queue(name).and_then(|id| self.queue(id)).is_some_and(|record| record.durable)
            }
        };
        destination && durable_exchange(&binding.source)
    }
}
