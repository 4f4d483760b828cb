//! What is recorded in the journal beside failures.

use std::sync::Arc;

use super::scope::Scope;
use crate::broker::journal::{Recording, Rule, TooManyRecordings};

/// Begins a recording; its number.
///
/// # Errors
/// There are too many.
pub fn record(scope: Scope<'_>, rule: Rule) -> Result<u64, TooManyRecordings> {
    let now = scope.vhost.clock.timestamp();
    let id = scope.vhost.journal.recordings().begin(rule.clone(), now)?;
    let for_s = rule.until.as_millis().saturating_sub(now.as_millis()) / 1000;
    let (vhost, caller) = (&scope.vhost.name, scope.caller);
    tracing::info!("recording {id} in vhost {vhost:?} begun by {caller}: {rule}, for {for_s} s");
    Ok(id)
}

/// Ends a recording; whether it was there.
#[must_use]
pub fn end_recording(scope: Scope<'_>, id: u64) -> bool {
    let was_there = scope.vhost.journal.recordings().end(id);
    if was_there {
        tracing::info!("recording {id} in vhost {:?} ended by {}", scope.vhost.name, scope.caller);
    }
    was_there
}

/// The recordings that are on, oldest first.
#[must_use]
pub fn recordings(scope: Scope<'_>) -> Vec<Arc<Recording>> {
    scope.vhost.journal.recordings().all(scope.vhost.clock.timestamp())
}
