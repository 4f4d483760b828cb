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
    let (by, vhost) = (scope.caller.logged(), &scope.vhost.name);
    tracing::info!(by, vhost, recording = id, %rule, for_s, "a recording was begun");
    Ok(id)
}

/// Ends a recording; whether it was there.
#[must_use]
pub fn end_recording(scope: Scope<'_>, id: u64) -> bool {
    let was_there = scope.vhost.journal.recordings().end(id);
    if was_there {
        let (by, vhost) = (scope.caller.logged(), &scope.vhost.name);
        tracing::info!(by, vhost, recording = id, "a recording was ended");
    }
    was_there
}

/// The recordings that are on, oldest first.
#[must_use]
pub fn recordings(scope: Scope<'_>) -> Vec<Arc<Recording>> {
    scope.vhost.journal.recordings().all(scope.vhost.clock.timestamp())
}
