//! A new log in the place of one that is lost, from what one node has. It begins after the last frame which that node has applied, as if
//! it had been trimmed there: so that node goes on from it with its data, and any other takes a snapshot. Which log a node's data
//! belong to its mark says, so no other node's data are taken for those of the new log, or are replaced, until somebody says so.
//!
//! The order of the steps makes it safe to do it again when it was interrupted: the new log says which mark it began from, and is there
//! before the node's mark names it.

use super::follower::Stop;
use super::local::LocalEngine;
use super::log::Sequence;
use super::mark::{Mark, is_partial, was_alone};
use crate::store::{Durability, Engine, Error, WriteBatch};

/// What a log was made of after another was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The node.
    pub node: String,
    /// How far it was in the log before.
    pub mark: Mark,
}

/// What a node has: nobody uses its engine.
///
/// # Errors
/// [`Stop::Alone`], [`Stop::Partial`], [`Stop::Unmarked`], [`Stop::Store`]: no log can go on from that.
pub fn mark_of(engine: &dyn Engine) -> Result<Mark, Stop> {
    if was_alone(engine)? {
        return Err(Stop::Alone);
    }
    if is_partial(engine)? {
        return Err(Stop::Partial);
    }
    Mark::read(engine)?.filter(|mark| mark.sequence > Sequence(0)).ok_or(Stop::Unmarked)
}

/// What a node has goes on from another log, which begins after that. Durable when this returns.
///
/// # Errors
/// What the engine fails with.
pub fn adopt(engine: &mut LocalEngine, mark: Mark, log_id: u64) -> Result<(), Error> {
    let mut batch = WriteBatch::numbered(false);
    Mark { log_id, ..mark }.put(&mut batch);
    engine.commit(batch, Durability::Synced)
}
