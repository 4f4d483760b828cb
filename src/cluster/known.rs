//! What a node knows of the meta shard: users, permissions, vhosts and where each is served, read from its own copy, whether it leads
//! there or follows. Its brokers of other shards go by it, and so does it when it leads clients to a vhost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::local::LocalEngine;
use super::mark::{Mark, is_partial};
use super::route::Route;
use crate::broker::identities::Identities;
use crate::broker::{Clock, Home, MetaMark};
use crate::store::{Engine, Error, definitions_of_kind};

/// Whoever waits for something to be known waits so long at most.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// And looks again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(3);

/// What is known; `None` until something is.
pub(super) type Identified = Option<Arc<Identities>>;

/// Reads it.
pub(super) struct Reading {
    engine: LocalEngine,
    /// Counts the changes.
    changes: watch::Receiver<u64>,
    to: watch::Sender<Identified>,
    /// The change that was read last.
    read: watch::Sender<u64>,
}

/// A data shard, as far as it has to go by what is known.
#[derive(Clone)]
pub(super) struct Follows {
    pub(super) route: watch::Receiver<Route>,
    /// What its broker goes by.
    pub(super) followed: watch::Receiver<Identified>,
}

/// What this node knows, and whether its brokers go by it.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) clock: Clock,
    engine: LocalEngine,
    pub(super) identities: watch::Receiver<Identified>,
    changes: watch::Receiver<u64>,
    read: watch::Receiver<u64>,
    pub(super) shards: Arc<[Follows]>,
}

/// Both ends, for the meta shard's engine.
pub(super) fn known(engine: &LocalEngine, clock: Clock) -> (Reading, Known) {
    let (to, identities) = watch::channel(None);
    let (read, was_read) = watch::channel(0);
    let reading = Reading { engine: engine.clone(), changes: engine.identities(), to, read };
    let changes = engine.identities();
    let shards = Arc::from([]);
    (reading, Known { clock, engine: engine.clone(), identities, changes, read: was_read, shards })
}

impl Reading {
    /// Reads it again whenever it changes, until the node is gone.
    pub(super) async fn run(mut self) {
        loop {
            let change = *self.changes.borrow_and_update();
            let engine = self.engine.clone();
            match tokio::task::spawn_blocking(move || identities_in(&engine)).await {
                Ok(Ok(Some(now))) => drop(self.to.send_replace(Some(Arc::new(now)))),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "the meta shard cannot be read: users and permissions stay as they were");
                }
                Err(_) => return,
            }
            self.read.send_replace(change);
            if self.changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// What an engine has of users, permissions and vhosts; nothing if it was never filled, or only in part.
///
/// # Errors
/// What the engine fails with, or [`Error::Damaged`].
pub fn identities_in(engine: &dyn Engine) -> Result<Option<Identities>, Error> {
    if is_partial(engine)? {
        return Ok(None);
    }
    // Before the rest: what is read then is as new as that, or newer.
    let Some(Mark { log_id, sequence, .. }) = Mark::read(engine)? else { return Ok(None) };
    let mut records = BTreeMap::new();
    for kind in Identities::KINDS {
        records.extend(definitions_of_kind(engine, kind)?);
    }
    if records.is_empty() {
        return Ok(None);
    }
    let mark = MetaMark { log_id, sequence: sequence.0 };
    let read = Identities::read(mark, &records);
    read.map(Some).map_err(|error| Error::damaged(error.to_string()))
}

impl Known {
    /// The shard that serves a vhost.
    pub(super) fn shard_of(&self, vhost: &str) -> u32 {
        self.identities.borrow().as_ref().map_or(0, |known| known.shard_of(vhost))
    }

    /// Where a vhost is; `None` if it is not known, or was always the meta shard's.
    pub(super) fn home(&self, vhost: &str) -> Option<Home> {
        self.identities.borrow().as_ref()?.vhosts.get(vhost)?.home
    }

    /// Waits until this node and its brokers go by all of the meta shard's log up to there, two seconds at most; how far the node is.
    pub(super) async fn wait(&self, sequence: u64) -> u64 {
        let last = self.clock.now() + WAIT_MAX;
        while !self.is_known(sequence) && self.clock.now() < last {
            self.clock.wait_for(Some(self.clock.now() + LOOK_AGAIN)).await;
        }
        self.engine.applied().0
    }

    fn is_known(&self, sequence: u64) -> bool {
        if self.engine.applied().0 < sequence || *self.read.borrow() != *self.changes.borrow() {
            return false;
        }
        let now = self.identities.borrow().as_ref().map(|known| known.mark);
        let is_followed = |shard: &Follows| {
            let is_led = shard.route.borrow().is_own();
            !is_led || shard.followed.borrow().as_ref().map(|known| known.mark) == now
        };
        self.shards.iter().all(is_followed)
    }
}
