//! What is decoded, encoded and decoded again is what it was: methods, field tables, properties.
#![no_main]

use amq_protocol::protocol::AMQPClass;
use coney::broker::arguments_json;
use coney::protocol::content::{HeadersEdit, Properties, PropertiesEdit, decode_content_header, edit_properties};
use coney::protocol::frame::decode_frame;
use coney::protocol::method::{Method, decode_method};
use coney::protocol::table::{FieldValue, Table, TableWriter};
use coney::protocol::{Output, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| match input {
    (0..=99, payload) => method(payload),
    (100..=199, content) => table(content),
    (_, payload) => header(payload),
});

fn method(payload: &[u8]) {
    let Ok(method) = decode_method(payload) else { return };
    let Some(class) = owned(method.clone()) else { return };
    arguments(&class);
    let mut out = Output::default();
    encode::method(&mut out, 1, class);
    let bytes = out.take();
    let (frame, used) = decode_frame(&bytes, u32::MAX).unwrap().unwrap();
    assert_eq!(used, bytes.len());
    let again = decode_method(frame.payload).unwrap();
    // Numbers that are none are not equal to themselves, so what is compared is their bytes.
    let mut out = Output::default();
    encode::method(&mut out, 1, owned(again).unwrap());
    assert_eq!(out.take(), bytes);
}

/// The methods that amq-protocol encodes; the others borrow.
fn owned(method: Method<'_>) -> Option<AMQPClass> {
    Some(match method {
        Method::Connection(method) => AMQPClass::Connection(method),
        Method::Channel(method) => AMQPClass::Channel(method),
        Method::Access(method) => AMQPClass::Access(method),
        Method::Exchange(method) => AMQPClass::Exchange(method),
        Method::Queue(method) => AMQPClass::Queue(method),
        Method::Basic(method) => AMQPClass::Basic(method),
        Method::Tx(method) => AMQPClass::Tx(method),
        Method::Confirm(method) => AMQPClass::Confirm(method),
        Method::Publish { .. }
        | Method::Ack { .. }
        | Method::Nack { .. }
        | Method::Reject { .. }
        | Method::Get { .. }
        | Method::Qos { .. } => return None,
    })
}

/// Arguments survive an export.
fn arguments(class: &AMQPClass) {
    use amq_protocol::protocol::{exchange, queue};
    let table = match class {
        AMQPClass::Queue(queue::AMQPMethod::Declare(declare)) => &declare.arguments,
        AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare)) => &declare.arguments,
        AMQPClass::Queue(queue::AMQPMethod::Bind(bind)) => &bind.arguments,
        _ => return,
    };
    let plain = arguments_json::plain(table);
    let Some(exact) = arguments_json::exact(table) else { return };
    let text = serde_json::to_string(&exact).unwrap();
    let back = arguments_json::read_exact(&serde_json::from_str(&text).unwrap(), &plain);
    if !has_nan(&exact) {
        assert_eq!(back.as_ref(), Some(table));
    }
}

/// JSON has no infinities: they come back as null, and RabbitMQ does not have them either.
fn has_nan(exact: &serde_json::Value) -> bool {
    match exact {
        serde_json::Value::Null => true,
        serde_json::Value::Array(values) => values.iter().any(has_nan),
        serde_json::Value::Object(values) => values.values().any(has_nan),
        _ => false,
    }
}

fn table(content: &[u8]) {
    let Ok(table) = Table::parse(content) else { return };
    let (mut raw, mut written) = (Vec::new(), Vec::new());
    for (key, value) in table.iter_raw() {
        TableWriter::new(&mut raw).entry_raw(key, value);
    }
    assert_eq!(raw, content);
    let mut walked = 0;
    for (key, value) in table.iter() {
        walked += walk(value);
        assert!(table.get(key).is_some());
        TableWriter::new(&mut written).entry(key, value);
    }
    assert!(walked <= content.len());
    // Two types of number are written as their twins, and any truth as 1; no more than that changes.
    let again = Table::parse(&written).unwrap();
    assert_eq!(again.iter().count(), table.iter().count());
    let mut twice = Vec::new();
    again.iter().for_each(|(key, value)| TableWriter::new(&mut twice).entry(key, value));
    assert_eq!(twice, written);
}

/// How many values there are.
fn walk(value: FieldValue<'_>) -> usize {
    let (_, _, _) = (value.type_name(), value.as_i64(), value.as_bytes());
    match value {
        FieldValue::Array(array) => 1 + array.iter().map(walk).sum::<usize>(),
        FieldValue::Table(table) => 1 + table.iter().map(|(_, value)| walk(value)).sum::<usize>(),
        _ => 1,
    }
}

fn header(payload: &[u8]) {
    let Some(header) = decode_content_header(payload) else { return };
    let Ok(properties) = Properties::parse(header.properties) else { return };
    let mut same = Vec::new();
    edit_properties(header.properties, &PropertiesEdit::default(), &mut same).unwrap();
    assert_eq!(Properties::parse(&same).unwrap(), properties);
    let edit = PropertiesEdit {
        headers: Some(HeadersEdit::Replace(b"\x01kV")),
        drop_expiration: true,
        reply_to: Some(b"there"),
    };
    let mut edited = Vec::new();
    edit_properties(header.properties, &edit, &mut edited).unwrap();
    let edited = Properties::parse(&edited).unwrap();
    assert_eq!(edited.headers().map(|table| table.bytes()), Some(&b"\x01kV"[..]));
    assert_eq!((edited.expiration(), edited.reply_to()), (None, Some(&b"there"[..])));
    assert_eq!(edited.content_type(), properties.content_type());
    assert_eq!(edited.timestamp(), properties.timestamp());
    assert_eq!(edited.cluster_id(), properties.cluster_id());
}
