//! What room there is on the disk, and who is told when it gets short.
//!
//! What is free is not what is left: the engine has yet to write to tables what it has in memory, so that counts as taken.
//! Those who write look, after so many bytes: a fast publisher fills what a small limit leaves between two looks of anybody else.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::error::Error;
use super::reserve::{RESERVE_BYTES, Reserve};

/// After so many bytes written the disk is looked at. That takes a microsecond or two.
const LOOK_BYTES: u64 = 1024 * 1024;
/// What a start takes in any case: the first entries of a journal, lists of tables, the marker.
const START_BYTES: u64 = 4 * 1024 * 1024;

/// Room on the disk of the data directory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// What the system says is free.
    pub free: u64,
    /// What the engine has in memory, and has yet to write to tables; at most so much.
    pub owed: u64,
}

impl Room {
    /// What is left for others.
    #[must_use]
    pub const fn left(self) -> u64 {
        self.free.saturating_sub(self.owed)
    }
}

/// Counts what one thread writes.
#[derive(Debug, Default)]
pub(super) struct Written(u64);

impl Written {
    /// So many bytes more; whether it is time to look at the disk.
    pub(super) const fn add(&mut self, bytes: u64) -> bool {
        self.0 += bytes;
        let is_time = self.0 >= LOOK_BYTES;
        if is_time {
            self.0 = 0;
        }
        is_time
    }
}

/// What the threads of a store and the broker know of the disk.
#[derive(Default)]
pub(super) struct DiskWatch {
    /// With less left the disk is short of space; 0: never.
    limit: AtomicU64,
    owed: AtomicU64,
    /// Whether space has to be given back at once.
    is_short: AtomicBool,
    /// Told when the disk gets short of space.
    tell: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl DiskWatch {
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Relaxed)
    }

    pub(super) fn set_short(&self, is_short: bool) {
        self.is_short.store(is_short, Relaxed);
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    pub(super) fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(0), Relaxed);
    }

    pub(super) fn owed(&self) -> u64 {
        self.owed.load(Relaxed)
    }

    /// Has effect once.
    pub(super) fn tell_with(&self, tell: Box<dyn Fn() + Send + Sync>) {
        drop(self.tell.set(tell));
    }

    /// The engine has looked; whether less than twice the limit is left.
    pub(super) fn look(&self, room: Room) -> bool {
        self.owed.store(room.owed, Relaxed);
        self.judge(room.left());
        room.left() < self.limit().saturating_mul(2)
    }

    /// Somebody else who writes has looked, and so much is free.
    pub(super) fn look_at_free(&self, free: u64) {
        self.judge(free.saturating_sub(self.owed()));
    }

    fn judge(&self, left: u64) {
        if left < self.limit() && !self.is_short.swap(true, Relaxed) {
            self.tell.get().into_iter().for_each(|tell| tell());
        }
    }
}

impl fmt::Debug for DiskWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskWatch")
            .field("limit", &self.limit())
            .field("owed", &self.owed())
            .field("is_short", &self.is_short())
            .finish_non_exhaustive()
    }
}

/// Whether a start has the room that it takes: for what it is `owed`, with `free` bytes on the disk. The reserve goes if it is needed;
/// gives what is free then.
///
/// # Errors
/// [`Error::NoRoom`].
pub(super) fn check_start(dir: &Path, mut free: u64, owed: u64) -> Result<u64, Error> {
    let needed = owed + START_BYTES;
    if free < needed && Reserve::of(dir).release() {
        free += RESERVE_BYTES;
    }
    if free >= needed { Ok(free) } else { Err(Error::NoRoom { dir: dir.into(), free, needed }) }
}

/// Free bytes on the disk of a directory; more than anybody wants where the system does not say.
pub(super) fn free(dir: &Path) -> u64 {
    fs4::available_space(dir).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn it_is_told_once_when_less_than_the_limit_is_left() {
        let (watch, told) = (DiskWatch::default(), Arc::<AtomicU32>::default());
        let count = Arc::clone(&told);
        watch.tell_with(Box::new(move || {
            count.fetch_add(1, Relaxed);
        }));
        assert!(!watch.look(Room { free: 0, owed: 0 }), "there is no limit");
        watch.set_limit(Some(100));
        assert!(!watch.look(Room { free: 250, owed: 50 }));
        assert!(watch.look(Room { free: 249, owed: 50 }), "it is near");
        assert_eq!((watch.is_short(), told.load(Relaxed)), (false, 0));
        watch.look_at_free(149);
        watch.look(Room { free: 0, owed: 0 });
        assert_eq!((watch.is_short(), told.load(Relaxed)), (true, 1));
    }

    #[test]
    fn a_start_takes_the_reserve_and_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        check_start(dir.path(), START_BYTES + 7, 7).unwrap();
        let refused = check_start(dir.path(), START_BYTES + 6, 7).unwrap_err().to_string();
        assert!(
            refused.contains("free 1 MB") && refused.contains(&*dir.path().to_string_lossy()),
            "{refused}"
        );
        Reserve::of(dir.path()).keep().unwrap();
        // What the reserve gave is there for the second look.
        let free = check_start(dir.path(), 0, 7).unwrap();
        assert_eq!(check_start(dir.path(), free, 7).unwrap(), RESERVE_BYTES);
        check_start(dir.path(), 0, 7).unwrap_err();
    }

    #[test]
    fn a_look_is_due_by_bytes() {
        let mut written = Written::default();
        assert!(!written.add(LOOK_BYTES - 1));
        assert!(written.add(1));
        assert!(!written.add(LOOK_BYTES - 1));
    }
}
