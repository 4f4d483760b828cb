//! Why a rule is refused.

/// A rule that makes no sense: one line that says why, and what would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(pub(super) String);
