//! Bringing back what an earlier run left: definitions, then the queues with what the store knows of their messages,
//! which stay there until they are needed.

use std::collections::HashMap;
use std::sync::Arc;

use super::creation::{NewQueue, RecoveredState, install, install_exchange, restored};
use super::definitions::{Definition, DefinitionError, QueueDefinition};
use super::queue_machine::LeftInStore;
use super::queue_task::QueueTask;
use super::shared::Shared;
use super::stream_log;
use super::vhost::Vhost;
use super::vhost_settings::VhostSettings;
use crate::message::{Position, QueueId};
use crate::queue::{Attempts, DedupState, QueueOptions};
use crate::store::{Op, RecoveredQueue, Submission};
use crate::stream::{RecoveredCursors, is_cursor_record};
use crate::topology::ExchangeSpec;

/// What is in the data directory cannot be understood: one line for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RecoveryError(String);

impl From<DefinitionError> for RecoveryError {
    fn from(error: DefinitionError) -> Self {
        Self(error.to_string())
    }
}

/// Puts back definitions and messages. Queues start when all is there: what expired in the meantime finds its way to a
/// dead-letter queue.
pub(crate) fn restore(
    shared: &Arc<Shared>,
    definitions: Vec<Definition>,
    mut queues: HashMap<QueueId, RecoveredQueue>,
) -> Result<(), RecoveryError> {
    let mut definitions = definitions;
    definitions.sort_by_key(rank);
    let mut tasks = Vec::new();
    restore_worlds(shared, &definitions);
    for definition in definitions {
        match definition {
            Definition::Vhost(name) => drop(vhost(shared, &name)),
            Definition::VhostSettings(name, settings) => vhost(shared, &name).set_settings(settings),
            // Of one that is no world any more, or was made above.
            Definition::WorldClock(..) => {}
            Definition::GlobalParameter(name, value) => drop(shared.global_parameters.put(&name, value)),
            Definition::User(user) => shared.change_users(|users| users.put(user)),
            Definition::Permission { user, vhost, permission } => {
                let put = shared.change_users(|users| users.put_permission(&user, &vhost, permission));
                put.map_err(|error| {
                    let text = format!("permission of user '{user}' on vhost '{vhost}': {error}");
                    RecoveryError(text)
                })?;
            }
            Definition::TopicPermission(permission) => {
                shared.change_users(|users| users.put_topic_permission(permission));
            }
            Definition::Policy(name, policy) => {
                let checked = policy.check(&name);
                let checked = checked.map_err(|error| RecoveryError(error.to_string()))?;
                vhost(shared, &name).put_policy(checked);
            }
            Definition::Exchange(name, exchange) => {
                let recovered = exchange.delay_queue.and_then(|id| queues.remove(&QueueId(id)));
                tasks.extend(restore_exchange(shared, &vhost(shared, &name), exchange, recovered)?);
            }
            Definition::Queue(name, definition) => {
                let recovered = queues.remove(&QueueId(definition.id));
                tasks.push(restore_queue(shared, &vhost(shared, &name), definition, recovered)?);
            }
            Definition::Binding(name, binding) => {
                vhost(shared, &name).topology.change(|topology| topology.bind(binding));
            }
        }
    }
    forget_orphans(shared, queues);
    tasks.into_iter().for_each(QueueTask::spawn);
    Ok(())
}

/// Bindings come after what they bind, policies before what they are for.
const fn rank(definition: &Definition) -> u8 {
    match definition {
        Definition::Vhost(_)
        | Definition::VhostSettings(..)
        | Definition::WorldClock(..)
        | Definition::GlobalParameter(..) => 0,
        Definition::User(_) => 1,
        Definition::Permission { .. } | Definition::TopicPermission(_) => 2,
        Definition::Policy(..) => 3,
        Definition::Exchange(..) => 4,
        Definition::Queue(..) => 5,
        Definition::Binding(..) => 6,
    }
}

/// Worlds come with their clocks, which go on where they were.
fn restore_worlds(shared: &Shared, definitions: &[Definition]) {
    for definition in definitions {
        let Definition::VhostSettings(name, VhostSettings { world: Some(settings), .. }) = definition else {
            continue;
        };
        let wall = definitions.iter().find_map(|definition| match definition {
            Definition::WorldClock(of, wall) if of == name => Some(*wall),
            _ => None,
        });
        let world = shared.new_world(name, Some(settings.clone()), wall);
        shared.vhosts.insert(name.clone(), world);
    }
}

/// The vhost of that name, made if need be.
pub(super) fn vhost(shared: &Shared, name: &str) -> Arc<Vhost> {
    let vhost = shared.vhosts.entry(name.to_owned()).or_insert_with(|| shared.new_vhost(name));
    Arc::clone(&vhost)
}

fn restore_queue(
    shared: &Arc<Shared>,
    vhost: &Arc<Vhost>,
    definition: QueueDefinition,
    recovered: Option<RecoveredQueue>,
) -> Result<QueueTask, RecoveryError> {
    let QueueDefinition { name, id, auto_delete, arguments } = definition;
    let thing = format!("queue '{name}' in vhost '{}'", vhost.name);
    let options = QueueOptions::parse(&thing, true, false, auto_delete, &arguments)
        .map_err(|error| RecoveryError(error.to_string()))?;
    let (first_position, state) = recovered_state(shared, &thing, recovered)?;
    let new = NewQueue { name, owner: None, arguments, options };
    let (_, task) = install(shared, vhost, QueueId(id), new, first_position, state);
    Ok(task)
}

/// The task of the queue where its messages wait, if it delays any.
fn restore_exchange(
    shared: &Arc<Shared>,
    vhost: &Arc<Vhost>,
    exchange: ExchangeSpec,
    recovered: Option<RecoveredQueue>,
) -> Result<Option<QueueTask>, RecoveryError> {
    let thing = format!("exchange '{}' in vhost '{}'", exchange.name, vhost.name);
    let state = recovered_state(shared, &thing, recovered)?;
    Ok(install_exchange(shared, vhost, exchange, Some(state)))
}

/// What an earlier run left of a queue, and where it goes on.
fn recovered_state(
    shared: &Shared,
    thing: &str,
    recovered: Option<RecoveredQueue>,
) -> Result<(Position, RecoveredState), RecoveryError> {
    let first_position = recovered.as_ref().map_or(shared.first_position(), |queue| queue.next_position);
    let RecoveredQueue { segments, delivered, notes, mut records, log, .. } = recovered.unwrap_or_default();
    let cursors: Vec<_> = records.extract_if(.., |(key, _)| is_cursor_record(key)).collect();
    let cursors = RecoveredCursors::restored(&cursors)
        .ok_or_else(|| RecoveryError(format!("a cursor of {thing} is unreadable")))?;
    let dedup = DedupState::restored(&records)
        .ok_or_else(|| RecoveryError(format!("what {thing} remembers of earlier messages is unreadable")))?;
    let attempts = attempts(thing, notes)?;
    let stream = log.map(stream_log::recovered).unwrap_or_default();
    let state = RecoveredState { segments, delivered, attempts, dedup, stream, cursors };
    Ok((first_position.max(Position(1)), state))
}

/// What the store has of a queue that lost the rest while the broker runs.
pub(crate) fn left_in_store(
    shared: &Shared,
    thing: &str,
    recovered: Option<RecoveredQueue>,
) -> Result<LeftInStore, RecoveryError> {
    let (_, state) = recovered_state(shared, thing, recovered)?;
    let RecoveredState { segments, delivered, attempts, dedup, .. } = state;
    let segments = segments.into_iter().map(restored).collect();
    Ok(LeftInStore { segments, delivered, attempts, dedup })
}

fn attempts(
    thing: &str,
    notes: Vec<(Position, Vec<u8>)>,
) -> Result<Vec<(Position, Attempts)>, RecoveryError> {
    let unreadable = || RecoveryError(format!("what is noted on messages of {thing} is unreadable"));
    let decode = |(position, note): (Position, Vec<u8>)| {
        Attempts::decode(&note).map(|attempts| (position, attempts)).ok_or_else(unreadable)
    };
    notes.into_iter().map(decode).collect()
}

/// Messages of queues that were deleted while the process ended.
fn forget_orphans(shared: &Shared, queues: HashMap<QueueId, RecoveredQueue>) {
    let ops: Vec<Op> = queues.into_keys().map(|queue| Op::DeleteQueue { queue }).collect();
    if !ops.is_empty() {
        shared.store.submit(Submission { ops, ..Submission::default() });
    }
}
