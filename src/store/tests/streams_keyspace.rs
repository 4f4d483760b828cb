//! The keyspace of streams: when it is made, and what of it is missed.

use super::journal::copy;
use super::logs::{Told, chunk, read_log};
use super::*;
use crate::store::committer::Committer;
use crate::store::fjall_engine::FjallEngine;
use std::fs;

fn keyspaces(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join("keyspaces")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn append_log(handle: &StoreHandle, ticket: u64) {
    let append = chunk(&Arc::<Told>::default(), 7, ticket, 2);
    submit_and_wait(handle, Submission::of(Op::AppendLog(append)));
}

/// The first offsets of the chunks.
fn firsts(store: &Store) -> Vec<u64> {
    let read = read_log(&store.handle(), 7, 0, usize::MAX, || ()).unwrap();
    read.iter().map(|chunk| chunk.first).collect()
}

#[test]
fn it_is_made_with_the_first_stream() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open_dir(dir.path()).unwrap();
    submit_and_wait(&store.handle(), Submission::of(append(1, [1])));
    assert_eq!(keyspaces(dir.path()), ["0", "1", "2"]);
    drop(store);
    let (store, recovered) = open_dir(dir.path()).unwrap();
    assert_eq!((positions(&recovered, 1), keyspaces(dir.path()).len()), (vec![1], 3));
    append_log(&store.handle(), 1);
    assert_eq!(
        (firsts(&store), keyspaces(dir.path()).len()),
        (vec![0], 4),
        "known to those who read already"
    );
    drop(store);
    let (store, recovered) = open_dir(dir.path()).unwrap();
    append_log(&store.handle(), 2);
    assert_eq!((positions(&recovered, 1), firsts(&store)), (vec![1], vec![0, 2]));
}

#[test]
fn one_that_a_crash_left_half_made_is_made_again() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let half_made = dir.path().join("keyspaces/3");
    drop(open_dir(dir.path()).unwrap());
    // With nothing in it, and with all but its name.
    fs::create_dir(&half_made).unwrap();
    drop(open_dir(dir.path()).unwrap());
    assert_eq!(keyspaces(dir.path()), ["0", "1", "2"]);
    let (store, _) = open_dir(other.path()).unwrap();
    append_log(&store.handle(), 1);
    drop(store);
    fs::create_dir(&half_made).unwrap();
    copy(&other.path().join("keyspaces/3"), &half_made);
    let (store, _) = open_dir(dir.path()).unwrap();
    append_log(&store.handle(), 1);
    assert_eq!(
        (firsts(&store), keyspaces(dir.path())),
        (vec![0], ["0", "1", "2", "3"].map(String::from).into())
    );
}

/// The journals that only streams need are missed, by what comes later for streams, and by the marker if nothing does.
#[test]
fn a_journal_that_only_streams_need_is_missed() {
    for comes_again in [false, true] {
        let (dir, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        leave_a_chunk_behind(dir.path(), comes_again);
        copy(dir.path(), whole.path());
        assert_eq!(firsts(&open_dir(whole.path()).unwrap().0).len(), 1 + usize::from(comes_again));
        fs::remove_file(dir.path().join("0.jnl")).unwrap();
        let error = open_dir(dir.path()).map(drop).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }) && error.detail().contains("streams"), "{error}");
    }
}

/// What a kill leaves: the first of two journals is there for a stream alone, and the second may have more of it.
fn leave_a_chunk_behind(dir: &Path, comes_again: bool) {
    let (engine, _) = FjallEngine::open(dir, 64).unwrap();
    let (start, recovered) = recovery::start(engine, None).unwrap();
    let mut committer = Committer::new(start, channel().0, Arc::default(), Box::new(Default::default));
    let mut commit = |op| {
        committer.add(Submission::of(op), 0);
        committer.commit().unwrap();
        committer.engine().is_flushed()
    };
    let log = |ticket| Op::AppendLog(chunk(&Arc::<Told>::default(), 7, ticket, 2));
    let (body, mut next) = (vec![7; 1 << 20], recovered.next_position.0);
    commit(log(1));
    let mut mib_after = 0;
    while mib_after < 40 {
        next += 1;
        commit(Op::Append { queue: QueueId(1), entries: vec![entry(next, &body)] });
        commit(remove(1, [next]));
        if dir.join("1.jnl").exists() {
            // More than is kept in memory: the queue does not need the first journal then.
            mib_after += 1;
            if mib_after == 1 && comes_again {
                commit(log(2));
            }
        }
    }
    while !commit(remove(1, [next])) {
        std::thread::yield_now();
    }
}
