//! A queue's settings, parsed once from its declare arguments
//! (<https://www.rabbitmq.com/docs/queues#optional-arguments>).

use amq_protocol::types::{AMQPValue, FieldTable};

use super::failure_options::AckTimeout;
use super::retry::FailurePolicy;
use super::window::Window;
use crate::protocol::value::{as_integer, type_name};
use crate::unique::Deduplication;

/// What gives way when a queue is at its length limit (`x-overflow`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// `drop-head`: the oldest message.
    #[default]
    DropHead,
    /// `reject-publish`: the new message; its publisher gets a nack.
    RejectPublish,
    /// `reject-publish-dlx`: as `reject-publish`, and the message is dead-lettered.
    RejectPublishDlx,
}

/// Settings of a queue.
#[derive(Clone, Debug, Default)]
pub struct QueueOptions {
    /// The queue, and persistent messages in it, survive a restart.
    pub durable: bool,
    /// It goes when its last consumer goes.
    pub auto_delete: bool,
    /// `x-message-ttl`, in milliseconds.
    pub message_ttl_ms: Option<u64>,
    /// `x-expires`: unused for that many milliseconds, the queue goes.
    pub expires_ms: Option<u64>,
    /// `x-max-length`: ready messages.
    pub length_max: Option<u64>,
    /// `x-max-length-bytes`: bytes of ready messages' bodies.
    pub length_bytes_max: Option<u64>,
    /// `x-overflow`.
    pub overflow: Overflow,
    /// `x-dead-letter-exchange`.
    pub dead_letter_exchange: Option<String>,
    /// `x-dead-letter-routing-key`.
    pub dead_letter_routing_key: Option<String>,
    /// `x-max-priority`.
    pub priority_max: Option<u8>,
    /// `x-single-active-consumer`.
    pub single_active_consumer: bool,
    /// What becomes of messages that come back.
    pub failure: FailurePolicy,
    /// How long a message may be unacked; `None` for ever.
    pub ack_timeout: Option<AckTimeout>,
    /// Which messages are duplicates, and do not come in.
    pub deduplication: Option<Deduplication>,
    /// It keeps the messages of a delayed exchange until their time has come; each one's TTL says when. No argument.
    pub delays: bool,
    /// How much of it is kept in memory; the broker's choice, no argument.
    pub window: Window,
}

/// Why arguments were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A value is not allowed; the text says which and why, as RabbitMQ words it. Reply code 406.
    #[error("invalid arg '{key}' for {thing}: {why}")]
    Invalid {
        /// The argument.
        key: &'static str,
        /// The queue, as error texts name it.
        thing: String,
        /// What is wrong with its value.
        why: String,
    },
    /// A property does not go with the queue type. Reply code 406.
    #[error("invalid property '{property}' for {thing}")]
    Property {
        /// The property.
        property: &'static str,
        /// The queue, as error texts name it.
        thing: String,
    },
}

/// Arguments that RabbitMQ compares when a queue is declared again.
pub const COMPARED: &[&str] = &[
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-max-priority",
    "x-single-active-consumer",
    "x-queue-type",
    "x-delivery-limit",
    "x-delivery-count-mode",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
    "x-delayed-retry-multiplier",
    "x-delayed-retry-steps",
    "x-delayed-retry-jitter",
    "x-parking-after",
    "x-parking-ttl",
    "x-parking-limit",
    "x-consumer-timeout",
    "x-consumer-timeout-action",
    "x-message-deduplication",
    "x-cache-size",
    "x-cache-ttl",
    "x-deduplication-header",
];

/// How a policy's value and a queue's own argument for the same setting combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Numbers that limit: the lowest of all counts, apart from the one that stands for no limit at all, if there is
    /// such a one. Operator policies may have these only.
    Lower(Option<i64>),
    /// The argument wins over the policy.
    Argument,
}

/// Arguments that policies can set as well, by the same name without its `x-`
/// (<https://www.rabbitmq.com/docs/policies>). A row here is all that it takes.
pub const POLICY_ARGUMENTS: &[(&str, Merge)] = &[
    ("x-message-ttl", Merge::Lower(None)),
    ("x-expires", Merge::Lower(None)),
    ("x-max-length", Merge::Lower(None)),
    ("x-max-length-bytes", Merge::Lower(None)),
    ("x-delivery-limit", Merge::Lower(Some(-1))),
    ("x-consumer-timeout", Merge::Lower(Some(0))),
    ("x-consumer-timeout-action", Merge::Argument),
    ("x-overflow", Merge::Argument),
    ("x-dead-letter-exchange", Merge::Argument),
    ("x-dead-letter-routing-key", Merge::Argument),
    ("x-delivery-count-mode", Merge::Argument),
    ("x-delayed-retry-type", Merge::Argument),
    ("x-delayed-retry-min", Merge::Argument),
    ("x-delayed-retry-max", Merge::Argument),
    ("x-delayed-retry-multiplier", Merge::Argument),
    ("x-delayed-retry-steps", Merge::Argument),
    ("x-delayed-retry-jitter", Merge::Argument),
    ("x-parking-after", Merge::Argument),
    ("x-parking-ttl", Merge::Argument),
    ("x-parking-limit", Merge::Argument),
    ("x-message-deduplication", Merge::Argument),
    ("x-cache-size", Merge::Argument),
    ("x-cache-ttl", Merge::Argument),
    ("x-deduplication-header", Merge::Argument),
];

impl QueueOptions {
    /// Parses declare arguments. Unknown keys are ignored, as RabbitMQ does. `thing` names the queue in error texts:
    /// `queue 'q' in vhost '/'`.
    pub fn parse(
        thing: &str,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: &FieldTable,
    ) -> Result<Self, OptionsError> {
        let args = Arguments { thing, table: arguments };
        args.check_queue_type(durable, exclusive)?;
        let options = Self {
            durable: durable && !exclusive,
            auto_delete,
            message_ttl_ms: args.milliseconds("x-message-ttl", 0)?,
            expires_ms: args.milliseconds("x-expires", 1)?,
            length_max: args.non_negative("x-max-length")?,
            length_bytes_max: args.non_negative("x-max-length-bytes")?,
            overflow: args.overflow()?,
            dead_letter_exchange: args.string("x-dead-letter-exchange")?,
            dead_letter_routing_key: args.string("x-dead-letter-routing-key")?,
            priority_max: args.priority_max()?,
            single_active_consumer: args.boolean("x-single-active-consumer")?,
            failure: args.failure_policy()?,
            ack_timeout: args.ack_timeout()?,
            deduplication: args.deduplication()?,
            delays: false,
            window: Window::default(),
        };
        if options.dead_letter_routing_key.is_some() && options.dead_letter_exchange.is_none() {
            return Err(args.invalid("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined"));
        }
        Ok(options)
    }
}

/// A queue's or a consumer's arguments, with the queue's name for error texts.
pub(super) struct Arguments<'a> {
    pub(super) thing: &'a str,
    pub(super) table: &'a FieldTable,
}

impl Arguments<'_> {
    pub(super) fn value(&self, key: &str) -> Option<&AMQPValue> {
        self.table.inner().get(key).filter(|value| **value != AMQPValue::Void)
    }

    pub(super) fn invalid(&self, key: &'static str, why: impl Into<String>) -> OptionsError {
        OptionsError::Invalid { key, thing: self.thing.to_owned(), why: why.into() }
    }

    fn wrong_type(&self, key: &'static str, expected: &str, value: &AMQPValue) -> OptionsError {
        self.invalid(key, format!("\"expected {expected}, got {}\"", type_name(value)))
    }

    pub(super) fn integer(&self, key: &'static str) -> Result<Option<i64>, OptionsError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        as_integer(value).map(Some).ok_or_else(|| self.wrong_type(key, "integer", value))
    }

    fn non_negative(&self, key: &'static str) -> Result<Option<u64>, OptionsError> {
        let Some(number) = self.integer(key)? else { return Ok(None) };
        u64::try_from(number).map(Some).map_err(|_| self.invalid(key, format!("{{value_negative,{number}}}")))
    }

    /// Milliseconds from `least` to 2^32-1, RabbitMQ's limit for timers.
    fn milliseconds(&self, key: &'static str, least: u64) -> Result<Option<u64>, OptionsError> {
        let Some(number) = self.non_negative(key)? else { return Ok(None) };
        if number < least {
            return Err(self.invalid(key, format!("{{value_zero,{number}}}")));
        }
        Ok(Some(number))
    }

    pub(super) fn string(&self, key: &'static str) -> Result<Option<String>, OptionsError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value {
            AMQPValue::LongString(text) => Ok(Some(String::from_utf8_lossy(text.as_bytes()).into_owned())),
            AMQPValue::ShortString(text) => Ok(Some(text.as_str().to_owned())),
            other => Err(self.wrong_type(key, "longstr", other)),
        }
    }

    fn boolean(&self, key: &'static str) -> Result<bool, OptionsError> {
        match self.value(key) {
            None => Ok(false),
            Some(AMQPValue::Boolean(value)) => Ok(*value),
            Some(other) => Err(self.wrong_type(key, "boolean", other)),
        }
    }

    fn overflow(&self) -> Result<Overflow, OptionsError> {
        match self.string("x-overflow")?.as_deref() {
            None | Some("drop-head") => Ok(Overflow::DropHead),
            Some("reject-publish") => Ok(Overflow::RejectPublish),
            Some("reject-publish-dlx") => Ok(Overflow::RejectPublishDlx),
            Some(_) => Err(self.invalid("x-overflow", "invalid_overflow")),
        }
    }

    fn priority_max(&self) -> Result<Option<u8>, OptionsError> {
        let Some(number) = self.non_negative("x-max-priority")? else { return Ok(None) };
        let too_big = || self.invalid("x-max-priority", format!("{{max_value_exceeded,{number}}}"));
        u8::try_from(number).map(Some).map_err(|_| too_big())
    }

    fn deduplication(&self) -> Result<Option<Deduplication>, OptionsError> {
        Deduplication::parse(self.table, false).map_err(|error| self.invalid(error.key, error.why))
    }

    fn check_queue_type(&self, durable: bool, exclusive: bool) -> Result<(), OptionsError> {
        let property = |property| OptionsError::Property { property, thing: self.thing.to_owned() };
        match self.string("x-queue-type")?.as_deref() {
            None | Some("classic") => Ok(()),
            Some("quorum") if !durable => Err(property("non-durable")),
            Some("quorum") if exclusive => Err(property("exclusive-owner")),
            Some("quorum") => Ok(()),
            Some(other) => Err(self.invalid("x-queue-type", format!("\"unsupported queue type '{other}'\""))),
        }
    }
}
