//! What hashing exchanges hash of a message, and how.
//!
//! Invariants: the hash of a value is the same in every run and on every machine, so that a key keeps its queue across
//! restarts and upgrades; it is written out here for that reason. Only the message's own routing key counts, not
//! those of its CC and BCC headers: a message goes to one destination.

use amq_protocol::types::{AMQPValue, FieldTable};

use super::error::TopologyError;
use super::header_source::{HashProperty, HeaderSource};
use super::header_value::HeaderValue;
use super::spec::ExchangeSpec;
use crate::protocol::value::type_name;

/// The exchange argument that names the header to hash.
const HASH_HEADER: &str = "hash-header";
/// The exchange argument that names the property to hash.
const HASH_PROPERTY: &str = "hash-property";
/// `hash-header` as LavinMQ calls it. Its `x-algorithm` (`ring`, `jump`) changes nothing here: both promise the same.
const X_HASH_ON: &str = "x-hash-on";

/// What an exchange hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HashOn {
    RoutingKey,
    Header(Box<[u8]>),
    Property(HashProperty),
}

impl HashOn {
    /// What these arguments ask for, of which RabbitMQ's win over LavinMQ's.
    pub fn of(arguments: &FieldTable) -> Self {
        let text = |key| match arguments.inner().get(key) {
            Some(AMQPValue::LongString(text)) => Some(text.as_bytes()),
            _ => None,
        };
        if let Some(property) = text(HASH_PROPERTY).and_then(HashProperty::from_name) {
            return Self::Property(property);
        }
        let header = text(HASH_HEADER).or_else(|| text(X_HASH_ON));
        header.map_or(Self::RoutingKey, |name| Self::Header(name.into()))
    }

    /// The hash of a message. All messages without the header or property have the same.
    pub fn hash(&self, routing_key: &[u8], message: Option<&dyn HeaderSource>) -> u64 {
        match self {
            Self::RoutingKey => hash_bytes(routing_key),
            Self::Header(name) => message.map_or(NOTHING, |message| hash_header(name, message)),
            Self::Property(property) => {
                message.and_then(|message| message.property(*property)).map_or(NOTHING, hash_value)
            }
        }
    }
}

/// Checks the arguments of an exchange of type `x-consistent-hash`.
pub(super) fn check_arguments(spec: &ExchangeSpec, vhost: &str) -> Result<(), TopologyError> {
    let header = text_argument(spec, HASH_HEADER, vhost)?;
    let property = text_argument(spec, HASH_PROPERTY, vhost)?;
    let fault = match (header, property) {
        (Some(_), Some(_)) => format!("{HASH_HEADER} and {HASH_PROPERTY} are mutually exclusive"),
        (None, Some(name)) if HashProperty::from_name(name).is_none() => {
            format!("Unsupported property: {}", String::from_utf8_lossy(name))
        }
        _ => return Ok(()),
    };
    Err(TopologyError::PreconditionFailed(fault))
}

fn text_argument<'a>(
    spec: &'a ExchangeSpec,
    key: &str,
    vhost: &str,
) -> Result<Option<&'a [u8]>, TopologyError> {
    match spec.arguments.inner().get(key) {
        None => Ok(None),
        Some(AMQPValue::LongString(text)) => Ok(Some(text.as_bytes())),
        Some(other) => {
            let (found, name) = (type_name(other), &spec.name);
            let text =
                format!("invalid type '{found}' for arg '{key}' in exchange '{name}' in vhost '{vhost}'");
            Err(TopologyError::PreconditionFailed(text))
        }
    }
}

/// The hash of what is not there.
const NOTHING: u64 = 0;

fn hash_header(name: &[u8], message: &dyn HeaderSource) -> u64 {
    let mut found = NOTHING;
    message.visit(&mut |header, value| {
        let is_it = header == name;
        if is_it {
            found = hash_value(value);
        }
        !is_it
    });
    found
}

/// Numbers hash by value, whatever their width.
fn hash_value(value: HeaderValue<'_>) -> u64 {
    let whole = |value: i128| hash_bytes(&value.to_be_bytes());
    match value {
        HeaderValue::Bytes(bytes) | HeaderValue::Other { raw: bytes, .. } => hash_bytes(bytes),
        HeaderValue::Int(value) => whole(value.into()),
        HeaderValue::Uint(value) | HeaderValue::Timestamp(value) => whole(value.into()),
        HeaderValue::Bool(value) => hash_bytes(&[u8::from(value)]),
        HeaderValue::Float(value) => hash_bytes(&value.to_bits().to_be_bytes()),
        HeaderValue::Decimal { scale, value } => mix(u64::from(scale) << 32 | u64::from(value)),
        HeaderValue::Void => NOTHING,
    }
}

/// FNV-1a over the bytes, then mixed, as its high bits alone are poor for short keys.
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    mix(bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME)))
}

/// The finalizer of SplitMix64: a bijection that spreads every bit of its input over all of its output.
pub(super) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A hash as one of `count` numbers, each equally likely. `None` if there are none to choose from.
pub(super) fn one_of(hash: u64, count: usize) -> Option<usize> {
    // The high half of the product is the hash scaled down to the count.
    (count > 0).then(|| ((u128::from(hash) * count as u128) >> 64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of these moves every key of every hashing exchange in existence.
    #[test]
    fn the_hash_does_not_change_between_versions() {
        assert_eq!(hash_bytes(b""), 0xc381_7c01_6ba4_ff30);
        assert_eq!(hash_bytes(b"order.1"), 0xb8f6_49d5_ed7f_128f);
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn numbers_hash_by_value() {
        let of = |value| hash_value(value);
        assert_eq!(of(HeaderValue::Int(5)), of(HeaderValue::Uint(5)));
        assert_eq!(of(HeaderValue::Int(5)), of(HeaderValue::Timestamp(5)));
        assert_ne!(of(HeaderValue::Int(5)), of(HeaderValue::Int(-5)));
        assert_ne!(of(HeaderValue::Bool(true)), of(HeaderValue::Bool(false)));
    }

    #[test]
    fn one_of_some_covers_them_evenly() {
        assert_eq!(one_of(7, 0), None);
        assert_eq!((one_of(0, 3), one_of(u64::MAX, 3)), (Some(0), Some(2)));
        let mut counts = [0_u32; 3];
        (0..30_000).filter_map(|number| one_of(mix(number), 3)).for_each(|index| counts[index] += 1);
        assert!(counts.iter().all(|count| (9_700..10_300).contains(count)), "{counts:?}");
    }
}
