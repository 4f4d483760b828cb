//! How a broker knows a message again: deduplication by a key that the publisher gives it, and numbered publishers.
//!
//! Only what is said about it is here, as plain values; `queue/dedup.rs` remembers and decides.

mod publisher_sequence;
mod settings;
#[cfg(test)]
mod tests;

pub use publisher_sequence::{PublisherSequence, SequenceError};
pub use settings::{COMPARED, Deduplication, ExchangeDedup, SettingError};

use sha2::{Digest, Sha256};

use crate::protocol::content::Properties;
use crate::protocol::table::FieldValue;

/// What stands for a message's key: the first 128 bits of its SHA-256, so that a key costs the same whatever its length
/// and nobody can make up two that are taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// Of the header that is named, or else of the message-id property; `None` for a message that has neither. A number is
    /// the same whatever its width; tables and arrays are no keys.
    #[must_use]
    pub fn of(properties: &Properties<'_>, header: &str) -> Option<Self> {
        let value = properties.headers().and_then(|headers| headers.get(header.as_bytes()));
        let by_header = value.and_then(Self::of_value);
        by_header.or_else(|| properties.message_id().map(|id| Self::new(b'S', id)))
    }

    fn of_value(value: FieldValue<'_>) -> Option<Self> {
        if let Some(number) = value.as_i64() {
            return Some(Self::new(b'l', &number.to_be_bytes()));
        }
        match value {
            FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => Some(Self::new(b'S', bytes)),
            FieldValue::Bool(value) => Some(Self::new(b't', &[u8::from(value)])),
            FieldValue::F32(value) => Some(Self::new(b'd', &f64::from(value).to_be_bytes())),
            FieldValue::F64(value) => Some(Self::new(b'd', &value.to_be_bytes())),
            FieldValue::Timestamp(value) => Some(Self::new(b'T', &value.to_be_bytes())),
            _ => None,
        }
    }

    fn new(kind: u8, bytes: &[u8]) -> Self {
        let hash = Sha256::new().chain_update([kind]).chain_update(bytes).finalize();
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(hash.get(..16).unwrap_or(&[0; 16]));
        Self(fingerprint)
    }
}

/// What a message carries for its queues to know it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DedupKeys {
    /// Its number among its publisher's messages.
    pub publisher: Option<PublisherSequence>,
    /// The exchange that wants no duplicates, and the message's key there.
    pub exchange: Option<(std::sync::Arc<ExchangeDedup>, Fingerprint)>,
}
