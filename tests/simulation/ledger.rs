//! What the clients of a simulation know, and what has to hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client::{Client, Said};
use super::streams::books::Books;

/// All clients write in one ledger.
pub type Shared = Arc<Mutex<Ledger>>;

/// The ledger, also after a panic: that is told elsewhere.
pub fn lock(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until so few publishes are open; what was confirmed.
pub async fn confirmed(client: &mut Client, open: &mut BTreeMap<u64, u64>, keep: usize) -> Option<Vec<u64>> {
    let mut told = Vec::new();
    while open.len() > keep {
        let Said::Confirm { tag, multiple, ack } = client.next().await? else { continue };
        assert!(ack, "nothing is refused here");
        let first = if multiple { 0 } else { tag };
        told.extend(open.extract_if(first..=tag, |_, _| true).map(|(_, id)| id));
    }
    Some(told)
}

/// Where a message was found at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub queue: usize,
    pub id: u64,
}

/// What clients saw and said in one run of the broker.
#[derive(Debug, Default)]
pub struct Now {
    /// How often each message was delivered from a queue.
    pub delivered: BTreeMap<(usize, u64), usize>,
    /// How often each delivery was acked, requeued or rejected.
    pub acked: BTreeMap<(usize, u64), usize>,
    pub requeued: BTreeMap<(usize, u64), usize>,
    pub rejected: BTreeMap<(usize, u64), usize>,
    /// What was confirmed.
    pub confirmed: BTreeSet<u64>,
}

/// All that clients saw.
#[derive(Debug, Default)]
pub struct Ledger {
    pub next_id: u64,
    /// Confirmed, and to which queue it was published.
    pub confirmed: BTreeMap<u64, usize>,
    /// Publishes whose transaction was committed.
    pub pairs: Vec<(u64, u64)>,
    /// Settled for good by a consumer: acked, or rejected from a queue without dead-lettering.
    pub settled: BTreeSet<u64>,
    /// Acked in the present run of the broker, on that queue.
    pub acked_now: BTreeSet<(usize, u64)>,
    /// The numbered publisher's messages up to here are confirmed.
    pub numbered: u64,
    /// Publishes that are to come in once, and were not confirmed so far.
    pub unconfirmed: BTreeSet<u64>,
    pub delivered: BTreeSet<u64>,
    /// What clients saw and said in the present run of the broker.
    pub now: Now,
    pub deliveries: u64,
    pub found: Vec<Found>,
    /// What they know of streams.
    pub streams: Books,
}

impl Ledger {
    /// The next message's id.
    pub fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A publish was confirmed.
    pub fn confirm(&mut self, id: u64, queue: usize) {
        self.confirmed.insert(id, queue);
        self.now.confirmed.insert(id);
    }

    /// A delivery came.
    pub fn delivered(&mut self, queue: usize, id: u64) {
        self.deliveries += 1;
        *self.now.delivered.entry((queue, id)).or_default() += 1;
        self.delivered.insert(id);
        assert!(!self.acked_now.contains(&(queue, id)), "message {id} was delivered after its ack");
    }

    /// Nothing confirmed is lost, nothing is in two places.
    pub fn check(&self) {
        let mut seen = BTreeSet::new();
        for found in &self.found {
            assert!(seen.insert(found.id), "message {} is in two places", found.id);
        }
        for (id, queue) in &self.confirmed {
            let accounted = seen.contains(id) || self.settled.contains(id);
            assert!(accounted, "message {id}, confirmed in queue {queue}, is lost");
        }
        for (first, second) in &self.pairs {
            let touched = |id: &u64| self.delivered.contains(id);
            if !touched(first) && !touched(second) {
                let (first_is, second_is) = (seen.contains(first), seen.contains(second));
                assert_eq!(first_is, second_is, "transaction of {first} and {second} was cut in two");
            }
        }
        self.streams.check();
        self.streams.check_pairs(&seen, &self.delivered);
    }
}
