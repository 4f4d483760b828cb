//! When a follower gives back to its disk what was removed. On the leader the committer knows how much that is; here removals are
//! counted.

use crate::store::{Room, Write, WriteBatch};
use crate::time::Time;
use std::time::Duration;

/// So many removals are worth a round; a chunk of messages that is removed is one or two, and has 64 KiB at most.
const REMOVALS: usize = 1000;
/// A round begins so often at most.
const ROUND_EVERY: Duration = Duration::from_secs(60);
/// With less left on the disk any removal is worth a round, and one begins sooner.
const SHORT_BYTES: u64 = 1024 * 1024 * 1024;
const ROUND_EVERY_SHORT: Duration = Duration::from_secs(10);
/// The steps of a round are so far apart.
const STEP_EVERY: Duration = Duration::from_secs(1);

/// Decides.
#[derive(Debug, Default)]
pub(super) struct Tidying {
    removals: usize,
    /// When the last step was done.
    did: Time,
    /// When the round began.
    began: Time,
    goes_on: bool,
}

impl Tidying {
    /// A batch was committed.
    pub(super) fn committed(&mut self, batch: &WriteBatch) {
        let removals = batch.writes().iter().filter(|write| !matches!(write, Write::Put { .. }));
        self.removals += removals.count();
    }

    /// Whether it is time for a step.
    pub(super) fn is_due(&mut self, now: Time, room: Option<Room>) -> bool {
        if self.goes_on {
            return now.since(self.did) >= STEP_EVERY;
        }
        let is_short = room.is_some_and(|room| room.left() < SHORT_BYTES);
        let (worth, every) = if is_short { (1, ROUND_EVERY_SHORT) } else { (REMOVALS, ROUND_EVERY) };
        if self.removals < worth || now.since(self.began) < every {
            return false;
        }
        (self.began, self.removals) = (now, 0);
        true
    }

    /// A step was done; `goes_on` if there are more.
    pub(super) fn did(&mut self, now: Time, goes_on: bool) {
        (self.did, self.goes_on) = (now, goes_on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Space;

    fn removing(count: u8) -> WriteBatch {
        let mut batch = WriteBatch::default();
        (0..count).for_each(|key| batch.remove_weak(Space::Messages, vec![key]));
        batch
    }

    #[test]
    fn a_round_needs_removals_and_has_steps_a_second_apart() {
        let (mut tidying, at) = (Tidying::default(), |s: u64| Time::ZERO.plus_ms(s * 1000));
        assert!(!tidying.is_due(at(100), None));
        (0..10).for_each(|_| tidying.committed(&removing(100)));
        assert!(tidying.is_due(at(100), None));
        tidying.did(at(100), true);
        assert!(!tidying.is_due(at(100), None));
        assert!(tidying.is_due(at(101), None), "the next step");
        tidying.did(at(101), false);
        (0..10).for_each(|_| tidying.committed(&removing(100)));
        assert!(!tidying.is_due(at(159), None), "not so soon again");
        assert!(tidying.is_due(at(160), None));
    }

    #[test]
    fn a_short_disk_makes_haste() {
        let (mut tidying, at) = (Tidying::default(), |s: u64| Time::ZERO.plus_ms(s * 1000));
        let room = |free| Some(Room { free, owed: 0 });
        tidying.committed(&removing(1));
        assert!(!tidying.is_due(at(100), room(2 << 30)));
        assert!(tidying.is_due(at(100), room(1 << 20)));
    }
}
