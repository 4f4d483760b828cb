//! Messages that the broker gives other headers than their publisher did.

use crate::message::Message;
use crate::protocol::content::{Properties, replace_headers};
use crate::protocol::table::{Table, TableWriter};

/// The message with headers written by `write` in place of those named.
pub(super) fn with_headers(
    message: &Message,
    replaced: &[&[u8]],
    write: impl FnOnce(&mut TableWriter<'_>),
) -> Message {
    let properties = message.properties();
    let headers = Properties::parse(properties).ok().and_then(|properties| properties.headers());
    let mut table = Vec::new();
    let mut writer = TableWriter::new(&mut table);
    for (key, raw) in headers.iter().flat_map(Table::iter_raw) {
        if !replaced.contains(&key) {
            writer.entry_raw(key, raw);
        }
    }
    write(&mut writer);
    // They were checked when they came in; a message is worth more than its headers.
    replace_headers(properties, &table)
        .map_or_else(|_| message.clone(), |edited| message.with_properties(&edited))
}
