//! Rules for faults in a world: make, look at, remove; and what follows from it at once.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::in_world::InWorld;
use super::pausing::pause_by_rules;
use super::restarting::{connections_of, restart};
use crate::broker::connections::{EndReason, Event};
use crate::broker::error::OperationError;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::broker::world::{Alarm, VhostClock, WorldFaults};
use crate::faults::{Action, Occasion, Rule, RuleId, RuleInForce};
use crate::session::Exception;
use crate::time::Time;

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

/// The same when it has hit so many events, or when that time has passed without, in real time.
///
/// # Errors
/// `NoFault`, also if it is removed meanwhile.
pub async fn fault_fired(
    shared: &Shared,
    at: InWorld<'_>,
    id: &str,
    fired: u64,
    within: Duration,
) -> Result<RuleInForce, OperationError> {
    let ends = shared.clock.now() + within;
    let faults = &at.world.faults;
    loop {
        let mut hit = std::pin::pin!(faults.fired.notified());
        let mut changed = std::pin::pin!(faults.changed.notified());
        hit.as_mut().enable();
        changed.as_mut().enable();
        let rule = fault(at, id)?;
        if rule.fired >= fired || shared.clock.now() >= ends {
            return Ok(rule);
        }
        tokio::select! {
            () = hit => {}
            () = changed => {}
            () = shared.clock.wait_for(Some(ends)) => {}
        }
    }
}

/// Makes a rule. What clients do from now on meets it.
pub fn add_fault(shared: &Arc<Shared>, at: InWorld<'_>, rule: Rule) -> RuleId {
    let (text, occasion) = (rule.text(), rule.occasion.clone());
    let id = at.world.faults.rules.add(rule);
    if let Occasion::Time { every_ms } = occasion {
        // Before anybody can move the clock.
        let first = NextTime::after(&at.vhost.clock, id, at.vhost.clock.now().plus_ms(every_ms));
        let task = tokio::spawn(act_in_time(Arc::clone(shared), Arc::downgrade(at.vhost), first, every_ms));
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

/// Connections, and queues, look at what is always so. Sessions look at what there are rules for with each input.
fn rules_changed(shared: &Shared, vhost: &Vhost, faults: &WorldFaults) {
    faults.end_timers();
    for record in vhost.queues() {
        pause_by_rules(faults, &record);
    }
    for handle in connections_of(shared, vhost) {
        // One that is gone has nothing to look at.
        let _ = handle.events.send(Event::FaultsChanged);
    }
    faults.changed.notify_waiters();
}

/// When a rule acts next.
struct NextTime {
    id: RuleId,
    due: Time,
    alarm: Alarm,
}

impl NextTime {
    fn after(clock: &VhostClock, id: RuleId, due: Time) -> Self {
        let label: Arc<str> = format!("fault {id}").into();
        Self { id, due, alarm: clock.alarm(due, &label) }
    }
}

/// Does what a rule does, each time that its time has come by the clock of the virtual host.
async fn act_in_time(shared: Arc<Shared>, vhost: Weak<Vhost>, first: NextTime, every_ms: u64) {
    let NextTime { id, mut due, mut alarm } = first;
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
        due = due.plus_ms(every_ms).max(vhost.clock.now());
        // Whoever moves the clock finds the next one set.
        alarm = NextTime::after(&vhost.clock, id, due).alarm;
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
