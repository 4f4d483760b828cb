//! Tests of the parts of the cluster, without brokers; the nodes as a whole are in `tests/cluster`.

mod engine;
mod frames;
mod hearing;
mod leases;
mod log_faults;
mod restores;
mod snapshots;

use super::*;
use crate::store::{Durability, Engine, MemoryDisk, Space, WriteBatch};

const LOG_ID: u64 = 7;

/// A batch as the committer makes them: the heartbeat comes first.
fn batch(number: u64, value: &[u8]) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.put(Space::Messages, vec![0], [number.to_be_bytes(), number.to_be_bytes()].concat());
    batch.put(Space::Messages, number.to_be_bytes().to_vec(), value.to_vec());
    batch
}

/// A client that does not wait.
fn client(log: &MemoryLog, name: &str) -> MemoryLogClient {
    let mut client = log.client(name);
    client.patience = std::time::Duration::ZERO;
    client
}

/// Reads all there is.
fn follow(disk: &MemoryDisk, log: &MemoryLog, name: &str) -> Result<Follower<impl Engine + use<>>, Stop> {
    let mut follower = Follower::open(disk.engine(), LOG_ID)?;
    while follower.step(&mut client(log, name))?.has_read {}
    Ok(follower)
}

/// Follows, and then leads.
fn lead(
    disk: &MemoryDisk,
    log: &MemoryLog,
    name: &str,
) -> ReplicatedEngine<impl Engine + use<>, MemoryLogClient> {
    let mut follower = follow(disk, log, name).unwrap();
    let tenure = Tenure::default();
    let fence = follower.fence(&mut client(log, name), name, &tenure).unwrap().unwrap();
    ReplicatedEngine::new(disk.engine(), client(log, name), fence, tenure)
}

/// What a disk has but for what is its own: the mark, and what it has synced.
fn common(disk: &MemoryDisk) -> Vec<(Space, Vec<u8>, Vec<u8>)> {
    let pairs = disk.contents().into_iter();
    let pairs = pairs.filter(|((_, key), _)| !Mark::is_key(key) && key.as_slice() != [0]);
    pairs.map(|((space, key), value)| (space, key, value)).collect()
}
