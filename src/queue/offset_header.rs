//! The header `x-stream-offset`, which tells a stream's consumer where it is.

use crate::message::Message;
use crate::protocol::content::{Properties, add_header, has_headers, replace_headers};
use crate::protocol::table::{FieldValue, TableWriter};

const NAME: &[u8] = b"x-stream-offset";
/// Of the header: its name with a length, its type, its value.
const ENTRY_BYTES: usize = 1 + NAME.len() + 1 + 8;
/// The header with offset 0: the value is behind all else.
const ENTRY: [u8; ENTRY_BYTES] = *b"\x0fx-stream-offsetl\0\0\0\0\0\0\0\0";

/// A message's properties with its offset among its headers, in place of one that an earlier stream gave it; into `out`, which is cleared.
pub fn with_offset(properties: &[u8], offset: u64, out: &mut Vec<u8>) {
    out.clear();
    let mut entry = ENTRY;
    if let Some(value) = entry.last_chunk_mut() {
        *value = signed(offset).to_be_bytes();
    }
    let may_have_one = has_headers(properties) && properties.windows(NAME.len()).any(|bytes| bytes == NAME);
    if may_have_one || add_header(properties, &entry, out).is_none() {
        *out = replaced(properties, offset);
    }
}

/// The message with its offset among its headers.
#[must_use]
pub fn message_with_offset(message: &Message, offset: u64) -> Message {
    let mut properties = Vec::new();
    with_offset(message.properties(), offset, &mut properties);
    message.with_properties(&properties)
}

/// As a table has it.
fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn replaced(properties: &[u8], offset: u64) -> Vec<u8> {
    let mut table = Vec::with_capacity(64);
    let mut writer = TableWriter::new(&mut table);
    let headers = Properties::parse(properties).ok().and_then(|properties| properties.headers());
    for (key, raw) in headers.iter().flat_map(|headers| headers.iter_raw()) {
        if key != NAME {
            writer.entry_raw(key, raw);
        }
    }
    writer.entry(NAME, FieldValue::I64(signed(offset)));
    replace_headers(properties, &table).unwrap_or_else(|_| properties.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(properties: &[u8], offset: u64) -> Vec<u8> {
        let mut out = vec![1, 2, 3];
        with_offset(properties, offset, &mut out);
        out
    }

    fn with_table(entries: &[(&[u8], FieldValue<'_>)]) -> Vec<u8> {
        let mut table = Vec::new();
        let mut writer = TableWriter::new(&mut table);
        entries.iter().for_each(|(key, value)| writer.entry(key, *value));
        replace_headers(&[0x90, 0, 4, b't', b'e', b'x', b't', 2], &table).unwrap()
    }

    #[test]
    fn an_older_offset_makes_room() {
        let (older, newer) = (FieldValue::I64(3), FieldValue::I64(7));
        let other: (&[u8], FieldValue<'_>) = (b"other", FieldValue::LongString(b"x-stream-offset"));
        assert_eq!(encoded(&with_table(&[(NAME, older), other]), 7), with_table(&[other, (NAME, newer)]));
        assert_eq!(encoded(&with_table(&[other]), 7), with_table(&[other, (NAME, newer)]));
    }

    proptest! {
        #[test]
        fn it_is_put_in_as_if_the_table_were_written_anew(
            keys in proptest::collection::vec("[a-z]{1,20}", 0..5),
            value in any::<i64>(),
            offset in any::<u64>(),
            text in proptest::option::of("[a-z]{0,30}"),
        ) {
            let mut table = Vec::new();
            let mut writer = TableWriter::new(&mut table);
            keys.iter().for_each(|key| writer.entry(key.as_bytes(), FieldValue::I64(value)));
            let plain = match &text {
                Some(text) => [&[0x80, 0x08, text.len() as u8][..], text.as_bytes(), &[3, b'a', b'p', b'p']].concat(),
                None => vec![0, 0],
            };
            let properties = if keys.is_empty() { plain } else { replace_headers(&plain, &table).unwrap() };
            prop_assert_eq!(encoded(&properties, offset), replaced(&properties, offset));
            prop_assert!(Properties::parse(&encoded(&properties, offset)).is_ok());
        }
    }
}
