//! What clients know, and what has to hold of it.

use std::collections::{BTreeMap, BTreeSet};

/// The queues: one that is consumed from, one that is not, a stream, and where what was rejected goes.
pub const QUEUES: [&str; 4] = ["work", "kept", "log", "dead"];
pub const STREAM: usize = 2;
pub const DEAD: usize = 3;

/// What they are declared with.
pub const ARGUMENTS: [&[(&str, &str)]; 4] = [
    &[("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead")],
    &[],
    &[("x-queue-type", "stream")],
    &[],
];

#[derive(Debug, Default)]
pub struct Ledger {
    next_id: u64,
    /// Confirmed, and in which queue it is.
    pub confirmed: BTreeMap<u64, usize>,
    /// Acked; whether that is on any disk nobody said.
    pub acked: BTreeSet<u64>,
    /// Acked, and something was confirmed after.
    pub gone: BTreeSet<u64>,
    /// Rejected, and something was confirmed after.
    pub dead: BTreeSet<u64>,
    /// Published in one transaction, whether that was committed or not.
    pub pairs: Vec<(u64, u64)>,
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
        assert!(!self.dead.contains(&id), "message {id} came again, after it was rejected");
    }

    /// What is in the queues in the end.
    pub fn check(&self, found: &[(usize, u64)]) {
        let mut there = BTreeMap::new();
        for (queue, id) in found {
            assert_eq!(there.insert(*id, *queue), None, "message {id} is there twice");
            assert!(!self.gone.contains(id), "message {id} came back");
        }
        for (id, queue) in &self.confirmed {
            let place = there.get(id);
            let is_dead = *queue == 0 && place == Some(&DEAD);
            let is_there = place == Some(queue) || is_dead || self.acked.contains(id);
            assert!(is_there, "message {id}, confirmed in queue {queue}, is lost");
        }
        for id in &self.dead {
            assert_eq!(there.get(id), Some(&DEAD), "message {id} was rejected");
        }
        // What was delivered before it was on any disk may be acked and gone, with nothing left of the other.
        for (first, second) in self.pairs.iter().filter(|(first, _)| !self.acked.contains(first)) {
            let are_there = [first, second].map(|id| there.contains_key(id));
            assert_eq!(are_there[0], are_there[1], "{first} and {second} of one transaction");
        }
    }
}
