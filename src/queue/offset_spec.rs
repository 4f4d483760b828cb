//! Where a consumer begins to read: `x-stream-offset` (<https://www.rabbitmq.com/docs/streams#consuming>).

use amq_protocol::types::{AMQPValue, FieldTable};

use super::options::age_ms;
use crate::protocol::value::as_integer;
use crate::time::Timestamp;

/// Where a consumer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// With the oldest message.
    First,
    /// With the first message of the newest chunk.
    Last,
    /// With what comes from now on.
    Next,
    /// With this offset, or the first there is; one that is to come is waited for.
    Number(u64),
    /// With so many of the newest.
    Newest(u64),
    /// With the first chunk whose time is at or after this.
    At(Timestamp),
    /// The same, so many milliseconds ago.
    Ago(u64),
}

impl OffsetSpec {
    /// Of a consumer's arguments.
    ///
    /// # Errors
    /// The value, if it says no place.
    pub fn parse(arguments: &FieldTable) -> Result<Self, &AMQPValue> {
        arguments.inner().get("x-stream-offset").map_or(Ok(Self::Next), Self::of)
    }

    /// Of the value of that argument.
    ///
    /// # Errors
    /// The value, if it says no place.
    pub fn of(value: &AMQPValue) -> Result<Self, &AMQPValue> {
        let spec = match value {
            AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().and_then(Self::named),
            AMQPValue::Timestamp(seconds) => {
                Some(Self::At(Timestamp::from_millis(seconds.saturating_mul(1000))))
            }
            number => as_integer(number).map(Self::number),
        };
        spec.ok_or(value)
    }

    fn named(text: &str) -> Option<Self> {
        match text {
            "first" => Some(Self::First),
            "last" => Some(Self::Last),
            "next" => Some(Self::Next),
            age => age_ms(age).map(Self::Ago),
        }
    }

    fn number(number: i64) -> Self {
        u64::try_from(number).map_or(Self::Newest(number.unsigned_abs()), Self::Number)
    }
}
