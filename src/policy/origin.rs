//! Where a setting that is in force comes from.

/// Where a setting that is in force comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An argument of the queue's declare.
    Argument,
    /// The policy of this name.
    Policy(String),
    /// The operator policy of this name.
    OperatorPolicy(String),
    /// An argument of the consumer.
    Consumer,
    /// A property or a header of the message.
    Message,
    /// Nobody said anything: it is the broker's default.
    Default,
}

impl Origin {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Policy(_) => "policy",
            Self::OperatorPolicy(_) => "operator-policy",
            Self::Consumer => "consumer",
            Self::Message => "message",
            Self::Default => "default",
        }
    }

    /// The policy's name, if it is one.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Policy(name) | Self::OperatorPolicy(name) => Some(name),
            _ => None,
        }
    }
}

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingInForce {
    /// The argument's name: `x-max-length`.
    pub name: &'static str,
    /// Its value, as text.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}
