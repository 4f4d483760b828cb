//! A log that is lost, and one that is made again from what a node has.

use super::*;
use crate::store::{ALONE_KEY, Reader, Room, Snapshot, Visitor};
use crate::time::Time;

const NEW_ID: u64 = LOG_ID + 1;

/// A log with some batches, of which `a` has all and `b` not.
fn lost() -> (MemoryLog, MemoryDisk, MemoryDisk) {
    let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
    let mut leader = lead(&a, &log, "a");
    for number in 1..=3 {
        leader.commit(batch(number, b"x"), Durability::Synced).unwrap();
        if number == 2 {
            drop(follow(&b, &log, "b").unwrap());
        }
    }
    (log, a, b)
}

fn local(disk: &MemoryDisk) -> LocalEngine {
    LocalEngine::new(Box::new(disk.engine()), || Time::ZERO)
}

/// Makes the log again from what a disk has.
fn restore(disk: &MemoryDisk, log: &MemoryLog) -> Mark {
    let mut engine = local(disk);
    let mark = mark_of(&engine).unwrap();
    log.make_again(NEW_ID, mark.sequence);
    adopt(&mut engine, mark, NEW_ID).unwrap();
    mark
}

fn follow_new(disk: &MemoryDisk, log: &MemoryLog) -> Result<(), Stop> {
    let mut follower = Follower::open(disk.engine(), NEW_ID)?;
    while follower.step(&mut client(log, "new"))?.has_read {}
    Ok(())
}

#[test]
fn whoever_follows_a_log_that_goes_stops_and_keeps_what_it_has() {
    let (log, a, b) = lost();
    let before = [common(&a), common(&b)];
    let mut follower = follow(&a, &log, "a").unwrap();
    log.make_again(0, Sequence(0));
    log.cut_off("a", true);
    assert!(!follower.step(&mut client(&log, "a")).unwrap().is_caught_up, "nobody knows");
    log.cut_off("a", false);
    let gone = follow(&a, &log, "a").map(drop).unwrap_err();
    assert!(matches!(gone, Stop::Log(Contradiction::Shorter { .. } | Contradiction::Gone)), "{gone}");
    assert_eq!(before, [common(&a), common(&b)]);
}

#[test]
fn who_runs_while_the_log_is_made_again_does_not_take_it_for_its_own() {
    for (at, what) in [(2, "it has more"), (4, "it has as much"), (9, "it has less")] {
        let (log, a, _) = lost();
        let mut follower = follow(&a, &log, "a").unwrap();
        assert_eq!(Mark::read(&a.engine()).unwrap().unwrap().sequence, Sequence(4));
        log.make_again(NEW_ID, Sequence(at));
        let stop = follower.step(&mut client(&log, "a")).unwrap_err();
        let is_noticed =
            matches!(stop, Stop::Log(Contradiction::Shorter { .. } | Contradiction::Another { .. }));
        assert!(is_noticed && !stop.needs_snapshot(), "{what}: {stop}");
    }
}

#[test]
fn a_node_goes_on_from_what_it_has_and_no_other_does() {
    let (log, a, b) = lost();
    let before = common(&a);
    let mark = restore(&a, &log);
    assert_eq!(common(&a)[1..], before[1..], "but for the number of the commit");
    // Again, as after a crash.
    assert_eq!(mark_of(&local(&a)).unwrap(), Mark { log_id: NEW_ID, ..mark });
    let foreign = follow_new(&b, &log).unwrap_err();
    assert!(matches!(foreign, Stop::Foreign { .. }) && !foreign.needs_snapshot(), "{foreign}");
    let empty = MemoryDisk::new();
    let trimmed = follow_new(&empty, &log).unwrap_err();
    assert!(trimmed.needs_snapshot(), "it would begin with nothing: {trimmed}");
    let mut follower = Follower::open(a.engine(), NEW_ID).unwrap();
    assert!(follower.step(&mut client(&log, "a")).unwrap().is_caught_up);
    let tenure = Tenure::default();
    let fence = follower.fence(&mut client(&log, "a"), "a", &tenure).unwrap().unwrap();
    assert_eq!((fence.log_id, fence.sequence, fence.term), (NEW_ID, mark.sequence.next(), mark.term + 1));
    let mut leader = ReplicatedEngine::new(a.engine(), client(&log, "a"), fence, tenure);
    leader.commit(batch(4, b"y"), Durability::Synced).unwrap();
    assert!(follow_new(&empty, &log).unwrap_err().needs_snapshot());
    // With the same as the first it may go on, too.
    let (_, c, _) = lost();
    let own = mark_of(&local(&c)).unwrap();
    assert_eq!(own, mark);
    adopt(&mut local(&c), own, NEW_ID).unwrap();
    follow_new(&c, &log).unwrap();
    assert_eq!(common(&c)[1..], common(&a)[1..]);
}

/// An engine of which a commit fails, before or after it was durable.
struct Crashing(Box<dyn Engine>, bool);

impl Engine for Crashing {
    fn commit(&mut self, batch: WriteBatch, durability: Durability) -> Result<(), crate::store::Error> {
        if self.1 {
            self.0.commit(batch, durability)?;
        }
        Err(crate::store::Error::Stopped)
    }
    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
        visit: &mut Visitor<'_>,
    ) -> Result<(), crate::store::Error> {
        self.0.scan(space, from, to, visit)
    }
    fn reader(&self) -> Box<dyn Reader> {
        self.0.reader()
    }
    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.0.snapshot()
    }
    fn sync(&mut self) -> Result<(), crate::store::Error> {
        self.0.sync()
    }
    fn maintain(&mut self, live_bytes: u64) -> Result<bool, crate::store::Error> {
        self.0.maintain(live_bytes)
    }
    fn journal_gap(&mut self) -> Option<u64> {
        None
    }
    fn disk_room(&self) -> Option<Room> {
        None
    }
}

#[test]
fn a_restore_that_was_interrupted_is_done_again() {
    for is_durable in [false, true] {
        let (log, a, _) = lost();
        let mark = mark_of(&local(&a)).unwrap();
        log.make_again(NEW_ID, mark.sequence);
        let mut engine =
            LocalEngine::new(Box::new(Crashing(Box::new(a.engine()), is_durable)), || Time::ZERO);
        assert!(adopt(&mut engine, mark, NEW_ID).is_err());
        let log_id = mark_of(&local(&a)).unwrap().log_id;
        assert_eq!(log_id == NEW_ID, is_durable);
        adopt(&mut local(&a), mark, NEW_ID).unwrap();
        follow_new(&a, &log).unwrap();
    }
}

#[test]
fn what_a_broker_by_itself_has_used_is_no_nodes_any_more() {
    let (log, a, _) = lost();
    let mut alone = WriteBatch::numbered(false);
    alone.put(Space::Messages, ALONE_KEY.to_vec(), Vec::new());
    a.engine().commit(alone, Durability::Synced).unwrap();
    let stop = follow(&a, &log, "a").map(drop).unwrap_err();
    assert!(matches!(stop, Stop::Alone) && !stop.needs_snapshot(), "{stop}");
    assert!(matches!(mark_of(&local(&a)), Err(Stop::Alone)));
}
