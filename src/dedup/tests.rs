//! What stands for a message, and what its headers may say.

use amq_protocol::types::{AMQPValue, FieldTable};

use super::*;
use crate::protocol::table::TableWriter;

/// Properties with these headers, and a message-id if it is not empty.
fn properties(message_id: &str, write: impl Fn(&mut TableWriter<'_>)) -> Vec<u8> {
    let mut headers = Vec::new();
    write(&mut TableWriter::new(&mut headers));
    let flags: u16 = 0x2000 | if message_id.is_empty() { 0 } else { 0x80 };
    let mut out = flags.to_be_bytes().to_vec();
    out.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    out.extend_from_slice(&headers);
    if !message_id.is_empty() {
        out.push(u8::try_from(message_id.len()).unwrap());
        out.extend_from_slice(message_id.as_bytes());
    }
    out
}

fn fingerprint(message_id: &str, write: impl Fn(&mut TableWriter<'_>)) -> Option<Fingerprint> {
    let bytes = properties(message_id, write);
    Fingerprint::of(&Properties::parse(&bytes).unwrap(), "key")
}

#[test]
fn a_key_is_its_header_or_else_the_message_id() {
    let header = fingerprint("", |table| table.entry(b"key", FieldValue::LongString(b"a")));
    assert!(header.is_some());
    assert_eq!(fingerprint("a", |_| ()), header);
    assert_eq!(fingerprint("b", |table| table.entry(b"key", FieldValue::LongString(b"a"))), header);
    assert_ne!(fingerprint("b", |_| ()), header);
    assert_eq!(fingerprint("", |table| table.entry(b"other", FieldValue::LongString(b"a"))), None);
}

#[test]
fn a_number_is_the_same_whatever_its_width_and_is_no_string() {
    let byte = fingerprint("", |table| table.entry(b"key", FieldValue::I8(7)));
    assert_eq!(fingerprint("", |table| table.entry(b"key", FieldValue::I64(7))), byte);
    assert_ne!(fingerprint("", |table| table.entry(b"key", FieldValue::LongString(b"7"))), byte);
    assert_ne!(fingerprint("", |table| table.entry(b"key", FieldValue::I64(8))), byte);
}

fn sequence(write: impl Fn(&mut TableWriter<'_>)) -> Result<Option<PublisherSequence>, String> {
    let bytes = properties("", write);
    let headers = Properties::parse(&bytes).unwrap().headers().unwrap();
    PublisherSequence::parse(headers).map_err(|error| error.to_string())
}

#[test]
fn a_publisher_has_a_name_and_numbers() {
    let full = sequence(|table| {
        table.entry(b"x-publisher-id", FieldValue::LongString(b"p"));
        table.entry(b"x-publisher-epoch", FieldValue::I32(2));
        table.entry(b"x-publishing-id", FieldValue::I64(7));
    });
    assert_eq!(full, Ok(Some(PublisherSequence { id: b"p"[..].into(), epoch: 2, number: 7 })));
    assert_eq!(sequence(|table| table.entry(b"x-publishing-id", FieldValue::I64(7))), Ok(None));
}

#[test]
fn what_is_no_sequence_says_what_it_should_be() {
    let named = |table: &mut TableWriter<'_>| table.entry(b"x-publisher-id", FieldValue::LongString(b"p"));
    let long = [b'p'; 256];
    let wrong: [(Result<_, String>, &str); 5] = [
        (
            sequence(|table| table.entry(b"x-publisher-id", FieldValue::I32(1))),
            "invalid header 'x-publisher-id': expected a string of 1 to 255 bytes",
        ),
        (
            sequence(|table| table.entry(b"x-publisher-id", FieldValue::LongString(&long))),
            "invalid header 'x-publisher-id': expected a string of 1 to 255 bytes",
        ),
        (sequence(named), "invalid header 'x-publishing-id': a message with x-publisher-id has to have it"),
        (
            sequence(|table| {
                named(table);
                table.entry(b"x-publishing-id", FieldValue::I32(-1));
            }),
            "invalid header 'x-publishing-id': expected an integer from 0 to 9223372036854775807",
        ),
        (
            sequence(|table| {
                named(table);
                table.entry(b"x-publishing-id", FieldValue::I32(1));
                table.entry(b"x-publisher-epoch", FieldValue::LongString(b"1"));
            }),
            "invalid header 'x-publisher-epoch': expected an integer from 0 to 9223372036854775807",
        ),
    ];
    for (result, text) in wrong {
        assert_eq!(result, Err(text.to_owned()));
    }
}

fn arguments(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert((*key).into(), value.clone());
    }
    table
}

#[test]
fn settings_have_defaults_and_limits() {
    const ON: (&str, AMQPValue) = ("x-message-deduplication", AMQPValue::Boolean(true));
    let parse = |more: &[(&str, AMQPValue)]| Deduplication::parse(&arguments(more), false);
    assert_eq!(parse(&[]), Ok(None));
    let usual = parse(&[ON]).unwrap().unwrap();
    assert_eq!((usual.size, usual.ttl_ms, &*usual.header), (10_000, None, "x-deduplication-header"));
    let size = |size: i32| parse(&[ON, ("x-cache-size", AMQPValue::LongInt(size))]);
    assert_eq!(size(1).unwrap().unwrap().size, 1);
    assert_eq!(size(10_000_000).unwrap().unwrap().size, 10_000_000);
    for wrong in [0, -1, 10_000_001] {
        let error = size(wrong).unwrap_err();
        assert_eq!(
            (error.key, error.why),
            ("x-cache-size", format!("{wrong} is not a number from 1 to 10000000"))
        );
    }
    let wrong_type = parse(&[("x-message-deduplication", AMQPValue::LongInt(1))]).unwrap_err();
    assert_eq!(wrong_type.why, "\"expected boolean, got signedint\"");
}
