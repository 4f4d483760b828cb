//! RabbitMQ's programs, by their names.

/// One of RabbitMQ's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `rabbitmqctl`.
    Ctl,
    /// `rabbitmq-diagnostics`.
    Diagnostics,
    /// `rabbitmq-plugins`.
    Plugins,
    /// `rabbitmq-queues`.
    Queues,
    /// `rabbitmq-upgrade`.
    Upgrade,
}

impl Program {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ctl => "rabbitmqctl",
            Self::Diagnostics => "rabbitmq-diagnostics",
            Self::Plugins => "rabbitmq-plugins",
            Self::Queues => "rabbitmq-queues",
            Self::Upgrade => "rabbitmq-upgrade",
        }
    }
}
