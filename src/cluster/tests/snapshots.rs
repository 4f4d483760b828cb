//! Snapshots, and the marks that say how far a node is.

use super::*;
use crate::store::{CommitNumbers, Error, Reader, Snapshot, Visitor};
use crate::time::Time;
use std::path::Path;

/// Something in all spaces, at frame `batches + 1`.
fn filled(log: &MemoryLog, batches: u64) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut leader = lead(&disk, log, "a");
    for number in 1..=batches {
        let mut batch = WriteBatch::beat(true);
        batch.renumber(CommitNumbers { number, ..CommitNumbers::default() });
        for space in Space::ALL {
            batch.put(space, vec![7, number as u8], vec![number as u8; 40 * number as usize]);
        }
        leader.commit(batch, Durability::Synced).unwrap();
    }
    disk
}

fn pieces(engine: &dyn Engine) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let read = read_snapshot(&*engine.snapshot(), 200, &mut |piece| {
        pieces.push(piece);
        Ok(())
    });
    read.unwrap();
    pieces
}

fn local(disk: &MemoryDisk) -> LocalEngine {
    let (engine, disk) = (disk.engine(), disk.clone());
    LocalEngine::with_wipe(
        Box::new(engine),
        || Time::ZERO,
        move || {
            disk.wipe();
            Ok(Box::new(disk.engine()))
        },
    )
}

fn fill(engine: &LocalEngine, pieces: &[Vec<u8>]) -> Result<Option<Mark>, FillError> {
    let mut filling = Filling::begin(engine.clone(), &pieces[0])?;
    let mut mark = None;
    for piece in &pieces[1..] {
        assert_eq!(mark, None, "nothing comes after the end");
        mark = filling.take(piece)?;
    }
    Ok(mark)
}

/// What an engine has that is not its own.
fn all_common(engine: &dyn Engine) -> Vec<(Space, Vec<u8>, Vec<u8>)> {
    let mut pairs = Vec::new();
    for space in Space::ALL {
        let visited = engine.scan(space, &[], &[255], &mut |key, value| {
            if !WriteBatch::is_numbers(space, key) && !Mark::is_key(key) {
                pairs.push((space, key.to_vec(), value.to_vec()));
            }
            Ok(())
        });
        visited.unwrap();
    }
    pairs
}

#[test]
fn a_snapshot_has_all_spaces_and_the_receiver_follows_from_there() {
    let log = MemoryLog::default();
    let a = filled(&log, 20);
    let pieces = pieces(&a.engine());
    assert!(pieces.len() > 20, "{}", pieces.len());
    let b = MemoryDisk::new();
    let mut old = WriteBatch::default();
    old.put(Space::Messages, b"old".to_vec(), Vec::new());
    b.engine().commit(old, Durability::Synced).unwrap();
    let mark = fill(&local(&b), &pieces).unwrap().unwrap();
    assert_eq!((Some(mark), mark.sequence), (Mark::read(&a.engine()).unwrap(), Sequence(21)));
    b.crash(0);
    assert_eq!(all_common(&b.engine()), all_common(&a.engine()));
    assert_eq!(all_common(&b.engine()).len(), 3 * 20);
    log.trim(Sequence(21));
    let mut second = lead(&a, &log, "a");
    second.commit(batch(21, b"more"), Durability::Synced).unwrap();
    drop(follow(&b, &log, "b").unwrap());
    assert_eq!(all_common(&b.engine()), all_common(&a.engine()));
}

#[test]
fn a_snapshot_is_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut on_disk = crate::store::open_disk(dir.path(), 16).unwrap().into_parts().0;
    let mut in_memory = MemoryDisk::new().engine();
    for engine in [&mut on_disk as &mut dyn Engine, &mut in_memory] {
        let commit = |engine: &mut dyn Engine, number: u8| {
            let mut batch = WriteBatch::numbered(true);
            batch.renumber(CommitNumbers {
                number: number.into(),
                synced: 0,
                streams: u64::from(number) - 1,
            });
            Space::ALL.into_iter().for_each(|space| batch.put(space, vec![7, number], vec![number]));
            if number > 1 {
                batch.remove(Space::Messages, vec![7, number - 1]);
            }
            engine.commit(batch, Durability::Buffered).unwrap();
        };
        commit(engine, 1);
        let snapshot = engine.snapshot();
        commit(engine, 2);
        for (snapshot, expected) in [(snapshot, vec![vec![7, 1]]), (engine.snapshot(), vec![vec![7, 2]])] {
            let mut keys = Vec::new();
            let scanned = snapshot.scan(Space::Messages, &mut |key, _| {
                keys.extend((key[0] == 7).then(|| key.to_vec()));
                Ok(())
            });
            scanned.unwrap();
            assert_eq!(keys, expected);
        }
    }
}

#[test]
fn what_a_crash_leaves_of_a_snapshot_is_recognised_and_never_used_or_given_on() {
    let log = MemoryLog::default();
    let pieces = pieces(&filled(&log, 5).engine());
    for (count, kept) in (1..pieces.len()).flat_map(|count| [0, 1, 99].map(|kept| (count, kept))) {
        let disk = filled(&MemoryLog::default(), 2);
        assert!(fill(&local(&disk), &pieces[..count]).unwrap().is_none());
        disk.crash(kept);
        let stop = Follower::open(disk.engine(), LOG_ID).map(drop).unwrap_err();
        assert!(
            matches!(stop, Stop::Partial) && stop.needs_snapshot(),
            "{count} of {}: {stop}",
            pieces.len()
        );
        let given = read_snapshot(&*disk.engine().snapshot(), 200, &mut |_| Ok(()));
        assert!(matches!(given, Err(Error::Stopped)), "after {count} pieces");
        // It is begun anew.
        fill(&local(&disk), &pieces).unwrap().unwrap();
        drop(follow(&disk, &log, "b").unwrap());
    }
}

#[test]
fn parts_that_are_missing_exchanged_or_damaged_are_noticed() {
    let log = MemoryLog::default();
    let (a, other) = (filled(&log, 9), filled(&MemoryLog::default(), 9));
    let (good, others) = (pieces(&a.engine()), pieces(&other.engine()));
    let refused = |pieces: &[Vec<u8>]| {
        let error = fill(&local(&MemoryDisk::new()), pieces).unwrap_err();
        assert!(matches!(error, FillError::Piece(_)), "{error}");
    };
    for index in 1..good.len() - 1 {
        let mut pieces = good.clone();
        pieces.remove(index);
        refused(&pieces);
        pieces.insert(index, others[index].clone());
        pieces.swap(index, index + 1);
        refused(&pieces);
        let mut pieces = good.clone();
        let middle = pieces[index].len() / 2;
        pieces[index][middle] ^= 4;
        refused(&pieces);
    }
    refused(&good[1..]);
}

#[test]
fn a_node_is_behind_another_or_contradicts_it() {
    let mark =
        |sequence, term, number| Mark { log_id: 7, sequence: Sequence(sequence), term, number, hash: 1 };
    let given = mark(100, 5, 20);
    for behind in [mark(99, 5, 19), mark(100, 5, 20), mark(1, 1, 1), mark(90, 4, 80)] {
        assert!(behind.is_behind(&given), "{behind:?}");
    }
    for other in [mark(101, 5, 20), mark(99, 6, 1), mark(99, 5, 21), Mark { log_id: 8, ..mark(1, 1, 1) }] {
        assert!(!other.is_behind(&given), "{other:?}");
    }
}

/// Writes down of each batch whether it has a mark.
struct Marking(MemoryDisk, std::sync::Arc<std::sync::Mutex<Vec<Option<Mark>>>>);

impl Engine for Marking {
    fn commit(&mut self, batch: WriteBatch, durability: Durability) -> Result<(), Error> {
        self.1.lock().unwrap().push(Mark::of(&batch));
        self.0.engine().commit(batch, durability)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error> {
        self.0.engine().scan(space, from, to, visit)
    }

    fn reader(&self) -> Box<dyn Reader> {
        self.0.engine().reader()
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.0.engine().snapshot()
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.0.engine().sync()
    }

    fn maintain(&mut self, live_bytes: u64) -> Result<bool, Error> {
        self.0.engine().maintain(live_bytes)
    }

    fn journal_gap(&mut self) -> Option<u64> {
        None
    }
}

#[test]
fn every_batch_is_committed_with_its_mark_by_leaders_and_followers() {
    let (log, a, b) = (MemoryLog::default(), MemoryDisk::new(), MemoryDisk::new());
    let [of_leader, of_follower] = [(); 2].map(|()| std::sync::Arc::default());
    let mut follower = Follower::open(Marking(a, std::sync::Arc::clone(&of_leader)), LOG_ID).unwrap();
    let fence = follower.fence(&mut client(&log, "a"), "a", &Tenure::default()).unwrap().unwrap();
    let marking = Marking(MemoryDisk::new(), std::sync::Arc::clone(&of_leader));
    let mut leader = ReplicatedEngine::new(marking, client(&log, "a"), fence, Tenure::default());
    for number in 1..=30 {
        leader.commit(batch(number, b"x"), Durability::Synced).unwrap();
    }
    let mut follower = Follower::open(Marking(b, std::sync::Arc::clone(&of_follower)), LOG_ID).unwrap();
    while follower.step(&mut client(&log, "b")).unwrap().has_read {}
    for marks in [of_leader, of_follower] {
        let sequences: Vec<_> = marks
            .lock()
            .unwrap()
            .iter()
            .map(|mark| mark.expect("a batch without a mark").sequence.0)
            .collect();
        assert_eq!(sequences, (2..=31).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_committed_is_synced_within_a_second_though_nothing_more_comes() {
    let (disk, now) = (MemoryDisk::new(), std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0)));
    let clock = std::sync::Arc::clone(&now);
    let clock = move || Time::ZERO.plus_ms(clock.load(std::sync::atomic::Ordering::Relaxed));
    let mut engine = LocalEngine::new(Box::new(disk.engine()), clock);
    let mut marked = batch(1, b"x");
    Mark { log_id: LOG_ID, sequence: Sequence(9), ..Mark::default() }.put(&mut marked);
    engine.commit(marked, Durability::Buffered).unwrap();
    let tend = |at| {
        now.store(at, std::sync::atomic::Ordering::Relaxed);
        engine.tend().unwrap();
        (engine.applied().0, engine.synced().0, disk.buffered())
    };
    assert_eq!(tend(999), (9, 0, 1));
    assert_eq!(tend(1000), (9, 9, 0));
    // Also of what was there when it was opened.
    let reopened = LocalEngine::new(Box::new(disk.engine()), || Time::ZERO);
    assert_eq!(reopened.synced(), Sequence(0));
    reopened.look().unwrap();
    assert_eq!((reopened.applied(), reopened.synced()), (Sequence(9), Sequence(9)));
}

fn open(dir: &Path) -> LocalEngine {
    let (engine, healed) = LocalEngine::open(dir, 16, || Time::ZERO).unwrap();
    assert_eq!(healed, None);
    engine
}

#[test]
fn a_snapshot_on_disk_is_opened_again_and_its_commits_have_no_gap() {
    let (log, dir) = (MemoryLog::default(), tempfile::tempdir().unwrap());
    let a = filled(&log, 20);
    let pieces = pieces(&a.engine());
    let engine = open(dir.path());
    assert!(fill(&engine, &pieces[..9]).unwrap().is_none());
    engine.close();
    let engine = open(dir.path());
    assert!(matches!(Follower::open(engine.clone(), LOG_ID), Err(Stop::Partial)));
    fill(&engine, &pieces).unwrap().unwrap();
    let mut follower = Follower::open(engine.clone(), LOG_ID).unwrap();
    let mut leader = lead(&a, &log, "a");
    leader.commit(batch(500, b"of a later number"), Durability::Synced).unwrap();
    while follower.step(&mut client(&log, "b")).unwrap().has_read {}
    drop(follower);
    engine.close();
    let engine = open(dir.path());
    assert_eq!(all_common(&engine), all_common(&a.engine()));
    engine.close();
}

#[test]
fn a_damaged_store_says_so_until_it_is_replaced() {
    let (log, dir) = (MemoryLog::default(), tempfile::tempdir().unwrap());
    let a = filled(&log, 5);
    let engine = open(dir.path());
    fill(&engine, &pieces(&a.engine())).unwrap().unwrap();
    engine.close();
    let journal = dir.path().join("0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let engine = open(dir.path());
    let stop = Follower::open(engine.clone(), LOG_ID).map(drop).unwrap_err();
    assert!(matches!(stop, Stop::Store(Error::Damaged { .. })) && stop.needs_snapshot(), "{stop}");
    fill(&engine, &pieces(&a.engine())).unwrap().unwrap();
    drop(Follower::open(engine.clone(), LOG_ID).unwrap());
    assert_eq!(all_common(&engine), all_common(&a.engine()));
    engine.close();
    assert_eq!(all_common(&open(dir.path())), all_common(&a.engine()));
}

#[test]
fn damage_that_is_read_is_remembered_until_all_is_wiped() {
    let damaged = unusable::Unusable::Damaged("a bit".into());
    let renew = || Ok(Box::new(MemoryDisk::new().engine()) as Box<dyn Engine>);
    let engine = LocalEngine::with_wipe(Box::new(damaged), || Time::ZERO, renew);
    assert_eq!(engine.damage(), None);
    let reader = engine.reader();
    assert!(reader.read(Space::Messages, &[1]).is_err());
    assert_eq!(engine.damage().unwrap(), "a bit");
    engine.wipe(Sequence(1)).unwrap();
    assert_eq!(engine.damage(), None);
    assert!(engine.reader().read(Space::Messages, &[1]).unwrap().is_none());
    assert_eq!(engine.damage(), None);
}
