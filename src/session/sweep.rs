//! When to look for what has ended among many things.

/// Below this many, nothing is gained by looking.
const SWEEP_MIN: usize = 64;

/// Says when a collection is to be looked through for what has ended: each time when it has twice what was left the last time, so that
/// a look costs little per thing, and the collection grows with what is there and not with what ever was.
#[derive(Debug)]
pub struct Sweep {
    at: usize,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { at: SWEEP_MIN }
    }
}

impl Sweep {
    /// Whether it is time, with so many things.
    #[must_use]
    pub const fn is_due(&self, len: usize) -> bool {
        len >= self.at
    }

    /// It was done, and so many are left.
    pub fn done(&mut self, left: usize) {
        self.at = (2 * left).max(SWEEP_MIN);
    }
}
