//! When a rule can act.

use super::armed::Armed;
use super::methods::Methods;
use super::rule_error::RuleError;
use super::subject::Happening;

/// When a rule acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A client has logged in and named the virtual host: before anything else is looked at.
    Connect,
    /// connection.open: the client may enter, and is about to be told so.
    Open,
    /// A method on a channel, before it is looked at.
    Methods(Methods),
    /// A message that was routed, before its queues get it; in a transaction when that is committed.
    Publish,
    /// A message that is safe, before its publisher is told.
    Confirm,
    /// A delivery that is about to be written.
    Deliver,
    /// basic.ack of a message, before it counts.
    Ack,
    /// basic.nack of a message.
    Nack,
    /// basic.reject of a message.
    Reject,
    /// Each time so many milliseconds of the virtual host's clock have passed.
    Time {
        /// How many.
        every_ms: u64,
    },
    /// No event: it is so as long as the rule is there.
    Always,
}

/// What `on` may say, beside names of methods.
pub(super) const NAMES: &str = "connect, open, publish, confirm, deliver, ack, nack, reject, time, or the name of a method such as declare, \
                                queue.bind or basic.consume";

impl Occasion {
    /// The one of this name; those that need more than a name are made of what there is otherwise.
    #[must_use]
    pub fn named(name: &str, every_ms: Option<u64>) -> Option<Self> {
        Some(match name {
            "connect" => Self::Connect,
            "open" | "connection.open" => Self::Open,
            "publish" | "basic.publish" => Self::Publish,
            "confirm" => Self::Confirm,
            "deliver" | "basic.deliver" => Self::Deliver,
            "ack" | "basic.ack" => Self::Ack,
            "nack" | "basic.nack" => Self::Nack,
            "reject" | "basic.reject" => Self::Reject,
            "time" => Self::Time { every_ms: every_ms.unwrap_or_default() },
            _ => Self::Methods(Methods::named(name)?),
        })
    }

    /// Of a method, named as in `queue.declare`, or `declare` for those of all classes.
    ///
    /// # Errors
    /// There is no such method that rules can be about.
    pub fn of_method(name: &str) -> Result<Self, RuleError> {
        let methods = Methods::named(name);
        methods.map(Self::Methods).ok_or_else(|| RuleError(format!("there is no method '{name}' for rules")))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Connect => "connect",
            Self::Open => "open",
            Self::Methods(methods) => methods.name(),
            Self::Publish => "publish",
            Self::Confirm => "confirm",
            Self::Deliver => "deliver",
            Self::Ack => "ack",
            Self::Nack => "nack",
            Self::Reject => "reject",
            Self::Time { .. } => "time",
            Self::Always => "always",
        }
    }

    /// The actions that fit it.
    #[must_use]
    pub const fn actions(&self) -> &'static [&'static str] {
        match self {
            Self::Connect | Self::Open => &["refuse", "reset", "delay", "silence"],
            Self::Methods(_) => &["refuse", "close", "reset", "delay"],
            Self::Publish => &["drop", "nack", "return", "duplicate", "refuse", "close", "reset"],
            Self::Confirm => &["drop", "nack", "delay", "close", "reset"],
            Self::Deliver => &["drop", "duplicate", "delay", "corrupt", "reorder", "close", "reset"],
            Self::Ack => &["drop", "redeliver", "close", "reset"],
            Self::Nack | Self::Reject => &["drop", "close", "reset"],
            Self::Time { .. } => &["close-all", "restart", "block", "unblock"],
            Self::Always => &["block", "pause", "slow", "silence"],
        }
    }

    /// What has to look out for it.
    pub(super) const fn armed(&self) -> Armed {
        match self {
            Self::Connect | Self::Open => Armed::ENTRANCE,
            Self::Methods(_) => Armed::METHODS,
            Self::Publish => Armed::PUBLISH,
            Self::Confirm => Armed::CONFIRM,
            Self::Deliver => Armed::DELIVER,
            Self::Ack | Self::Nack | Self::Reject => Armed::SETTLE,
            Self::Time { .. } => Armed::NOTHING,
            Self::Always => Armed::STATE,
        }
    }

    pub(super) fn means(&self, happening: Happening) -> bool {
        match (self, happening) {
            (Self::Methods(methods), Happening::Method(id)) => methods.has(id),
            (Self::Connect, Happening::Connect)
            | (Self::Open, Happening::Open)
            | (Self::Publish, Happening::Publish)
            | (Self::Confirm, Happening::Confirm)
            | (Self::Deliver, Happening::Deliver)
            | (Self::Ack, Happening::Ack)
            | (Self::Nack, Happening::Nack)
            | (Self::Reject, Happening::Reject) => true,
            _ => false,
        }
    }
}
