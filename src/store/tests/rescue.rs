//! What a start refuses, the rescue knows of.

use super::logs::{Told, chunk, keys_of, read_log};
use super::*;
use crate::store::chunk::{self, KIND_HEARTBEAT, KIND_NOTE, KIND_RECORD, KIND_STATE, KIND_SUMMARY};
use crate::store::engine::{Durability, Engine as _, Space, WriteBatch};
use crate::store::fjall_engine::FjallEngine;
use crate::store::logs::keys::{CHUNKS, SEGMENTS};
use crate::store::recovery;
use crate::store::rescue::{QueueState, examine, salvage};

/// A store of one commit with these pairs in it.
fn store_of(dir: &Path, pairs: &[(Space, Vec<u8>, Vec<u8>)], has_header: bool) {
    let (mut engine, _) = FjallEngine::open(dir, 64).unwrap();
    let marker = engine.marker();
    let mut batch = WriteBatch::default();
    batch.put(Space::Messages, vec![KIND_HEARTBEAT], chunk::heartbeat(1, 0));
    recovery::put_definitions_heartbeat(&mut batch, 1);
    if has_header {
        recovery::put_header(&mut batch, 1, false);
    }
    for (space, key, value) in pairs {
        batch.put(*space, key.clone(), value.clone());
    }
    if batch.has_streams() {
        recovery::put_streams_heartbeat(&mut batch, 1, 0);
    }
    engine.commit(batch, Durability::Synced).unwrap();
    drop(engine);
    marker.closed();
}

/// Refused, twice with the same words, and with no others by the examination.
#[track_caller]
fn assert_refused(pairs: &[(Space, Vec<u8>, Vec<u8>)], has_header: bool, why: &str) {
    let dir = tempfile::tempdir().unwrap();
    store_of(dir.path(), pairs, has_header);
    let found = examine(dir.path()).unwrap();
    assert!(matches!(&found.damage[..], [only] if only.contains(why)), "{:?}", found.damage);
    for _ in 0..2 {
        let error = open_dir(dir.path()).map(|_| ()).unwrap_err();
        assert_eq!(error.detail(), found.damage[0]);
    }
}

#[test]
fn whole_files_that_a_start_refuses_are_damage() {
    let queue = 7_u64.to_be_bytes();
    let position = 9_u64.to_be_bytes();
    let key = |kind: u8, rest: &[&[u8]]| [&[kind][..], &rest.concat()].concat();
    let message = |key, value: &[u8]| [(Space::Messages, key, value.to_vec())];
    let stream = |key, value: &[u8]| [(Space::Streams, key, value.to_vec())];
    assert_refused(&[], false, "the store's header is incomplete");
    assert_refused(&message(key(KIND_STATE, &[b"?"]), b""), true, "state record is unreadable");
    let state = Runs::span(Position(9), Position(9)).encode(Position(9));
    assert_refused(
        &message(key(KIND_STATE, &[&queue, &position]), &state),
        true,
        "at position 9 are missing",
    );
    assert_refused(&message(key(KIND_SUMMARY, &[b"?"]), b""), true, "unreadable key");
    assert_refused(
        &message(key(KIND_SUMMARY, &[&queue, &position]), b"\xff"),
        true,
        "the summary of queue 7",
    );
    assert_refused(&message(key(KIND_NOTE, &[b"?"]), b""), true, "a note has an unreadable key");
    assert_refused(&message(key(KIND_RECORD, &[b"?"]), b""), true, "own record has an unreadable key");
    assert_refused(&stream(key(SEGMENTS, &[&queue]), b"?"), true, "the front of stream 7 is unreadable");
    assert_refused(
        &stream(key(SEGMENTS, &[&queue, &position]), b"?"),
        true,
        "a segment's record of stream 7 is unreadable",
    );
    assert_refused(
        &stream(key(CHUNKS, &[&queue, &position]), b""),
        true,
        "a record of stream 7 has an unreadable key",
    );
    assert_refused(&stream(key(CHUNKS, &[b"?"]), b""), true, "a record has an unreadable key");
    let name = [(Space::Definitions, b"d\xff".to_vec(), Vec::new())];
    assert_refused(&name, true, "a definition has an unreadable name");
}

#[test]
fn a_store_without_a_fault_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    store_of(dir.path(), &[], true);
    assert_eq!(examine(dir.path()).unwrap().damage, Vec::<String>::new());
    drop(open_dir(dir.path()).unwrap());
}

/// Streams 7 and 8 with as many chunks of two messages each, and two chunks a segment.
fn pairs_of_streams() -> Vec<(Space, Vec<u8>, Vec<u8>)> {
    let disk = MemoryDisk::new();
    let (handle, mut committer, _) = open_manual(disk.clone()).unwrap();
    let told = Arc::<Told>::default();
    for ticket in 0..8 {
        for stream in [7, 8].into_iter().filter(|stream| ticket < *stream) {
            let begins_segment = ticket % 2 == 0;
            let append = LogAppend { begins_segment, ..chunk(&told, stream, ticket, 2) };
            handle.submit(Submission::of(Op::AppendLog(append)));
        }
    }
    committer.commit_pending();
    let reader = disk.engine().reader();
    let keys = [CHUNKS, SEGMENTS].into_iter().flat_map(|kind| keys_of(&disk, kind));
    keys.map(|key| {
        let value = reader.read(Space::Streams, &key).unwrap().unwrap();
        (Space::Streams, key, value)
    })
    .collect()
}

#[test]
fn a_salvaged_stream_has_its_whole_chunks_and_gives_no_offset_again() {
    let (dir, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut pairs = pairs_of_streams();
    // Offsets 4 and 5, and the last two of stream 7.
    for broken in [2, 6] {
        pairs[broken].2.pop();
    }
    // Stream 8 begins at 8; nothing below was removed.
    let front = [8_u64.to_be_bytes(), 0_u64.to_be_bytes()].concat();
    pairs.push((Space::Streams, [&[SEGMENTS][..], &8_u64.to_be_bytes()].concat(), front));
    store_of(dir.path(), &pairs, true);
    let found = salvage(dir.path(), new.path()).unwrap();
    assert_eq!(found.queues[&QueueId(7)], QueueState { whole: 10, lost: 4 });
    assert_eq!(found.queues[&QueueId(8)], QueueState { whole: 8, lost: 0 });
    let again = examine(new.path()).unwrap();
    assert_eq!((again.damage, again.queues[&QueueId(8)].whole), (vec![], 8));

    let (store, recovered) = open_dir(new.path()).unwrap();
    let firsts = |stream| {
        let read = read_log(&store.handle(), stream, 0, usize::MAX, || ()).unwrap();
        read.iter().map(|chunk| chunk.first).collect::<Vec<_>>()
    };
    assert_eq!((firsts(7), firsts(8)), (vec![0, 2, 6, 8, 10], vec![8, 10, 12, 14]));
    let log = |stream| recovered.queues[&QueueId(stream)].log.clone().unwrap();
    assert_eq!((log(7).next, log(7).last_chunk, log(7).open.first), (14, 10, 14));
    assert_eq!((log(8).next, log(8).sealed[0].first), (16, 8));
    let told = Arc::<Told>::default();
    submit_and_wait(&store.handle(), Submission::of(Op::AppendLog(chunk(&told, 7, 1, 1))));
    assert_eq!(told.offsets(), [(1, 14)]);
}
