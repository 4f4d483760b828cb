//! Ranges of keys, as both engines answer for them.

use super::*;
use crate::store::chunk::{self, KIND_HEARTBEAT};
use crate::store::fjall_engine::FjallEngine;
use proptest::prelude::*;
use std::cell::Cell;
use std::ops::ControlFlow;

/// Keys and values of all sizes; the longer values do not stand with their keys in fjall.
#[derive(Clone, Debug)]
enum Change {
    Put { key: u8, bytes: usize },
    Remove { key: u8 },
    Commit { durability: bool },
}

fn change() -> impl Strategy<Value = Change> {
    let key = 0_u8..24;
    prop_oneof![
        6 => (key.clone(), prop_oneof![0_usize..50, 1000_usize..3000])
            .prop_map(|(key, bytes)| Change::Put { key, bytes }),
        2 => key.prop_map(|key| Change::Remove { key }),
        3 => any::<bool>().prop_map(|durability| Change::Commit { durability }),
    ]
}

/// Batches as the committer makes them: each key at most once, a heartbeat first.
fn batches(changes: &[Change]) -> Vec<(Vec<Change>, Durability)> {
    let mut batches = Vec::new();
    let mut open = BTreeMap::new();
    for change in changes.iter().chain([&Change::Commit { durability: true }]) {
        match change {
            Change::Put { key, .. } | Change::Remove { key } => drop(open.insert(*key, change.clone())),
            Change::Commit { durability } => {
                let durability = if *durability { Durability::Synced } else { Durability::Buffered };
                batches.push((std::mem::take(&mut open).into_values().collect(), durability));
            }
        }
    }
    batches
}

fn key(number: u8) -> Vec<u8> {
    vec![9, number / 5, number % 5]
}

fn commit(engine: &mut impl Engine, number: u64, changes: &[Change], durability: Durability) {
    let mut batch = WriteBatch::default();
    batch.put(Space::Messages, vec![KIND_HEARTBEAT], chunk::heartbeat(number, 0));
    for change in changes {
        match change {
            Change::Put { key: of, bytes } => batch.put(Space::Messages, key(*of), vec![*of; *bytes]),
            Change::Remove { key: of } => batch.remove(Space::Messages, key(*of)),
            Change::Commit { .. } => {}
        }
    }
    engine.commit(batch, durability).unwrap();
}

/// All that a reader says of a range of keys: up to so many pairs, up to so many keys, and the last one.
type Said = (Vec<(Vec<u8>, Vec<u8>)>, Vec<Vec<u8>>, Option<Vec<u8>>);

fn say(reader: &dyn Reader, from: &[u8], to: &[u8], most: usize) -> Said {
    let (mut pairs, mut keys, asked) = (Vec::new(), Vec::new(), Cell::new(0));
    let wants = |_: &[u8]| asked.replace(asked.get() + 1) < most;
    let visit = &mut |key: &[u8], value: Vec<u8>| {
        pairs.push((key.to_vec(), value));
        Ok(())
    };
    reader.range(Space::Messages, from, to, &wants, visit).unwrap();
    let visit = &mut |key: &[u8]| {
        keys.push(key.to_vec());
        Ok(if keys.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    };
    reader.keys(Space::Messages, from, to, visit).unwrap();
    (pairs, keys, reader.last_key(Space::Messages, from, to).unwrap())
}

proptest! {
    // Each opens a directory.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn both_engines_say_the_same(
        changes in prop::collection::vec(change(), 1..60),
        ranges in prop::collection::vec((0_u8..26, 0_u8..26, 1_usize..30), 20),
        flushes: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut fjall, _) = FjallEngine::open(dir.path(), 64).unwrap();
        let mut memory = MemoryDisk::new().engine();
        for (number, (changes, durability)) in batches(&changes).into_iter().enumerate() {
            commit(&mut fjall, number as u64 + 1, &changes, durability);
            commit(&mut memory, number as u64 + 1, &changes, durability);
            if flushes {
                fjall.maintain(0).unwrap();
            }
        }
        let (of_fjall, of_memory) = (fjall.reader(), memory.reader());
        for (from, to, most) in ranges {
            let (from, to) = (key(from), key(to));
            prop_assert_eq!(say(&*of_fjall, &from, &to, most), say(&*of_memory, &from, &to, most));
        }
    }
}

#[test]
fn a_visitor_that_fails_ends_a_range() {
    let mut memory = MemoryDisk::new().engine();
    let puts: Vec<_> = (0..9).map(|key| Change::Put { key, bytes: 9 }).collect();
    commit(&mut memory, 1, &puts, Durability::Synced);
    let reader = memory.reader();
    let mut visited = 0;
    let visit = &mut |_: &[u8], _| {
        visited += 1;
        Err(Error::Stopped)
    };
    assert!(reader.range(Space::Messages, &[9], &[10], &|_| true, visit).is_err());
    assert_eq!(visited, 1);
}
