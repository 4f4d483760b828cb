//! The first value of every batch: which commit it is, and which one was the last that was synced before.

use crate::message::packed::Reader;

/// The key of the heartbeat, of messages and of streams.
pub(super) const KEY: [u8; 1] = [0];
/// The key of what keeps definitions flushable: it has the commit's number alone, and nobody reads it.
pub(super) const DEFINITIONS_KEY: &[u8] = b"h";

/// The heartbeat of a commit.
pub(super) fn heartbeat(number: u64, synced: u64) -> Vec<u8> {
    [number.to_be_bytes(), synced.to_be_bytes()].concat()
}

/// Commit number and last synced commit number.
pub(super) fn parse_heartbeat(value: &[u8]) -> Option<(u64, u64)> {
    let mut reader = Reader(value);
    let numbers = (reader.u64()?, reader.u64()?);
    reader.0.is_empty().then_some(numbers)
}
