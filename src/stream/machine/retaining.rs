//! What is too old or too much goes.

use super::stream::Stream;
use crate::queue::{Effects, QueueOptions};
use crate::time::Time;

impl Stream {
    /// Policies changed: limits are held at once; the length of segments is for those to come.
    pub(super) fn configure(&mut self, now: Time, options: QueueOptions, effects: &mut Effects) {
        self.options = QueueOptions { window: self.options.window, ..options };
        self.retain(now, effects);
    }

    pub(super) fn retain(&mut self, now: Time, effects: &mut Effects) {
        let settings = self.settings();
        if let Some(before) = self.log.retain(self.wall_clock(now), &settings) {
            effects.log.trim = Some(before);
            self.tail.trim(before);
            self.trim_cursors(now, before, effects);
        }
    }
}
