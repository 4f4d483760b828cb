//! `coney store check` and `coney store salvage`.

use std::fs;
use std::path::Path;

use coney::message::QueueId;
use coney::store::rescue::{self, Examination};
use tempfile::TempDir;

use super::victims::{self, Contents, Victim};
use crate::support::process::coney;

/// What the examination counts, by queue.
fn counts(found: &Examination) -> Vec<(u64, u64, u64)> {
    found.queues.iter().map(|(queue, state)| (queue.0, state.whole, state.lost)).collect()
}

fn expected(live: &Contents) -> Vec<(u64, u64, u64)> {
    live.iter().map(|(queue, positions)| (*queue, positions.len() as u64, 0)).collect()
}

fn damaged(victim: &Victim, file: &str, change: impl FnOnce(&Path)) -> TempDir {
    let copy = victims::copy_of(victim);
    change(&copy.path().join(file));
    copy
}

fn flip_in_the_middle(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = victims::used(&bytes) / 2;
    bytes[middle] ^= 16;
    fs::write(path, bytes).unwrap();
}

/// Salvages; what it told, and what the new store has.
fn salvage(dir: &Path) -> (Examination, Contents) {
    let new = tempfile::tempdir().unwrap();
    let told = rescue::salvage(dir, new.path()).unwrap();
    let found = rescue::examine(new.path()).unwrap();
    assert_eq!(found.damage, Vec::<String>::new(), "the new store is whole");
    assert_eq!(found.definitions, told.definitions);
    let open = victims::open(new.path()).unwrap();
    let (contents, unreadable) = victims::contents(&open);
    assert!(unreadable.is_empty(), "{unreadable:?}");
    open.store.shutdown().unwrap();
    let whole = |queue: &u64| told.queues[&QueueId(*queue)].whole;
    assert!(contents.iter().all(|(queue, positions)| whole(queue) == positions.len() as u64), "{told:?}");
    (told, contents)
}

#[test]
fn what_is_whole_is_found_and_saved_whole() {
    for victim in [&victims::small(true), &victims::small(false), victims::flushed()] {
        let found = rescue::examine(victim.dir()).unwrap();
        assert_eq!((found.damage.len(), counts(&found)), (0, expected(&victim.live)), "{}", victim.name);
        assert_eq!(found.definitions.len(), 1);
        assert_eq!(salvage(victim.dir()).1, victim.live, "{}", victim.name);
    }
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_saved() {
    let victim = victims::flushed();
    let all: usize = victim.live.values().map(Vec::len).sum();
    for file in
        ["keyspaces/1/current", "keyspaces/3/current", "keyspaces/0/current", "version", "coney.store"]
    {
        let copy = damaged(victim, file, |path| fs::remove_file(path).unwrap());
        let (told, saved) = salvage(copy.path());
        assert!(
            file == "coney.store" || told.damage.iter().any(|line| line.contains(file)),
            "{file}: {told:?}"
        );
        assert_eq!(saved, victim.live, "{file} has no messages");
    }
    for file in victims::files(victim.dir()) {
        let file = file.strip_prefix(victim.dir()).unwrap().to_str().unwrap().to_owned();
        if !["tables", "blobs", ".jnl"].iter().any(|part| file.contains(part)) {
            continue;
        }
        let copy = damaged(victim, &file, flip_in_the_middle);
        let (told, saved) = salvage(copy.path());
        assert!(told.damage.iter().any(|line| line.contains(&file)), "{file}: {told:?}");
        let kept: usize = saved.values().map(Vec::len).sum();
        assert!(
            kept > 0 && kept <= all + victim.acked.values().map(Vec::len).sum::<usize>(),
            "{file}: {kept}"
        );
    }
}

#[test]
fn one_damaged_blob_costs_its_messages_and_no_others() {
    let victim = victims::flushed();
    let blob = victims::files(&victim.dir().join("keyspaces/1/blobs")).remove(0);
    let blob = blob.strip_prefix(victim.dir()).unwrap().to_str().unwrap().to_owned();
    let copy = damaged(victim, &blob, |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[300] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    let (told, saved) = salvage(copy.path());
    let lost: u64 = told.queues.values().map(|queue| queue.lost).sum();
    assert_eq!(lost, 2, "the two of a chunk that were not acked: {told:?}");
    let kept: usize = saved.values().map(Vec::len).sum();
    assert_eq!(kept as u64 + lost, victim.live.values().map(Vec::len).sum::<usize>() as u64);
}

#[test]
fn the_tool_says_so_and_its_exit_status_too() {
    let victim = victims::small(true);
    let run = |arguments: &[&str], dir: &Path| {
        let output = coney().args(arguments).arg(dir).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, said) = run(&["store", "check"], victim.dir());
    assert!(code == Some(0) && said.starts_with("Nothing is damaged."), "{said}");
    let copy = damaged(&victim, "0.jnl", flip_in_the_middle);
    let (code, said) = run(&["store", "check"], copy.path());
    assert!(code == Some(1) && said.contains("0.jnl") && said.contains("missing"), "{said}");
    let new = tempfile::tempdir().unwrap();
    let (code, said) = run(&["store", "salvage", copy.path().to_str().unwrap()], new.path());
    assert!(code == Some(0) && said.contains("Wrote what is whole"), "{said}");
    let (code, said) = run(&["store", "salvage", copy.path().to_str().unwrap()], new.path());
    assert!(code == Some(1) && said.contains("not empty"), "{said}");
    let (code, said) = run(&["store", "check"], tempfile::tempdir().unwrap().path());
    assert!(code == Some(1) && said.contains("no files of a store"), "{said}");
    let open = victims::open(victim.dir()).unwrap();
    let (code, said) = run(&["store", "check"], victim.dir());
    assert!(code == Some(1) && said.contains("in use"), "{said}");
    drop(open);
}
