//! Something that is wrong, in a sentence.

use serde::Serialize;

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Something does not work, or messages are lost.
    Critical,
    /// It will not go well for long.
    Warning,
    /// Somebody may want to know.
    Note,
}

/// Something that is wrong.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Which problem it is.
    pub kind: &'static str,
    /// For people.
    pub sentence: String,
    /// How many messages, connections or the like it is about.
    pub count: u64,
    /// What it is about.
    pub target: Target,
}

impl Problem {
    /// Whether something goes wrong with messages just now: that is told before what only waits.
    pub(super) fn is_failure(&self) -> bool {
        is_failure(self.kind)
    }
}

/// The same of a kind.
pub(super) fn is_failure(kind: &str) -> bool {
    matches!(kind, "failing" | "dropped" | "refused" | "prefetch-full" | "unroutable")
}

/// What a problem is about.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Target {
    /// `node`, `queue`, `queues`, `exchange`, `connections`, `user`.
    pub kind: &'static str,
    /// The vhost, if it is in one.
    pub vhost: Option<String>,
    /// Its name, if it has one.
    pub name: Option<String>,
}

impl Target {
    /// The broker.
    pub(super) fn node(name: &str) -> Self {
        Self { kind: "node", vhost: None, name: Some(name.to_owned()) }
    }

    /// Something in a vhost.
    pub(super) fn within(kind: &'static str, vhost: &str, name: &str) -> Self {
        Self { kind, vhost: Some(vhost.to_owned()), name: Some(name.to_owned()) }
    }

    /// All of a kind.
    pub(super) const fn all(kind: &'static str) -> Self {
        Self { kind, vhost: None, name: None }
    }
}

/// `1 message`, `5 messages`.
pub(super) fn some(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
