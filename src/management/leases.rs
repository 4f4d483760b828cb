//! Messages that clients have taken and not yet settled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::broker::Clock;
use crate::broker::operations::Held;
use crate::message::Position;
use crate::queue::Settlement;
use crate::time::Time;

/// Leases of one owner at a time, and of all.
const OWN_MAX: usize = 64;
const ALL_MAX: usize = 1024;

/// Messages that clients have taken and not yet settled.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    open: HashMap<u64, Lease>,
    /// Those who are taking messages and will need a lease for them.
    begun: HashMap<Owner, usize>,
}

/// Who took messages, and may settle them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    /// The user's name.
    pub name: String,
    /// The operator is nobody's namesake.
    pub is_operator: bool,
}

#[derive(Debug)]
struct Lease {
    owner: Owner,
    held: Held,
    ends: Time,
    /// Its end tells the task that watches over the lease.
    _over: oneshot::Sender<()>,
}

/// Room for a lease, given back when it is not needed.
#[derive(Debug)]
pub(super) struct Room {
    leases: Leases,
    owner: Owner,
}

/// What was done with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// Messages that were settled.
    pub settled: usize,
    /// Messages that are still on lease.
    pub left: usize,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more lease of this user; `None` if there are too many.
    pub(super) fn room(&self, owner: &Owner) -> Option<Room> {
        let mut inner = self.lock();
        let own = inner.open.values().filter(|lease| lease.owner == *owner).count();
        let own = own + inner.begun.get(owner).copied().unwrap_or(0);
        let all = inner.open.len() + inner.begun.values().sum::<usize>();
        if own >= OWN_MAX || all >= ALL_MAX {
            return None;
        }
        *inner.begun.entry(owner.clone()).or_default() += 1;
        Some(Room { leases: self.clone(), owner: owner.clone() })
    }

    /// Settles messages of a user's lease, those at these positions or all; `None` if there is no such lease.
    pub(super) fn settle(
        &self,
        id: u64,
        owner: &Owner,
        settlement: Settlement,
        positions: Option<&[Position]>,
    ) -> Option<Settled> {
        let mut inner = self.lock();
        let lease = inner.open.get_mut(&id).filter(|lease| lease.owner == *owner)?;
        let settled = lease.held.settle_some(settlement, positions);
        let left = lease.held.count();
        if left == 0 {
            inner.open.remove(&id);
        }
        Some(Settled { settled, left })
    }

    /// Lets a user's lease last until then; how many messages it has, `None` if there is no such lease.
    pub(super) fn renew(&self, id: u64, owner: &Owner, ends: Time) -> Option<usize> {
        let mut inner = self.lock();
        let lease = inner.open.get_mut(&id).filter(|lease| lease.owner == *owner)?;
        lease.ends = ends;
        Some(lease.held.count())
    }

    /// When a lease ends, if it is there.
    fn ends(&self, id: u64) -> Option<Time> {
        self.lock().open.get(&id).map(|lease| lease.ends)
    }

    /// What it has goes back.
    fn end(&self, id: u64) {
        let lease = self.lock().open.remove(&id);
        if let Some(lease) = lease.filter(|lease| lease.held.count() > 0) {
            let (owner, count) = (&lease.owner.name, lease.held.count());
            tracing::info!(by = owner, id, count, "a lease ended, and its messages go back");
        }
    }
}

impl Room {
    /// Makes it a lease on messages, for so long, and no longer than until `gone` says that its client is gone. Its id.
    pub(super) fn fill(
        self,
        held: Held,
        lasts: Duration,
        clock: Clock,
        gone: Option<watch::Receiver<()>>,
    ) -> u64 {
        let (sender, over) = oneshot::channel();
        let ends = clock.now() + lasts;
        let leases = self.leases.clone();
        let id = {
            let mut inner = leases.lock();
            inner.last += 1;
            let id = inner.last;
            inner.open.insert(id, Lease { owner: self.owner.clone(), held, ends, _over: sender });
            id
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = over => {}
                () = wait_for_end(&leases, id, clock) => leases.end(id),
                () = wait_until_gone(gone) => leases.end(id),
            }
        });
        id
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut inner = self.leases.lock();
        if let Some(count) = inner.begun.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                inner.begun.remove(&self.owner);
            }
        }
    }
}

/// It may be renewed meanwhile.
async fn wait_for_end(leases: &Leases, id: u64, clock: Clock) {
    while let Some(ends) = leases.ends(id).filter(|ends| *ends > clock.now()) {
        clock.wait_for(Some(ends)).await;
    }
}

async fn wait_until_gone(gone: Option<watch::Receiver<()>>) {
    let Some(mut gone) = gone else { return std::future::pending().await };
    while gone.changed().await.is_ok() {}
}
