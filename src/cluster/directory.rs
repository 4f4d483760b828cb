//! Where nodes agree on who may try to lead: one key, with revisions, which vanishes if nobody writes it. And where each says of itself
//! how far it is and where it can be reached.

use super::lease::EXPIRES;
use super::log::Unreachable;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Who has the lease, and which writing of it that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The node's name.
    pub holder: String,
    /// Counts what was written.
    pub revision: u64,
}

/// What a node says of itself, every second or so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name, which no other has.
    pub name: String,
    /// Those of lower rank lead rather than others.
    pub rank: u32,
    /// The address, `HOST:PORT`, to which others carry clients of AMQP while it leads.
    pub amqp: Option<String>,
    /// The same for the management API.
    pub http: Option<String>,
    /// The address where other nodes fetch snapshots.
    pub peer: Option<String>,
    /// Whether it leads.
    pub is_leader: bool,
    /// The last term that it knows of.
    pub term: u64,
    /// The last frame of the log that it has applied.
    pub applied: u64,
    /// The last frame that is on its disk for sure.
    pub synced: u64,
    /// Whether its disk has so little left that another should lead rather.
    #[serde(default)]
    pub is_short_of_disk: bool,
    /// Its version.
    pub version: String,
}

/// What a member said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub member: Member,
    /// Is another after each time that it said something. Who looks often enough knows by that who is silent, whatever the clocks say.
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

    /// Says something of this node; what it said before is forgotten.
    fn tell(&self, member: &Member) -> impl Future<Output = Result<(), Unreachable>> + Send;

    /// What all nodes said last, in the order of their names. Nodes that are silent for long may be missing.
    fn members(&self) -> impl Future<Output = Result<Vec<Told>, Unreachable>> + Send;
}

/// One in memory for tests and simulations; clones are the same. It is told the time.
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    claim: Option<(Claim, Time)>,
    revision: u64,
    members: BTreeMap<String, Told>,
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

    /// As [`Directory::tell`].
    pub fn tell_at(&self, now: Time, member: &Member) {
        let mut state = self.state(now);
        state.revision += 1;
        let told = Told { member: member.clone(), revision: state.revision };
        state.members.insert(member.name.clone(), told);
    }

    /// As [`Directory::members`].
    #[must_use]
    pub fn members_at(&self, now: Time) -> Vec<Told> {
        self.state(now).members.values().cloned().collect()
    }

    fn state(&self, now: Time) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.claim.as_ref().is_some_and(|(_, written)| now.since(*written) >= EXPIRES) {
            state.claim = None;
        }
        state
    }
}
