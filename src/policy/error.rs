//! Why a policy is refused.

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// It has no name.
    #[error("the name may not be empty")]
    NoName,
    /// Names travel as AMQP short strings.
    #[error("the name is longer than 255 bytes")]
    LongName,
    /// The pattern is no regular expression.
    #[error("pattern: \"{pattern}\" is not a regular expression: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it, in one line.
        why: String,
    },
    /// It sets nothing.
    #[error("definition: no policy provided")]
    Empty,
    /// Settings that there are not, or not for operators; with their values as Erlang terms.
    #[error("{}: is not a recognised policy setting", .0.first().map_or("", |(key, _)| key))]
    Unknown(Vec<(String, String)>),
    /// A value that the setting cannot have.
    #[error("{key}: {why}")]
    Value {
        /// The setting.
        key: String,
        /// The value as an Erlang term.
        term: String,
        /// What is wrong with it.
        why: String,
    },
    /// Settings that contradict each other.
    #[error("{key}: {why}")]
    Together {
        /// One of them.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The vhost that it is for does not exist.
    #[error("there is no vhost '{0}'")]
    NoVhost(String),
}

/// Why a policy was refused: one line that names it and the fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{policy}: {fault}")]
pub struct PolicyError {
    policy: String,
    fault: PolicyFault,
}

impl PolicyError {
    /// Of a policy, named with its kind and vhost.
    pub(super) const fn new(policy: String, fault: PolicyFault) -> Self {
        Self { policy, fault }
    }

    /// The policy, with its kind and vhost.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn fault(&self) -> &PolicyFault {
        &self.fault
    }

    /// The same in words, naming the key.
    #[must_use]
    pub fn why(&self) -> String {
        self.fault.to_string()
    }

    /// The vhost that the policy is for does not exist.
    #[must_use]
    pub fn no_vhost(name: &str, vhost: &str) -> Self {
        let policy = format!("policy '{name}' in vhost '{vhost}'");
        Self { policy, fault: PolicyFault::NoVhost(vhost.to_owned()) }
    }
}
