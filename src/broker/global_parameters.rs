//! Global parameters (<https://www.rabbitmq.com/docs/parameters>): values under names, for tools and for the broker's own name.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

/// The name under which the cluster's name is.
pub const CLUSTER_NAME: &str = "cluster_name";
/// The name under which something is that no other cluster has, whatever its name.
pub const INTERNAL_CLUSTER_ID: &str = "internal_cluster_id";

/// All global parameters.
#[derive(Debug, Default)]
pub struct GlobalParameters(RwLock<BTreeMap<String, Value>>);

impl GlobalParameters {
    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Value> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value under a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Puts a value; `true` if there was none. The caller has made sure that it is durable.
    pub(super) fn put(&self, name: &str, value: Value) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value).is_none()
    }

    /// Removes a value. As with [`put`](Self::put).
    pub(super) fn remove(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
