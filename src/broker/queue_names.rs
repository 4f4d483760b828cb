//! The queues of a virtual host that clients know of, in the order of their names: a page of them takes no look at all the others.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::vhost::QueueRecord;

/// Queues by name.
#[derive(Debug, Default)]
pub(super) struct QueueNames(RwLock<BTreeMap<Arc<str>, Arc<QueueRecord>>>);

impl QueueNames {
    pub(super) fn add(&self, record: Arc<QueueRecord>) {
        self.write().insert(Arc::clone(&record.label), record);
    }

    pub(super) fn remove(&self, record: &QueueRecord) {
        let mut queues = self.write();
        // The name may be another queue's by now.
        if queues.get(&*record.label).is_some_and(|known| known.id == record.id) {
            queues.remove(&*record.label);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// So many of them, without the first `skipped`.
    pub(super) fn some(&self, skipped: usize, count: usize) -> Vec<Arc<QueueRecord>> {
        let queues = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let some = queues.values().skip(skipped).take(count);
        some.map(Arc::clone).collect()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Arc<str>, Arc<QueueRecord>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
