//! The queues of a virtual host that clients know of, in the order of their names: a page of them takes no look at all the others.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Queues by name.
#[derive(Debug)]
pub(super) struct QueueNames<T>(RwLock<BTreeMap<Arc<str>, Arc<T>>>);

impl<T> Default for QueueNames<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> QueueNames<T> {
    pub(super) fn add(&self, name: &Arc<str>, queue: Arc<T>) {
        self.write().insert(Arc::clone(name), queue);
    }

    pub(super) fn remove(&self, name: &str, queue: &T) {
        let mut queues = self.write();
        // The name may be another queue's by now.
        if queues.get(name).is_some_and(|known| std::ptr::eq(Arc::as_ptr(known), queue)) {
            queues.remove(name);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// So many of them, without the first `skipped`.
    pub(super) fn some(&self, skipped: usize, count: usize) -> Vec<Arc<T>> {
        let queues = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let some = queues.values().skip(skipped).take(count);
        some.map(Arc::clone).collect()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Arc<str>, Arc<T>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
