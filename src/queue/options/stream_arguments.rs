//! Settings of a stream (<https://www.rabbitmq.com/docs/streams#declaring>).

use amq_protocol::types::AMQPValue;

use super::arguments::{Arguments, OptionsError};

/// The longest a segment may be, in bytes; RabbitMQ's limit.
const SEGMENT_BYTES_MAX: u64 = 3_000_000_000;
/// How long a segment is if nothing is said, in bytes. RabbitMQ's are 500 MB, behind which no retention can be seen.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Not shorter than this if it is derived from the stream's size, in bytes.
const SEGMENT_BYTES_MIN: u64 = 1024 * 1024;
/// Bytes of a Bloom filter if nothing is said.
const FILTER_BYTES: u8 = 16;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What no stream can have: RabbitMQ's arguments for other types of queue, in the order in which it names them.
const FOREIGN: &[&str] = &[
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-dead-letter-strategy",
    "x-delivery-limit",
    "x-quorum-initial-group-size",
    "x-quorum-target-group-size",
    "x-queue-master-locator",
];

/// Settings of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// `x-max-age`, in milliseconds: segments whose last message is older go.
    pub age_max_ms: Option<u64>,
    /// `x-max-length-bytes`: the oldest segments go when there is more.
    pub bytes_max: Option<u64>,
    /// A segment ends when it has so many bytes.
    pub segment_bytes: u64,
    /// `x-stream-filter-size-bytes`: of the Bloom filter of a chunk.
    pub filter_bytes: u8,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { age_max_ms: None, bytes_max: None, segment_bytes: SEGMENT_BYTES, filter_bytes: FILTER_BYTES }
    }
}

impl Arguments<'_> {
    /// Whether it is to be a stream.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.value("x-queue-type"), Some(AMQPValue::LongString(kind)) if kind.as_bytes() == b"stream")
    }

    /// A stream's settings; the checks are RabbitMQ's, in its order.
    pub(super) fn stream(
        &self,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
    ) -> Result<StreamOptions, OptionsError> {
        let age_max_ms = self.age_max()?;
        let bytes_max = self.non_negative("x-max-length-bytes")?;
        let segment_bytes = self.segment_bytes(bytes_max)?;
        let filter_bytes = self.filter_bytes()?;
        self.positive_number("x-initial-cluster-size")?;
        if let Some(key) = FOREIGN.iter().find(|key| self.value(key).is_some()) {
            let (key, thing) = (*key, self.thing.to_owned());
            return Err(OptionsError::Foreign { key, thing, kind: "rabbit_stream_queue" });
        }
        for (is_wrong, property) in
            [(auto_delete, "auto-delete"), (exclusive, "exclusive-owner"), (!durable, "non-durable")]
        {
            if is_wrong {
                return Err(OptionsError::Property { property, thing: self.thing.to_owned() });
            }
        }
        Ok(StreamOptions { age_max_ms, bytes_max, segment_bytes, filter_bytes })
    }

    /// A number and a unit: `Y` 365 days, `M` 30 days, `D`, `h`, `m`, `s`.
    fn age_max(&self) -> Result<Option<u64>, OptionsError> {
        const KEY: &str = "x-max-age";
        let Some(text) = self.string(KEY)? else { return Ok(None) };
        age_ms(&text).filter(|ms| *ms > 0).map(Some).ok_or_else(|| self.invalid(KEY, "invalid_max_age"))
    }

    fn segment_bytes(&self, bytes_max: Option<u64>) -> Result<u64, OptionsError> {
        const KEY: &str = "x-stream-max-segment-size-bytes";
        match self.non_negative(KEY)? {
            Some(bytes) if bytes > SEGMENT_BYTES_MAX => {
                Err(OptionsError::Limit { text: "Exceeded max value for x-stream-max-segment-size-bytes" })
            }
            Some(bytes) => Ok(bytes),
            None => {
                Ok(bytes_max
                    .map_or(SEGMENT_BYTES, |bytes| (bytes / 8).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES)))
            }
        }
    }

    fn filter_bytes(&self) -> Result<u8, OptionsError> {
        match self.non_negative("x-stream-filter-size-bytes")? {
            None => Ok(FILTER_BYTES),
            Some(bytes) => u8::try_from(bytes)
                .ok()
                .filter(|bytes| *bytes >= FILTER_BYTES)
                .ok_or(OptionsError::Limit { text: "Invalid value for  x-stream-filter-size-bytes" }),
        }
    }
}

/// A time as `x-max-age` and `x-stream-offset` write it, in milliseconds.
#[must_use]
pub fn age_ms(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    let unit_ms = match unit {
        'Y' => 365 * DAY_MS,
        'M' => 30 * DAY_MS,
        'D' => DAY_MS,
        'h' => 60 * 60 * 1000,
        'm' => 60 * 1000,
        's' => 1000,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // What does not fit is for ever.
    Some(digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(unit_ms))
}
