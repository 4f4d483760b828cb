//! What a start refuses, the rescue knows of.

use super::*;
use crate::store::chunk::{self, KIND_HEARTBEAT, KIND_NOTE, KIND_RECORD, KIND_STATE, KIND_SUMMARY};
use crate::store::engine::{Durability, Engine as _, Space, WriteBatch};
use crate::store::fjall_engine::FjallEngine;
use crate::store::recovery;
use crate::store::rescue::examine;

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
