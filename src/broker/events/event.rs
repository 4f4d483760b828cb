//! What can happen.

use serde_json::Value;

use crate::auth::{Permission, User, UserLimits, UserTopicPermission};
use crate::broker::overview::ConnectionOverview;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::broker::vhost_settings::VhostLimits;
use crate::policy::{Policy, PolicyKind};
use crate::queue::Consume;
use crate::topology::{Binding, ExchangeSpec};

/// A parameter of RabbitMQ's kind: what is set by name and is none of the broker's own things.
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    /// What it is for.
    pub component: &'a str,
    /// The vhost; none of a global one.
    pub vhost: Option<&'a str>,
    /// The name.
    pub name: &'a str,
}

impl<'a> Parameter<'a> {
    /// A global one.
    #[must_use]
    pub const fn global(name: &'a str) -> Self {
        Self { component: "global", vhost: None, name }
    }
}

/// Something that happened, with references to what it happened to: it costs nothing to make one.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A queue was made.
    QueueCreated { vhost: &'a str, queue: &'a QueueRecord },
    /// A queue is gone.
    QueueDeleted { vhost: &'a str, queue: &'a QueueRecord },
    /// An exchange was made.
    ExchangeCreated { vhost: &'a Vhost, exchange: &'a ExchangeSpec },
    /// An exchange is gone.
    ExchangeDeleted { vhost: &'a str, exchange: &'a str },
    /// A binding was made.
    BindingCreated { vhost: &'a str, binding: &'a Binding },
    /// A binding is gone.
    BindingDeleted { vhost: &'a str, binding: &'a Binding },
    /// A user logged in.
    AuthenticationSucceeded { connection: &'a ConnectionOverview, user: &'a str },
    /// A user was not let in, and why.
    AuthenticationFailed { connection: &'a ConnectionOverview, user: &'a str, error: &'a str },
    /// A connection opened its vhost.
    ConnectionCreated(&'a ConnectionOverview),
    /// A connection ended, logged in or not.
    ConnectionClosed(&'a ConnectionOverview),
    /// A channel was opened.
    ChannelCreated { connection: &'a ConnectionOverview, channel: u16 },
    /// A channel is closed.
    ChannelClosed { connection: &'a ConnectionOverview, channel: u16 },
    /// A queue has a new consumer.
    ConsumerCreated { vhost: &'a str, queue: &'a str, consumer: &'a Consume },
    /// A consumer is gone.
    ConsumerDeleted { vhost: &'a str, queue: &'a str, connection: &'a str, channel: u16, tag: &'a str },
    /// A policy was made or changed, a user's or an operator's.
    PolicySet { vhost: &'a str, policy: &'a Policy },
    /// A policy is gone.
    PolicyCleared { vhost: &'a str, kind: PolicyKind, name: &'a str },
    /// A parameter was made or changed.
    ParameterSet { parameter: Parameter<'a>, value: &'a Value },
    /// A parameter is gone.
    ParameterCleared(Parameter<'a>),
    /// A vhost was made.
    VhostCreated(&'a Vhost),
    /// A vhost was put again, with other settings or the same.
    VhostUpdated(&'a Vhost),
    /// A vhost is gone, with all that was in it.
    VhostDeleted(&'a str),
    /// A vhost that is gone does not run any more.
    VhostDown(&'a str),
    /// A vhost's limits are these.
    VhostLimitsSet { vhost: &'a str, limits: VhostLimits },
    /// A vhost has no limits any more.
    VhostLimitsCleared(&'a str),
    /// A user was made, or changed from what it was before.
    UserPut { before: Option<&'a User>, user: &'a User },
    /// A user is gone.
    UserDeleted(&'a str),
    /// These limits of a user were set; others stay.
    UserLimitsSet { user: &'a str, limits: UserLimits },
    /// A limit of a user is gone.
    UserLimitsCleared { user: &'a str },
    /// A user may do this on a vhost.
    PermissionCreated { user: &'a str, vhost: &'a str, permission: &'a Permission },
    /// A user may do nothing on a vhost any more.
    PermissionDeleted { user: &'a str, vhost: &'a str },
    /// A user may use these keys with an exchange.
    TopicPermissionCreated(&'a UserTopicPermission),
    /// A user has no topic permissions on a vhost any more.
    TopicPermissionDeleted { user: &'a str, vhost: &'a str },
    /// There is too little of `memory` or `disk`.
    AlarmSet(&'a str),
    /// There is enough of it again.
    AlarmCleared(&'a str),
}
