//! What clients know, and what has to hold of it.

use std::collections::{BTreeMap, BTreeSet};

/// The queues; the first is consumed from.
pub const QUEUES: [&str; 2] = ["work", "kept"];

#[derive(Debug, Default)]
pub struct Ledger {
    next_id: u64,
    /// Confirmed, and in which queue it is.
    pub confirmed: BTreeMap<u64, usize>,
    /// Acked; whether that is on any disk nobody said.
    pub acked: BTreeSet<u64>,
    /// Acked, and something was confirmed after.
    pub gone: BTreeSet<u64>,
    pub deliveries: u64,
}

impl Ledger {
    pub fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub fn delivered(&mut self, id: u64) {
        self.deliveries += 1;
        assert!(
            !self.gone.contains(&id),
            "message {id} came again, after something was confirmed after its ack"
        );
    }

    /// What is in the queues in the end.
    pub fn check(&self, found: &[(usize, u64)]) {
        let mut there = BTreeMap::new();
        for (queue, id) in found {
            assert_eq!(there.insert(*id, *queue), None, "message {id} is there twice");
            assert!(!self.gone.contains(id), "message {id} came back");
        }
        for (id, queue) in &self.confirmed {
            let is_there = there.get(id) == Some(queue) || self.acked.contains(id);
            assert!(is_there, "message {id}, confirmed in queue {queue}, is lost");
        }
    }
}
