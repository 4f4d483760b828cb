//! A queue's settings change, it is emptied, it ends.

use super::queue::Queue;
use crate::message::Position;
use crate::queue::counts::Counts;
use crate::queue::effects::Effects;
use crate::queue::happening::{Ended, Happening, HappeningKind};
use crate::queue::options::QueueOptions;
use crate::queue::reply::Reply;
use crate::time::Time;

impl Queue {
    /// What is fixed at declare (priorities, single active consumer) is the same in both. A new expiry runs from now; a
    /// new TTL is for messages to come, as in RabbitMQ's classic queues.
    pub(super) fn configure(&mut self, now: Time, options: QueueOptions, effects: &mut Effects) {
        if self.options.expires_ms != options.expires_ms {
            self.last_used = now;
        }
        if options.deduplication.is_none() {
            self.forget_own_window(now, effects);
        }
        self.unacked.set_own_timeout(options.ack_timeout);
        self.options = QueueOptions { window: self.options.window, ..options };
        self.drop_overflow(now, effects);
    }

    pub(super) fn purge(&mut self, effects: &mut Effects) -> Reply {
        let (waiting, purged) = (self.purge_waiting(effects), self.ready.len());
        if self.spilled.has_pages() {
            effects.pages_forgotten.extend(self.ready.pages());
        } else {
            effects.all_pages_forgotten |= self.ready.has_segments();
        }
        let oldest = self.ready.oldest();
        let any_stored = self.ready.clear();
        if purged + waiting > 0 {
            let ends = (oldest.unwrap_or_default(), Position(self.next_position.0 - 1));
            effects.happen(Happening::run(HappeningKind::Purged, purged + waiting, Some(ends)));
        }
        if waiting > 0 || any_stored {
            let mut keep: Vec<Position> =
                self.unacked.iter().filter(|u| u.entry.stored).map(|u| u.entry.position).collect();
            // Dead letters are removed in one store batch with the writing of their copies, not before.
            keep.extend(self.spilled.stored());
            keep.extend(effects.dead_letters.iter().filter_map(|letter| letter.stored));
            keep.sort_unstable();
            effects.purged = Some((self.next_position, keep));
        }
        Reply::Purged(purged + waiting)
    }

    pub(super) fn delete(&mut self, if_unused: bool, if_empty: bool, effects: &mut Effects) -> Reply {
        let ready = self.ready.len() + self.spilled.returning() + self.waiting.len() + self.schedule.len();
        // Of both conditions RabbitMQ names this one.
        if if_empty && ready > 0 {
            return Reply::NotEmpty;
        }
        if if_unused && !self.consumers.is_empty() {
            return Reply::InUse;
        }
        self.end(Ended::Deleted, effects);
        Reply::Deleted(ready)
    }

    pub(super) fn end(&mut self, ended: Ended, effects: &mut Effects) {
        self.ended = true;
        effects.ended = Some(ended);
        let Counts { ready, unacked, delayed, parked, .. } = self.counts();
        let ends = (Position::default(), Position(self.next_position.0 - 1));
        let count = ready + unacked + delayed + parked;
        effects.happen(Happening::run(HappeningKind::Ended(ended), count, Some(ends)));
        self.consumers.leave_all();
        self.hand_over(effects);
        effects.cancelled.extend(self.consumers.keys());
        effects.all_pages_forgotten |= self.ready.has_segments() || self.spilled.has_pages();
        self.ready.clear();
        self.spilled.clear();
        self.schedule.clear();
    }
}
