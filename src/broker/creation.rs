//! Making queues and exchanges, and the tasks that they need.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use amq_protocol::types::FieldTable;

use super::definitions::{Definition, QueueDefinition};
use super::feeding;
use super::journal::delay_queue_label;
use super::mailbox::Mailbox;
use super::queue_machine::Machine;
use super::queue_task::QueueTask;
use super::shared::Shared;
use super::vhost::{QueueRecord, Vhost};
use super::world::VhostClock;
use crate::message::{Position, QueueId};
use crate::queue::{
    Attempts, ConnectionId, DedupState, Queue, QueueOptions, RecoveredSegment, RecoveredStream,
};
use crate::statistics::{BrokerCounters, QueueStatistics};
use crate::store;
use crate::stream::{RecoveredCursors, Stream};
use crate::topology::ExchangeSpec;

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
pub struct RecoveredState {
    /// Its messages.
    pub segments: Vec<store::StoredSegment>,
    /// Everything at or below this may have been delivered before.
    pub delivered: Position,
    /// What was noted on those of them that had come back.
    pub attempts: Vec<(Position, Attempts)>,
    /// What it remembered of messages that came.
    pub dedup: DedupState,
    /// What there was of it, if it is a stream.
    pub stream: RecoveredStream,
    /// Its cursors.
    pub cursors: RecoveredCursors,
}

/// Makes a queue. The caller holds the [lock](Vhost::lock), has checked that the name is free, and waits until what is
/// [pending](Vhost::pending) is durable.
pub fn create_queue(shared: &Arc<Shared>, vhost: &Arc<Vhost>, new: NewQueue) -> Arc<QueueRecord> {
    let id = QueueId(shared.new_queue_id());
    if new.options.durable {
        let definition = QueueDefinition {
            name: new.name.clone(),
            id: id.0,
            auto_delete: new.options.auto_delete,
            arguments: new.arguments.clone(),
        };
        let put = Definition::Queue(vhost.name.clone(), definition).put();
        vhost.pending().submit(&shared.store, vec![put]);
    }
    let source = new.options.source.clone();
    let (record, task) = install(shared, vhost, id, new, shared.first_position(), RecoveredState::default());
    // What is published from now on is for it, or it is for those that wait.
    if let Some(source) = &source {
        feeding::announce(vhost, &record, source);
    } else if record.is_stream() {
        feeding::wake_up(vhost, &record);
    }
    task.spawn();
    shared.count(BrokerCounters { queues_created: 1, ..BrokerCounters::default() });
    record
}

/// Lets routing see a queue whose task is about to be started.
pub(super) fn install(
    shared: &Arc<Shared>,
    vhost: &Arc<Vhost>,
    id: QueueId,
    new: NewQueue,
    first_position: Position,
    recovered: RecoveredState,
) -> (Arc<QueueRecord>, QueueTask) {
    let (mailbox, receiver) = Mailbox::new(vhost.world.as_ref().map(|world| Arc::clone(&world.activity)));
    let label = match new.options.delays {
        true => delay_queue_label(&new.name).into(),
        false => new.name.as_str().into(),
    };
    let record = Arc::new(QueueRecord {
        id,
        name: new.name,
        label,
        durable: new.options.durable,
        auto_delete: new.options.auto_delete,
        owner: new.owner,
        arguments: new.arguments,
        default_ack_timeout_ms: shared.config.ack_timeout_ms,
        delays: new.options.delays,
        is_paused: AtomicBool::new(false),
        mailbox,
        statistics: QueueStatistics::new(shared.clock.now()),
        deleter: Mutex::default(),
    });
    let by_policy = vhost.effective_options(&record);
    let declared = |options: QueueOptions| match options.delays {
        true => options,
        false => options.with_default_ack_timeout(&record.arguments, record.default_ack_timeout_ms),
    };
    let mut options = by_policy.unwrap_or_else(|| declared(new.options));
    options.window = shared.window;
    let machine = machine(shared, &vhost.clock, options, first_position, recovered);
    vhost.add_queue(Arc::clone(&record));
    let task = QueueTask::new(Arc::clone(shared), Arc::clone(vhost), Arc::clone(&record), machine, receiver);
    (record, task)
}

fn machine(
    shared: &Shared,
    clock: &VhostClock,
    options: QueueOptions,
    first_position: Position,
    recovered: RecoveredState,
) -> Machine {
    let epoch = clock.epoch();
    if options.stream.is_some() {
        let mut stream = Stream::new(options, recovered.stream, epoch, shared.store.is_ephemeral());
        stream.restore_dedup(recovered.dedup);
        stream.restore_cursors(recovered.cursors);
        return Machine::Stream(Box::new(stream));
    }
    let mut queue = Queue::new(options, first_position, clock.now()).with_epoch(epoch);
    queue.restore(recovered.segments.into_iter().map(restored).collect(), recovered.delivered);
    queue.restore_attempts(recovered.attempts);
    queue.restore_dedup(recovered.dedup);
    Machine::Queue(Box::new(queue))
}

/// Lets routing see a new exchange, and starts what it needs.
pub fn add_exchange(shared: &Arc<Shared>, vhost: &Arc<Vhost>, exchange: ExchangeSpec) {
    let task = install_exchange(shared, vhost, exchange, None);
    task.into_iter().for_each(QueueTask::spawn);
}

/// Lets routing see an exchange, with what policies add to it. If it delays messages, the task of the queue where they
/// wait is about to be started; that has what an earlier run left, from the position given on.
pub(super) fn install_exchange(
    shared: &Arc<Shared>,
    vhost: &Arc<Vhost>,
    exchange: ExchangeSpec,
    recovered: Option<(Position, RecoveredState)>,
) -> Option<QueueTask> {
    let task = exchange.delay_queue.map(|id| {
        let (name, durable) = (exchange.name.clone(), exchange.durable);
        let options = QueueOptions { durable, delays: true, ..QueueOptions::default() };
        let new = NewQueue { name, owner: None, arguments: FieldTable::default(), options };
        let (first, recovered) =
            recovered.unwrap_or_else(|| (shared.first_position(), RecoveredState::default()));
        install(shared, vhost, QueueId(id), new, first, recovered).1
    });
    let alternate = vhost.policies().alternate_exchange(&exchange.name);
    vhost.topology.change(|topology| {
        let name = exchange.name.clone();
        topology.declare_exchange(exchange);
        topology.set_policy_alternate(&name, alternate);
    });
    task
}

pub(super) fn restored(segment: store::StoredSegment) -> RecoveredSegment {
    let store::StoredSegment { level, positions, body_bytes, encoded_bytes, may_expire } = segment;
    RecoveredSegment { level, positions, body_bytes, encoded_bytes, may_expire }
}
