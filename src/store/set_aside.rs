//! Putting a store aside within its directory, so that another can begin there. A crash in the middle of it leaves a file that says so, and
//! what was begun goes on.

use super::error::Error;
use super::lock;
use super::private_files;
use super::wiping::{parts, sync};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// There from before the first part is moved until after the last one was; says where they go.
const NAME: &str = "coney.setting-aside";

/// Moves the store in a directory, which nobody has open, to a directory in it with this name: one name, of letters, digits and `-`. It
/// can be opened there.
///
/// # Errors
/// [`Error::Locked`] or [`Error::Io`], as when that name is taken; [`finish_setting_aside`] goes on with what was begun.
pub fn set_aside(dir: &Path, name: &str) -> Result<PathBuf, Error> {
    let failed = || Error::io(format!("putting the store in {} aside", dir.display()));
    let _lock = if lock::lock_path(dir).exists() { Some(lock::lock_again(dir)?) } else { None };
    begin(dir, name).map_err(failed())?;
    move_all(dir, name).map_err(failed())
}

/// Goes on where a crash has interrupted [`set_aside`]; does nothing where none has. To be called before the directory is opened.
///
/// # Errors
/// As [`set_aside`].
pub fn finish_setting_aside(dir: &Path) -> Result<(), Error> {
    let failed = || Error::io(format!("putting the store in {} aside", dir.display()));
    match std::fs::read_to_string(dir.join(NAME)) {
        // It was interrupted before it had begun.
        Ok(name) if name.is_empty() => std::fs::remove_file(dir.join(NAME)).map_err(failed()),
        Ok(name) => {
            let _lock = if lock::lock_path(dir).exists() { Some(lock::lock_again(dir)?) } else { None };
            move_all(dir, &name).map(drop).map_err(failed())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed()(error)),
    }
}

fn begin(dir: &Path, name: &str) -> io::Result<()> {
    let to = dir.join(name);
    if to.exists() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, format!("{} is there already", to.display())));
    }
    private_files::create_dir_all(&to)?;
    let mut file = private_files::create_new(&dir.join(NAME))?;
    file.write_all(name.as_bytes())?;
    file.sync_all()?;
    sync(dir)
}

fn move_all(dir: &Path, name: &str) -> io::Result<PathBuf> {
    let to = dir.join(name);
    for path in parts(dir)? {
        if let Some(name) = path.file_name() {
            std::fs::rename(&path, to.join(name))?;
        }
    }
    sync(&to)?;
    sync(dir)?;
    std::fs::remove_file(dir.join(NAME))?;
    sync(dir)?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{CommitNumbers, Durability, Engine, WriteBatch, open_disk};

    fn store(dir: &Path) {
        let mut engine = open_disk(dir, 16).unwrap().into_parts().0;
        let mut batch = WriteBatch::numbered(false);
        batch.renumber(CommitNumbers { number: 1, ..CommitNumbers::default() });
        engine.commit(batch, Durability::Synced).unwrap();
    }

    fn number(dir: &Path) -> u64 {
        CommitNumbers::read(&open_disk(dir, 16).unwrap().into_parts().0).unwrap().number
    }

    #[test]
    fn what_was_put_aside_can_be_opened_there_wherever_it_was_interrupted() {
        for moved in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            store(dir.path());
            begin(dir.path(), "before").unwrap();
            for path in parts(dir.path()).unwrap().into_iter().take(moved) {
                std::fs::rename(&path, dir.path().join("before").join(path.file_name().unwrap())).unwrap();
            }
            finish_setting_aside(dir.path()).unwrap();
            finish_setting_aside(dir.path()).unwrap();
            assert_eq!((number(dir.path()), number(&dir.path().join("before"))), (0, 1), "after {moved}");
        }
    }

    #[test]
    fn a_name_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path());
        assert_eq!(set_aside(dir.path(), "before").unwrap(), dir.path().join("before"));
        store(dir.path());
        assert!(matches!(set_aside(dir.path(), "before"), Err(Error::Io { .. })));
        assert_eq!(number(dir.path()), 1);
    }
}
