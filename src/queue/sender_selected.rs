//! Keys that a publisher adds in the headers `CC` and `BCC`
//! (<https://www.rabbitmq.com/docs/sender-selected>).
//!
//! A message goes by them, and so do its dead letters, if its queue has no key of its own for them. Consumers get `CC` as it was
//! sent and never see `BCC`: a message keeps it inside the broker, with [a mark](Message::has_bcc), and loses it on the way out.

use crate::message::Message;
use crate::protocol::content::{HeadersEdit, Properties, PropertiesEdit, edit_properties};
use crate::protocol::table::{FieldValue, Table, TableWriter};

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

/// A header table without one of its entries; `None` if it has no such entry.
#[must_use]
pub fn without_header(headers: Table<'_>, name: &[u8]) -> Option<Vec<u8>> {
    headers.get(name)?;
    let mut bytes = Vec::with_capacity(headers.bytes().len());
    let mut writer = TableWriter::new(&mut bytes);
    for (key, raw) in headers.iter_raw().filter(|(key, _)| *key != name) {
        writer.entry_raw(key, raw);
    }
    Some(bytes)
}

/// The message as clients get it: without its BCC.
#[must_use]
pub fn without_bcc(message: &Message) -> Message {
    let edited = Properties::parse(message.properties()).ok().and_then(|properties| {
        let table = without_header(properties.headers()?, b"BCC")?;
        let edit = PropertiesEdit {
            headers: Some(HeadersEdit::Replace(&table)),
            drop_expiration: false,
            reply_to: None,
        };
        let mut edited = Vec::with_capacity(message.properties().len());
        edit_properties(message.properties(), &edit, &mut edited).ok()?;
        Some(edited)
    });
    edited.map_or_else(|| message.clone(), |properties| message.with_properties(&properties).with_bcc(false))
}
