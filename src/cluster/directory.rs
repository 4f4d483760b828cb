//! Where nodes agree on who may try to lead: one key, with revisions, which vanishes if nobody writes it.

use super::lease::EXPIRES;
use super::log::Unreachable;
use crate::time::Time;
use std::sync::{Arc, Mutex, PoisonError};

/// Who has the lease, and which writing of it that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The node's name.
    pub holder: String,
    /// Counts what was written.
    pub revision: u64,
}

/// The directory, as one node sees it. Answers or fails within a second.
pub trait Directory: Send + Sync + 'static {
    /// Who has the lease.
    fn read(&self) -> impl Future<Output = Result<Option<Claim>, Unreachable>> + Send;

    /// Writes the lease if its last revision is still this one, or if there is none and this is 0; the new revision. `None` if it is
    /// another. After an error it may be written or not.
    fn write(
        &self,
        holder: &str,
        revision: u64,
    ) -> impl Future<Output = Result<Option<u64>, Unreachable>> + Send;
}

/// One in memory for tests and simulations; clones are the same. It is told the time.
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    claim: Option<(Claim, Time)>,
    revision: u64,
}

impl MemoryDirectory {
    /// Who has the lease.
    #[must_use]
    pub fn read_at(&self, now: Time) -> Option<Claim> {
        self.state(now).claim.as_ref().map(|(claim, _)| claim.clone())
    }

    /// As [`Directory::write`].
    #[must_use]
    pub fn write_at(&self, now: Time, holder: &str, revision: u64) -> Option<u64> {
        let mut state = self.state(now);
        if state.claim.as_ref().map_or(0, |(claim, _)| claim.revision) != revision {
            return None;
        }
        state.revision += 1;
        let claim = Claim { holder: holder.to_owned(), revision: state.revision };
        state.claim = Some((claim, now));
        Some(state.revision)
    }

    fn state(&self, now: Time) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.claim.as_ref().is_some_and(|(_, written)| now.since(*written) >= EXPIRES) {
            state.claim = None;
        }
        state
    }
}
