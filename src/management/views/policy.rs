//! A policy.

use serde::Serialize;

use super::arguments::Table;
use crate::policy::Policy;

/// `/api/policies/V/P`, and the same of operators.
#[derive(Debug, Serialize)]
pub(in crate::management) struct PolicyView<'a> {
    pub vhost: &'a str,
    pub name: &'a str,
    pub pattern: &'a str,
    #[serde(rename = "apply-to")]
    pub apply_to: &'static str,
    pub definition: Table<'a>,
    pub priority: i64,
}

impl<'a> PolicyView<'a> {
    /// Of a policy of that vhost.
    pub(in crate::management) fn of(vhost: &'a str, policy: &'a Policy) -> Self {
        Self {
            vhost,
            name: &policy.name,
            pattern: &policy.pattern,
            apply_to: policy.apply_to.name(),
            definition: Table(&policy.definition),
            priority: policy.priority,
        }
    }
}
