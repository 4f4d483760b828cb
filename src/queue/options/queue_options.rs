//! A queue's settings, parsed once from its declare arguments
//! (<https://www.rabbitmq.com/docs/queues#optional-arguments>).

use amq_protocol::types::{AMQPValue, FieldTable};

use super::arguments::{Arguments, OptionsError};
use super::failure_arguments::AckTimeout;
use super::source_arguments::Source;
use super::stream_arguments::StreamOptions;
use crate::dedup::Deduplication;
use crate::protocol::value::type_name;
use crate::queue::failure_policy::FailurePolicy;
use crate::queue::window::Window;

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
    /// `x-queue-type` is `quorum`: what differs is said where it does.
    pub is_quorum: bool,
    /// `x-queue-type` is `stream`: it is a log, and the settings of queues mean nothing to it.
    pub stream: Option<StreamOptions>,
    /// `x-single-active-consumer`.
    pub single_active_consumer: bool,
    /// What becomes of messages that come back.
    pub failure: FailurePolicy,
    /// How long a message may be unacked; `None` for ever.
    pub ack_timeout: Option<AckTimeout>,
    /// Which messages are duplicates, and do not come in.
    pub deduplication: Option<Deduplication>,
    /// `x-stream-source`: the stream that it is fed from.
    pub source: Option<Box<Source>>,
    /// It keeps the messages of a delayed exchange until their time has come; each one's TTL says when. No argument.
    pub delays: bool,
    /// How much of it is kept in memory; the broker's choice, no argument.
    pub window: Window,
}

impl QueueOptions {
    /// The same with the broker's default for how long a message may be unacked, 0 ms for ever, where the arguments that the
    /// options come from do not say it.
    #[must_use]
    pub fn with_default_ack_timeout(mut self, arguments: &FieldTable, default_ms: u32) -> Self {
        self.ack_timeout = AckTimeout::with_default(self.ack_timeout, arguments, default_ms);
        self
    }

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
        if args.is_stream() {
            let stream = Some(args.stream(durable, exclusive, auto_delete)?);
            let deduplication = args.deduplication()?;
            return Ok(Self { durable: true, stream, deduplication, ..Self::default() });
        }
        args.check_known()?;
        let options = Self {
            durable: durable && !exclusive,
            auto_delete,
            message_ttl_ms: args.milliseconds("x-message-ttl")?,
            expires_ms: args.expires()?,
            length_max: args.non_negative("x-max-length")?,
            length_bytes_max: args.non_negative("x-max-length-bytes")?,
            overflow: args.overflow()?,
            dead_letter_exchange: args.dead_letter_exchange()?,
            dead_letter_routing_key: args.dead_letter_routing_key()?,
            priority_max: args.priority_max()?,
            is_quorum: args.is_quorum()?,
            stream: None,
            single_active_consumer: args.boolean("x-single-active-consumer")?,
            failure: args.failure_policy()?,
            ack_timeout: args.ack_timeout()?,
            deduplication: args.deduplication()?,
            source: args.source(durable, exclusive)?.map(Box::new),
            delays: false,
            window: Window::default(),
        };
        args.check_queue_type(durable, exclusive)?;
        Ok(options)
    }

    /// Whether it has no limit of length.
    #[inline]
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        self.length_max.is_none() && self.length_bytes_max.is_none()
    }
}

impl Arguments<'_> {
    pub(super) fn expires(&self) -> Result<Option<u64>, OptionsError> {
        self.positive_number("x-expires").and(self.milliseconds("x-expires"))
    }

    pub(super) fn dead_letter_exchange(&self) -> Result<Option<String>, OptionsError> {
        const KEY: &str = "x-dead-letter-exchange";
        match self.value(KEY) {
            None | Some(AMQPValue::LongString(_) | AMQPValue::ShortString(_)) => self.string(KEY),
            Some(other) => {
                Err(OptionsError::Type { key: KEY, thing: self.thing.to_owned(), found: type_name(other) })
            }
        }
    }

    pub(super) fn dead_letter_routing_key(&self) -> Result<Option<String>, OptionsError> {
        const KEY: &str = "x-dead-letter-routing-key";
        let routing_key = self.string(KEY)?;
        if routing_key.is_some() && self.value("x-dead-letter-exchange").is_none() {
            return Err(self.invalid(KEY, "routing_key_but_no_dlx_defined"));
        }
        Ok(routing_key)
    }

    pub(super) fn overflow(&self) -> Result<Overflow, OptionsError> {
        match self.string("x-overflow")?.as_deref() {
            None | Some("drop-head") => Ok(Overflow::DropHead),
            Some("reject-publish") => Ok(Overflow::RejectPublish),
            Some("reject-publish-dlx") => Ok(Overflow::RejectPublishDlx),
            Some(_) => Err(self.invalid("x-overflow", "invalid_overflow")),
        }
    }

    pub(super) fn priority_max(&self) -> Result<Option<u8>, OptionsError> {
        let Some(number) = self.non_negative("x-max-priority")? else { return Ok(None) };
        let too_big = || self.invalid("x-max-priority", format!("{{max_value_exceeded,{number}}}"));
        u8::try_from(number).map(Some).map_err(|_| too_big())
    }

    fn deduplication(&self) -> Result<Option<Deduplication>, OptionsError> {
        Deduplication::parse(self.table, false).map_err(|error| self.invalid(error.key, error.why))
    }

    pub(super) fn is_quorum(&self) -> Result<bool, OptionsError> {
        match self.string("x-queue-type")?.as_deref() {
            None | Some("classic") => Ok(false),
            Some("quorum") => Ok(true),
            Some(other) => Err(self.invalid("x-queue-type", format!("\"unsupported queue type '{other}'\""))),
        }
    }

    fn check_queue_type(&self, durable: bool, exclusive: bool) -> Result<(), OptionsError> {
        let property = |property| OptionsError::Property { property, thing: self.thing.to_owned() };
        match self.is_quorum()? {
            true if exclusive => Err(property("exclusive-owner")),
            true if !durable => Err(property("non-durable")),
            _ => Ok(()),
        }
    }
}
