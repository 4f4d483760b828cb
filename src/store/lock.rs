//! The lock of a data directory: fjall's own, so that nobody works on one while a broker does.

use super::error::Error;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// A child process that is being started has the files of its parent until its program begins, so the lock of a store that was just closed may be
/// held for a moment longer. So often, and so long between.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// The lock of a directory that has one, if nobody else holds it.
///
/// # Errors
/// [`Error::Locked`] or [`Error::Io`].
pub(super) fn lock_again(dir: &Path) -> Result<File, Error> {
    let path = lock_path(dir);
    let file = File::open(&path).map_err(Error::io(format!("opening {}", path.display())))?;
    try_lock(dir, &file)?;
    Ok(file)
}

/// Where the lock of a directory is.
pub(super) fn lock_path(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// Takes a lock until its file drops. If somebody else has it, this takes half a second to find out.
///
/// # Errors
/// [`Error::Locked`] or [`Error::Io`].
pub(super) fn try_lock(dir: &Path, file: &File) -> Result<(), Error> {
    let mut locked = file.try_lock();
    for _ in 1..TRIES {
        if !matches!(locked, Err(TryLockError::WouldBlock)) {
            break;
        }
        thread::park_timeout(PAUSE);
        locked = file.try_lock();
    }
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => Error::Locked { dir: dir.into() },
        TryLockError::Error(source) => {
            Error::Io { doing: format!("locking {}", lock_path(dir).display()), source }
        }
    })
}
