//! Looks at the machine while the broker runs, and raises and clears alarms.

use std::sync::Arc;
use std::time::Duration;

use super::alarms::{Limits, Meter, Readings};
use super::shared::{Shared, stopped};

/// How often the machine is looked at. A publisher on this machine sends some 100 MB meanwhile.
const INTERVAL: Duration = Duration::from_millis(100);
/// Looks at the machine until the broker stops.
pub async fn watch(shared: Arc<Shared>, limits: Limits, mut meter: Meter) {
    if limits == Limits::default() {
        return;
    }
    let mut stopping = shared.stopping.subscribe();
    loop {
        check_alarms(&shared, limits, meter());
        let next = shared.clock.now() + INTERVAL;
        tokio::select! {
            () = shared.clock.wait_for(Some(next)) => {}
            () = stopped(&mut stopping) => return,
        }
    }
}

fn check_alarms(shared: &Shared, limits: Limits, readings: Readings) {
    let changed = shared.alarms.send_if_modified(|alarms| {
        let (memory, disk) = limits.evaluate(alarms.memory, alarms.disk, readings);
        let changed = (memory, disk) != (alarms.memory, alarms.disk);
        (alarms.memory, alarms.disk) = (memory, disk);
        changed
    });
    if changed {
        let reason = shared.alarms.borrow().reason();
        match reason {
            Some(reason) => tracing::warn!(?readings, ?limits, "{reason}: publishers are blocked"),
            None => tracing::info!(?readings, "publishers are no longer blocked"),
        }
    }
}
