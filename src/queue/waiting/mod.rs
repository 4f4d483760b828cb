//! Messages that wait for a time: for their next attempt, parked, or in a delayed exchange.

mod schedule;
mod waiting_set;

pub(super) use schedule::Schedule;
pub(super) use waiting_set::WaitingSet;
