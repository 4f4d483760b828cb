//! Counters that many add to and anybody reads, without a history.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::Counters;

/// A set of counters. Adding is an atomic addition for each that changed.
#[derive(Debug)]
pub struct Sum<C, const N: usize> {
    counts: [AtomicU64; N],
    kind: PhantomData<C>,
}

impl<C: Counters<N>, const N: usize> Default for Sum<C, N> {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), kind: PhantomData }
    }
}

impl<C: Counters<N>, const N: usize> Sum<C, N> {
    /// Adds what a batch counted.
    pub fn add(&self, counted: &C) {
        for (sum, count) in self.counts.iter().zip(counted.to_array()) {
            if count > 0 {
                sum.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub fn read(&self) -> C {
        C::from_array(self.counts.each_ref().map(|count| count.load(Ordering::Relaxed)))
    }
}
