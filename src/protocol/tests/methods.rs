//! Methods as amq-protocol writes them, whole, cut short at every byte, and with a byte too many; and bytes that should
//! be none.

use amq_protocol::frame::{WriteContext, gen_frame};
use amq_protocol::protocol::{access, channel, confirm, connection, exchange, queue, tx};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::*;

fn table() -> impl Strategy<Value = FieldTable> {
    let value = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        text(40).prop_map(|text| AMQPValue::LongString(text.as_str().into())),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        Just(AMQPValue::Void),
    ];
    vec((text(20), value), 0..5).prop_map(|entries| {
        let mut table = FieldTable::default();
        for (key, value) in entries {
            table.insert(key.as_str().into(), value);
        }
        table
    })
}

/// What methods are made of.
type Pieces = (String, String, String, (bool, bool, bool, bool, bool), (u16, u32, u64), FieldTable);

fn pieces() -> impl Strategy<Value = Pieces> {
    (
        text(255),
        text(255),
        text(255),
        any::<(bool, bool, bool, bool, bool)>(),
        any::<(u16, u32, u64)>(),
        table(),
    )
}

/// A method of each class that a client sends with arguments, and some that a server sends.
fn methods((a, b, c, bits, numbers, arguments): &Pieces) -> Vec<AMQPClass> {
    let [a, b, c] = [a.as_str(), b.as_str(), c.as_str()];
    let mut all = connection_methods([a, b, c], *numbers, arguments);
    all.extend(topology_methods([a, b, c], *bits, *numbers, arguments));
    all.extend(basic_methods([a, b, c], *bits, *numbers, arguments));
    all.extend([
        AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active: bits.0 })),
        AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: bits.0 })),
        AMQPClass::Tx(tx::AMQPMethod::Commit(tx::Commit {})),
        AMQPClass::Access(access::AMQPMethod::Request(access::Request {
            realm: a.into(),
            exclusive: bits.0,
            passive: bits.1,
            active: bits.2,
            write: bits.3,
            read: bits.4,
        })),
    ]);
    all
}

fn connection_methods(
    [a, b, c]: [&str; 3],
    (short, long, _): (u16, u32, u64),
    table: &FieldTable,
) -> Vec<AMQPClass> {
    let (mechanism, response, locale) = (a.into(), b.into(), c.into());
    let client_properties = table.clone();
    let methods = [
        connection::AMQPMethod::StartOk(connection::StartOk {
            client_properties,
            mechanism,
            response,
            locale,
        }),
        connection::AMQPMethod::TuneOk(connection::TuneOk {
            channel_max: short,
            frame_max: long,
            heartbeat: short,
        }),
        connection::AMQPMethod::Open(connection::Open { virtual_host: a.into() }),
        connection::AMQPMethod::UpdateSecret(connection::UpdateSecret {
            new_secret: a.into(),
            reason: b.into(),
        }),
        connection::AMQPMethod::Close(connection::Close {
            reply_code: short,
            reply_text: a.into(),
            class_id: short,
            method_id: short,
        }),
    ];
    methods.into_iter().map(AMQPClass::Connection).collect()
}

fn topology_methods(
    [a, b, c]: [&str; 3],
    (passive, durable, auto_delete, internal, nowait): (bool, bool, bool, bool, bool),
    (_, count, _): (u16, u32, u64),
    table: &FieldTable,
) -> Vec<AMQPClass> {
    let exchange = exchange::Declare {
        exchange: a.into(),
        kind: b.into(),
        passive,
        durable,
        auto_delete,
        internal,
        nowait,
        arguments: table.clone(),
    };
    let bind = exchange::Bind {
        destination: a.into(),
        source: b.into(),
        routing_key: c.into(),
        nowait,
        arguments: table.clone(),
    };
    let queue = queue::Declare {
        queue: a.into(),
        passive,
        durable,
        exclusive: internal,
        auto_delete,
        nowait,
        arguments: table.clone(),
    };
    let unbind = queue::Unbind {
        queue: a.into(),
        exchange: b.into(),
        routing_key: c.into(),
        arguments: table.clone(),
    };
    let delete = queue::Delete { queue: a.into(), if_unused: passive, if_empty: durable, nowait };
    let declared = queue::DeclareOk { queue: a.into(), message_count: count, consumer_count: count };
    vec![
        AMQPClass::Exchange(exchange::AMQPMethod::Declare(exchange)),
        AMQPClass::Exchange(exchange::AMQPMethod::Bind(bind)),
        AMQPClass::Queue(queue::AMQPMethod::Declare(queue)),
        AMQPClass::Queue(queue::AMQPMethod::Unbind(unbind)),
        AMQPClass::Queue(queue::AMQPMethod::Delete(delete)),
        AMQPClass::Queue(queue::AMQPMethod::DeclareOk(declared)),
    ]
}

fn basic_methods(
    [a, b, _]: [&str; 3],
    (one, two, three, four, _): (bool, bool, bool, bool, bool),
    (prefetch_count, _, delivery_tag): (u16, u32, u64),
    table: &FieldTable,
) -> Vec<AMQPClass> {
    let consume = basic::Consume {
        queue: a.into(),
        consumer_tag: b.into(),
        no_local: one,
        no_ack: two,
        exclusive: three,
        nowait: four,
        arguments: table.clone(),
    };
    let (exchange, routing_key) = (a.into(), b.into());
    let methods = [
        basic::AMQPMethod::Publish(basic::Publish { exchange, routing_key, mandatory: one, immediate: two }),
        basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple: one }),
        basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple: one, requeue: two }),
        basic::AMQPMethod::Reject(basic::Reject { delivery_tag, requeue: one }),
        basic::AMQPMethod::Qos(basic::Qos { prefetch_count, global: one }),
        basic::AMQPMethod::Get(basic::Get { queue: a.into(), no_ack: one }),
        basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag: a.into(), nowait: one }),
        basic::AMQPMethod::Recover(basic::Recover { requeue: one }),
        basic::AMQPMethod::Consume(consume),
    ];
    methods.into_iter().map(AMQPClass::Basic).collect()
}

/// A frame as amq-protocol writes it.
fn written(channel: u16, method: &AMQPClass) -> Vec<u8> {
    let frame = AMQPFrame::Method(channel, method.clone());
    gen_frame(&frame)(WriteContext::from(Vec::new())).unwrap().into_inner().0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_amq_protocol_writes_is_read_as_it_was_meant(pieces in pieces(), channel in any::<u16>()) {
        for method in methods(&pieces) {
            let bytes = written(channel, &method);
            let (frame, used) = decode_frame(&bytes, 0).unwrap().unwrap();
            prop_assert_eq!((frame.kind, frame.channel, used), (FrameKind::Method, channel, bytes.len()));
            prop_assert_eq!(class_of(decode_method(frame.payload).unwrap()), method);
        }
    }

    #[test]
    fn a_method_cut_short_or_too_long_is_an_error(pieces in pieces(), extra in any::<u8>()) {
        for method in methods(&pieces) {
            let bytes = written(1, &method);
            let whole = &bytes[7..bytes.len() - 1];
            for length in 0..whole.len() {
                let error = decode_method(&whole[..length]).expect_err("a part of a method is none");
                prop_assert!(error.reply().0.closes_connection());
            }
            let longer = [whole, &[extra]].concat();
            prop_assert!(matches!(decode_method(&longer), Err(MethodError::Trailing(..))), "{:?}", method);
        }
    }

    #[test]
    fn a_frame_cut_short_is_waited_for(pieces in pieces()) {
        let bytes = written(1, &methods(&pieces)[0]);
        for length in 0..bytes.len() {
            prop_assert_eq!(decode_frame(&bytes[..length], 0), Ok(None));
            prop_assert_eq!(frame_bytes(&bytes[..length]), (length >= 7).then_some(bytes.len()));
        }
    }

    #[test]
    fn random_bytes_of_every_parser_do_not_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = (validate(&bytes), Table::parse(&bytes).map(|table| table.iter().count()));
        let _ = (Properties::parse(&bytes), decode_content_header(&bytes), decode_method(&bytes));
        let _ = (decode_frame(&bytes, 0), decode_frame(&bytes, FRAME_MAX), frame_bytes(&bytes));
        for id in known_methods() {
            let _ = decode_method(&payload(id.class, id.method, &bytes));
        }
    }

    #[test]
    fn reply_texts_fit_a_short_string(detail in ".{0,300}") {
        let text = ReplyCode::PreconditionFailed.text(&detail);
        let whole = if detail.is_empty() { "PRECONDITION_FAILED".to_owned() } else { format!("PRECONDITION_FAILED - {detail}") };
        prop_assert!(text.len() <= 255 && whole.starts_with(&text));
        prop_assert!(whole.len() <= 255 || text.len() > 251, "cut by more than a character");
    }
}
