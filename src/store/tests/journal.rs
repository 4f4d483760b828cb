//! Torn and damaged journals, on copies of a directory as a crash would leave it.

use super::*;
use std::fs::{self, OpenOptions as FileOptions};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::path::PathBuf;
use tempfile::TempDir;

/// A store with four synced commits and then two buffered ones, as found after the death of its process; and where
/// each batch begins in its journal. The last place is the end of the journal.
struct CrashedStore {
    dir: TempDir,
    batches: Vec<u64>,
}

impl CrashedStore {
    fn new() -> Self {
        let (living, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (store, _) = open_dir(living.path()).unwrap();
        let handle = store.handle();
        let end = || journal_end(&living.path().join("0.jnl"));
        let mut batches = vec![end()];
        for position in 1..=4 {
            submit_and_wait(&handle, Submission::of(append(1, [position])));
            batches.push(end());
        }
        for position in 1..=2 {
            let before = handle.stats().commits;
            handle.submit(Submission::of(remove(1, [position])));
            while handle.stats().commits == before {
                std::thread::yield_now();
            }
            batches.push(end());
        }
        copy(living.path(), dir.path());
        Self { dir, batches }
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("0.jnl")
    }

    fn overwrite(&self, at: u64, bytes: &[u8]) {
        let mut file = FileOptions::new().write(true).open(self.journal()).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn open(&self) -> Result<Recovered, Error> {
        open_dir(self.dir.path()).map(|(_, recovered)| recovered)
    }

    fn assert_refused_untouched(&self) {
        let before = fs::read(self.journal()).unwrap();
        let error = self.open().unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("0.jnl"), "{error}");
        assert!(fs::read(self.journal()).unwrap() == before, "the evidence was changed");
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Where the zeros begin.
fn journal_end(path: &Path) -> u64 {
    let mut bytes = Vec::new();
    fs::File::open(path).unwrap().take(1 << 20).read_to_end(&mut bytes).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

#[test]
fn a_killed_process_loses_nothing() {
    let corpse = CrashedStore::new();
    let recovered = corpse.open().unwrap();
    assert_eq!(positions(&recovered, 1), [3, 4], "acks survive a kill, too");
    assert_eq!(recovered.healed, None);
}

#[test]
fn garbage_after_the_last_batch_is_cut_off() {
    let corpse = CrashedStore::new();
    corpse.overwrite(corpse.batches[6], &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let recovered = corpse.open().unwrap();
    assert_eq!(positions(&recovered, 1), [3, 4]);
    assert!(recovered.healed.unwrap().contains("0.jnl"));
    assert_eq!(corpse.open().unwrap().healed, None, "it is healed for good");
}

#[test]
fn a_torn_last_batch_is_cut_off() {
    for torn in 1..20 {
        let corpse = CrashedStore::new();
        let file = FileOptions::new().write(true).open(corpse.journal()).unwrap();
        file.set_len(corpse.batches[6] - torn).unwrap();
        let recovered = corpse.open().unwrap();
        assert_eq!(positions(&recovered, 1), [2, 3, 4], "the last ack is lost");
        assert!(recovered.healed.is_some());
    }
}

#[test]
fn a_hole_in_the_last_batch_is_cut_off() {
    let corpse = CrashedStore::new();
    // In the commit number, the value of its first item: fjall itself refuses to open this.
    corpse.overwrite(corpse.batches[5] + 38, &[0; 5]);
    let recovered = corpse.open().unwrap();
    assert_eq!(positions(&recovered, 1), [2, 3, 4]);
    assert!(recovered.healed.is_some());
}

/// The system died before either of the two acks reached the disk, and of the later one it wrote the pages first.
#[test]
fn a_hole_in_unsynced_batches_is_cut_off_with_what_follows() {
    let corpse = CrashedStore::new();
    corpse.overwrite(corpse.batches[4], &[0; 10]);
    let recovered = corpse.open().unwrap();
    assert_eq!(positions(&recovered, 1), [1, 2, 3, 4]);
    assert!(recovered.healed.is_some());
}

#[test]
fn damage_in_a_synced_batch_is_refused() {
    let synced = CrashedStore::new().batches[..4].to_vec();
    for (from, to) in synced.iter().zip(&synced[1..]) {
        for (at, bytes) in
            [(*from, &[0; 5][..]), (*from + 3, &[9]), (to - 1, &[0]), ((from + to) / 2, &[255])]
        {
            let corpse = CrashedStore::new();
            corpse.overwrite(at, bytes);
            corpse.assert_refused_untouched();
        }
    }
}

#[test]
fn damage_in_the_first_batch_is_refused() {
    let corpse = CrashedStore::new();
    corpse.overwrite(2, &[77]);
    corpse.assert_refused_untouched();
}

/// The final heartbeat of an orderly end proves that all before it was whole.
#[test]
fn damage_in_the_last_batch_of_a_closed_store_is_refused() {
    let corpse = CrashedStore::new();
    drop(corpse.open().unwrap());
    let end = journal_end(&corpse.journal());
    assert!(end > corpse.batches[6]);
    corpse.overwrite(corpse.batches[6] + 60, &[1, 2, 3]);
    corpse.assert_refused_untouched();
}
