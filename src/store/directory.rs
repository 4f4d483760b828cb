//! The data directory itself: locked against other processes, writable, and nobody else's to read.

use super::error::Error;
use super::lock::{lock_path, try_lock};
use super::{inspection, private_files};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Makes the directory if need be and locks it until the file drops. Nothing in it is changed if it is not ours.
///
/// # Errors
/// [`Error::Locked`], [`Error::NotADirectory`], [`Error::NotWritable`], or what [`inspect`](inspection::inspect) fails with.
pub(super) fn lock(dir: &Path) -> Result<File, Error> {
    if let Some(file) = dir.ancestors().find(|path| path.is_file()) {
        return Err(Error::NotADirectory { dir: dir.into(), file: file.into() });
    }
    private_files::create_dir_all(dir).map_err(|source| not_writable(dir, source))?;
    let path = lock_path(dir);
    if !path.exists() {
        // Nobody holds it, and a directory of something else should get no file of ours.
        inspection::inspect(dir)?;
    }
    private_files::refuse_link(&path).map_err(|source| not_writable(&path, source))?;
    let file = private_files::private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
        .open(&path)
        .map_err(|source| not_writable(dir, source))?;
    try_lock(dir, &file)?;
    Ok(file)
}

/// Sees that a locked and inspected directory is ours to write, and gets it ready for fjall.
///
/// # Errors
/// [`Error::NotWritable`].
pub(super) fn prepare(dir: &Path) -> Result<(), Error> {
    probe_writable(dir)?;
    keep_to_owner(dir);
    clear_interrupted_creation(dir)
}

/// Removes the directory of a keyspace that a crash kept from being made. fjall would, too, but number the next one as if it were there.
///
/// # Errors
/// [`Error::NotWritable`].
pub(super) fn remove_half_made(dir: &Path) -> Result<(), Error> {
    std::fs::remove_dir_all(dir).map_err(|source| not_writable(dir, source))
}

fn not_writable(path: &Path, source: io::Error) -> Error {
    Error::NotWritable { dir: path.into(), source }
}

/// A directory can refuse new files although the lock file in it is writable.
fn probe_writable(dir: &Path) -> Result<(), Error> {
    let probe = dir.join("write-probe");
    // One that a killed start left, or whatever else has the name: only the name goes.
    let cleared = match std::fs::remove_file(&probe) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    cleared
        .and_then(|()| private_files::create_new(&probe))
        .and_then(|_| std::fs::remove_file(&probe))
        .map_err(|source| not_writable(dir, source))
}

/// Others may not read what is stored. A directory on a volume that belongs to another user cannot be helped; it is said.
fn keep_to_owner(dir: &Path) {
    match private_files::tighten(dir) {
        Ok(0) => {}
        Ok(files) => tracing::info!(
            "{files} files or directories in {} could be read by other users; now only by their owner",
            dir.display()
        ),
        Err(error) => tracing::warn!(
            %error,
            "other users may be able to read messages and password hashes in {}",
            dir.display()
        ),
    }
}

fn clear_interrupted_creation(dir: &Path) -> Result<(), Error> {
    if !inspection::creation_was_interrupted(dir) {
        return Ok(());
    }
    for name in ["0.jnl", "version"] {
        match std::fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(not_writable(&dir.join(name), error));
            }
            _ => (),
        }
    }
    Ok(())
}
