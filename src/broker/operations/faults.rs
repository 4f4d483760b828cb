//! Rules for faults in a world: make, look at, remove; and what follows from it at once.

use std::sync::Arc;

use super::pausing::pause_by_rules;
use super::restarting::restart;
use super::worlds::InWorld;
use crate::broker::connections::{ConnectionHandle, EndReason, Event};
use crate::broker::error::OperationError;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::broker::world::WorldFaults;
use crate::faults::{Action, Occasion, Rule, RuleId, RuleInForce};
use crate::session::Exception;

/// The rules of a world, in the order in which they were made.
#[must_use]
pub fn faults(at: InWorld<'_>) -> Vec<RuleInForce> {
    at.world.faults.rules.all()
}

/// A rule.
///
/// # Errors
/// `NoFault`.
pub fn fault(at: InWorld<'_>, id: &str) -> Result<RuleInForce, OperationError> {
    let found = RuleId::parse(id).and_then(|id| at.world.faults.rules.get(id));
    found.ok_or_else(|| OperationError::NoFault(id.to_owned()))
}

/// Makes a rule. What clients do from now on meets it.
pub fn add_fault(shared: &Arc<Shared>, at: InWorld<'_>, rule: Rule) -> RuleId {
    let (text, occasion) = (rule.text(), rule.occasion.clone());
    let id = at.world.faults.rules.add(rule);
    if let Occasion::Time { every_ms } = occasion {
        let task = tokio::spawn(act_in_time(Arc::clone(shared), Arc::downgrade(at.vhost), id, every_ms));
        at.world.faults.keep_timer(id, task.abort_handle());
    }
    rules_changed(shared, at.vhost, &at.world.faults);
    tracing::info!(world = at.vhost.name, "fault {id}: {text}");
    id
}

/// Removes a rule.
///
/// # Errors
/// `NoFault`.
pub fn remove_fault(shared: &Shared, at: InWorld<'_>, id: &str) -> Result<(), OperationError> {
    let is_removed = RuleId::parse(id).is_some_and(|id| at.world.faults.rules.remove(id));
    if !is_removed {
        return Err(OperationError::NoFault(id.to_owned()));
    }
    rules_changed(shared, at.vhost, &at.world.faults);
    Ok(())
}

/// Removes all rules, and what they have left: publishers are not blocked any more. How many rules they were.
pub fn clear_faults(shared: &Shared, at: InWorld<'_>) -> usize {
    let removed = at.world.faults.rules.clear();
    at.world.faults.set_blocked(None);
    rules_changed(shared, at.vhost, &at.world.faults);
    removed
}

/// Sessions look at their publishes anew; connections, and queues, at what is always so.
fn rules_changed(shared: &Shared, vhost: &Vhost, faults: &WorldFaults) {
    faults.end_timers();
    vhost.topology.invalidate_routes();
    for record in vhost.queues() {
        pause_by_rules(faults, &record);
    }
    for handle in connections_of(shared, vhost) {
        // One that is gone has nothing to look at.
        let _ = handle.events.send(Event::FaultsChanged);
    }
    faults.changed.notify_waiters();
}

/// The connections that are in a virtual host, or are entering it.
pub(super) fn connections_of(shared: &Shared, vhost: &Vhost) -> Vec<ConnectionHandle> {
    let is_there = |handle: &ConnectionHandle| {
        let overview = handle.overview.as_ref();
        overview.is_some_and(|overview| overview.handshake().vhost.as_deref() == Some(&*vhost.name))
    };
    let all = shared.connections.iter().filter(|handle| is_there(handle));
    all.map(|handle| handle.clone()).collect()
}

/// Does what a rule does, each time that its time has come by the clock of the virtual host.
async fn act_in_time(shared: Arc<Shared>, vhost: std::sync::Weak<Vhost>, id: RuleId, every_ms: u64) {
    let Some(clock) = vhost.upgrade().map(|vhost| vhost.clock.clone()) else { return };
    let label: Arc<str> = format!("fault {id}").into();
    let mut due = clock.now().plus_ms(every_ms);
    let mut alarm = clock.alarm(due, &label);
    loop {
        let in_flight = alarm.await;
        let Some(vhost) = vhost.upgrade() else { return };
        let Some(world) = &vhost.world else { return };
        if let Some(verdict) = world.faults.rules.strike(id) {
            act(&shared, &vhost, &world.faults, verdict.action).await;
        }
        if world.faults.rules.get(id).is_none_or(|rule| rule.is_done()) {
            return;
        }
        due = due.plus_ms(every_ms).max(clock.now());
        // Whoever moves the clock finds the next one set.
        alarm = clock.alarm(due, &label);
        drop(in_flight);
    }
}

async fn act(shared: &Arc<Shared>, vhost: &Arc<Vhost>, faults: &WorldFaults, action: Action) {
    match action {
        Action::Restart => restart(shared, vhost).await,
        Action::CloseAll(refusal) => {
            for handle in connections_of(shared, vhost) {
                let exception = Exception::new(refusal.code, refusal.text.clone());
                handle.end(EndReason::Fault(exception));
            }
        }
        Action::Block(reason) => {
            faults.set_blocked(Some(reason));
            rules_changed(shared, vhost, faults);
        }
        _ => {
            faults.set_blocked(None);
            rules_changed(shared, vhost, faults);
        }
    }
}
