//! A binding.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::arguments::Table;
use crate::topology::{Binding, Destination};

/// Bytes of the arguments' digest in a key: between the same two ends, with the same binding key, there are few.
const DIGEST_BYTES: usize = 9;

/// A binding, as in all lists.
#[derive(Debug, Serialize)]
pub(in crate::management) struct BindingView<'a> {
    pub source: &'a str,
    pub vhost: &'a str,
    pub destination: &'a str,
    pub destination_type: &'static str,
    pub routing_key: &'a str,
    pub arguments: Table<'a>,
    pub properties_key: String,
}

impl<'a> BindingView<'a> {
    /// Of a binding of that vhost.
    pub(in crate::management) fn of(vhost: &'a str, binding: &'a Binding) -> Self {
        Self {
            source: &binding.source,
            vhost,
            destination: binding.destination.name(),
            destination_type: match binding.destination {
                Destination::Queue(_) => "queue",
                Destination::Exchange(_) => "exchange",
            },
            routing_key: &binding.routing_key,
            arguments: Table(&binding.arguments),
            properties_key: properties_key(binding),
        }
    }
}

/// What names a binding among those between the same two ends: its key, quoted, with a digest of its arguments if it has any. To
/// clients it is opaque.
pub(in crate::management) fn properties_key(binding: &Binding) -> String {
    let key = quote(&binding.routing_key).replace('~', "%7E");
    if binding.arguments.inner().is_empty() {
        return if key.is_empty() { "~".to_owned() } else { key };
    }
    // Keys of a table are sorted, and types are part of this form.
    let arguments = serde_json::to_vec(&binding.arguments).unwrap_or_default();
    let digest = Sha256::digest(arguments);
    format!("{key}~{}", URL_SAFE_NO_PAD.encode(digest.get(..DIGEST_BYTES).unwrap_or_default()))
}

/// Percent-encoding as RabbitMQ does it: a space is a plus.
pub(in crate::management) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => quoted.push(byte.into()),
            b' ' => quoted.push('+'),
            other => quoted.push_str(&format!("%{other:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use amq_protocol::types::{AMQPValue, FieldTable};

    use super::*;

    fn key(routing_key: &str, arguments: &[(&str, AMQPValue)]) -> String {
        let mut table = FieldTable::default();
        for (key, value) in arguments {
            table.insert((*key).into(), value.clone());
        }
        properties_key(&Binding {
            source: "x".to_owned(),
            destination: Destination::Queue("q".to_owned()),
            routing_key: routing_key.to_owned(),
            arguments: table,
        })
    }

    #[test]
    fn keys_without_arguments_are_rabbitmqs() {
        for (routing_key, expected) in [
            ("", "~"),
            ("~", "%7E"),
            ("a~b", "a%7Eb"),
            ("a b/c", "a+b%2Fc"),
            ("a.*", "a.%2A"),
            ("\u{e4}", "%C3%A4"),
        ] {
            assert_eq!(key(routing_key, &[]), expected);
        }
    }

    #[test]
    fn arguments_tell_bindings_apart_by_their_types_and_not_by_their_order() {
        let (one, two) = (("a", AMQPValue::LongInt(1)), ("b", AMQPValue::Boolean(true)));
        let both = key("k", &[one.clone(), two.clone()]);
        assert!(both.starts_with("k~") && both == key("k", &[two, one.clone()]));
        assert_ne!(key("k", &[one]), key("k", &[("a", AMQPValue::LongLongInt(1))]));
        assert_eq!(
            key("", &[("k", AMQPValue::LongLongInt(1))]),
            key("", &[("k", AMQPValue::LongLongInt(1))])
        );
    }
}
