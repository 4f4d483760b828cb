//! Queues: declare, find, delete, list.

use std::sync::Arc;

use amq_protocol::types::FieldTable;

use super::pausing::pause_by_rules;
use super::portability;
use super::scope::{Caller, Scope};
use super::streams::stream;
use crate::auth::Operation;
use crate::broker::creation::{NewQueue, create_queue};
use crate::broker::error::{Kind, OperationError};
use crate::broker::events::Event;
use crate::broker::names::generated;
use crate::broker::pending_definitions::Mark;
use crate::broker::removal::{DeleteIf, end_queue, forget_queue};
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::ledger;
use crate::persona::{Call, Place, QueueCall, QueueKind, Refused};
use crate::queue::options::OptionsError;
use crate::queue::{Counts, QueueOptions, options};
use crate::statistics::BrokerCounters;
use crate::stream::{Filter, WrongFilter};
use crate::topology::equivalence::{self, QueueForm};

/// Names that begin so belong to the broker.
const RESERVED_PREFIX: &str = "amq.";

/// A queue as it is declared.
#[derive(Clone, Debug, Default)]
pub struct DeclareQueue {
    /// The name; empty: the broker gives it one.
    pub name: String,
    /// Survives a restart.
    pub durable: bool,
    /// Belongs to the connection that declares it, and ends with it. Without a connection there is nobody for it to
    /// belong to: then it is refused.
    pub exclusive: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// Arguments.
    pub arguments: FieldTable,
}

/// A queue that was declared.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The queue.
    pub record: Arc<QueueRecord>,
    /// Its numbers.
    pub counts: Counts,
    /// Made just now.
    pub is_new: bool,
}

/// A queue with its numbers of this moment.
#[derive(Clone, Debug)]
pub struct QueueState {
    /// The queue.
    pub record: Arc<QueueRecord>,
    /// Its numbers.
    pub counts: Counts,
}

/// Makes the queue, or finds an equivalent one. It is durable, if it is to be, and routing sees it.
///
/// # Errors
/// `Reserved`, `AccessRefused`, `Options` (arguments that no queue can have), `Locked`, `NoVhost`, `Topology` (there is one
/// that differs), `NotFound` or `NotAStream` (what it is to be fed from), `QueueLimit`, `NoMemory`, `NoRandomness` for a name.
pub async fn declare_queue(scope: Scope<'_>, declare: DeclareQueue) -> Result<Declared, OperationError> {
    let server_named = declare.name.is_empty();
    let mut declare = with_name(declare)?;
    let DeclareQueue { durable, exclusive, auto_delete, ref mut arguments, .. } = declare;
    let default = scope.vhost.settings().default_queue_type;
    default.put_in(arguments, durable && !exclusive && !auto_delete);
    let call = queue_call(scope, &declare, server_named);
    let refused = portability::examine(scope, &call);
    scope.permit(Operation::QueueDeclare(&declare.name))?;
    loop {
        let (record, is_new, mark) = find_or_create(scope, &declare, refused.as_ref()).await?;
        scope.vhost.pending().durable(mark).await;
        if let Some(counts) = record.counts().await {
            scope.shared.count(BrokerCounters { queues_declared: 1, ..BrokerCounters::default() });
            return Ok(Declared { record, counts, is_new });
        }
        // It came to its end by itself just now: as if it had never been.
        forget_queue(scope.shared, scope.vhost, &record).await;
    }
}

fn with_name(mut declare: DeclareQueue) -> Result<DeclareQueue, OperationError> {
    if declare.name.starts_with(RESERVED_PREFIX) {
        return Err(OperationError::Reserved { kind: Kind::Queue, name: declare.name });
    }
    if declare.name.is_empty() {
        declare.name = generated("amq.gen-").map_err(|_| OperationError::NoRandomness)?;
    }
    Ok(declare)
}

fn queue_call<'a>(scope: Scope<'a>, declare: &'a DeclareQueue, server_named: bool) -> Call<'a> {
    let DeclareQueue { durable, exclusive, auto_delete, ref arguments, .. } = *declare;
    Call::Queue(QueueCall {
        place: Place { name: &declare.name, vhost: &scope.vhost.name },
        kind: QueueKind::of(arguments),
        durable,
        exclusive,
        auto_delete,
        server_named,
        arguments,
    })
}

/// The options of a new queue. What the vhost's persona refuses comes after arguments with values that make no sense, and before flags that
/// do not go together, as in RabbitMQ.
fn parse_options(
    thing: &str,
    declare: &DeclareQueue,
    refused: Option<&Refused>,
) -> Result<QueueOptions, OperationError> {
    let DeclareQueue { durable, exclusive, auto_delete, ref arguments, .. } = *declare;
    let Some(refused) = refused else {
        return Ok(QueueOptions::parse(thing, durable, exclusive, auto_delete, arguments)?);
    };
    let mut others = arguments.inner().clone();
    others.remove(refused.found.as_str());
    let others = FieldTable::from(others);
    match QueueOptions::parse(thing, durable, exclusive, auto_delete, &others) {
        Err(wrong @ (OptionsError::Invalid { .. } | OptionsError::Type { .. })) => Err(wrong.into()),
        _ => Err(refused.clone().into()),
    }
}

async fn find_or_create(
    scope: Scope<'_>,
    declare: &DeclareQueue,
    refused: Option<&Refused>,
) -> Result<(Arc<QueueRecord>, bool, Mark), OperationError> {
    let _lock = scope.lock().await?;
    let pending = scope.vhost.pending();
    if let Some(record) = scope.vhost.queue_named(&declare.name) {
        // What differs from the queue that is there differs, whether or not a new queue could have it.
        check_equivalent(scope, &record, declare)?;
        return Ok((record, false, pending.mark()));
    }
    check_limit(scope, &declare.name)?;
    scope.require_memory(ledger::Kind::Queues, "queues")?;
    let thing = format!("queue '{}' in vhost '{}'", declare.name, scope.vhost.name);
    let options = parse_options(&thing, declare, refused)?;
    let owner = match (declare.exclusive, scope.caller) {
        (false, _) => None,
        (true, Caller::Connection { id, .. }) => Some(id),
        (true, Caller::Operator | Caller::User(_)) => {
            let (queue, vhost) = (declare.name.clone(), scope.vhost.name.clone());
            return Err(OperationError::Locked { queue, vhost });
        }
    };
    if let Some(source) = &options.source {
        // It has to be there, and the caller has to have the right to read it.
        stream(scope, &source.stream)?;
        Filter::parse(&source.arguments).map_err(|WrongFilter { key, expected }| {
            let why = format!("\"expected {expected}\"");
            OptionsError::Invalid { key, thing: thing.clone(), why }
        })?;
    }
    let dead_letter_exchange = options.dead_letter_exchange.as_deref();
    scope.permit(Operation::QueueCreate(&declare.name, dead_letter_exchange))?;
    let (name, arguments) = (declare.name.clone(), declare.arguments.clone());
    let record = create_queue(scope.shared, scope.vhost, NewQueue { name, owner, arguments, options });
    if let Some(world) = &scope.vhost.world {
        pause_by_rules(&world.faults, &record);
    }
    scope.tell(&Event::QueueCreated { vhost: &scope.vhost.name, queue: &record });
    Ok((record, true, pending.mark()))
}

/// Refuses a queue more than the vhost may have.
fn check_limit(scope: Scope<'_>, queue: &str) -> Result<(), OperationError> {
    let limits = scope.vhost.settings().limits.unwrap_or_default();
    let Some(limit) = limits.max_queues else { return Ok(()) };
    let is_reached = |most: usize| scope.vhost.topology.read().queue_count() >= most;
    if usize::try_from(limit).is_ok_and(is_reached) {
        let (queue, vhost) = (queue.to_owned(), scope.vhost.name.clone());
        return Err(OperationError::QueueLimit { queue, vhost, limit });
    }
    Ok(())
}

fn check_equivalent(
    scope: Scope<'_>,
    record: &QueueRecord,
    declare: &DeclareQueue,
) -> Result<(), OperationError> {
    scope.check_owner(record)?;
    if declare.exclusive != record.owner.is_some() {
        return Err(scope.locked(record));
    }
    // An exclusive queue is not durable whatever was asked for.
    let durable = declare.durable && !declare.exclusive;
    let received = QueueForm { durable, auto_delete: declare.auto_delete, arguments: &declare.arguments };
    let keys = options::compared(&record.arguments);
    Ok(equivalence::check_queue(&record.name, &scope.vhost.name, &keys, record.form(), received)?)
}

/// The queue of this name with its numbers: a passive declare, which counts as a use of the queue.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`.
pub async fn find_queue(scope: Scope<'_>, name: &str) -> Result<QueueState, OperationError> {
    loop {
        scope.permit(Operation::QueueFind(name))?;
        let record = scope.open_queue(name)?;
        if let Some(counts) = record.counts().await {
            portability::note_find(scope, &record);
            scope.shared.count(BrokerCounters { queues_declared: 1, ..BrokerCounters::default() });
            return Ok(QueueState { record, counts });
        }
        // It came to its end by itself just now: as if it had never been.
        forget_queue(scope.shared, scope.vhost, &record).await;
    }
}

/// Deletes a queue with its bindings; gives the ready messages that were in it. Deleting what is not there succeeds, as in
/// RabbitMQ since 3.2.
///
/// # Errors
/// `AccessRefused`, `Locked`, `NoVhost`, `InUse`, `NotEmpty`.
pub async fn delete_queue(scope: Scope<'_>, name: &str, only: DeleteIf) -> Result<usize, OperationError> {
    scope.permit(Operation::QueueDelete(name))?;
    let vhost = scope.vhost;
    let (deleted, mark) = match vhost.queue_named(name) {
        Some(record) => {
            scope.check_owner(&record)?;
            record.set_deleter(Some(scope.caller.name()));
            let ended = end_queue(vhost, &record, only).await;
            let deleted = ended.inspect_err(|_| record.set_deleter(None))?;
            (deleted, forget_queue(scope.shared, vhost, &record).await)
        }
        None => {
            let _lock = scope.lock().await?;
            (0, vhost.pending().mark())
        }
    };
    vhost.pending().durable(mark).await;
    Ok(deleted)
}

/// A connection ended: its exclusive queues go with it.
pub async fn delete_owned_queues(shared: &Shared, vhost: &Vhost, owned: Vec<Arc<QueueRecord>>) {
    for record in owned {
        match end_queue(vhost, &record, DeleteIf::default()).await {
            Ok(_) => {
                forget_queue(shared, vhost, &record).await;
            }
            Err(error) => {
                tracing::error!(queue = record.name, %error, "an exclusive queue could not be deleted");
            }
        }
    }
}

/// The queue of this name, whoever it belongs to.
///
/// # Errors
/// `NotFound`.
pub fn queue(scope: Scope<'_>, name: &str) -> Result<Arc<QueueRecord>, OperationError> {
    scope.vhost.queue_named(name).ok_or_else(|| scope.no_queue(name))
}

/// All queues of the vhost, by name; those of delayed exchanges are not among them.
#[must_use]
pub fn queues(scope: Scope<'_>) -> Vec<Arc<QueueRecord>> {
    scope.vhost.declared_queues()
}

/// Queues, each with its vhost.
pub type QueuesOfVhosts = Vec<(Arc<Vhost>, Arc<QueueRecord>)>;

/// A page of all queues of these vhosts, by vhost and name: so many without the first `skipped`, and how many there are in all.
#[must_use]
pub fn page_of_queues(vhosts: &[Arc<Vhost>], mut skipped: usize, count: usize) -> (QueuesOfVhosts, usize) {
    let (mut page, mut total) = (Vec::new(), 0);
    for vhost in vhosts {
        let there = vhost.declared_queue_count();
        total += there;
        if skipped < there && page.len() < count {
            let some = vhost.some_queues(skipped, count - page.len());
            page.extend(some.into_iter().map(|record| (Arc::clone(vhost), record)));
        }
        skipped = skipped.saturating_sub(there);
    }
    (page, total)
}
