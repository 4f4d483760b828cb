//! Messages that several queues share.

use super::*;
use crate::store::chunk;

const BODY_BYTES: usize = 64 * 1024;

fn shared(byte: u8, queues: usize) -> Message {
    message(&vec![byte; BODY_BYTES]).for_queues(queues)
}

fn fresh() -> (MemoryDisk, StoreHandle, ManualCommitter) {
    let disk = MemoryDisk::new();
    let (handle, committer, _) = open_manual(disk.clone()).unwrap();
    (disk, handle, committer)
}

fn commit(handle: &StoreHandle, committer: &mut ManualCommitter, op: Op) {
    handle.submit(Submission::of(op));
    committer.commit_pending();
}

#[test]
pub(super) fn a_message_to_ten_queues_is_written_once() {
    let (disk, handle, mut committer) = fresh();
    let empty = disk.pairs();
    let before = handle.stats().bytes_written;
    let message = shared(1, 10);
    // Some of them in one commit, some in another.
    for queue in 1..=10 {
        handle.submit(Submission::of(append_message(queue, [queue], &message)));
        if queue % 4 == 0 {
            committer.commit_pending();
        }
    }
    committer.commit_pending();
    let written = handle.stats().bytes_written - before;
    assert!((BODY_BYTES as u64..BODY_BYTES as u64 + 2000).contains(&written), "{written} bytes");
    assert_eq!(disk.pairs(), empty + 21, "ten chunks, their summaries, and the message");

    let mut opened = open_manual(disk.clone()).unwrap();
    let contents = read_manual(&mut opened);
    for queue in 1..=10 {
        let found: Vec<_> = contents[&queue].iter().map(|m| (m.position.0, m.message == message)).collect();
        assert_eq!(found, [(queue, true)]);
    }
    let (handle, mut committer, _) = opened;
    for queue in 1..=10 {
        assert!(disk.bytes() > BODY_BYTES, "{queue} still has it");
        commit(&handle, &mut committer, remove(queue, [queue]));
    }
    assert_eq!(disk.pairs(), empty);
}

#[test]
pub(super) fn small_messages_and_those_of_one_queue_stay_in_their_chunks() {
    let (disk, handle, mut committer) = fresh();
    let empty = disk.pairs();
    for (queue, message) in
        [(1, shared(1, 1)), (2, message(&[2; 900]).for_queues(10)), (3, message(&[3; 3000]).for_queues(2))]
    {
        commit(&handle, &mut committer, append_message(queue, [1], &message));
    }
    assert_eq!(disk.pairs(), empty + 6, "three chunks and their summaries");
}

#[test]
pub(super) fn a_message_stays_while_one_queue_loses_it_and_another_gets_it() {
    let (disk, handle, mut committer) = fresh();
    let message = shared(1, 2);
    commit(&handle, &mut committer, append_message(1, [1], &message));
    handle.submit(Submission::of(remove(1, [1])));
    handle.submit(Submission::of(append_message(2, [1], &message)));
    committer.commit_pending();
    let contents = read_manual(&mut open_manual(disk).unwrap());
    assert_eq!(contents[&2][0].message, message);
}

#[test]
fn a_message_that_comes_back_to_a_queue_is_written_again() {
    let (disk, handle, mut committer) = fresh();
    let empty = disk.pairs();
    let message = shared(1, 2);
    for position in [1, 2] {
        commit(&handle, &mut committer, append_message(1, [position], &message));
        let contents = read_manual(&mut open_manual(disk.clone()).unwrap());
        assert_eq!(contents[&1][0].message, message);
        commit(&handle, &mut committer, remove(1, [position]));
        assert_eq!(disk.pairs(), empty);
    }
}

#[test]
pub(super) fn purges_and_deletions_let_go_of_messages() {
    let (disk, handle, mut committer) = fresh();
    let empty = disk.pairs();
    for (position, byte) in [(1, 1), (2, 2)] {
        let message = shared(byte, 2);
        handle.submit(Submission::of(append_message(1, [position], &message)));
        handle.submit(Submission::of(append_message(2, [position], &message)));
    }
    committer.commit_pending();
    commit(&handle, &mut committer, purge(1, 10, []));
    assert_eq!(disk.pairs(), empty + 6, "two chunks, their summaries and messages");
    commit(&handle, &mut committer, Op::DeleteQueue { queue: QueueId(2) });
    assert_eq!(disk.pairs(), empty);
}

/// What is partly removed keeps what its chunk refers to, no more than a chunk's worth.
#[test]
pub(super) fn chunks_of_shared_messages_are_as_small_as_others() {
    let (disk, handle, mut committer) = fresh();
    for position in 1..=20 {
        let message = message(&[position as u8; 5000]).for_queues(2);
        handle.submit(Submission::of(append_message(1, [position], &message)));
    }
    committer.commit_pending();
    commit(&handle, &mut committer, remove(1, (1..=20).filter(|position| *position != 7)));
    let left = disk.bytes();
    assert!((5000..chunk::CHUNK_BYTES_MAX + 2000).contains(&left), "{left} bytes");
    let mut opened = open_manual(disk.clone()).unwrap();
    let contents = read_manual(&mut opened);
    assert_eq!(contents[&1].iter().map(|m| m.message.body()[0]).collect::<Vec<_>>(), [7]);
    let (handle, mut committer, _) = opened;
    commit(&handle, &mut committer, remove(1, [7]));
    assert!(disk.bytes() < 1000, "{} bytes", disk.bytes());
}

#[test]
pub(super) fn a_shared_message_costs_each_queue_its_share() {
    let (_disk, handle, _committer) = fresh();
    let message = shared(1, 10);
    for queue in 1..=10 {
        handle.submit(Submission::of(append_message(queue, [1], &message)));
    }
    assert!((BODY_BYTES..BODY_BYTES + 3000).contains(&handle.pending_bytes()));
}

#[test]
pub(super) fn a_missing_message_is_damage() {
    let (disk, handle, mut committer) = fresh();
    let message = shared(1, 2);
    commit(&handle, &mut committer, append_message(1, [1], &message));
    disk.lose(Space::Messages, &chunk::body_key(1 << 40));
    let (handle, mut committer, recovered) = open_manual(disk).unwrap();
    let (sender, receiver) = channel();
    let positions = all_of(&recovered.queues[&QueueId(1)]);
    let done = Box::new(move |read: Result<Vec<StoredMessage>, Unreadable>| sender.send(read).unwrap());
    handle.load(Load { queue: QueueId(1), positions, stored: true, page: None, keeps_page: false, done });
    committer.commit_pending();
    let unreadable = receiver.recv().unwrap().unwrap_err();
    assert!(unreadable.0.contains("queue 1 at position 1"), "half a load is none: {unreadable:?}");
    assert!(!committer.has_failed(), "other queues go on");
}
