//! Whether a node may still act as the leader it became, shared by all who do.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// One time of leading; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Tenure(Arc<AtomicBool>);

impl Tenure {
    /// Ends it: whoever waits for the log gives up, and nothing more is appended.
    pub fn end(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.load(Relaxed)
    }
}
