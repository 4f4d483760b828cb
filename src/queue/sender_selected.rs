//! Keys that a publisher adds in the headers `CC` and `BCC`
//! (<https://www.rabbitmq.com/docs/sender-selected>).
//!
//! A message goes by them, and so do its dead letters, if its queue has no key of its own for them. Consumers get `CC` as it was
//! sent and never see `BCC`: a message keeps it inside the broker, with [a mark](Message::has_bcc), and loses it on the way out.

use super::edited_headers::with_headers;
use crate::message::Message;
use crate::protocol::content::Properties;
use crate::protocol::table::{FieldValue, Table};

/// Routing keys beside the message's own, from a header `CC` or `BCC`.
pub fn extra_keys<'a>(headers: Table<'a>, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let array = match headers.get(name) {
        Some(FieldValue::Array(array)) => Some(array),
        _ => None,
    };
    array.into_iter().flat_map(|array| array.iter()).filter_map(|value| match value {
        FieldValue::LongString(key) => Some(key),
        _ => None,
    })
}

/// All keys that a dead letter is routed by.
#[must_use]
pub fn routing_keys(letter: &Message) -> Vec<Vec<u8>> {
    let mut keys = vec![letter.routing_key().to_vec()];
    if let Ok(properties) = Properties::parse(letter.properties())
        && let Some(headers) = properties.headers()
    {
        let extra = extra_keys(headers, b"CC").chain(extra_keys(headers, b"BCC"));
        keys.extend(extra.map(<[u8]>::to_vec));
    }
    keys
}

/// Whether there is a BCC among a message's headers.
#[must_use]
pub fn has_bcc(headers: Option<Table<'_>>) -> bool {
    headers.is_some_and(|headers| headers.get(b"BCC").is_some())
}

/// The message as clients get it: without its BCC.
#[must_use]
pub fn without_bcc(message: &Message) -> Message {
    with_headers(message, &[b"BCC"], |_| ()).with_bcc(false)
}
