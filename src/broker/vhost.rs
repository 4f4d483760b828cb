//! A virtual host: its topology, its queues, and the lock under which both change.
//!
//! A declare is answered when its definition is durable and routing sees it: the change goes to the store first, then to
//! the topology, then the client hears of it.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use amq_protocol::types::FieldTable;
use dashmap::DashMap;
use tokio::sync::{Mutex, MutexGuard};

use super::definitions::{Definition, QueueDefinition};
use super::mailbox::{Mail, Mailbox};
use super::queue_task::QueueTask;
use super::shared::Shared;
use crate::message::{Position, QueueId};
use crate::policy::{CheckedPolicy, Policies, PolicyKind};
use crate::queue::options::OptionsError;
use crate::queue::{
    Attempts, Command, ConnectionId, Counts, DedupState, Queue, QueueOptions, RecoveredSegment, Reply,
};
use crate::session::Exception;
use crate::statistics::{QueueCounters, Recorder};
use crate::store::{self, Op, Submission};
use crate::topology::{Binding, ExchangeSpec, Removed, SharedTopology, TopologyError};

/// What the broker knows of a queue beside its messages.
#[derive(Debug)]
pub struct QueueRecord {
    /// Its id.
    pub id: QueueId,
    /// Its name.
    pub name: String,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The connection it belongs to, if it is exclusive.
    pub owner: Option<ConnectionId>,
    /// Declare arguments.
    pub arguments: FieldTable,
    /// It is where messages of the exchange of this name wait for their time. Routing knows no such queue.
    pub delays: bool,
    /// Its mailbox.
    pub mailbox: Mailbox,
    /// What has happened in it since it was made or the broker started.
    pub statistics: Recorder<QueueCounters, { QueueCounters::LEN }>,
}

impl QueueRecord {
    /// 405 unless the queue is open to this connection.
    pub fn check_access(&self, vhost: &str, connection: ConnectionId) -> Result<(), Exception> {
        match self.owner {
            Some(owner) if owner != connection => Err(locked(&self.name, vhost)),
            _ => Ok(()),
        }
    }
}

impl QueueRecord {
    /// The options that follow from its declare arguments alone.
    fn declared_options(&self, vhost: &str) -> Option<QueueOptions> {
        self.options(vhost, &self.arguments)
    }

    /// The options that follow from these arguments. They were checked before, declared ones and policies' alike.
    fn options(&self, vhost: &str, arguments: &FieldTable) -> Option<QueueOptions> {
        let thing = format!("queue '{}' in vhost '{vhost}'", self.name);
        let (exclusive, auto_delete) = (self.owner.is_some(), self.auto_delete);
        QueueOptions::parse(&thing, self.durable, exclusive, auto_delete, arguments)
            .inspect_err(|error| tracing::error!(%error, "checked arguments cannot be used together"))
            .ok()
    }
}

/// 405 with RabbitMQ's text.
pub fn locked(queue: &str, vhost: &str) -> Exception {
    let text = format!(
        "cannot obtain exclusive access to locked queue '{queue}' in vhost '{vhost}'. It could be originally declared on \
         another connection or the exclusive property value does not match that of the original declaration."
    );
    Exception::new(crate::protocol::reply::ReplyCode::ResourceLocked, text)
}

/// A queue to be made.
#[derive(Debug)]
pub struct NewQueue {
    /// The name.
    pub name: String,
    /// The connection it belongs to, if it is exclusive.
    pub owner: Option<ConnectionId>,
    /// Declare arguments.
    pub arguments: FieldTable,
    /// The same, parsed, with the queue's other properties.
    pub options: QueueOptions,
}

/// What an earlier run left of a queue.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Its messages.
    pub stretches: Vec<store::Stretch>,
    /// Everything at or below this may have been delivered before.
    pub delivered: Position,
    /// What was noted on those of them that had come back.
    pub attempts: Vec<(Position, Attempts)>,
    /// What it remembered of messages that came.
    pub seen: DedupState,
}

/// A virtual host.
#[derive(Debug)]
pub struct Vhost {
    /// The name.
    pub name: String,
    /// Exchanges, queue names, bindings.
    pub topology: Arc<SharedTopology>,
    queues: DashMap<QueueId, Arc<QueueRecord>>,
    policies: RwLock<Policies>,
    changes: Mutex<()>,
}

impl Vhost {
    /// An empty vhost: just the predeclared exchanges.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            topology: Arc::default(),
            queues: DashMap::new(),
            policies: RwLock::default(),
            changes: Mutex::new(()),
        }
    }

    /// Whoever changes exchanges, queues or bindings holds this.
    pub async fn lock(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().await
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

    /// The queue with this name, or 404; 405 if it belongs to another connection.
    pub fn open_queue(&self, name: &str, connection: ConnectionId) -> Result<Arc<QueueRecord>, Exception> {
        let record = self.queue_named(name).ok_or_else(|| self.no_queue(name))?;
        record.check_access(&self.name, connection)?;
        Ok(record)
    }

    /// 404 for a queue.
    #[must_use]
    pub fn no_queue(&self, name: &str) -> Exception {
        Exception::not_found(format!("no queue '{name}' in vhost '{}'", self.name))
    }

    /// Makes a queue. The caller holds the [lock](Self::lock) and has checked that the name is free.
    pub async fn create_queue(self: &Arc<Self>, shared: &Arc<Shared>, new: NewQueue) -> Arc<QueueRecord> {
        let id = QueueId(shared.new_queue_id());
        if new.options.durable {
            let definition = QueueDefinition {
                name: new.name.clone(),
                id: id.0,
                auto_delete: new.options.auto_delete,
                arguments: new.arguments.clone(),
            };
            self.store(shared, vec![Definition::Queue(self.name.clone(), definition).put()]).await;
        }
        let (record, task) = self.install(shared, id, new, shared.first_position(), Leftovers::default());
        task.spawn();
        record
    }

    /// Lets routing see a queue whose task is about to be started.
    pub(super) fn install(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        id: QueueId,
        new: NewQueue,
        first_position: Position,
        leftovers: Leftovers,
    ) -> (Arc<QueueRecord>, QueueTask) {
        let (mailbox, receiver) = Mailbox::new();
        let record = Arc::new(QueueRecord {
            id,
            name: new.name,
            durable: new.options.durable,
            auto_delete: new.options.auto_delete,
            owner: new.owner,
            arguments: new.arguments,
            delays: new.options.delays,
            mailbox,
            statistics: Recorder::new(shared.clock.now()),
        });
        let mut options = self.effective_options(&record).unwrap_or(new.options);
        options.window = shared.window;
        let queue = Queue::new(options, first_position, shared.clock.now());
        let mut queue = queue.with_epoch(shared.clock.epoch());
        queue.restore(leftovers.stretches.into_iter().map(restored).collect(), leftovers.delivered);
        queue.restore_attempts(leftovers.attempts);
        queue.restore_dedup(leftovers.seen);
        self.queues.insert(id, Arc::clone(&record));
        if !record.delays {
            self.topology.change(|topology| topology.add_queue(&record.name, id));
        }
        let task = QueueTask::new(Arc::clone(shared), Arc::clone(self), Arc::clone(&record), queue, receiver);
        (record, task)
    }

    /// Lets routing see a new exchange, and starts what it needs.
    pub fn add_exchange(self: &Arc<Self>, shared: &Arc<Shared>, exchange: ExchangeSpec) {
        let task = self.install_exchange(shared, exchange, None);
        task.into_iter().for_each(QueueTask::spawn);
    }

    /// Lets routing see an exchange, with what policies add to it. If it delays messages, the task of the queue where they
    /// wait is about to be started; that has what an earlier run left, from the position given on.
    pub(super) fn install_exchange(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        exchange: ExchangeSpec,
        leftovers: Option<(Position, Leftovers)>,
    ) -> Option<QueueTask> {
        let task = exchange.delay_queue.map(|id| {
            let (name, durable) = (exchange.name.clone(), exchange.durable);
            let options = QueueOptions { durable, delays: true, ..QueueOptions::default() };
            let new = NewQueue { name, owner: None, arguments: FieldTable::default(), options };
            let (first, leftovers) =
                leftovers.unwrap_or_else(|| (shared.first_position(), Leftovers::default()));
            self.install(shared, QueueId(id), new, first, leftovers).1
        });
        let alternate = self.policies().alternate_exchange(&exchange.name);
        self.topology.change(|topology| {
            let name = exchange.name.clone();
            topology.declare_exchange(exchange);
            topology.set_policy_alternate(&name, alternate);
        });
        task
    }

    fn policies(&self) -> RwLockReadGuard<'_, Policies> {
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
    pub fn apply_policies(&self) {
        for record in self.queues.iter().filter(|record| !record.delays) {
            let options = self.effective_options(&record).or_else(|| record.declared_options(&self.name));
            if let Some(options) = options {
                // A queue that is ending needs no options.
                let _ = record.mailbox.send(Mail::Tell(Command::Configure(Box::new(options))));
            }
        }
        let policies = self.policies();
        self.topology.change(|topology| {
            let names: Vec<String> = topology.exchanges().map(|exchange| exchange.name.clone()).collect();
            for name in names {
                topology.set_policy_alternate(&name, policies.alternate_exchange(&name));
            }
        });
    }

    /// A queue's options with what policies add to them; `None` if no policy applies.
    fn effective_options(&self, record: &QueueRecord) -> Option<QueueOptions> {
        if record.delays {
            return None;
        }
        let arguments = self.policies().queue_arguments(&record.name, &record.arguments)?;
        record.options(&self.name, &arguments)
    }

    /// Deletes a queue with what hangs on it; gives the ready messages that were in it. The caller holds the lock.
    pub async fn delete_queue(
        &self,
        shared: &Shared,
        record: &QueueRecord,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<usize, Exception> {
        let thing = format!("queue '{}' in vhost '{}'", record.name, self.name);
        let reply = record.mailbox.ask(crate::queue::Command::Delete { if_unused, if_empty }).await;
        let messages = match reply {
            Some(Reply::Deleted(messages)) => messages,
            Some(Reply::InUse) => return Err(Exception::precondition_failed(format!("{thing} in use"))),
            Some(Reply::NotEmpty) => {
                return Err(Exception::precondition_failed(format!("{thing} not empty")));
            }
            // It came to its end by itself just now.
            _ => 0,
        };
        self.remove(shared, record).await;
        Ok(messages)
    }

    /// A queue came to its end by itself.
    pub async fn forget_queue(&self, shared: &Shared, record: &QueueRecord) {
        let _lock = self.lock().await;
        self.remove(shared, record).await;
    }

    async fn remove(&self, shared: &Shared, record: &QueueRecord) {
        if self.queues.remove(&record.id).is_none() {
            return;
        }
        let removed = self.topology.change(|topology| {
            // The name may be another queue's by now.
            (topology.queue(&record.name) == Some(record.id)).then(|| topology.remove_queue(&record.name))
        });
        let mut ops = self.forget(removed.unwrap_or_default());
        if record.durable {
            let (name, id) = (record.name.clone(), record.id.0);
            let definition =
                QueueDefinition { name, id, auto_delete: false, arguments: FieldTable::default() };
            ops.push(Definition::Queue(self.name.clone(), definition).remove());
        }
        self.store(shared, ops).await;
    }

    /// Asks a queue for its numbers; a queue that just went has none.
    pub async fn counts(record: &QueueRecord) -> Option<Counts> {
        match record.mailbox.ask(crate::queue::Command::Inspect).await {
            Some(Reply::Counts(counts)) => Some(counts),
            _ => None,
        }
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
            crate::topology::Destination::Exchange(name) => durable_exchange(name),
            crate::topology::Destination::Queue(name) => {
                topology.queue(name).and_then(|id| self.queue(id)).is_some_and(|record| record.durable)
            }
        };
        destination && durable_exchange(&binding.source)
    }

    /// Writes definitions and waits until they are durable.
    pub async fn store(&self, shared: &Shared, ops: Vec<Op>) {
        if !ops.is_empty() {
            shared.store_durably(Submission { ops, ..Submission::default() }).await;
        }
    }
}

fn restored(stretch: store::Stretch) -> RecoveredSegment {
    let store::Stretch { level, positions, body_bytes, encoded_bytes, may_expire } = stretch;
    RecoveredSegment { level, positions, body_bytes, encoded_bytes, may_expire }
}

impl From<TopologyError> for Exception {
    fn from(error: TopologyError) -> Self {
        use crate::protocol::reply::ReplyCode;
        let (code, text) = match error {
            TopologyError::NotFound(text) => (ReplyCode::NotFound, text),
            TopologyError::AccessRefused(text) => (ReplyCode::AccessRefused, text),
            TopologyError::PreconditionFailed(text) => (ReplyCode::PreconditionFailed, text),
        };
        Self::new(code, text)
    }
}

impl From<OptionsError> for Exception {
    fn from(error: OptionsError) -> Self {
        Self::precondition_failed(error.to_string())
    }
}
