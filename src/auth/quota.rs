//! How many there are of something, and how many there may be: shared by those who change the limit and those whom it binds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// Negative limits are none, as in RabbitMQ.
const UNLIMITED: i64 = -1;

/// So many there are, and may be.
#[derive(Debug)]
pub struct Quota {
    taken: AtomicUsize,
    limit: AtomicI64,
}

/// There are as many as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaReached {
    /// How many that is.
    pub limit: i64,
}

/// One of those that there are, until it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<Quota>);

impl Default for Quota {
    /// Without a limit.
    fn default() -> Self {
        Self { taken: AtomicUsize::new(0), limit: AtomicI64::new(UNLIMITED) }
    }
}

impl Quota {
    /// Changes the limit for those who come from now on; `None` is no limit.
    pub fn set_limit(&self, limit: Option<i64>) {
        self.limit.store(limit.unwrap_or(UNLIMITED), Ordering::Relaxed);
    }

    /// How many there are.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// One more.
    ///
    /// # Errors
    /// There may not be one more.
    pub fn take(self: &Arc<Self>) -> Result<Seat, QuotaReached> {
        let limit = self.limit.load(Ordering::Relaxed);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let one_more = |taken: usize| (taken < most).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more);
        taken.map(|_| Seat(Arc::clone(self))).map_err(|_| QuotaReached { limit })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_may_be() {
        let quota = Arc::new(Quota::default());
        quota.set_limit(Some(2));
        let seats = [quota.take(), quota.take()];
        assert!(seats.iter().all(Result::is_ok));
        assert_eq!(quota.take().unwrap_err(), QuotaReached { limit: 2 });
        drop(seats);
        assert_eq!(quota.taken(), 0);
        assert!(quota.take().is_ok());
    }

    #[test]
    fn none_is_negative_and_zero_is_zero() {
        let quota = Arc::new(Quota::default());
        assert!(quota.take().is_ok());
        quota.set_limit(Some(0));
        assert!(quota.take().is_err());
        for unlimited in [Some(-1), Some(i64::MIN), None] {
            quota.set_limit(unlimited);
            assert!(quota.take().is_ok());
        }
    }

    #[test]
    fn a_limit_that_comes_later_takes_no_seat_away() {
        let quota = Arc::new(Quota::default());
        let seats: Vec<Seat> = (0..3).map(|_| quota.take().unwrap()).collect();
        quota.set_limit(Some(1));
        assert_eq!((seats.len(), quota.taken()), (3, 3));
        assert!(quota.take().is_err());
    }
}
