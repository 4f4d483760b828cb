//! The store on disk.

use super::logs::{Told, chunk, read_log, seek};
use super::*;
use crate::store::committer::Committer;
use crate::store::fjall_engine::FjallEngine;
use crate::store::handle::Shared;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn a_dropped_store_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, first) = open_dir(dir.path()).unwrap();
    assert!(first.queues.is_empty() && first.definitions.is_empty() && first.healed.is_none());
    let handle = store.handle();
    handle.submit(Submission::of(append(1, 1..=1000)));
    handle.submit(Submission::of(Op::PutDefinition { key: "k".into(), value: b"v".to_vec() }));
    handle.submit(Submission::of(remove(1, (1..=1000).filter(|p| p % 3 == 0))));
    drop(store);
    handle.submit(Submission::of(append(1, [2000])));
    assert_eq!(handle.pending_bytes(), 0, "nobody takes it any more");
    let (store, second) = open_dir(dir.path()).unwrap();
    assert_eq!(positions(&second, 1), (1..=1000).filter(|p| p % 3 != 0).collect::<Vec<_>>());
    assert_eq!(second.definitions.len(), 1);
    assert!(second.next_position > first.next_position);
    store.shutdown().unwrap();
}

#[test]
fn confirms_come_from_the_thread_and_on_commit_follows() {
    let dir = tempfile::tempdir().unwrap();
    let (commits, committed) = channel();
    let options = OpenOptions {
        open_files_max: 64,
        clock: Box::new(Default::default),
        dir: dir.path().into(),
        on_commit: Box::new(move || commits.send(()).unwrap_or_default()),
        on_failure: Box::new(|error| panic!("{error}")),
    };
    let (store, _) = open(options).unwrap();
    let sink = Arc::new(Sink::default());
    let confirms = vec![confirm(&sink, 3, 1, 2)];
    store.handle().submit(Submission { confirms, ..Submission::of(append(1, [1, 2])) });
    committed.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(sink.taken(), [(3, 1, 2)]);
    assert_eq!(store.handle().pending_bytes(), 0);
}

#[test]
fn a_large_message_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let body: Vec<u8> = (0..80_000_000_u32).map(|n| n as u8).collect();
    let (store, _) = open_dir(dir.path()).unwrap();
    let large = Op::Append { queue: QueueId(1), entries: vec![entry(1, &body), entry(2, b"small")] };
    submit_and_wait(&store.handle(), Submission::of(large));
    store.shutdown().unwrap();
    let (store, recovered) = open_dir(dir.path()).unwrap();
    let messages = &read_all(&store.handle(), &recovered, || ())[&1];
    assert!(messages[0].message.body() == body);
    assert_eq!(messages[1].message.body(), b"small");
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open_dir(dir.path()).unwrap();
    let error = open_dir(dir.path()).map(drop).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    submit_and_wait(&store.handle(), Submission::of(append(1, [1])));
    store.shutdown().unwrap();
    assert_eq!(positions(&open_dir(dir.path()).unwrap().1, 1), [1]);
}

#[test]
fn a_file_is_no_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    for dir in [file.clone(), file.join("data"), file.join("deep/data")] {
        let error = open_dir(&dir).map(drop).unwrap_err();
        assert!(matches!(&error, Error::NotADirectory { file: found, .. } if *found == file), "{error}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
}

#[test]
fn a_first_start_that_was_interrupted_is_started_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("keyspaces")).unwrap();
    std::fs::write(dir.path().join("0.jnl"), vec![0; 4096]).unwrap();
    std::fs::write(dir.path().join("version"), b"").unwrap();
    let (store, _) = open_dir(dir.path()).unwrap();
    submit_and_wait(&store.handle(), Submission::of(append(1, [1])));
}

#[test]
fn half_a_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open_dir(dir.path()).unwrap();
    submit_and_wait(&store.handle(), Submission::of(append(1, [1])));
    store.shutdown().unwrap();
    let version = std::fs::read(dir.path().join("version")).unwrap();
    std::fs::remove_file(dir.path().join("version")).unwrap();
    let error = open_dir(dir.path()).map(drop).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    // As an older version would have left it.
    let marker = dir.path().join("coney.store");
    std::fs::rename(&marker, dir.path().join("aside")).unwrap();
    let error = open_dir(dir.path()).map(drop).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    std::fs::rename(dir.path().join("aside"), marker).unwrap();
    std::fs::write(dir.path().join("version"), version).unwrap();
    assert_eq!(positions(&open_dir(dir.path()).unwrap().1, 1), [1]);
}

#[test]
fn a_callback_that_panics_ends_the_store_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (failures, failed) = channel();
    let options = OpenOptions {
        open_files_max: 64,
        clock: Box::new(Default::default),
        dir: dir.path().into(),
        on_commit: Box::new(|| ()),
        on_failure: Box::new(move |error| failures.send(error).unwrap()),
    };
    let (store, _) = open(options).unwrap();
    store.handle().submit(Submission::of(append(1, [1])).with_done(|| panic!("a test panics on purpose")));
    assert!(matches!(failed.recv().unwrap(), Error::Stopped));
    assert!(matches!(store.shutdown(), Err(Error::Stopped)));
    assert_eq!(positions(&open_dir(dir.path()).unwrap().1, 1), [1], "it was committed");
}

/// Fills and empties a queue of more than the journals hold, several times.
#[test]
fn journals_of_removed_messages_go() {
    let dir = tempfile::tempdir().unwrap();
    let (store, recovered) = open_dir(dir.path()).unwrap();
    let handle = store.handle();
    let body = vec![7; 1 << 20];
    let mut next = recovered.next_position.0;
    for _ in 0..60 {
        let positions = next..next + 10;
        next += 10;
        let entries = positions.clone().map(|position| entry(position, &body)).collect();
        submit_and_wait(&handle, Submission::of(Op::Append { queue: QueueId(1), entries }));
        submit_and_wait(&handle, Submission::of(remove(1, positions)));
    }
    store.shutdown().unwrap();
    let size = |name: std::fs::DirEntry| name.metadata().unwrap().len();
    let journals: u64 = std::fs::read_dir(dir.path()).unwrap().map(|entry| size(entry.unwrap())).sum();
    assert!(journals < 400 << 20, "journals have {} MiB of 600 MiB written", journals >> 20);
    let (_store, recovered) = open_dir(dir.path()).unwrap();
    assert!(recovered.queues.is_empty());
}

/// More than fjall keeps in memory, in chunks that lie in blob files, in segments of ten.
#[test]
fn a_long_stream_is_read_sought_and_trimmed() {
    const CHUNKS: u64 = 120;
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open_dir(dir.path()).unwrap();
    let (told, body) = (Arc::<Told>::default(), vec![7; 63 << 10]);
    for ticket in 0..CHUNKS {
        let entries = vec![message(&body); 4];
        let begins_segment = ticket % 10 == 0;
        let append = LogAppend { entries, begins_segment, ..chunk(&told, 1, ticket, 0) };
        submit_and_wait(&store.handle(), Submission::of(Op::AppendLog(append)));
    }
    let expected: Vec<_> = (0..CHUNKS).map(|ticket| (ticket, ticket * 4)).collect();
    assert_eq!(told.offsets(), expected);
    store.shutdown().unwrap();

    let (store, recovered) = open_dir(dir.path()).unwrap();
    let log = recovered.queues[&QueueId(1)].log.clone().unwrap();
    assert_eq!((log.sealed.len(), log.open.first, log.last_chunk, log.next), (11, 440, 476, 480));
    let bytes = log.sealed[0].bytes;
    assert!(log.sealed.iter().chain([&log.open]).all(|segment| segment.bytes == bytes));
    assert_read_whole(&store.handle(), &log, &body);
    for (at, offset) in [(0, 0), (1000, 0), (1001, 4), (1010, 4), (2190, 476), (2191, 480)] {
        assert_eq!(seek(&store.handle(), 1, 0..480, at, || ()), offset, "{at} ms");
    }
    submit_and_wait(&store.handle(), Submission::of(Op::TrimLog { stream: QueueId(1), before: 400 }));
    assert_eq!(read_log(&store.handle(), 1, 0, 1, || ()).unwrap()[0].first, 400);
    store.shutdown().unwrap();

    let (store, recovered) = open_dir(dir.path()).unwrap();
    let log = recovered.queues[&QueueId(1)].log.clone().unwrap();
    assert_eq!((log.sealed[0].first, log.sealed.len(), log.next), (400, 1, 480));
    submit_and_wait(&store.handle(), Submission::of(Op::DeleteQueue { queue: QueueId(1) }));
    store.shutdown().unwrap();
    assert!(open_dir(dir.path()).unwrap().1.queues.is_empty());
}

/// Passes much more through a stream than is kept of it; nothing waits for an idle moment.
#[test]
fn what_a_growing_stream_loses_is_given_back() {
    const MIB: u64 = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open_dir(dir.path()).unwrap();
    let (told, body) = (Arc::<Told>::default(), vec![7; 255 << 10]);
    for ticket in 0..600 * MIB / body.len() as u64 {
        let entries = vec![message(&body)];
        let begins_segment = ticket % 40 == 0;
        let append = LogAppend { entries, begins_segment, ..chunk(&told, 1, ticket, 0) };
        submit_and_wait(&store.handle(), Submission::of(Op::AppendLog(append)));
        if begins_segment && ticket >= 160 {
            store.handle().submit(Submission::of(Op::TrimLog { stream: QueueId(1), before: ticket - 160 }));
        }
    }
    let kept = bytes_under(dir.path().join("keyspaces"));
    assert!(kept < 400 * MIB, "{} MiB in tables and blob files of 600 MiB that passed", kept / MIB);
}

/// Reads a stream of chunks of four messages, a MiB at a time.
fn assert_read_whole(handle: &StoreHandle, log: &RecoveredLog, body: &[u8]) {
    const BYTES_MAX: u64 = 1 << 20;
    let fit = BYTES_MAX / (log.sealed[0].bytes / 10);
    let mut from = 0;
    while from < log.next {
        let chunks = read_log(handle, 1, from, BYTES_MAX as usize, || ()).unwrap();
        assert_eq!(chunks.len() as u64, fit.min((log.next - from) / 4));
        assert!(chunks.iter().flat_map(|chunk| &chunk.entries).all(|entry| entry.body() == body));
        from = chunks.last().unwrap().first + 4;
    }
}

fn bytes_under(dir: PathBuf) -> u64 {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| match entry.unwrap() {
            entry if entry.file_type().unwrap().is_dir() => bytes_under(entry.path()),
            entry => entry.metadata().unwrap().len(),
        })
        .sum()
}

#[test]
fn an_idle_store_gives_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = FjallEngine::open(dir.path(), 64).unwrap();
    let (start, _) = recovery::start(engine, None).unwrap();
    let mut committer = Committer::new(start, channel().0, Arc::default(), Box::new(Default::default));
    let body = vec![7; 1 << 20];
    let entries = (1..=70).map(|position| entry(position, &body)).collect();
    committer.add(Submission::of(Op::Append { queue: QueueId(1), entries }), 0);
    committer.commit().unwrap();
    committer.add(Submission::of(remove(1, 1..=70)), 0);
    committer.commit().unwrap();
    loop {
        while !committer.engine().is_flushed() {
            std::thread::yield_now();
        }
        committer.idle().unwrap();
        if !committer.is_untidy() {
            break;
        }
    }
    // The last flush lets go of the tables; it is done in the background.
    while bytes_under(dir.path().join("keyspaces")) > 8 << 20 {
        std::thread::yield_now();
    }
}

/// The engine keeps its newest journal until that is full: when the disk is short of space it is filled up, whatever is missing.
#[test]
fn a_store_on_a_disk_without_room_gives_its_newest_journal_back() {
    let dir = tempfile::tempdir().unwrap();
    for restarted in [false, true] {
        let (engine, _) = FjallEngine::open(dir.path(), 64).unwrap();
        let (start, _) = recovery::start(engine, None).unwrap();
        let shared = Arc::<Shared>::default();
        let mut committer =
            Committer::new(start, channel().0, Arc::clone(&shared), Box::new(Default::default));
        let newest = committer.engine().marker().newest_journal();
        if !restarted {
            let body = vec![7; 1 << 20];
            let entries = (1..=20).map(|position| entry(position, &body)).collect();
            committer.add(Submission::of(Op::Append { queue: QueueId(1), entries }), 0);
            committer.commit().unwrap();
            committer.add(Submission::of(remove(1, 1..=20)), 0);
            committer.commit().unwrap();
            committer.close().unwrap();
            continue;
        }
        committer.idle().unwrap();
        assert!(dir.path().join(format!("{newest}.jnl")).exists(), "there is no need");
        shared.disk.set_short(true);
        while dir.path().join(format!("{newest}.jnl")).exists() {
            committer.idle().unwrap();
            while !committer.engine().is_flushed() {
                std::thread::yield_now();
            }
        }
        while committer.is_untidy() {
            committer.idle().unwrap();
        }
        let commits = shared.stats.commits.load(Ordering::Relaxed);
        (0..20).for_each(|_| committer.idle().unwrap());
        assert_eq!(shared.stats.commits.load(Ordering::Relaxed), commits, "there is nothing in the new one");
        committer.close().unwrap();
    }
    let (_store, recovered) = open_dir(dir.path()).unwrap();
    assert!(recovered.queues.is_empty());
}
