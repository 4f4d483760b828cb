//! What clients know of a queue that is fed from the log.

use std::collections::{BTreeMap, BTreeSet};

use super::books::LogBook;
use super::topology::{FedQueue, is_even};
use crate::simulation::client::Settle;

/// What its consumers saw and said in one run of the broker.
#[derive(Debug, Default)]
struct Now {
    given: BTreeSet<u64>,
    /// Which consumer has what.
    held: BTreeMap<u64, usize>,
    gone: BTreeSet<u64>,
}

/// A queue that is fed.
#[derive(Debug)]
pub struct FedBook {
    name: &'static str,
    only_even: bool,
    has_graves: bool,
    /// Done for good in any life, whether the broker heard it or not.
    pub settled: BTreeSet<u64>,
    /// Rejected or requeued in any life.
    given_back: BTreeSet<u64>,
    now: Now,
    /// What was in it at the end.
    found: BTreeSet<u64>,
}

impl FedBook {
    pub fn new(fed: &FedQueue) -> Self {
        let FedQueue { name, only_even, has_graves, .. } = *fed;
        let (settled, given_back, found) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { name, only_even, has_graves, settled, given_back, now: Now::default(), found }
    }

    pub fn begin_life(&mut self) {
        self.now = Now::default();
    }

    pub fn delivered(&mut self, consumer: usize, id: u64, redelivered: bool) {
        let name = self.name;
        assert!(!self.only_even || is_even(id), "'{name}' does not want message {id}");
        assert!(!self.now.gone.contains(&id), "'{name}' delivered message {id} after its ack");
        let had_by = self.now.held.insert(id, consumer);
        assert_eq!(had_by, None, "'{name}' delivered message {id} while a consumer has it");
        let is_new = self.now.given.insert(id);
        assert!(is_new || redelivered, "'{name}' was fed message {id} twice");
    }

    pub fn settled(&mut self, consumer: usize, id: u64, settle: Settle) {
        assert_eq!(self.now.held.remove(&id), Some(consumer), "a consumer settles what it has");
        if settle != Settle::Requeue {
            self.now.gone.insert(id);
        }
        if settle == Settle::Ack || (settle == Settle::Reject && !self.has_graves) {
            self.settled.insert(id);
        } else {
            self.given_back.insert(id);
        }
    }

    /// In the last life, in which nothing is acked.
    pub fn found(&mut self, id: u64) {
        assert!(self.found.insert(id), "message {id} is in '{}' twice", self.name);
    }

    /// Whether all has come that it is to be fed and nobody was done with.
    pub fn has_all(&self, log: &LogBook, graves: &LogBook) -> bool {
        log.present().all(|(_, id)| !self.wants(id) || self.accounts_for(id, graves))
    }

    fn wants(&self, id: u64) -> bool {
        !self.only_even || is_even(id)
    }

    fn accounts_for(&self, id: u64, graves: &LogBook) -> bool {
        let is_dead = self.has_graves && graves.offsets.contains_key(&id);
        self.found.contains(&id) || self.settled.contains(&id) || is_dead
    }

    pub fn may_be_dead(&self, id: u64) -> bool {
        self.has_graves && self.given_back.contains(&id)
    }

    /// Each message of the log was put into the queue once: it is there, or among the dead, or somebody was done with it.
    pub fn check_end(&self, log: &LogBook, graves: &LogBook) {
        let name = self.name;
        for (offset, id) in log.present().filter(|(_, id)| self.wants(*id)) {
            assert!(self.accounts_for(id, graves), "'{name}' lost message {id} at offset {offset}");
            let is_dead = self.has_graves && graves.offsets.contains_key(&id);
            assert!(!is_dead || !self.found.contains(&id), "message {id} is in '{name}' and among the dead");
        }
        for id in &self.found {
            assert!(self.wants(*id), "'{name}' does not want message {id}");
            assert!(log.offsets.contains_key(id), "'{name}' has message {id}, which is not in the log");
        }
    }
}
