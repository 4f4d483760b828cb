//! The queue of a delayed exchange.

use super::queue::Queue;
use crate::queue::effects::{Due, Effects};
use crate::time::Time;

/// At most so many messages leave in one batch, so that one instant with a million of them takes no more memory than others.
const BATCH_MAX: usize = 1000;

impl Queue {
    /// Lets those go whose time has come.
    pub(super) fn release_due(&mut self, now: Time, effects: &mut Effects) {
        while effects.due.len() < BATCH_MAX
            && let Some(entry) = self.schedule.pop_due(now)
        {
            let stored = entry.stored.then_some(entry.position);
            let position = entry.position;
            effects.due.push(Due { message: entry.message, position, stored });
        }
        self.schedule.keep_window(now, effects);
    }
}
