//! What a client does wrong, and how it is told: reply code, text, and method, on the channel or the connection.
//!
//! A row each, as a running RabbitMQ answers it; where that one drops the socket or says nothing, the spec's code.

mod closing;
mod consumers;
mod contents;
mod exchanges;
mod frames;
mod methods;
mod queues;

use amq_protocol::protocol::{AMQPClass, basic, channel, confirm, exchange, queue, tx};
use amq_protocol::types::{AMQPValue, FieldTable};

use crate::support::broker::Embedded;
use crate::support::raw::{Closed, Raw, declare, encode, publish, raw_frame};

/// What a row expects.
enum Expected {
    Connection(u16, &'static str, (u16, u16)),
    Channel(u16, &'static str, (u16, u16)),
}
use Expected::{Channel, Connection};

type Act = fn(&mut Raw);
type Row = (&'static str, Act, Expected);

fn check(rows: &[Row]) {
    let broker = Embedded::start();
    for (name, act, expected) in rows {
        let mut raw = Raw::with_channel(broker.address());
        act(&mut raw);
        let closed = raw.closed();
        let (matches, on_channel) = match (&closed, expected) {
            (Closed::Connection(code, text, ids), Connection(want, words, method)) => {
                (code == want && text.starts_with(words) && ids == method, false)
            }
            (Closed::Channel(code, text, ids), Channel(want, words, method)) => {
                (code == want && text.starts_with(words) && ids == method, true)
            }
            _ => (false, false),
        };
        assert!(matches, "{name}: {closed:?}");
        if on_channel {
            raw.method(1, AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})));
            raw.assert_alive();
        }
        Raw::open(broker.address()).assert_alive();
    }
}

fn method(raw: &mut Raw, class: AMQPClass) {
    raw.method(1, class);
}

fn declare_with(raw: &mut Raw, key: &str, value: AMQPValue) {
    let mut method = declare("aq");
    method.arguments.insert(key.into(), value);
    raw.method(1, AMQPClass::Queue(queue::AMQPMethod::Declare(method)));
}

fn header(size: u64, flags: u16, values: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 60, 0, 0];
    payload.extend_from_slice(&size.to_be_bytes());
    payload.extend_from_slice(&flags.to_be_bytes());
    payload.extend_from_slice(values);
    payload
}

/// Publishes an empty message with these properties to the default exchange.
fn publish_with(raw: &mut Raw, flags: u16, values: &[u8]) {
    raw.method(1, publish("", "nowhere"));
    raw.frame(2, 1, &header(0, flags, values));
}

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

fn consume(queue: &str, tag: &str) -> basic::Consume {
    basic::Consume {
        queue: queue.into(),
        consumer_tag: tag.into(),
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    }
}

fn consuming(raw: &mut Raw, change: impl FnOnce(&mut basic::Consume)) {
    let mut method = consume("cq", "t");
    change(&mut method);
    raw.method(1, AMQPClass::Basic(basic::AMQPMethod::Consume(method)));
}

fn exchange_declare(raw: &mut Raw, name: &str, kind: &str, change: impl FnOnce(&mut exchange::Declare)) {
    let mut method = exchange::Declare {
        exchange: name.into(),
        kind: kind.into(),
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
        arguments: FieldTable::default(),
    };
    change(&mut method);
    raw.method(1, AMQPClass::Exchange(exchange::AMQPMethod::Declare(method)));
}

fn exchange_delete(raw: &mut Raw, name: &str, if_unused: bool) {
    let method = exchange::Delete { exchange: name.into(), if_unused, nowait: false };
    raw.method(1, AMQPClass::Exchange(exchange::AMQPMethod::Delete(method)));
}

fn bind(raw: &mut Raw, queue: &str, exchange: &str, arguments: FieldTable) {
    let bind = queue::Bind {
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: "k".into(),
        nowait: false,
        arguments,
    };
    raw.method(1, AMQPClass::Queue(queue::AMQPMethod::Bind(bind)));
}

fn text_value(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn table(key: &str, value: AMQPValue) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert(key.into(), value);
    table
}
