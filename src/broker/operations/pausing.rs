//! Queues that deliver nothing because a rule for faults says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::broker::mailbox::Mail;
use crate::broker::vhost::QueueRecord;
use crate::broker::world::WorldFaults;
use crate::faults::{Action, Armed, Subject};
use crate::queue::Command;

/// Tells a queue whether it delivers anything, by the rules as they are now.
pub(super) fn pause_by_rules(faults: &WorldFaults, record: &QueueRecord) {
    let is_paused = record.is_paused.load(Ordering::Acquire);
    if !is_paused && !faults.rules.armed().has(Armed::STATE) {
        return;
    }
    let queues = [Arc::clone(&record.label)];
    let subject = Subject { queues: &queues, ..Subject::default() };
    let states = faults.rules.states(&subject);
    let pause = states.iter().find(|verdict| verdict.action == Action::Pause);
    let was_paused = record.is_paused.swap(pause.is_some(), Ordering::AcqRel);
    if was_paused == pause.is_some() {
        return;
    }
    if let Some(verdict) = pause {
        faults.rules.began(verdict, &subject);
    }
    // One that is ending delivers nothing either.
    let _ = record.mailbox.send(Mail::Tell(Command::Pause(pause.is_some())));
}
