//! Snapshots of worlds: taken, and made again in a new world.

use std::sync::Arc;
use std::time::Duration;

use super::in_world::{require_test, world_of};
use super::peeking::{PeekedMessage, peek_record};
use super::scope::{Caller, Scope};
use crate::broker::error::OperationError;
use crate::broker::export;
use crate::broker::import::{self, Defaults, Target};
use crate::broker::mailbox::Mail;
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::broker::world::{SNAPSHOT_BYTES_MAX, Snapshot, SnapshotMessage, SnapshotPlace, SnapshotState};
use crate::message::Position;
use crate::queue::{Attempts, Command, ConnectionId, PEEK_MAX, Peek, PeekState, Publish, Restored};
use crate::time::{Time, Timestamp};

/// How long a world may take to be quiet, in real time.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// Messages that a queue is given at a time.
const AT_A_TIME: usize = 1000;

/// Takes a snapshot of a world, and keeps it under this name: what is declared, and the messages in every state; what is unacked is in it as ready. Exclusive
/// queues, what queues remember of duplicates, and cursors of streams are not. It is consistent: nothing changes in the world's queues but by clients.
///
/// # Errors
/// `NotTesting`; `Snapshot` for a world that does not come to rest or is too large.
pub async fn take_snapshot(scope: Scope<'_>, name: &str) -> Result<Arc<Snapshot>, OperationError> {
    let world = world_of(scope.shared, scope.vhost)?.world;
    let quiet = scope.shared.clock.within(QUIET_MAX, world.activity.quiet()).await;
    quiet.ok_or_else(|| failed("the world does not come to rest: stop publishing to it first"))?;
    let _lock = scope.lock().await?;
    let mut snapshot = Snapshot {
        taken: scope.vhost.clock.timestamp(),
        definitions: export::of_vhost(scope.shared, scope.vhost),
        messages: Vec::new(),
    };
    let mut records = scope.vhost.queues();
    records.retain(|record| record.owner.is_none());
    records.sort_by(|one, other| (one.delays, &one.name).cmp(&(other.delays, &other.name)));
    let mut bytes = 0;
    for record in records {
        let taken = of_queue(scope, &record).await?;
        bytes += taken.iter().map(|message| message.message.encoded_len()).sum::<usize>();
        if bytes > SNAPSHOT_BYTES_MAX {
            return Err(failed(&format!("its messages have more than {SNAPSHOT_BYTES_MAX} bytes")));
        }
        snapshot.messages.extend(taken);
    }
    let snapshots = &scope.shared.snapshots;
    snapshots.put(name, snapshot).map_err(OperationError::Snapshot)?;
    snapshots.get(name).ok_or_else(|| failed("it was deleted just now"))
}

fn failed(why: &str) -> OperationError {
    OperationError::Snapshot(why.to_owned())
}

async fn of_queue(scope: Scope<'_>, record: &QueueRecord) -> Result<Vec<SnapshotMessage>, OperationError> {
    let states: &[PeekState] = match (record.delays, record.is_stream()) {
        (true, _) => &[PeekState::Scheduled],
        (_, true) => &[PeekState::From(Position(0))],
        _ => &[PeekState::Ready, PeekState::Unacked, PeekState::Delayed, PeekState::Parked],
    };
    let mut found = Vec::new();
    for state in states {
        found.extend(in_state(scope, record, *state).await);
    }
    let counts = record.look().await.unwrap_or_default();
    let expected = match record.is_stream() {
        // What readers have of it is still there for others.
        true => counts.ready,
        false => counts.ready + counts.unacked + counts.delayed + counts.parked,
    };
    if found.len() != expected {
        let (name, found) = (&record.label, found.len());
        return Err(failed(&format!(
            "of {expected} messages in '{name}' {found} could be read: clients change it, or it is too long"
        )));
    }
    // Also those that consumers have: each returns to its position.
    found.sort_by_key(|message| message.position);
    Ok(found.into_iter().filter_map(|message| of_message(record, message)).collect())
}

async fn in_state(scope: Scope<'_>, record: &QueueRecord, state: PeekState) -> Vec<PeekedMessage> {
    let mut found: Vec<PeekedMessage> = Vec::new();
    loop {
        let state = match (state, found.last()) {
            (PeekState::From(_), Some(last)) => PeekState::From(last.position.next()),
            _ => state,
        };
        let offset = if matches!(state, PeekState::From(_)) { 0 } else { found.len() };
        let next = peek_record(scope, record, Peek { state, offset, limit: PEEK_MAX }).await;
        // Of large ones not all that were looked at are read at once.
        let next: Vec<_> = next.into_iter().take_while(|message| message.message.is_some()).collect();
        if next.is_empty() {
            return found;
        }
        found.extend(next);
    }
}

fn of_message(record: &QueueRecord, peeked: PeekedMessage) -> Option<SnapshotMessage> {
    let place = match record.delays {
        true => SnapshotPlace::Exchange(record.name.clone()),
        false => SnapshotPlace::Queue(record.name.clone()),
    };
    let is_held = peeked.holder.is_some();
    let state = SnapshotState {
        priority: peeked.priority,
        redelivered: peeked.redelivered || is_held,
        expires: peeked.expires,
        wait: peeked.wait.zip(peeked.due),
        attempts: peeked.attempts,
    };
    Some(SnapshotMessage { place, message: peeked.message?, state })
}

/// Puts what a snapshot has into a world that was just made. Times move with the clocks: what had 5 s to wait has them still.
///
/// # Errors
/// `Snapshot`: definitions that this broker does not take.
pub(super) async fn restore_snapshot(
    shared: &Arc<Shared>,
    vhost: &Arc<Vhost>,
    snapshot: &Snapshot,
) -> Result<(), OperationError> {
    let json = snapshot.definitions.to_string();
    let imported = import::import(shared, &json, Target::Vhost(&vhost.name), Defaults::None).await;
    imported.map_err(|error| OperationError::Snapshot(error.to_string()))?;
    let shift = Shift { taken: snapshot.taken, now: vhost.clock.timestamp(), epoch: vhost.clock.epoch() };
    let mut messages = snapshot.messages.iter().peekable();
    while let Some(first) = messages.next() {
        let mut some = vec![first];
        while some.len() < AT_A_TIME
            && let Some(next) = messages.next_if(|next| next.place == first.place)
        {
            some.push(next);
        }
        if let Some(record) = record(vhost, &first.place) {
            // It was made just now, and nobody else knows it.
            let _ = record.mailbox.send(Mail::Tell(command(&record, &some, shift)));
        }
    }
    if let Some(world) = &vhost.world {
        world.activity.quiet().await;
    }
    Ok(())
}

fn record(vhost: &Vhost, place: &SnapshotPlace) -> Option<Arc<QueueRecord>> {
    match place {
        SnapshotPlace::Queue(name) => vhost.queue_named(name),
        SnapshotPlace::Exchange(name) => {
            vhost.queues().into_iter().find(|record| record.delays && record.name == *name)
        }
    }
}

fn command(record: &QueueRecord, messages: &[&SnapshotMessage], shift: Shift) -> Command {
    if record.is_stream() {
        let publishes = messages.iter().map(|it| Publish {
            message: it.message.clone(),
            channel: 0,
            sequence: 0,
            ttl_ms: None,
            priority: 0,
        });
        return Command::Publish(ConnectionId(0), publishes.collect());
    }
    Command::Restore(messages.iter().map(|it| shift.restored(it)).collect())
}

/// From the clock of one world to that of another.
#[derive(Clone, Copy)]
struct Shift {
    taken: Timestamp,
    now: Timestamp,
    epoch: Timestamp,
}

impl Shift {
    fn restored(self, snapshot: &SnapshotMessage) -> Restored {
        let SnapshotState { priority, redelivered, expires, wait, attempts } = snapshot.state.clone();
        Restored {
            message: snapshot.message.clone(),
            priority,
            expires: expires.map_or(Time::NEVER, |at| self.time(at)),
            redelivered,
            wait: wait.map(|(kind, until)| (kind, self.time(until))),
            attempts: attempts.map(|attempts| self.attempts(attempts)),
        }
    }

    fn attempts(self, attempts: Attempts) -> Attempts {
        Attempts {
            first: self.wall(attempts.first),
            last: self.wall(attempts.last),
            wait: attempts.wait.map(|(kind, until)| (kind, self.wall(until))),
            ..attempts
        }
    }

    fn wall(self, at: Timestamp) -> Timestamp {
        let ms = (at.as_millis() + self.now.as_millis()).saturating_sub(self.taken.as_millis());
        Timestamp::from_millis(ms)
    }

    fn time(self, at: Timestamp) -> Time {
        Time::ZERO.plus_ms(self.wall(at).as_millis().saturating_sub(self.epoch.as_millis()))
    }
}

/// The snapshot of this name.
///
/// # Errors
/// `NoSnapshot`.
pub fn snapshot(shared: &Shared, name: &str) -> Result<Arc<Snapshot>, OperationError> {
    shared.snapshots.get(name).ok_or_else(|| OperationError::NoSnapshot(name.to_owned()))
}

/// Who may see snapshots, which have messages of any world: administrators, and whoever runs the broker.
///
/// # Errors
/// `NotTesting`, `NotTagged`.
pub fn require_snapshots(shared: &Shared, caller: Caller<'_>) -> Result<(), OperationError> {
    require_test(shared)?;
    caller.require_administrator(shared)
}
