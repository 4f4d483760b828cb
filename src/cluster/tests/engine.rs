//! The leader's engine, followers, and changes of leaders.

use super::*;
use crate::store::{Error, Write};

#[test]
fn what_the_leader_commits_followers_have() {
    let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
    let mut leader = lead(&a, &log, "a");
    for number in 1..=20 {
        leader.commit(batch(number, b"x"), Durability::Synced).unwrap();
    }
    drop(follow(&b, &log, "b").unwrap());
    assert_eq!(common(&a), common(&b));
    assert_eq!(common(&a).len(), 20);
    let mark = Mark::read(&b.engine()).unwrap().unwrap();
    assert_eq!((mark.sequence, mark.term, mark.number), (Sequence(21), 1, 20));
    assert_eq!(Some(mark), Mark::read(&a.engine()).unwrap());
}

#[test]
fn a_batch_that_is_larger_than_a_frame_has_parts_and_is_applied_whole() {
    let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
    let mut follower = follow(&a, &log, "a").unwrap();
    let fence = follower.fence(&mut client(&log, "a"), "a", &Tenure::default()).unwrap().unwrap();
    let mut small = client(&log, "a");
    small.frame_bytes_max = 100;
    let mut leader = ReplicatedEngine::new(a.engine(), small, fence, Tenure::default());
    leader.commit(batch(1, &[5; 1000]), Durability::Synced).unwrap();
    let frames = log.entries();
    assert_eq!(frames.len(), 1 + 1038_usize.div_ceil(58), "a fence and the parts");
    assert!(frames.iter().all(|entry| entry.frame.len() <= 100));
    // Less than all of it is nothing.
    let (partly, half) = (MemoryLog::default(), frames.len() / 2);
    for (after, entry) in (0..).zip(frames.iter().take(half)) {
        partly.append("a", Sequence(after), &entry.frame).unwrap();
    }
    drop(follow(&b, &partly, "b").unwrap());
    assert_eq!(common(&b), []);
    drop(follow(&b, &log, "b").unwrap());
    assert_eq!(common(&a), common(&b));
}

#[test]
fn a_fence_drops_what_misses_parts() {
    let log = MemoryLog::default();
    let [a, b, c] = [(); 3].map(|()| MemoryDisk::new());
    let mut follower = follow(&a, &log, "a").unwrap();
    let tenure = Tenure::default();
    let fence = follower.fence(&mut client(&log, "a"), "a", &tenure).unwrap().unwrap();
    let mut small = client(&log, "a");
    small.frame_bytes_max = 100;
    let mut leader = ReplicatedEngine::new(a.engine(), small, fence, tenure.clone());
    leader.commit(batch(1, b"whole"), Durability::Synced).unwrap();
    // It gets no further than two parts.
    let entries = log.entries().len();
    let writes = encode_writes(&batch(2, &[5; 1000]));
    let last = Frame::decode(&log.entries()[entries - 1].frame).unwrap().1;
    let part = Frame {
        kind: Kind::Batch,
        term: 1,
        number: 2,
        part: 0,
        parts: 20,
        before: last,
        payload: &writes[..50],
    };
    log.append("a", Sequence(entries as u64), &part.encode().0).unwrap();
    let mut second = lead(&b, &log, "b");
    second.commit(batch(2, b"other"), Durability::Synced).unwrap();
    assert!(matches!(leader.commit(batch(2, b"mine"), Durability::Synced), Err(Error::Deposed { .. })));
    for disk in [&a, &c] {
        drop(follow(disk, &log, "c").unwrap());
        assert_eq!(common(disk), common(&b));
        assert_eq!(common(disk).len(), 2);
    }
}

#[test]
fn a_leader_that_was_fenced_writes_nothing() {
    let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
    let mut first = lead(&a, &log, "a");
    first.commit(batch(1, b"first"), Durability::Synced).unwrap();
    let mut second = lead(&b, &log, "b");
    let late = first.commit(batch(2, b"late"), Durability::Synced).unwrap_err();
    assert!(matches!(late, Error::Deposed { .. }), "{late}");
    second.commit(batch(2, b"second"), Durability::Synced).unwrap();
    drop(follow(&a, &log, "a").unwrap());
    assert_eq!(common(&a), common(&b));
    assert_eq!(common(&a).len(), 2);
}

#[test]
fn a_fence_comes_after_all_that_was_read() {
    let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
    let mut first = lead(&a, &log, "a");
    let mut follower = follow(&b, &log, "b").unwrap();
    first.commit(batch(1, b"meanwhile"), Durability::Synced).unwrap();
    let mut client = client(&log, "b");
    assert_eq!(follower.fence(&mut client, "b", &Tenure::default()).unwrap(), None);
    assert!(follower.step(&mut client).unwrap().has_read);
    assert!(follower.fence(&mut client, "b", &Tenure::default()).unwrap().is_some());
    assert_eq!(follower.leader(), Some("a"));
}

#[test]
fn a_node_goes_on_from_its_mark_after_a_power_failure() {
    let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
    let mut leader = lead(&a, &log, "a");
    for number in 1..=9 {
        leader.commit(batch(number, b"x"), Durability::Synced).unwrap();
        drop(follow(&b, &log, "b").unwrap());
        if number % 3 == 0 {
            b.crash(number as usize % 2);
        }
    }
    drop(follow(&b, &log, "b").unwrap());
    assert_eq!(common(&a), common(&b));
}

#[test]
fn this_disks_heartbeats_say_what_it_has_synced() {
    let disk = MemoryDisk::new();
    let now = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let clock = std::sync::Arc::clone(&now);
    let clock = move || crate::time::Time::from_micros(clock.load(std::sync::atomic::Ordering::Relaxed));
    let mut local = LocalEngine::new(Box::new(disk.engine()), clock);
    let mut commit = |number: u64, at_ms: u64| {
        now.store(at_ms * 1000, std::sync::atomic::Ordering::Relaxed);
        local.commit(batch(number, b"x"), Durability::Buffered).unwrap();
        let beat = disk.contents()[&(Space::Messages, vec![0])].clone();
        (u64::from_be_bytes(beat[8..].try_into().unwrap()), disk.buffered())
    };
    assert_eq!(commit(1, 100), (0, 1));
    assert_eq!(commit(2, 900), (0, 2));
    assert_eq!(commit(3, 1000), (0, 0), "it is time to sync");
    assert_eq!(commit(4, 1100), (3, 1));
    assert_eq!(commit(5, 2100), (3, 0));
    assert_eq!(commit(6, 2200), (5, 1));
}

#[test]
fn a_log_that_lost_its_end_is_noticed() {
    let log = MemoryLog::default();
    let [a, b, c] = [(); 3].map(|()| MemoryDisk::new());
    let mut leader = lead(&a, &log, "a");
    for number in 1..=5 {
        leader.commit(batch(number, b"x"), Durability::Synced).unwrap();
    }
    drop(follow(&b, &log, "b").unwrap());
    log.lose_tail(2);
    let shorter = follow(&b, &log, "b").map(drop).unwrap_err();
    assert!(matches!(shorter, Stop::Log(Contradiction::Shorter { .. })), "{shorter}");
    let mut other = lead(&c, &log, "c");
    other.commit(batch(4, b"other"), Durability::Synced).unwrap();
    let other_frames = follow(&b, &log, "b").map(drop).unwrap_err();
    assert!(matches!(other_frames, Stop::Log(Contradiction::Broken { .. })), "{other_frames}");
    other.commit(batch(5, b"other"), Durability::Synced).unwrap();
    let longer = follow(&a, &log, "a").map(drop).unwrap_err();
    assert!(matches!(longer, Stop::Log(Contradiction::Broken { .. })), "{longer}");
    assert_eq!(common(&b).len(), 5, "what it had is kept");
}

#[test]
fn a_log_that_was_trimmed_past_a_node_is_noticed_and_so_is_another_log() {
    let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
    let mut leader = lead(&a, &log, "a");
    drop(follow(&b, &log, "b").unwrap());
    for number in 1..=5 {
        leader.commit(batch(number, b"x"), Durability::Synced).unwrap();
    }
    log.trim(Sequence(5));
    let trimmed = follow(&b, &log, "b").map(drop).unwrap_err();
    assert!(matches!(trimmed, Stop::Log(Contradiction::Trimmed { .. })), "{trimmed}");
    let foreign = Follower::open(a.engine(), LOG_ID + 1).map(drop).unwrap_err();
    assert!(matches!(foreign, Stop::Foreign { .. }), "{foreign}");
    log.trim(Sequence(99));
    drop(follow(&a, &log, "a").unwrap());
}

#[test]
fn what_a_broker_by_itself_wrote_is_no_nodes() {
    let disk = MemoryDisk::new();
    assert!(Follower::open(disk.engine(), 7).is_ok());
    let mut alone = WriteBatch::numbered(false);
    alone.put(Space::Definitions, b"d/vhost".to_vec(), b"{}".to_vec());
    disk.engine().commit(alone, Durability::Synced).unwrap();
    let stop = Follower::open(disk.engine(), 7).map(|_| ()).unwrap_err();
    assert!(matches!(stop, Stop::Unmarked) && !stop.needs_snapshot(), "{stop}");
}

#[test]
fn a_batch_without_writes_is_one_too() {
    let (log, disk) = (MemoryLog::default(), MemoryDisk::new());
    let mut leader = lead(&disk, &log, "a");
    leader.commit(WriteBatch::default(), Durability::Buffered).unwrap();
    drop(follow(&MemoryDisk::new(), &log, "b").unwrap());
    let mut only = WriteBatch::default();
    only.remove(Space::Definitions, b"k".to_vec());
    leader.commit(only, Durability::Buffered).unwrap();
    assert!(matches!(
        decode_writes(Frame::decode(&log.entries()[2].frame).unwrap().0.payload).unwrap().writes(),
        [Write::Remove { .. }]
    ));
}

/// Four commits, none of them synced on this disk, though the leader says that they are; then a power failure that leaves a hole.
fn opened_with_a_hole(is_local: bool) -> Result<Option<String>, Error> {
    let dir = tempfile::tempdir().unwrap();
    let (disk, _, _) = crate::store::open_disk(dir.path(), 16)?.into_parts();
    let disk: Box<dyn Engine> = Box::new(disk);
    let mut engine: Box<dyn Engine> =
        if is_local { Box::new(LocalEngine::new(disk, || crate::time::Time::ZERO)) } else { disk };
    for number in 1..=4 {
        engine.commit(batch(number, format!("value {number}").as_bytes()), Durability::Buffered)?;
    }
    drop(engine);
    let journal = dir.path().join("0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    let hole = bytes.windows(7).position(|window| window == b"value 3").unwrap();
    bytes[hole] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    crate::store::open_disk(dir.path(), 16).map(|disk| disk.into_parts().1)
}

#[test]
fn a_power_failure_on_this_disk_looks_like_one_and_not_like_damage() {
    let healed = opened_with_a_hole(true).unwrap().unwrap();
    assert!(healed.contains("no whole commit after commit 2"), "{healed}");
    let as_it_came = opened_with_a_hole(false).unwrap_err();
    assert!(matches!(as_it_came, Error::Damaged { .. }), "{as_it_came}");
}
