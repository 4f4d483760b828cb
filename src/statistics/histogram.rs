//! Histograms: how many values there were up to each of a few bounds, and their sum.

use std::sync::atomic::{AtomicU64, Ordering};

/// A histogram with `N` bounds, which many add to and anybody reads.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    counts: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

/// What a histogram showed at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// Ascending bounds, each with how many values were at most that.
    pub up_to: Vec<(u64, u64)>,
    /// All values, those beyond the last bound included.
    pub count: u64,
    /// What they add up to.
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// An empty one; `bounds` ascend.
    #[must_use]
    pub fn new(bounds: &'static [u64; N]) -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Self { bounds, counts, beyond: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    /// Adds a value.
    pub fn add(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.add_some(at, 1);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What it shows now. The bounds' counts never say more than the count of all, whoever adds meanwhile.
    #[must_use]
    pub fn read(&self) -> Buckets {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let mut count = 0;
        let up_to = self.bounds.iter().zip(&self.counts).map(|(bound, own)| {
            count += read(own);
            (*bound, count)
        });
        let up_to: Vec<(u64, u64)> = up_to.collect();
        Buckets { up_to, count: count + read(&self.beyond), sum: read(&self.sum) }
    }

    /// Adds that many values to a bucket; the one after the last is what is beyond all bounds.
    fn add_some(&self, bucket: usize, count: u64) {
        self.counts.get(bucket).unwrap_or(&self.beyond).fetch_add(count, Ordering::Relaxed);
    }
}

/// Bounds of message sizes in bytes: RabbitMQ's.
const SIZE_BOUNDS: [u64; 8] = [100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000];

/// Message sizes, in bytes.
#[derive(Debug)]
pub struct SizeHistogram(Histogram<{ SIZE_BOUNDS.len() }>);

impl Default for SizeHistogram {
    fn default() -> Self {
        Self(Histogram::new(&SIZE_BOUNDS))
    }
}

impl SizeHistogram {
    /// Adds what a batch counted.
    pub fn add(&self, counted: &SizeCounts) {
        if counted.width == 0 {
            return;
        }
        for (bucket, count) in counted.all().into_iter().enumerate().filter(|(_, count)| *count > 0) {
            self.0.add_some(bucket, count);
        }
        self.0.sum.fetch_add(counted.sum, Ordering::Relaxed);
    }

    /// What it shows now.
    #[must_use]
    pub fn read(&self) -> Buckets {
        self.0.read()
    }
}

/// Message sizes of a batch. Most are in the bucket of the one before, so that one costs a comparison and two additions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeCounts {
    /// The bucket of the last one: from its lowest size on, so many sizes. 0: there was none yet.
    low: u64,
    width: u64,
    bucket: usize,
    /// How many there were in that bucket since the last change.
    run: u64,
    sum: u64,
    counts: [u64; SIZE_BOUNDS.len() + 1],
}

impl SizeCounts {
    /// Notes a size.
    #[inline]
    pub fn note(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        if bytes.wrapping_sub(self.low) >= self.width {
            self.change_bucket(bytes);
        }
        self.run += 1;
        self.sum += bytes;
    }

    #[cold]
    fn change_bucket(&mut self, bytes: u64) {
        self.counts = self.all();
        self.run = 0;
        self.bucket = SIZE_BOUNDS.partition_point(|bound| *bound < bytes);
        let below = self.bucket.checked_sub(1).and_then(|below| SIZE_BOUNDS.get(below));
        self.low = below.map_or(0, |bound| bound + 1);
        let end = SIZE_BOUNDS.get(self.bucket).map_or(u64::MAX, |bound| bound + 1);
        self.width = end - self.low;
    }

    /// All counts, those of the run included.
    fn all(&self) -> [u64; SIZE_BOUNDS.len() + 1] {
        let mut counts = self.counts;
        if let Some(count) = counts.get_mut(self.bucket) {
            *count += self.run;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_counted_under_all_bounds_from_its_own_on() {
        static BOUNDS: [u64; 2] = [10, 20];
        let histogram = Histogram::new(&BOUNDS);
        for value in [0, 10, 11, 21] {
            histogram.add(value);
        }
        assert_eq!(histogram.read(), Buckets { up_to: vec![(10, 2), (20, 3)], count: 4, sum: 42 });
    }

    proptest! {
        #[test]
        fn sizes_noted_in_batches_are_those_added_one_by_one(
            batches in prop::collection::vec(prop::collection::vec(0_usize..2000, 0..20), 0..5),
            big in prop::collection::vec(0_usize..200_000_000, 0..20),
        ) {
            let (noted, one_by_one) = (SizeHistogram::default(), SizeHistogram::default());
            for batch in batches.into_iter().chain([big, vec![0, 100, 101, 100_000_000, 100_000_001]]) {
                let mut counts = SizeCounts::default();
                for size in batch {
                    counts.note(size);
                    one_by_one.0.add(size as u64);
                }
                noted.add(&counts);
            }
            prop_assert_eq!(noted.read(), one_by_one.read());
        }
    }
}
