//! The kinds of listening sockets.

/// What is spoken on a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// AMQP.
    Amqp,
    /// AMQP over TLS.
    Amqps,
    /// The management API.
    Http,
    /// The management API over TLS.
    Https,
    /// Metrics.
    Metrics,
    /// Metrics over TLS.
    MetricsTls,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Amqp, Self::Amqps, Self::Http, Self::Https, Self::Metrics, Self::MetricsTls];
}
