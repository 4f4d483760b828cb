//! The committer on a memory disk, pumped by hand.

use super::*;

fn fresh() -> (MemoryDisk, StoreHandle, ManualCommitter, Recovered) {
    let disk = MemoryDisk::new();
    let (handle, committer, recovered) = open_manual(disk.clone()).unwrap();
    (disk, handle, committer, recovered)
}

fn reopened(disk: &MemoryDisk) -> Recovered {
    open_manual(disk.clone()).unwrap().2
}

#[test]
pub(super) fn everything_comes_back() {
    let (disk, handle, mut committer, _) = fresh();
    let mut special = entry(3, b"third");
    special.expires_at = Some(Timestamp::from_millis(77));
    special.level = 3;
    let special = Op::Append { queue: QueueId(1), entries: vec![special] };
    let definition = Op::PutDefinition { key: "q/é".into(), value: b"v".to_vec() };
    for op in [append(1, [1, 2]), special, append(2, [1]), definition] {
        handle.submit(Submission::of(op));
    }
    assert!(handle.pending_bytes() > 0);
    assert_eq!(committer.commit_pending(), 4);
    assert_eq!(handle.pending_bytes(), 0);
    let mut opened = open_manual(disk).unwrap();
    let contents = read_manual(&mut opened);
    let recovered = opened.2;
    assert_eq!(positions(&recovered, 1), [1, 2, 3]);
    assert_eq!(positions(&recovered, 2), [1]);
    assert!(recovered.queues[&QueueId(1)].segments.iter().any(|segment| segment.may_expire));
    let third = &contents[&1][2];
    assert_eq!((third.expires_at, third.level), (Some(Timestamp::from_millis(77)), 3));
    assert_eq!(third.message, message(b"third"));
    assert_eq!(recovered.definitions.get("q/é"), Some(&b"v".to_vec()));
}

#[test]
pub(super) fn positions_and_queue_ids_are_never_reused() {
    let (disk, handle, mut committer, first) = fresh();
    let position = first.next_position.0;
    handle.submit(Submission::of(append(1, [position])));
    handle.submit(Submission::of(remove(1, [position])));
    committer.commit_pending();
    let second = reopened(&disk);
    assert!(second.queues.is_empty());
    assert!(second.next_position > Position(position));
    assert!(second.first_queue_id > first.first_queue_id);
    let third = reopened(&disk);
    assert!(third.next_position > second.next_position && third.first_queue_id > second.first_queue_id);
}

#[test]
pub(super) fn an_epoch_that_overflowed_is_passed() {
    let (disk, handle, mut committer, first) = fresh();
    let far = first.next_position.0 + (5 << 40);
    handle.submit(Submission::of(append(1, [far])));
    committer.commit_pending();
    assert!(reopened(&disk).next_position > Position(far));
}

#[test]
pub(super) fn a_message_acked_before_its_commit_is_never_written() {
    let (disk, handle, mut committer, _) = fresh();
    let sink = Arc::new(Sink::default());
    let (before, buffered) = (handle.stats(), disk.buffered());
    let confirms = vec![confirm(&sink, 1, 1, 100)];
    handle.submit(Submission { confirms, ..Submission::of(append(1, 1..=100)) });
    handle.submit(Submission::of(remove(1, 1..=100)));
    committer.commit_pending();
    let stats = handle.stats();
    assert_eq!((stats.entries_written, stats.entries_elided), (0, 100));
    assert_eq!((stats.syncs, stats.commits), (before.syncs, before.commits), "there was nothing to write");
    assert_eq!(sink.taken(), [(1, 1, 100)], "and yet it is confirmed");
    assert_eq!(disk.buffered(), buffered);

    handle.submit(Submission::of(append(1, 101..=110)));
    handle.submit(Submission::of(remove(1, [105, 101, 110])));
    committer.commit_pending();
    assert_eq!(handle.stats().entries_written, 7);
    assert_eq!(positions(&reopened(&disk), 1), [102, 103, 104, 106, 107, 108, 109]);
}

#[test]
fn acks_alone_are_not_synced_but_a_done_syncs_them() {
    let (disk, handle, mut committer, _) = fresh();
    handle.submit(Submission::of(append(1, 1..=10)));
    committer.commit_pending();
    let synced = handle.stats().syncs;
    handle.submit(Submission::of(remove(1, [1, 2])));
    handle.submit(Submission::of(delivered(1, 5)));
    committer.commit_pending();
    assert_eq!(handle.stats().syncs, synced);
    assert_eq!(disk.buffered(), 1, "the process may die");
    handle.submit(Submission::default().with_done(|| ()));
    committer.commit_pending();
    assert_eq!((handle.stats().syncs, disk.buffered()), (synced + 1, 0));
    handle.submit(Submission::default().with_done(|| ()));
    committer.commit_pending();
    assert_eq!(handle.stats().syncs, synced + 1, "there was nothing to sync");
}

#[test]
pub(super) fn a_chunk_that_is_acked_whole_leaves_nothing_behind() {
    let (disk, handle, mut committer, _) = fresh();
    let empty = disk.pairs();
    handle.submit(Submission::of(append(1, 1..=10)));
    committer.commit_pending();
    assert_eq!(disk.pairs(), empty + 2, "a chunk and its summary");
    for ack in [3, 1, 2, 2, 9, 77] {
        handle.submit(Submission::of(remove(1, [ack])));
        committer.commit_pending();
    }
    assert_eq!(disk.pairs(), empty + 3, "and what is left of it");
    assert_eq!(positions(&reopened(&disk), 1), [4, 5, 6, 7, 8, 10]);
    let (handle, mut committer, _) = open_manual(disk.clone()).unwrap();
    handle.submit(Submission::of(remove(1, 4..=10)));
    committer.commit_pending();
    assert_eq!(disk.pairs(), empty);
}

#[test]
pub(super) fn what_was_delivered_comes_back_redelivered() {
    let (disk, handle, mut committer, _) = fresh();
    handle.submit(Submission::of(append(1, 1..=4)));
    handle.submit(Submission::of(delivered(1, 2)));
    committer.commit_pending();
    let flags = |recovered: &Recovered| {
        let queue = &recovered.queues[&QueueId(1)];
        all_of(queue).iter().map(|position| position <= queue.delivered).collect::<Vec<_>>()
    };
    assert_eq!(flags(&reopened(&disk)), [true, true, false, false]);
    let (handle, mut committer, _) = open_manual(disk.clone()).unwrap();
    let written = handle.stats().bytes_written;
    handle.submit(Submission::of(delivered(1, 2)));
    committer.commit_pending();
    assert_eq!(handle.stats().bytes_written, written, "it is known already");
    handle.submit(Submission::of(delivered(1, 3)));
    handle.submit(Submission::of(remove(1, 1..=3)));
    committer.commit_pending();
    assert_eq!(flags(&reopened(&disk)), [false]);
}

#[test]
pub(super) fn a_purge_keeps_the_unacked_and_a_deletion_nothing() {
    let (disk, handle, mut committer, _) = fresh();
    let empty = disk.pairs();
    handle.submit(Submission::of(append(1, 1..=10)));
    committer.commit_pending();
    handle.submit(Submission::of(append(1, 11..=20)));
    committer.commit_pending();
    handle.submit(Submission::of(append(1, 21..=30)));
    handle.submit(Submission::of(purge(1, 25, [4, 22])));
    committer.commit_pending();
    assert_eq!(positions(&reopened(&disk), 1), [4, 22, 25, 26, 27, 28, 29, 30]);
    let (handle, mut committer, _) = open_manual(disk.clone()).unwrap();
    handle.submit(Submission::of(delivered(1, 30)));
    handle.submit(Submission::of(append(1, [31])));
    handle.submit(Submission::of(Op::DeleteQueue { queue: QueueId(1) }));
    committer.commit_pending();
    assert_eq!(disk.pairs(), empty);
}

#[test]
pub(super) fn a_join_is_all_or_nothing() {
    let (disk, handle, mut committer, _) = fresh();
    handle.submit(Submission::of(append(1, [1])));
    committer.commit_pending();
    handle.submit(joined(remove(1, [1]), 5, 2));
    assert!(handle.pending_bytes() > 0);
    committer.commit_pending();
    // What is held waits for its other parts; if it counted, a queue with one of them could be made to wait for itself.
    assert_eq!(handle.pending_bytes(), 0);
    assert_eq!(positions(&reopened(&disk), 1), [1]);
    let (handle, mut committer, _) = open_manual(disk.clone()).unwrap();
    handle.submit(joined(append(2, [1]), 5, 2));
    handle.submit(Submission::of(append(2, [2])));
    committer.commit_pending();
    assert_eq!(positions(&reopened(&disk), 2), [2]);
    let (handle, mut committer, _) = open_manual(disk.clone()).unwrap();
    handle.submit(joined(append(2, [1]), 5, 2));
    committer.commit_pending();
    handle.submit(joined(remove(1, [1]), 5, 2));
    committer.commit_pending();
    assert_eq!(handle.pending_bytes(), 0);
    let recovered = reopened(&disk);
    assert_eq!((positions(&recovered, 1), positions(&recovered, 2)), (vec![], vec![1, 2]));
}

#[test]
pub(super) fn what_is_removed_while_it_waits_in_a_join_is_not_written() {
    let (disk, handle, mut committer, _) = fresh();
    handle.submit(joined(append(2, 1..=6), 1, 2));
    handle.submit(joined(append(3, [1]), 1, 2));
    handle.submit(joined(append(4, 1..=3), 2, 2));
    handle.submit(joined(append(5, 1..=3), 2, 2));
    committer.commit_pending();
    assert_eq!(positions(&reopened(&disk), 2), [1, 2, 3, 4, 5, 6]);
    let (handle, mut committer, _) = open_manual(disk.clone()).unwrap();
    handle.submit(joined(append(2, 11..=16), 1, 2));
    handle.submit(joined(append(4, 11..=13), 2, 2));
    handle.submit(Submission::of(remove(2, [12, 15])));
    committer.commit_pending();
    handle.submit(Submission::of(purge(2, 14, [13])));
    handle.submit(Submission::of(Op::DeleteQueue { queue: QueueId(4) }));
    handle.submit(joined(append(3, [11]), 1, 2));
    handle.submit(joined(append(5, [11]), 2, 2));
    committer.commit_pending();
    let recovered = reopened(&disk);
    assert_eq!(positions(&recovered, 2), [13, 14, 16]);
    assert_eq!(positions(&recovered, 4), Vec::<u64>::new());
    assert_eq!(positions(&recovered, 5), [1, 2, 3, 11]);
}

#[test]
fn nothing_fires_after_a_failed_commit() {
    let (disk, handle, mut committer, _) = fresh();
    let sink = Arc::new(Sink::default());
    disk.fail_after(1);
    for number in 1..=3 {
        let confirms = vec![confirm(&sink, 1, number, number)];
        handle.submit(Submission { confirms, ..Submission::of(append(1, [number])) });
        committer.commit_pending();
    }
    assert_eq!(sink.taken(), [(1, 1, 1)]);
    assert!(committer.has_failed());
    disk.crash(9);
    assert_eq!(positions(&reopened(&disk), 1), [1]);
}

#[test]
fn a_crash_loses_only_what_was_not_synced() {
    let (disk, handle, mut committer, _) = fresh();
    handle.submit(Submission::of(append(1, 1..=3)));
    committer.commit_pending();
    for ack in 1..=3 {
        handle.submit(Submission::of(remove(1, [ack])));
        committer.commit_pending();
    }
    disk.crash(1);
    assert_eq!(positions(&reopened(&disk), 1), [2, 3]);
    handle.submit(Submission::of(append(1, [4])));
    committer.commit_pending();
    assert!(committer.has_failed(), "an engine from before the crash has no disk");
}

#[test]
pub(super) fn another_format_is_refused() {
    let (disk, ..) = fresh();
    let mut batch = WriteBatch::default();
    batch.put(Space::Definitions, b"v".to_vec(), 9_u32.to_be_bytes().to_vec());
    disk.engine().commit(batch, Durability::Synced).unwrap();
    let error = open_manual(disk).map(drop).unwrap_err();
    assert!(matches!(&error, Error::Version { found, known: 4 } if found == "9"), "{error}");
}

#[test]
pub(super) fn a_load_finds_what_was_submitted_before_it_and_waits_for_joins() {
    let (_disk, handle, mut committer, _) = fresh();
    let (sender, loaded) = channel();
    let load = |positions: std::ops::RangeInclusive<u64>| {
        let sender = sender.clone();
        let done = move |read: Result<Vec<StoredMessage>, Unreadable>| {
            sender.send(read.unwrap().iter().map(|m| m.position.0).collect::<Vec<_>>()).unwrap();
        };
        let positions = Runs::span(Position(*positions.start()), Position(*positions.end()));
        Load {
            queue: QueueId(1),
            positions,
            stored: true,
            page: None,
            keeps_page: false,
            done: Box::new(done),
        }
    };
    handle.submit(Submission::of(append(1, 1..=9)));
    handle.load(load(2..=8));
    handle.submit(joined(append(1, [10, 11]), 1, 2));
    handle.submit(Submission::of(append(1, [12])));
    handle.load(load(9..=12));
    committer.commit_pending();
    assert_eq!(loaded.try_recv().unwrap(), [2, 3, 4, 5, 6, 7, 8]);
    assert!(loaded.try_recv().is_err(), "10 and 11 are not there before their join is whole");
    handle.submit(joined(remove(2, [1]), 1, 2));
    committer.commit_pending();
    assert_eq!(loaded.try_recv().unwrap(), [9, 10, 11, 12]);
}

#[test]
pub(super) fn a_page_is_read_once_beside_the_chunks() {
    let (disk, handle, mut committer, _) = fresh();
    let empty = disk.pairs();
    let (sender, loaded) = channel();
    let load = |stored, page| {
        let sender = sender.clone();
        let done = move |read: Result<Vec<StoredMessage>, Unreadable>| sender.send(read.unwrap()).unwrap();
        let positions = Runs::span(Position(1), Position(6));
        handle.load(Load {
            queue: QueueId(1),
            positions,
            stored,
            page: Some(page),
            keeps_page: false,
            done: Box::new(done),
        });
    };
    let paged: Vec<_> = [2, 3, 5].map(|position| entry(position, &position.to_be_bytes())).into();
    handle.write_page(QueueId(1), 7, paged.clone());
    handle.write_page(QueueId(1), 8, paged.clone());
    assert!(handle.pending_page_bytes() > 0);
    handle.submit(Submission::of(append(1, [1, 4, 6])));
    load(true, 7);
    load(false, 8);
    load(false, 8);
    committer.commit_pending();
    assert_eq!(handle.pending_page_bytes(), 0);
    assert_eq!(loaded.try_recv().unwrap(), paged);
    assert_eq!(loaded.try_recv().unwrap(), [], "it is gone when it was read");
    let positions: Vec<_> = loaded.try_recv().unwrap().iter().map(|m| m.position.0).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5, 6]);
    assert_eq!(disk.pairs(), empty + 2, "pages are not in the engine");
}
