//! A data directory that was a cluster's node's, and in which a broker by itself writes: that it does is written down first, so that it is
//! no node's any more. What was written meanwhile no log has.

use super::engine::{CommitNumbers, Durability, Engine, Space, WriteBatch};
use super::error::Error;

/// Beside the heartbeat: how far a node has applied its cluster's log.
pub const MARK_KEY: [u8; 2] = [0, 1];
/// There while what a node has is a part of a snapshot, and not to be used.
pub const PARTIAL_KEY: [u8; 2] = [0, 2];
/// That a broker by itself has written since.
pub const ALONE_KEY: [u8; 2] = [0, 3];

/// Whether an engine has a key of [`Space::Messages`].
///
/// # Errors
/// What the engine fails with.
pub fn has(engine: &dyn Engine, key: [u8; 2]) -> Result<bool, Error> {
    let (mut has, [first, second]) = (false, key);
    engine.scan(Space::Messages, &key, &[first, second, 0], &mut |_, _| {
        has = true;
        Ok(())
    })?;
    Ok(has)
}

/// Writes it down where a node was, once.
///
/// # Errors
/// What the engine fails with.
pub(super) fn note(engine: &mut dyn Engine) -> Result<(), Error> {
    let was_node = has(engine, MARK_KEY)? || has(engine, PARTIAL_KEY)?;
    if !was_node || has(engine, ALONE_KEY)? {
        return Ok(());
    }
    let mut numbers = CommitNumbers::read(engine)?;
    engine.sync()?;
    (numbers.number, numbers.synced) = (numbers.number + 1, numbers.number);
    let mut batch = WriteBatch::numbered(false);
    batch.renumber(numbers);
    batch.put(Space::Messages, ALONE_KEY.to_vec(), Vec::new());
    engine.commit(batch, Durability::Synced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryDisk;

    #[test]
    fn only_where_a_node_was_is_it_written_down() {
        let disk = MemoryDisk::new();
        note(&mut disk.engine()).unwrap();
        assert_eq!(disk.pairs(), 0);
        let mut node = WriteBatch::numbered(false);
        node.put(Space::Messages, MARK_KEY.to_vec(), vec![1]);
        disk.engine().commit(node, Durability::Synced).unwrap();
        for _ in 0..2 {
            note(&mut disk.engine()).unwrap();
            assert!(has(&disk.engine(), ALONE_KEY).unwrap());
            assert_eq!(CommitNumbers::read(&disk.engine()).unwrap().number, 1);
        }
    }
}
