//! Messages that several queues share: each is stored once, as a record of its own, and the entries of the queues
//! refer to it.
//!
//! Invariants:
//! - A record is put in the batch of the first chunk that refers to it, and removed, once, in the batch in which the last
//!   such chunk goes. References are counted by chunk entries, not by live messages: a chunk goes as a whole.
//! - Numbers of records are never reused: like positions, they begin with the boot epoch.

use super::chunk;
use super::engine::{Space, WriteBatch};
use super::shared_body::{Reference, is_shared};
use crate::message::{Identity, Message};
use foldhash::HashMap;

#[derive(Debug)]
struct Body {
    references: u64,
    bytes: u32,
    /// None after a restart: no queue gets it any more.
    identity: Option<Identity>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    by_number: HashMap<u64, Body>,
    by_identity: HashMap<Identity, u64>,
    next: u64,
    /// Of all records.
    bytes: u64,
    /// Those that lost their last reference since the last look, some of which may have got new ones.
    unreferenced: Vec<u64>,
}

impl Bodies {
    /// A new epoch: numbers below were used.
    pub(super) const fn begin(&mut self, next: u64) {
        self.next = next;
    }

    /// A number for a record that comes from elsewhere.
    #[cfg(feature = "cluster")]
    pub(super) const fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// References to records that another has found.
    #[cfg(feature = "cluster")]
    pub(super) fn references(&self, numbers: impl Iterator<Item = u64>) -> Vec<Reference> {
        let found = |number| self.by_number.get(&number).map(|body| Reference { number, bytes: body.bytes });
        numbers.filter_map(found).collect()
    }

    /// A chunk was found that refers to these.
    pub(super) fn recover(&mut self, references: &[Reference]) {
        for Reference { number, bytes } in references {
            let body = self.by_number.entry(*number).or_insert_with(|| {
                self.bytes += u64::from(*bytes);
                Body { references: 0, bytes: *bytes, identity: None }
            });
            body.references += 1;
        }
    }

    /// Refers to a message if it is a shared one; puts its record if this is the first time.
    pub(super) fn refer(&mut self, message: &Message, batch: &mut WriteBatch) -> Option<Reference> {
        if !is_shared(message) {
            return None;
        }
        let identity = message.identity();
        let number = *self.by_identity.entry(identity).or_insert_with(|| {
            self.next += 1;
            self.next - 1
        });
        let body = self.by_number.entry(number).or_insert_with(|| {
            batch.put(Space::Messages, chunk::body_key(number), message.encoded().to_vec());
            self.bytes += message.encoded_len() as u64;
            Body { references: 0, bytes: message.encoded_len() as u32, identity: Some(identity) }
        });
        body.references += 1;
        Some(Reference { number, bytes: body.bytes })
    }

    /// A chunk that refers to these is gone.
    pub(super) fn release(&mut self, numbers: &[u64]) {
        for number in numbers {
            let Some(body) = self.by_number.get_mut(number) else { continue };
            body.references -= 1;
            if body.references == 0 {
                self.unreferenced.push(*number);
            }
        }
    }

    /// Removes the records that no chunk refers to any more; returns their bytes.
    pub(super) fn remove_unreferenced(&mut self, batch: &mut WriteBatch) -> u64 {
        let mut removed = 0;
        for number in std::mem::take(&mut self.unreferenced) {
            // It may stand here twice, or have found a new queue in the same commit.
            let Some(body) = self.by_number.get(&number).filter(|body| body.references == 0) else {
                continue;
            };
            removed += u64::from(body.bytes);
            if let Some(identity) = body.identity {
                self.by_identity.remove(&identity);
            }
            self.by_number.remove(&number);
            batch.remove_weak(Space::Messages, chunk::body_key(number));
        }
        self.bytes -= removed;
        removed
    }

    /// Bytes of all records.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}
