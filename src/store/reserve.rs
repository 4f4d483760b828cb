//! Room on the disk that is kept for the day when there is none: a file that is let go then, so that the store can still start, take
//! acks, and give back what was removed. It is made anew when there is room again.

use std::io;
use std::path::{Path, PathBuf};

use fs4::FileExt as _;

use super::private_files;

/// More than one memtable of the engine: after that has been written to tables, a journal of more than its size can go.
pub const RESERVE_BYTES: u64 = 32 * 1024 * 1024;
/// With less free than this the reserve is let go.
const RELEASE_BELOW_BYTES: u64 = RESERVE_BYTES / 2;
const NAME: &str = "reserve";

/// The reserve of one data directory.
#[derive(Clone, Debug)]
pub struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// The reserve of a data directory, whether it is there or not.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self { path: dir.join(NAME) }
    }

    /// Lets go of it if the disk has so few bytes free that it is needed; tells whether it did.
    pub fn release_if_needed(&self, free: u64) -> bool {
        free < RELEASE_BELOW_BYTES && self.release()
    }

    /// Lets go of it; tells whether it was there.
    pub fn release(&self) -> bool {
        let released = std::fs::remove_file(&self.path).is_ok();
        if released {
            tracing::warn!("the disk is short of space: {} was let go", self.path.display());
        }
        released
    }

    /// Makes it, unless it is there.
    ///
    /// # Errors
    /// What the operating system says; nothing is left then.
    pub fn keep(&self) -> io::Result<()> {
        if self.path.exists() {
            return Ok(());
        }
        let made = private_files::create_new(&self.path).and_then(|file| file.allocate(RESERVE_BYTES));
        if made.is_err() {
            // Less than the whole is no use.
            drop(std::fs::remove_file(&self.path));
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_and_let_go_when_it_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(dir.path());
        reserve.keep().unwrap();
        assert_eq!(dir.path().join(NAME).metadata().unwrap().len(), RESERVE_BYTES);
        reserve.keep().unwrap();
        assert!(!reserve.release_if_needed(RESERVE_BYTES));
        assert!(reserve.release_if_needed(0));
        assert!(!reserve.release_if_needed(0), "it is gone");
    }
}
