//! Removes a store from its data directory, and nothing else that is there. A file says that this has begun, so that a crash midway does
//! not leave what looks like a damaged store.

use super::error::Error;
use super::{lock, marker, private_files};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// There while a store is being removed.
const NAME: &str = "coney.wiping";

/// Removes the store in a directory, which nobody has open.
///
/// # Errors
/// [`Error::Locked`] or [`Error::Io`]; [`finish_wiping`] goes on with it.
pub fn wipe(dir: &Path) -> Result<(), Error> {
    let _lock = if lock::lock_path(dir).exists() { Some(lock::lock_again(dir)?) } else { None };
    let begun = begin(dir).and_then(|()| remove_all(dir));
    begun.map_err(Error::io(format!("removing the store in {}", dir.display())))
}

/// Goes on where a crash has interrupted [`wipe`]; does nothing where none has. To be called before the directory is opened.
///
/// # Errors
/// As [`wipe`].
pub fn finish_wiping(dir: &Path) -> Result<(), Error> {
    if dir.join(NAME).exists() { wipe(dir) } else { Ok(()) }
}

fn begin(dir: &Path) -> io::Result<()> {
    match private_files::create_new(&dir.join(NAME)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync(dir)
}

fn remove_all(dir: &Path) -> io::Result<()> {
    for path in parts(dir)? {
        if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
    }
    sync(dir)?;
    std::fs::remove_file(dir.join(NAME))?;
    sync(dir)
}

/// What belongs to the store; its lock stays.
pub(super) fn parts(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let names = ["keyspaces", "version", marker::NAME].map(|name| dir.join(name));
    let journals = marker::journal_numbers(dir)?.into_iter().map(|number| marker::journal_path(dir, number));
    Ok(journals.chain(names).filter(|path| path.exists()).collect())
}

#[cfg(unix)]
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Other systems cannot.
#[cfg(not(unix))]
pub(super) fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, Engine, Space, WriteBatch, open_disk};

    fn store(dir: &Path) {
        let mut engine = open_disk(dir, 16).unwrap().into_parts().0;
        let mut batch = WriteBatch::numbered(false);
        batch.renumber(crate::store::CommitNumbers { number: 1, ..Default::default() });
        batch.put(Space::Messages, vec![7], vec![7]);
        engine.commit(batch, Durability::Synced).unwrap();
    }

    fn pairs(dir: &Path) -> usize {
        let (engine, mut pairs) = (open_disk(dir, 16).unwrap().into_parts().0, 0);
        engine
            .scan(Space::Messages, &[], &[255], &mut |_, _| {
                pairs += 1;
                Ok(())
            })
            .unwrap();
        pairs
    }

    #[test]
    fn a_wiped_directory_has_no_store_and_keeps_what_is_not_of_one() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path());
        std::fs::write(dir.path().join("tls.pem"), "other").unwrap();
        assert_eq!(pairs(dir.path()), 2);
        wipe(dir.path()).unwrap();
        assert_eq!(pairs(dir.path()), 0);
        assert!(dir.path().join("tls.pem").exists());
    }

    #[test]
    fn a_wipe_that_was_interrupted_anywhere_is_finished() {
        let count = |dir: &Path| parts(dir).unwrap().len();
        for removed in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            store(dir.path());
            assert!(count(dir.path()) >= 4);
            begin(dir.path()).unwrap();
            for path in parts(dir.path()).unwrap().into_iter().take(removed) {
                if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
                    .unwrap();
            }
            finish_wiping(dir.path()).unwrap();
            assert_eq!(pairs(dir.path()), 0);
            store(dir.path());
            finish_wiping(dir.path()).unwrap();
            assert_eq!(pairs(dir.path()), 2);
        }
    }

    #[test]
    fn a_store_that_is_open_is_not_wiped() {
        let dir = tempfile::tempdir().unwrap();
        let engine = open_disk(dir.path(), 16).unwrap();
        assert!(matches!(wipe(dir.path()), Err(Error::Locked { .. })));
        drop(engine);
        wipe(dir.path()).unwrap();
    }
}
