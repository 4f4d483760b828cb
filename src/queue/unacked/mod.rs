//! Messages that were delivered and are not yet settled.

mod unacked_set;

pub(super) use unacked_set::{TimeoutId, Unacked, UnackedSet};
