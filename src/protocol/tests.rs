//! The codec against amq-protocol's, on random input, and against the bytes that a hostile peer would send.

use crate::protocol::Output;
use amq_protocol::frame::{AMQPFrame, parse_frame};
use amq_protocol::protocol::{AMQPClass, basic, parse_class};
use amq_protocol::types::{AMQPValue, parsing::parse_field_table};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::content::{
    HeadersEdit, Properties, PropertiesEdit, PropertiesError, decode_content_header, edit_properties,
};
use super::frame::{Frame, FrameError, FrameKind, decode_frame, frame_bytes};
use super::layout::{self, Field};
use super::method::{Method, MethodError, MethodId, decode_method, method_id};
use super::reply::ReplyCode;
use super::table::{Array, FieldValue, TABLE_DEPTH_MAX, Table, TableError, TableWriter, validate};
use super::{Octets, encode};
use crate::message::{Message, Parts};

mod in_row;
mod methods;

const FRAME_MAX: u32 = 131_072;

// ---- What is random ----

/// Bytes below 128: whatever part of them becomes a string is UTF-8, so that amq-protocol takes it.
fn ascii(length: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    vec(0_u8..128, length)
}

fn text(length_max: usize) -> impl Strategy<Value = String> {
    ascii(0..=length_max).prop_map(|bytes| String::from_utf8(bytes).unwrap())
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8][..], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag][..], bytes].concat()
}

/// A value with its tag, of any type, nested a few deep.
fn raw_value() -> impl Strategy<Value = Vec<u8>> {
    let fixed: [(u8, usize); 15] = [
        (b't', 1),
        (b'b', 1),
        (b'B', 1),
        (b's', 2),
        (b'U', 2),
        (b'u', 2),
        (b'I', 4),
        (b'i', 4),
        (b'l', 8),
        (b'L', 8),
        (b'f', 4),
        (b'd', 8),
        (b'D', 5),
        (b'T', 8),
        (b'V', 0),
    ];
    let fixed = select(fixed.to_vec())
        .prop_flat_map(|(tag, length)| ascii(length).prop_map(move |bytes| tagged(tag, &bytes)));
    let string = (select(vec![b'S', b'x']), ascii(0..40)).prop_map(|(tag, bytes)| tagged(tag, &long(&bytes)));
    prop_oneof![3 => fixed, 1 => string].prop_recursive(4, 24, 4, |inner| {
        let array = vec(inner.clone(), 0..4).prop_map(|values| tagged(b'A', &long(&values.concat())));
        let table = table_of(inner).prop_map(|bytes| tagged(b'F', &long(&bytes)));
        prop_oneof![array, table]
    })
}

fn table_of(value: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    // Few different keys, so that some come twice.
    let key = select(vec!["", "a", "b", "x-death", "a longer key"]);
    vec((key, value), 0..5).prop_map(|entries| {
        entries.iter().flat_map(|(key, value)| [short(key.as_bytes()), value.clone()].concat()).collect()
    })
}

/// A table's content.
fn raw_table() -> impl Strategy<Value = Vec<u8>> {
    table_of(raw_value())
}

/// Flags and encoded values of properties.
fn property_list() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    (any::<u16>(), vec(ascii(0..20), 14), vec(ascii(8), 14), raw_table()).prop_map(
        |(mask, shorts, fixed, table)| {
            let flags = (2..16).rev().map(|bit| 1_u16 << bit).enumerate();
            let value = |(index, flag): (usize, u16)| match index {
                2 => (flag, long(&table)),
                3 | 4 => (flag, fixed[index][..1].to_vec()),
                9 => (flag, fixed[index].clone()),
                _ => (flag, short(&shorts[index])),
            };
            flags.filter(|(_, flag)| mask & flag != 0).map(value).collect()
        },
    )
}

fn encoded(properties: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let flags = properties.iter().fold(0, |flags, (flag, _)| flags | flag);
    let values = properties.iter().flat_map(|(_, value)| value.clone());
    flags.to_be_bytes().into_iter().chain(values).collect()
}

fn known_methods() -> Vec<MethodId> {
    let ids = (0..=100).flat_map(|class| (0..=130).map(move |method| MethodId { class, method }));
    ids.filter(|id| layout::fields(*id).is_some()).collect()
}

fn argument(field: Field) -> BoxedStrategy<Vec<u8>> {
    match field {
        Field::Octet => ascii(1).boxed(),
        Field::Short => ascii(2).boxed(),
        Field::Long => ascii(4).boxed(),
        Field::LongLong => ascii(8).boxed(),
        Field::ShortString => ascii(0..30).prop_map(|bytes| short(&bytes)).boxed(),
        Field::LongString => ascii(0..60).prop_map(|bytes| long(&bytes)).boxed(),
        Field::Table => raw_table().prop_map(|bytes| long(&bytes)).boxed(),
    }
}

/// The payload of a method frame, of any method there is.
fn method_payload() -> impl Strategy<Value = Vec<u8>> {
    select(known_methods()).prop_flat_map(|id| {
        let fields: Vec<_> = layout::fields(id).unwrap().iter().map(|field| argument(*field)).collect();
        fields.prop_map(move |arguments| {
            [&id.class.to_be_bytes()[..], &id.method.to_be_bytes(), &arguments.concat()].concat()
        })
    })
}

/// A change to some bytes: one set, one taken out, one put in, or the rest cut off.
fn mutations() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    vec((any::<Index>(), 0_u8..4, any::<u8>()), 0..4)
}

fn mutate(bytes: &mut Vec<u8>, mutations: &[(Index, u8, u8)], byte_max: u8) {
    for (index, kind, byte) in mutations {
        let byte = byte & byte_max;
        let place = index.index(bytes.len() + 1);
        match kind {
            0 if place < bytes.len() => bytes[place] = byte,
            1 if place < bytes.len() => drop(bytes.remove(place)),
            2 => bytes.insert(place, byte),
            _ => bytes.truncate(place),
        }
    }
}

fn message() -> impl Strategy<Value = Message> {
    (text(255), text(255), property_list(), vec(any::<u8>(), 0..10_000)).prop_map(
        |(exchange, key, properties, body)| {
            Message::new(Parts {
                exchange: exchange.as_bytes(),
                routing_key: key.as_bytes(),
                properties: &encoded(&properties),
                body: &body,
                persistent: false,
            })
        },
    )
}

// ---- Helpers ----

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    [&[kind][..], &channel.to_be_bytes(), &long(payload), &[0xCE]].concat()
}

fn payload(class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat()
}

/// What amq-protocol makes of the payload, if it takes all of it.
fn reference(payload: &[u8]) -> Option<AMQPClass> {
    match parse_class(payload) {
        Ok(([], class)) => Some(class),
        _ => None,
    }
}

/// A hot method as amq-protocol has it; cold ones are its own. It does not have qos.prefetch_size.
fn class_of(method: Method<'_>) -> AMQPClass {
    let name = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().into();
    AMQPClass::Basic(match method {
        Method::Publish { exchange, routing_key, mandatory, immediate } => {
            let (exchange, routing_key) = (name(exchange), name(routing_key));
            basic::AMQPMethod::Publish(basic::Publish { exchange, routing_key, mandatory, immediate })
        }
        Method::Ack { delivery_tag, multiple } => {
            basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple })
        }
        Method::Nack { delivery_tag, multiple, requeue } => {
            basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple, requeue })
        }
        Method::Reject { delivery_tag, requeue } => {
            basic::AMQPMethod::Reject(basic::Reject { delivery_tag, requeue })
        }
        Method::Get { queue, no_ack } => basic::AMQPMethod::Get(basic::Get { queue: queue.into(), no_ack }),
        Method::Qos { prefetch_count, global, .. } => {
            basic::AMQPMethod::Qos(basic::Qos { prefetch_count, global })
        }
        Method::Basic(method) => method,
        Method::Connection(method) => return AMQPClass::Connection(method),
        Method::Channel(method) => return AMQPClass::Channel(method),
        Method::Access(method) => return AMQPClass::Access(method),
        Method::Exchange(method) => return AMQPClass::Exchange(method),
        Method::Queue(method) => return AMQPClass::Queue(method),
        Method::Tx(method) => return AMQPClass::Tx(method),
        Method::Confirm(method) => return AMQPClass::Confirm(method),
    })
}

/// Floats may be NaN, which no comparison but this takes.
fn same(ours: FieldValue<'_>, theirs: &AMQPValue) -> bool {
    match (ours, theirs) {
        (FieldValue::Bool(a), AMQPValue::Boolean(b)) => a == *b,
        (FieldValue::I8(a), AMQPValue::ShortShortInt(b)) => a == *b,
        (FieldValue::U8(a), AMQPValue::ShortShortUInt(b)) => a == *b,
        (FieldValue::I16(a), AMQPValue::ShortInt(b)) => a == *b,
        (FieldValue::U16(a), AMQPValue::ShortUInt(b)) => a == *b,
        (FieldValue::I32(a), AMQPValue::LongInt(b)) => a == *b,
        (FieldValue::U32(a), AMQPValue::LongUInt(b)) => a == *b,
        (FieldValue::I64(a), AMQPValue::LongLongInt(b)) => a == *b,
        (FieldValue::F32(a), AMQPValue::Float(b)) => a.to_bits() == b.to_bits(),
        (FieldValue::F64(a), AMQPValue::Double(b)) => a.to_bits() == b.to_bits(),
        (FieldValue::Decimal { scale, value }, AMQPValue::DecimalValue(b)) => {
            (scale, value) == (b.scale, b.value)
        }
        (FieldValue::LongString(a), AMQPValue::LongString(b)) => a == b.as_bytes(),
        (FieldValue::Bytes(a), AMQPValue::ByteArray(b)) => a == b.as_slice(),
        (FieldValue::Timestamp(a), AMQPValue::Timestamp(b)) => a == *b,
        (FieldValue::Void, AMQPValue::Void) => true,
        (FieldValue::Array(a), AMQPValue::FieldArray(b)) => {
            let ours: Vec<_> = a.iter().collect();
            ours.len() == b.as_slice().len() && ours.iter().zip(b.as_slice()).all(|(a, b)| same(*a, b))
        }
        (FieldValue::Table(a), AMQPValue::FieldTable(b)) => same_table(a, b),
        _ => false,
    }
}

/// amq-protocol keeps the last entry of a key.
fn same_table(ours: Table<'_>, theirs: &amq_protocol::types::FieldTable) -> bool {
    let last = |key: &str| ours.iter().filter(|(name, _)| *name == key.as_bytes()).last();
    ours.iter().all(|(key, _)| theirs.inner().contains_key(std::str::from_utf8(key).unwrap()))
        && theirs
            .inner()
            .iter()
            .all(|(key, value)| last(key.as_str()).is_some_and(|(_, ours)| same(ours, value)))
}

fn nested_tables(depth: usize) -> Vec<u8> {
    (1..depth).fold(Vec::new(), |inner, _| [&[0, b'F'][..], &long(&inner)].concat())
}

fn nested_arrays(depth: usize) -> Vec<u8> {
    let arrays = (2..depth).fold(Vec::new(), |inner, _| [&[b'A'][..], &long(&inner)].concat());
    [&[0, b'A'][..], &long(&arrays)].concat()
}

/// Takes apart all that can be, as deep as it goes.
fn explore(frame: Frame<'_>) {
    let _ = (decode_method(frame.payload), method_id(frame.payload));
    if let Some(header) = decode_content_header(frame.payload) {
        explore_properties(header.properties);
    }
    explore_properties(frame.payload);
}

fn explore_properties(bytes: &[u8]) {
    let mut out = Vec::new();
    let edit =
        PropertiesEdit { headers: Some(HeadersEdit::Remove), drop_expiration: true, reply_to: Some(b"r") };
    let edited = edit_properties(bytes, &edit, &mut out);
    match Properties::parse(bytes) {
        Ok(properties) => {
            assert!(edited.is_ok() && Properties::parse(&out).is_ok());
            properties.headers().into_iter().for_each(explore_table);
        }
        Err(error) => assert_eq!((edited, out), (Err(error), Vec::new())),
    }
}

fn explore_table(table: Table<'_>) {
    assert_eq!(table.iter().count(), table.iter_raw().count());
    let length: usize = table.iter_raw().map(|(key, raw)| 1 + key.len() + raw.len()).sum();
    assert_eq!(length, table.bytes().len());
    table.iter().for_each(|(_, value)| explore_value(value));
}

fn explore_value(value: FieldValue<'_>) {
    match value {
        FieldValue::Table(table) => explore_table(table),
        FieldValue::Array(array) => array.iter().for_each(explore_value),
        _ => {}
    }
}

/// All frames in `bytes`, by amq-protocol, each within `frame_max`.
fn frames(mut bytes: &[u8], frame_max: u32) -> Vec<AMQPFrame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (rest, frame) = parse_frame(bytes).unwrap();
        let length = bytes.len() - rest.len();
        assert!(frame_max == 0 || !matches!(frame, AMQPFrame::Body(..)) || length <= frame_max as usize);
        frames.push(frame);
        bytes = rest;
    }
    frames
}

/// Checks a method with its content, however its body is split.
fn check_content(bytes: &[u8], frame_max: u32, channel: u16, method: basic::AMQPMethod, message: &Message) {
    let frames = frames(bytes, frame_max);
    assert_eq!(frames[0], AMQPFrame::Method(channel, AMQPClass::Basic(method)));
    let AMQPFrame::Header(number, header) = &frames[1] else { panic!("{:?}", frames[1]) };
    let (rest, properties) = basic::parse_properties(message.properties()).unwrap();
    assert!(rest.is_empty());
    assert_eq!((*number, header.class_id, header.body_size), (channel, 60, message.body().len() as u64));
    assert_eq!(header.properties, properties);
    let mut body = Vec::new();
    for frame in &frames[2..] {
        let AMQPFrame::Body(number, piece) = frame else { panic!("{frame:?}") };
        assert_eq!(*number, channel);
        assert!(!piece.is_empty());
        body.extend_from_slice(piece);
    }
    assert!(body == message.body());
}

fn name(bytes: &[u8]) -> amq_protocol::types::ShortString {
    std::str::from_utf8(bytes).unwrap().into()
}

fn frame_max() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(4096), Just(FRAME_MAX), 64_u32..12_000]
}

// ---- Properties ----

proptest! {
    #[test]
    fn methods_decode_as_amq_protocol_decodes_them(payload in method_payload()) {
        let theirs = reference(&payload);
        prop_assert!(theirs.is_some());
        prop_assert_eq!(decode_method(&payload).ok().map(class_of), theirs);
    }

    /// Also on broken ones: same verdict, same value.
    #[test]
    fn broken_methods_are_refused_as_amq_protocol_refuses_them(
        mut payload in method_payload(),
        mutations in mutations(),
    ) {
        mutate(&mut payload, &mutations, 0x7F);
        prop_assert_eq!(decode_method(&payload).ok().map(class_of), reference(&payload));
    }

    #[test]
    fn publishes_take_names_of_any_bytes(
        exchange in vec(any::<u8>(), 0..=255),
        routing_key in vec(any::<u8>(), 0..=255),
        bits in any::<u8>(),
    ) {
        let arguments = [&[9, 9][..], &short(&exchange), &short(&routing_key), &[bits]].concat();
        let (mandatory, immediate) = (bits & 1 != 0, bits & 2 != 0);
        let publish = Method::Publish { exchange: &exchange, routing_key: &routing_key, mandatory, immediate };
        let bytes = payload(60, 40, &arguments);
        prop_assert_eq!(decode_method(&bytes), Ok(publish));
    }

    #[test]
    fn qos_keeps_its_prefetch_size(prefetch_size in any::<u32>(), prefetch_count in any::<u16>()) {
        let arguments = [&prefetch_size.to_be_bytes()[..], &prefetch_count.to_be_bytes(), &[1]].concat();
        let qos = Method::Qos { prefetch_size, prefetch_count, global: true };
        let bytes = payload(60, 10, &arguments);
        prop_assert_eq!(decode_method(&bytes), Ok(qos));
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300), frame_max in frame_max()) {
        if let Ok(Some((frame, used))) = decode_frame(&bytes, frame_max) {
            prop_assert!(used <= bytes.len());
            explore(frame);
        }
        explore(Frame { kind: FrameKind::Method, channel: 0, payload: &bytes });
    }

    #[test]
    fn mutated_frames_do_not_panic(
        method in method_payload(),
        properties in property_list(),
        in_payload in mutations(),
        in_frame in mutations(),
    ) {
        let header = [&[0, 60, 0, 0][..], &[0; 8], &encoded(&properties)].concat();
        for (kind, mut payload) in [(1, method), (2, header)] {
            mutate(&mut payload, &in_payload, 0xFF);
            let mut bytes = frame(kind, 1, &payload);
            mutate(&mut bytes, &in_frame, 0xFF);
            if let Ok(Some((frame, _))) = decode_frame(&bytes, FRAME_MAX) {
                explore(frame);
            }
        }
    }

    #[test]
    fn frames_come_off_the_buffer_one_by_one(
        payloads in vec((1_u8..=3, any::<u16>(), vec(any::<u8>(), 0..100)), 0..5),
        cut in any::<Index>(),
    ) {
        let all: Vec<_> = payloads.iter().map(|(kind, channel, payload)| frame(*kind, *channel, payload)).collect();
        let bytes = all.concat();
        let mut rest = &bytes[..cut.index(bytes.len() + 1)];
        for (encoded, (kind, channel, payload)) in all.iter().zip(&payloads) {
            let Some((frame, used)) = decode_frame(rest, FRAME_MAX).unwrap() else {
                prop_assert!(rest.len() < encoded.len());
                prop_assert!(frame_bytes(rest).is_none_or(|bytes| bytes == encoded.len()));
                return Ok(());
            };
            prop_assert_eq!((frame.kind as u8, frame.channel, frame.payload), (*kind, *channel, &payload[..]));
            prop_assert_eq!(used, encoded.len());
            prop_assert_eq!(frame_bytes(rest), Some(used));
            rest = &rest[used..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn tables_read_as_amq_protocol_reads_them(bytes in raw_table()) {
        let table = Table::parse(&bytes).unwrap();
        let length_and_content = long(&bytes);
        let (_, theirs) = parse_field_table(&length_and_content[..]).unwrap();
        prop_assert!(same_table(table, &theirs));
        for (key, _) in table.iter() {
            let first = table.iter().find(|(name, _)| *name == key).map(|(_, value)| value);
            prop_assert_eq!(format!("{:?}", table.get(key)), format!("{first:?}"));
        }
    }

    #[test]
    fn broken_tables_are_refused_as_amq_protocol_refuses_them(mut bytes in raw_table(), mutations in mutations()) {
        mutate(&mut bytes, &mutations, 0x7F);
        let length_and_content = long(&bytes);
        prop_assert_eq!(validate(&bytes).is_ok(), parse_field_table(&length_and_content[..]).is_ok());
    }

    #[test]
    fn tables_are_rewritten_as_they_were(bytes in raw_table()) {
        let table = Table::parse(&bytes).unwrap();
        let (mut raw, mut values) = (Vec::new(), Vec::new());
        let mut writer = TableWriter::new(&mut raw);
        table.iter_raw().for_each(|(key, value)| writer.entry_raw(key, value));
        prop_assert_eq!(&raw, &bytes);
        let mut writer = TableWriter::new(&mut values);
        table.iter().for_each(|(key, value)| writer.entry(key, value));
        let rewritten = Table::parse(&values).unwrap();
        prop_assert_eq!(values.len(), bytes.len());
        let entries = |table: Table<'_>| format!("{:?}", table.iter().collect::<Vec<_>>());
        prop_assert_eq!(entries(rewritten), entries(table));
    }

    #[test]
    fn properties_read_as_amq_protocol_reads_them(list in property_list()) {
        let bytes = encoded(&list);
        let ours = Properties::parse(&bytes).unwrap();
        let (rest, theirs) = basic::parse_properties(&bytes[..]).unwrap();
        prop_assert!(rest.is_empty());
        let strings = [
            (ours.content_type(), theirs.content_type()),
            (ours.content_encoding(), theirs.content_encoding()),
            (ours.correlation_id(), theirs.correlation_id()),
            (ours.reply_to(), theirs.reply_to()),
            (ours.expiration(), theirs.expiration()),
            (ours.message_id(), theirs.message_id()),
            (ours.kind(), theirs.kind()),
            (ours.user_id(), theirs.user_id()),
            (ours.app_id(), theirs.app_id()),
            (ours.cluster_id(), theirs.cluster_id()),
        ];
        for (ours, theirs) in strings {
            prop_assert_eq!(ours, theirs.as_ref().map(|string| string.as_str().as_bytes()));
        }
        prop_assert_eq!((ours.delivery_mode(), ours.priority()), (*theirs.delivery_mode(), *theirs.priority()));
        prop_assert_eq!(ours.timestamp(), *theirs.timestamp());
        prop_assert_eq!(ours.headers().is_some(), theirs.headers().is_some());
        if let (Some(ours), Some(theirs)) = (ours.headers(), theirs.headers()) {
            prop_assert!(same_table(ours, theirs));
        }
    }

    #[test]
    fn broken_properties_are_refused_as_amq_protocol_refuses_them(
        list in property_list(),
        mutations in mutations(),
    ) {
        let mut bytes = encoded(&list);
        mutate(&mut bytes, &mutations, 0x7F);
        let known_flags = bytes.get(1).is_some_and(|flags| flags & 3 == 0);
        let theirs = matches!(basic::parse_properties(&bytes[..]), Ok(([], _)));
        prop_assert_eq!(Properties::parse(&bytes).is_ok(), theirs && known_flags);
    }

    #[test]
    fn edits_change_what_they_say_and_nothing_else(
        list in property_list(),
        table in raw_table(),
        reply_to in proptest::option::of(ascii(0..=255)),
        headers in 0_usize..3,
        drop_expiration in any::<bool>(),
    ) {
        let headers = [None, Some(HeadersEdit::Remove), Some(HeadersEdit::Replace(&table))][headers];
        let edit = PropertiesEdit { headers, drop_expiration, reply_to: reply_to.as_deref() };
        let mut expected = list.clone();
        expected.retain(|(flag, _)| {
            !(*flag == 1 << 13 && headers.is_some()
                || *flag == 1 << 9 && reply_to.is_some()
                || *flag == 1 << 8 && drop_expiration)
        });
        if matches!(headers, Some(HeadersEdit::Replace(_))) {
            expected.push((1 << 13, long(&table)));
        }
        expected.extend(reply_to.iter().map(|reply_to| (1 << 9, short(reply_to))));
        expected.sort_by_key(|(flag, _)| std::cmp::Reverse(*flag));
        let mut out = b"before".to_vec();
        edit_properties(&encoded(&list), &edit, &mut out).unwrap();
        prop_assert_eq!(out, [&b"before"[..], &encoded(&expected)].concat());
    }

    #[test]
    fn deliveries_are_what_amq_protocol_reads(
        message in message(),
        tag in text(255),
        (frame_max, channel, delivery_tag, redelivered) in (frame_max(), any::<u16>(), any::<u64>(), any::<bool>()),
    ) {
        let mut out = Output::default();
        encode::deliver(&mut out, frame_max, channel, tag.as_bytes(), delivery_tag, redelivered, &message);
        let (exchange, routing_key) = (name(message.exchange()), name(message.routing_key()));
        let consumer_tag = tag.as_str().into();
        let deliver = basic::Deliver { consumer_tag, delivery_tag, redelivered, exchange, routing_key };
        check_content(&out.take(), frame_max, channel, basic::AMQPMethod::Deliver(deliver), &message);
    }

    #[test]
    fn answers_to_get_are_what_amq_protocol_reads(
        message in message(),
        (frame_max, channel, delivery_tag, redelivered) in (frame_max(), any::<u16>(), any::<u64>(), any::<bool>()),
        message_count in any::<u32>(),
    ) {
        let mut out = Output::default();
        encode::get_ok(&mut out, frame_max, channel, delivery_tag, redelivered, message_count, &message);
        let (exchange, routing_key) = (name(message.exchange()), name(message.routing_key()));
        let get_ok = basic::GetOk { delivery_tag, redelivered, exchange, routing_key, message_count };
        check_content(&out.take(), frame_max, channel, basic::AMQPMethod::GetOk(get_ok), &message);
    }

    #[test]
    fn returns_are_what_amq_protocol_reads(message in message(), frame_max in frame_max(), text in text(255)) {
        let mut out = Output::default();
        encode::basic_return(&mut out, frame_max, 7, ReplyCode::NoRoute, &text, &message);
        let (exchange, routing_key) = (name(message.exchange()), name(message.routing_key()));
        let reply_text = text.as_str().into();
        let returned = basic::Return { reply_code: 312, reply_text, exchange, routing_key };
        check_content(&out.take(), frame_max, 7, basic::AMQPMethod::Return(returned), &message);
    }

    #[test]
    fn small_methods_are_what_amq_protocol_reads(
        channel in any::<u16>(),
        delivery_tag in any::<u64>(),
        (multiple, requeue) in any::<(bool, bool)>(),
        payload in method_payload(),
    ) {
        let class = reference(&payload).unwrap();
        let mut out = Output::default();
        encode::ack(&mut out, channel, delivery_tag, multiple);
        encode::nack(&mut out, channel, delivery_tag, multiple, requeue);
        encode::heartbeat(&mut out);
        encode::method(&mut out, channel, class.clone());
        let ack = basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple });
        let nack = basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple, requeue });
        let expected = [
            AMQPFrame::Method(channel, AMQPClass::Basic(ack)),
            AMQPFrame::Method(channel, AMQPClass::Basic(nack)),
            AMQPFrame::Heartbeat,
            AMQPFrame::Method(channel, class),
        ];
        prop_assert_eq!(frames(&out.take(), FRAME_MAX), expected);
        prop_assert_eq!(out.frames, 4);
    }
}

// ---- Cases ----

#[test]
fn bodies_are_split_where_the_frame_is_full() {
    let most = 4096 - 8;
    for (length, pieces) in
        [(0, 0), (1, 1), (most - 1, 1), (most, 1), (most + 1, 2), (2 * most, 2), (2 * most + 1, 3)]
    {
        let body = vec![7; length];
        let message = Message::new(Parts { properties: &[0, 0], body: &body, ..Parts::default() });
        let mut out = Output::default();
        encode::deliver(&mut out, 4096, 1, b"c", 1, false, &message);
        let frames = frames(&out.take(), 4096);
        assert_eq!((frames.len(), out.frames), (2 + pieces, 2 + pieces as u64), "{length}");
        let first = frames.get(2).map_or(0, |frame| match frame {
            AMQPFrame::Body(_, piece) => piece.len(),
            _ => 0,
        });
        assert_eq!(first, length.min(most));
    }
}

#[test]
fn without_a_frame_max_a_body_is_one_frame() {
    let body = vec![7; 1 << 20];
    let message = Message::new(Parts { properties: &[0, 0], body: &body, ..Parts::default() });
    let mut out = Output::default();
    encode::deliver(&mut out, 0, 1, b"c", 1, false, &message);
    assert_eq!(frames(&out.take(), 0).len(), 3);
}

#[test]
fn texts_too_long_for_the_wire_are_cut() {
    let message = Message::new(Parts { properties: &[0, 0], ..Parts::default() });
    let mut out = Output::default();
    encode::deliver(&mut out, FRAME_MAX, 1, &[b'c'; 300], 1, false, &message);
    encode::basic_return(&mut out, FRAME_MAX, 1, ReplyCode::NoRoute, &"t".repeat(300), &message);
    assert_eq!(frames(&out.take(), FRAME_MAX).len(), 4);
}

#[test]
fn a_payload_may_have_frame_max_bytes() {
    let largest = frame(3, 1, &[0; 4096]);
    assert_eq!(decode_frame(&largest, 4096).unwrap().unwrap().1, 4096 + 8);
    let too_large = frame(3, 1, &[0; 4097]);
    assert!(matches!(decode_frame(&too_large[..7], 4096), Err(FrameError::TooLarge { .. })));
    assert!(decode_frame(&too_large, 0).unwrap().is_some());
}

#[test]
fn broken_frames_are_answered_as_rabbitmq_answers_them() {
    let mut bad_end = frame(1, 1, &[0, 20, 0, 10, 0]);
    *bad_end.last_mut().unwrap() = 205;
    let huge = [&[3, 0, 1][..], &200_000_u32.to_be_bytes()].concat();
    let cases = [
        (bad_end, 501, "type 1, all octets = <<0,20,0,10,0>>: {invalid_frame_end_marker,205}"),
        (frame(4, 1, b"ab"), 501, "type 4, all octets = <<\"ab\">>: unknown_frame"),
        (frame(4, 1, b"ab")[..9].to_vec(), 501, "type 4, all octets = <<\"ab\">>: unknown_frame"),
        (huge, 501, "type 3, all octets = <<>>: {frame_too_large,200000,131064}"),
        (frame(8, 1, b""), 505, "type 8, all octets = <<>>"),
        (frame(8, 0, b"x"), 501, "type 8, all octets = <<\"x\">>: unknown_frame"),
        (frame(8, 1, b"x"), 501, "type 8, all octets = <<\"x\">>: unknown_frame"),
    ];
    for (bytes, code, text) in cases {
        let (ours, ours_text) = decode_frame(&bytes, FRAME_MAX).unwrap_err().reply();
        assert_eq!((ours as u16, ours_text.as_str()), (code, text));
        assert!(ours.closes_connection());
    }
}

#[test]
fn the_end_of_a_long_text_survives_the_cut() {
    let error = FrameError::BadEnd { kind: 255, octets: Octets::from(&[200; 500][..]), end: 205 };
    let (code, text) = error.reply();
    assert!(code.text(&text).ends_with("invalid_frame_end_marker,205}"));
}

#[test]
fn broken_methods_are_answered_as_rabbitmq_answers_them() {
    let declare = [&[0, 0][..], &short(&[0xFF]), &[0], &long(b"")].concat();
    let bad_table = [&[0, 0][..], &short(b"q"), &[0], &long(b"\x01kz")].concat();
    let bad_key = [&[0, 0][..], &short(b"q"), &[0], &long(b"\x01\xFFV")].concat();
    let malformed = "malformed table in method 50.10: ";
    let cases = [
        (payload(60, 40, &[0]), 501, "cannot decode <<0>>".to_owned(), (60, 40)),
        (
            payload(60, 40, &[0, 0, 0, 1, 107, 0, 0]),
            501,
            "cannot decode <<0,0,0,1,107,0,0>>".to_owned(),
            (60, 40),
        ),
        (vec![0, 60], 501, "type 1, all octets = <<0,60>>: unknown_frame".to_owned(), (0, 0)),
        (payload(60, 99, &[]), 503, "unknown method 60.99".to_owned(), (60, 99)),
        (payload(99, 10, &[]), 503, "unknown method 99.10".to_owned(), (99, 10)),
        (payload(50, 10, &declare), 501, "Malformed UTF-8 in shortstr".to_owned(), (0, 0)),
        (payload(60, 70, &[0, 0, 1, 0xFF, 0]), 501, "Malformed UTF-8 in shortstr".to_owned(), (0, 0)),
        (payload(50, 10, &bad_table), 502, format!("{malformed}unknown field type 122"), (50, 10)),
        (payload(50, 10, &bad_key), 502, format!("{malformed}a key is not UTF-8"), (50, 10)),
        (payload(20, 10, &[0, 9]), 501, "cannot decode <<0,9>>".to_owned(), (20, 10)),
    ];
    for (bytes, code, text, (class, method)) in cases {
        let (ours, ours_text, id) = decode_method(&bytes).unwrap_err().reply();
        assert_eq!((ours as u16, ours_text, id), (code, text, MethodId { class, method }));
        assert!(ours.closes_connection());
    }
}

#[test]
fn undefined_bits_and_reserved_arguments_are_ignored() {
    let arguments = [&7_u64.to_be_bytes()[..], &[0xFE]].concat();
    assert_eq!(
        decode_method(&payload(60, 80, &arguments)),
        Ok(Method::Ack { delivery_tag: 7, multiple: false })
    );
    let get = [&[0xAB, 0xCD][..], &short(b"q"), &[0xFE]].concat();
    assert_eq!(decode_method(&payload(60, 70, &get)), Ok(Method::Get { queue: "q", no_ack: false }));
}

/// The limit itself passes all the way through amq-protocol's recursive parser.
#[test]
fn tables_nest_as_deep_as_the_limit_and_no_deeper() {
    for bytes in [nested_tables(TABLE_DEPTH_MAX), nested_arrays(TABLE_DEPTH_MAX)] {
        assert_eq!(validate(&bytes), Ok(()));
        let arguments = [&[0, 0][..], &short(b"q"), &[0], &long(&bytes)].concat();
        assert!(matches!(decode_method(&payload(50, 10, &arguments)), Ok(Method::Queue(_))));
    }
    for bytes in [nested_tables(TABLE_DEPTH_MAX + 1), nested_arrays(TABLE_DEPTH_MAX + 1)] {
        assert_eq!(validate(&bytes), Err(TableError::TooDeep));
    }
}

#[test]
fn table_bombs_are_refused() {
    for bomb in [nested_tables(5_000), nested_arrays(6_000)] {
        assert!(bomb.len() >= 29_990);
        let start_ok = [long(&bomb), short(b"PLAIN"), long(b""), short(b"en_US")].concat();
        let declare = [&[0, 0][..], &short(b"q"), &[0], &long(&bomb)].concat();
        for (class, method, arguments) in [(10, 11, start_ok), (50, 10, declare)] {
            let id = MethodId { class, method };
            let refused = Err(MethodError::BadTable(id, TableError::TooDeep));
            assert_eq!(decode_method(&payload(class, method, &arguments)), refused);
        }
        let headers = [&0x2000_u16.to_be_bytes()[..], &long(&bomb)].concat();
        let refused = Err(PropertiesError::Headers(TableError::TooDeep));
        assert_eq!(Properties::parse(&headers), refused);
    }
}

#[test]
fn flags_of_no_property_are_refused() {
    for flags in [1, 2, 0x8001_u16] {
        let bytes = [&flags.to_be_bytes()[..], &[0, 0, 0]].concat();
        assert_eq!(Properties::parse(&bytes), Err(PropertiesError::UnknownFlags(flags & 3)));
    }
}

#[test]
fn edits_that_cannot_be_made_leave_the_output_alone() {
    let mut out = b"before".to_vec();
    let edit = PropertiesEdit { reply_to: Some(&[b'r'; 256]), ..PropertiesEdit::default() };
    assert_eq!(edit_properties(&[0, 0], &edit, &mut out), Err(PropertiesError::ReplyToTooLong));
    assert_eq!(
        edit_properties(&[0x80, 0], &PropertiesEdit::default(), &mut out),
        Err(PropertiesError::Truncated)
    );
    assert_eq!(out, b"before");
}

#[test]
fn names_and_headers_of_messages_may_be_any_bytes() {
    let table = [&short(&[0xFF])[..], b"S", &long(&[0xFE])].concat();
    let bytes = [&0xA000_u16.to_be_bytes()[..], &short(&[0xFD]), &long(&table)].concat();
    let properties = Properties::parse(&bytes).unwrap();
    assert_eq!(properties.content_type(), Some(&[0xFD][..]));
    let value = properties.headers().unwrap().get(&[0xFF]);
    assert_eq!(value.and_then(|value| value.as_bytes()), Some(&[0xFE][..]));
}

#[test]
fn content_headers_are_read() {
    let bytes = [&[0, 60, 0, 3][..], &9_u64.to_be_bytes(), &[0, 0]].concat();
    let header = decode_content_header(&bytes).unwrap();
    assert_eq!((header.class, header.weight, header.body_size, header.properties), (60, 3, 9, &[0, 0][..]));
    assert_eq!(decode_content_header(&bytes[..11]), None);
}

#[test]
fn writers_nest() {
    let mut bytes = Vec::new();
    let mut writer = TableWriter::new(&mut bytes);
    writer.array(b"x-death", |deaths| {
        deaths.table(|death| death.entry(b"count", FieldValue::I64(2)));
        deaths.value(FieldValue::Void);
    });
    writer.table(b"inner", |inner| inner.entry(&[b'k'; 300], FieldValue::Bool(true)));
    let table = Table::parse(&bytes).unwrap();
    let Some(FieldValue::Array(deaths)) = table.get(b"x-death") else { panic!("{table:?}") };
    let [FieldValue::Table(death), FieldValue::Void] = deaths.iter().collect::<Vec<_>>()[..] else {
        panic!("{deaths:?}")
    };
    assert_eq!(death.get(b"count").and_then(|count| count.as_i64()), Some(2));
    let Some(FieldValue::Table(inner)) = table.get(b"inner") else { panic!("{table:?}") };
    assert_eq!(inner.get(&[b'k'; 255]), Some(FieldValue::Bool(true)));
}

#[test]
fn integers_of_every_type_are_integers() {
    let integers = [FieldValue::I8(-1), FieldValue::I16(-1), FieldValue::I32(-1), FieldValue::I64(-1)]
        .map(|value| value.as_i64());
    assert_eq!(integers, [Some(-1); 4]);
    let unsigned =
        [FieldValue::U8(200), FieldValue::U16(200), FieldValue::U32(200)].map(|value| value.as_i64());
    assert_eq!(unsigned, [Some(200); 3]);
    assert_eq!(FieldValue::Timestamp(1).as_i64(), None);
    assert_eq!(FieldValue::Array(Array::default()).as_i64(), None);
}
