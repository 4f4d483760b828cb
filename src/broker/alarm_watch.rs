//! Looks at the machine while the broker runs, and raises and clears alarms.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;

use super::alarms::{Limits, Machine, Meter, Readings};
use super::connections::EndReason;
use super::events::{Event, tell};
use super::give_back::{GiveBack, Trimmer};
use super::shared::{Shared, stopped};
use crate::ledger::{Kind, Share};
use crate::store::Reserve;

/// How often the machine is looked at. A publisher on this machine sends some 100 MB meanwhile.
const INTERVAL: Duration = Duration::from_millis(100);

/// Looks at the machine until the broker stops.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn watch(shared: Arc<Shared>, mut meter: Meter, give_back: Option<GiveBack>) {
    let mut trimmer = Trimmer::new(give_back);
    let mut reserve = shared.config.data_dir.as_deref().map(Reserve::of);
    let mut definitions = Share::new(Arc::clone(&shared.ledger), Kind::Definitions);
    let mut stopping = shared.stopping.subscribe();
    let short = Arc::<Notify>::default();
    let tell = Arc::clone(&short);
    shared.store.when_short_of_disk(move || tell.notify_one());
    loop {
        definitions.set(definition_bytes(&shared));
        let limits = shared.limits();
        let mut readings = meter();
        readings.known_bytes += shared.ledger.total() as u64;
        shared.set_machine(Machine { readings, limits });
        shared.ledger.set_short(limits.is_nearly_reached(readings));
        shared.store.set_disk_limit(limits.disk_free);
        let owed = shared.store.disk_owed();
        let left =
            Readings { disk_free: readings.disk_free.map(|free| free.saturating_sub(owed)), ..readings };
        shared.disk_is_nearly_full.store(limits.disk_is_nearly_full(left), Ordering::Relaxed);
        check_alarms(&shared, limits, readings, left);
        shared.store.set_short_of_disk(shared.alarms.borrow().disk);
        make_room(&shared);
        look_after_reserve(&mut reserve, limits, readings);
        trimmer.look(shared.clock.now(), readings);
        let next = shared.clock.now() + INTERVAL;
        tokio::select! {
            () = shared.clock.wait_for(Some(next)) => {}
            () = short.notified() => {}
            () = stopped(&mut stopping) => return,
        }
    }
}

/// What exchanges, bindings and queue names take in memory, about.
fn definition_bytes(shared: &Shared) -> usize {
    shared.vhosts.iter().map(|vhost| vhost.topology.read().footprint()).sum()
}

/// The store's reserve is there while there is room for it, and goes when it is needed.
fn look_after_reserve(kept: &mut Option<Reserve>, limits: Limits, readings: Readings) {
    let (Some(reserve), Some(free)) = (&kept, readings.disk_free) else { return };
    if !reserve.release_if_needed(free)
        && limits.has_room_for_reserve(readings)
        && let Err(error) = reserve.keep()
    {
        tracing::warn!(%error, "no room can be kept on the disk for the day when it is full");
        *kept = None;
    }
}

/// When there is little left of what may be held for clients, whoever holds most goes.
fn make_room(shared: &Shared) {
    if !shared.ledger.is_crowded() {
        return;
    }
    let largest = shared.connections.iter().max_by_key(|connection| connection.held_bytes());
    if let Some(largest) = largest.filter(|largest| shared.ledger.is_much(largest.held_bytes())) {
        largest.end(EndReason::Memory);
    }
}

/// Judges by what is `left` when all is written that the store has in memory; speaks of that and of the readings.
fn check_alarms(shared: &Shared, limits: Limits, readings: Readings, left: Readings) {
    let (mut before, mut now) = ((false, false), (false, false));
    let changed = shared.alarms.send_if_modified(|alarms| {
        before = (alarms.memory, alarms.disk);
        now = limits.evaluate(alarms.memory, alarms.disk, left);
        (alarms.memory, alarms.disk) = now;
        now != before
    });
    if !changed {
        return;
    }
    tell_alarm(shared, "memory", before.0, now.0);
    tell_alarm(shared, "disk", before.1, now.1);
    let reason = shared.alarms.borrow().reason();
    let (memory, disk) = (memory_text(limits, readings), disk_text(limits, readings, left));
    match reason {
        Some(reason) => tracing::warn!("{reason}: publishers are blocked; {memory}; {disk}"),
        None => tracing::info!("publishers are no longer blocked; {memory}; {disk}"),
    }
}

fn tell_alarm(shared: &Shared, source: &str, was_raised: bool, is_raised: bool) {
    match (was_raised, is_raised) {
        (false, true) => tell(shared, None, &Event::AlarmSet(source)),
        (true, false) => tell(shared, None, &Event::AlarmCleared(source)),
        _ => {}
    }
}

fn memory_text(limits: Limits, readings: Readings) -> String {
    let limit = limits.memory.map_or_else(|| "none".to_owned(), in_mb);
    let used = readings.memory_used.map_or_else(|| "unknown".to_owned(), in_mb);
    format!("memory used: {used}, limit (--memory-limit): {limit}")
}

fn disk_text(limits: Limits, readings: Readings, left: Readings) -> String {
    let limit = limits.disk_free.map_or_else(|| "none".to_owned(), in_mb);
    let free = readings.disk_free.map_or_else(|| "unknown".to_owned(), in_mb);
    let left = left.disk_free.map_or_else(|| "unknown".to_owned(), in_mb);
    format!("disk free: {free}, {left} when all is written, limit (--disk-free-limit): {limit}")
}

/// Rounded down.
fn in_mb(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}
