//! The stream that a queue is fed from: `x-stream-source`, with a stream consumer's arguments beside it.

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::arguments::{Arguments, OptionsError};
use crate::protocol::value::type_name;
use crate::queue::offset_spec::OffsetSpec;

/// A queue's name is not longer, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Names the stream.
pub const SOURCE: &str = "x-stream-source";

/// Where a queue's messages come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The stream, in the queue's virtual host.
    pub stream: Arc<str>,
    /// Where it begins.
    pub from: OffsetSpec,
    /// The arguments of the queue: what a consumer says of filters stands in them.
    pub arguments: Arc<FieldTable>,
}

impl Arguments<'_> {
    /// The stream that the queue is fed from, if it is. Such a queue survives a restart: what was taken from the stream is not taken again.
    pub(super) fn source(&self, durable: bool, exclusive: bool) -> Result<Option<Source>, OptionsError> {
        let Some(stream) = self.string(SOURCE)? else { return Ok(None) };
        if stream.is_empty() || stream.len() > NAME_BYTES_MAX {
            return Err(self
                .invalid(SOURCE, format!("\"expected the name of a stream, 1 to {NAME_BYTES_MAX} bytes\"")));
        }
        if !durable || exclusive {
            return Err(self.invalid(SOURCE, "\"the queue has to be durable and not exclusive\""));
        }
        let from = OffsetSpec::parse(self.table).map_err(|value| self.no_offset(value))?;
        Ok(Some(Source { stream: stream.into(), from, arguments: Arc::new(self.table.clone()) }))
    }

    fn no_offset(&self, value: &AMQPValue) -> OptionsError {
        let why = format!(
            "\"expected first, last, next, an offset, a timestamp or an age, got {}\"",
            type_name(value)
        );
        self.invalid("x-stream-offset", why)
    }
}
