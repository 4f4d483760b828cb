//! What of RabbitMQ's plugins is part of the broker. Everybody who names plugins asks here: the start lines, the management
//! API and the command line tools.

/// A plugin of RabbitMQ whose work the broker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Its name.
    pub name: &'static str,
    /// What it does, for people.
    pub description: &'static str,
    /// Whether somebody would enable it; others come with those that need them.
    pub is_explicit: bool,
}

#[cfg(feature = "management")]
const PLUGINS: &[Plugin] = &[
    Plugin { name: "rabbitmq_management", description: "The management API", is_explicit: true },
    Plugin { name: "rabbitmq_management_agent", description: "Statistics for it", is_explicit: false },
    Plugin { name: "rabbitmq_prometheus", description: "Metrics for Prometheus", is_explicit: true },
    Plugin { name: "rabbitmq_web_dispatch", description: "HTTP for both", is_explicit: false },
];
#[cfg(not(feature = "management"))]
const PLUGINS: &[Plugin] = &[];

/// All that run, by name.
#[must_use]
pub const fn plugins() -> &'static [Plugin] {
    PLUGINS
}
