//! A queue's settings, parsed once from its declare arguments
//! (<https://www.rabbitmq.com/docs/queues#optional-arguments>).

use amq_protocol::types::FieldTable;

use super::arguments::{Arguments, OptionsError};
use super::failure_arguments::AckTimeout;
use crate::dedup::Deduplication;
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

impl Arguments<'_> {
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
